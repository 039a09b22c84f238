#!/usr/bin/perl

# What CRLs say of a chain, and what that means where.
# Copyright (C) the ngx_mtls_module authors

use FindBin;
use lib "$FindBin::Bin/lib";
use Mtls::Test;

my $pki = Mtls::PKI->standard;
my ($root, $inter) = ($pki->root, $pki->inter);

# The root has five intermediates: one is good, one is revoked, the CRL of
# one is stale within its grace, that of another beyond it, one has none.

my %ca;
my %grace = (stale => -60, dead => -7200);

for my $name (qw(good bad stale dead none)) {
    $ca{$name} = $pki->ca(cn => "$name CA", issuer => $root, name => $name);
}

my %client = map { $_ => $pki->cert(cn => "client of $_", name => "c_$_",
                                    issuer => $ca{$_}) } keys %ca;
my %revoked = map { $_ => $pki->cert(cn => "revoked by $_", name => "r_$_",
                                     issuer => $ca{$_}) } keys %ca;

my $n = Mtls::Test->new(pki => $pki);
my $dir = $n->dir;

mkdir "$dir/crl" or die;

install_crl("$dir/crl/root.crl", $root->crl(revoked => [$ca{bad}]));

for my $name (qw(good bad)) {
    install_crl("$dir/crl/$name.crl",
                $ca{$name}->crl(revoked => [$revoked{$name}],
                                format => $name eq 'bad' ? 'der' : 'pem'));
}

for my $name (qw(stale dead)) {
    install_crl("$dir/$name.crl",
                $ca{$name}->crl(revoked => [$revoked{$name}],
                                this => -86400, next => $grace{$name}));
}

# other_root's certificates are checked by nobody, self's by leniency

$n->run(<<'EOF');
mtls_ca  main    %%PKI%%/root.crt %%PKI%%/good.crt %%PKI%%/bad.crt
                 %%PKI%%/stale.crt %%PKI%%/dead.crt %%PKI%%/none.crt;
mtls_ca  other   %%PKI%%/other_root.crt revocation=off;
mtls_ca  part    %%PKI%%/inter.crt partial unknown=allow;

mtls_crl  %%DIR%%/crl/*.crl  refresh=1s;
mtls_crl  %%DIR%%/stale.crl %%DIR%%/dead.crl  refresh=1s grace=1h;
%%MTLS%%

server {
    listen 127.0.0.1:%%PORT_0%% ssl;
    %%CERT%%
    ssl_verify_client optional;
    ssl_verify_depth 4;
    ssl_client_certificate %%PKI%%/cas.pem;

    proxy_set_header X-Revocation $mtls_revocation;
    proxy_set_header X-Source $mtls_revocation_source;
    proxy_set_header X-Time $mtls_revocation_time;
    add_header X-Mtls-Action $mtls_action always;
    add_header X-Mtls-Reason $mtls_reason always;
    add_header X-Revocation $mtls_revocation always;
    add_header X-Source $mtls_revocation_source always;
    add_header X-Time $mtls_revocation_time always;

    location /        { mtls_allow any; proxy_pass http://%%UPSTREAM%%; }
    location /open    { proxy_pass http://%%UPSTREAM%%; }

    location /leaf    { mtls_allow any; mtls_revocation leaf;
                        proxy_pass http://%%UPSTREAM%%; }
    location /lenient { mtls_allow any; mtls_revocation chain unknown=allow;
                        proxy_pass http://%%UPSTREAM%%; }
    location /off     { mtls_allow any; mtls_revocation off;
                        proxy_pass http://%%UPSTREAM%%; }
    location /dry     { mtls_allow any; mtls dry_run;
                        proxy_pass http://%%UPSTREAM%%; }
}
EOF

# [client, path, reason or "ok", outcome that is shown]

my @table = (
    [$client{good},   '/',        'ok',                 'good'],
    [$client{good},   '/leaf',    'ok',                 'good'],
    [$client{good},   '/off',     'ok',                 'unchecked'],
    [$revoked{good},  '/',        'revoked',            'revoked'],
    [$revoked{good},  '/open',    'revoked',            'revoked'],
    [$revoked{good},  '/leaf',    'revoked',            'revoked'],
    [$revoked{good},  '/lenient', 'revoked',            'revoked'],
    [$revoked{good},  '/off',     'ok',                 'unchecked'],

    # the intermediate is revoked
    [$client{bad},    '/',        'revoked',            'revoked'],
    [$client{bad},    '/leaf',    'ok',                 'good'],
    [$client{bad},    '/lenient', 'revoked',            'revoked'],
    [$revoked{bad},   '/leaf',    'revoked',            'revoked'],

    # past nextUpdate, within grace
    [$client{stale},  '/',        'ok',                 'stale'],
    [$revoked{stale}, '/',        'revoked',            'revoked'],

    # past nextUpdate and grace: what it denies still counts
    [$client{dead},   '/',        'revocation_unknown', 'unknown'],
    [$client{dead},   '/lenient', 'ok',                 'unknown'],
    [$revoked{dead},  '/',        'revoked',            'revoked'],
    [$revoked{dead},  '/lenient', 'revoked',            'revoked'],

    # no CRL of this CA
    [$client{none},   '/',        'revocation_unknown', 'unknown'],
    [$client{none},   '/open',    'revocation_unknown', 'unknown'],
    [$client{none},   '/leaf',    'revocation_unknown', 'unknown'],
    [$client{none},   '/lenient', 'ok',                 'unknown'],
    [$client{none},   '/off',     'ok',                 'unchecked'],

    # what a label says beats what the location says
    [$pki->other,     '/',        'ok',                 'unchecked'],
    [$pki->other,     '/lenient', 'ok',                 'unchecked'],
    [$pki->alice,     '/',        'ok',                 'unknown'],
);

for (@table) {
    my ($cert, $path, $reason, $outcome) = @$_;
    my $name = $cert->name . " at $path: $reason";

    my $r = get($n, $path, cert => $cert);

    if ($reason eq 'ok') {
        is("$r->{status} " . $r->header('X-Mtls-Reason'), '200 ok', $name);

    } else {
        is("$r->{status} " . $r->header('X-Mtls-Reason'), "403 $reason",
           $name);
    }

    is($r->header('X-Revocation'), $outcome, "$name, $outcome");
}

# where it is known from, and since when

my $r = get($n, '/', cert => $revoked{good});
is($r->header('X-Source'), "$dir/crl/good.crl", '$mtls_revocation_source');
like($r->header('X-Time'), qr/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$/,
     '$mtls_revocation_time');
is(get($n, '/', cert => $client{none})->header('X-Source'), undef,
   'no source where nothing is known');

# a dry run says so and lets pass

$r = get($n, '/dry', cert => $revoked{good});
is($r->{status}, 200, 'dry run: passes');
is($r->header('X-Mtls-Action'), 'would_deny', 'dry run: would_deny');
is($r->header('X-Mtls-Reason'), 'revoked', 'dry run: for the same reason');

# a CRL for the one that had none appears, on a live connection

my $k = keepalive($n, cert => $client{none});
is($k->get('/')->header('X-Mtls-Reason'), 'revocation_unknown', 'none yet');

install_crl("$dir/crl/none.crl", $ca{none}->crl(revoked => []));
ok(wait_for(sub { $k->get('/')->{status} == 200 }, 5),
   'a new file of the glob: the live connection may');

# time alone makes a good CRL stale: nobody writes, nobody reloads

install_crl("$dir/crl/none.crl", $ca{none}->crl(revoked => [], next => 3));
ok(wait_for(sub { $k->get('/')->{status} == 403 }, 8),
   'nextUpdate passes: the live connection may no longer');
is($k->get('/')->header('X-Mtls-Reason'), 'revocation_unknown',
   'since nothing is known any more');

# kinds of signatures and serials, over one CA each

my @kinds = (
    ['RSA',     { key => 'rsa2048' }, {}],
    ['RSA-PSS', { key => 'rsa2048' }, { sigalg => 'rsa-pss' }],
    ['P-384',   { key => 'ec384' }, {}],
    ['Ed25519', { key => 'ed25519' }, {}],
);

my ($cas, $crls) = ('', '');
my @clients;

for (0 .. $#kinds) {
    my ($name, $ca, $crl) = @{ $kinds[$_] };

    my $c = $pki->ca(cn => "Kind $name", name => "kind$_", %$ca);
    my @serials = ('0x05', '-0x05', '0x7f' . 'ab' x 19, '0x0080', '0xff');
    my @bad = map { $pki->cert(issuer => $c, cn => 'b', serial => $_) }
              @serials;
    my @good = map { $pki->cert(issuer => $c, cn => 'g', serial => $_) }
               ('0x06', '-0x06', '0x7f' . 'ab' x 18 . 'ac', '0x0081');

    install_crl("$dir/kind$_.crl", $c->crl(revoked => [@bad], %$crl));
    push @clients, [$name, \@bad, \@good];

    $cas .= " %%PKI%%/kind$_.crt";
    $crls .= " %%DIR%%/kind$_.crl";
}

my $m = Mtls::Test->new(pki => $pki);
$crls =~ s/%%DIR%%/$dir/g;

$m->run(<<"EOF");
mtls_ca main $cas;
mtls_crl $crls refresh=1s;
%%MTLS%%
server {
    listen 127.0.0.1:%%PORT_0%% ssl;
    %%TLS%%
    location / { mtls_allow any; proxy_pass http://%%UPSTREAM%%; }
}
EOF

for (@clients) {
    my ($name, $bad, $good) = @$_;

    for (@$bad) {
        refused(get($m, '/', cert => $_), 'revoked',
                "$name: serial " . $_->serial . ' is on the list');
    }

    for (@$good) {
        allowed(get($m, '/', cert => $_),
                "$name: serial " . $_->serial . ' is not');
    }
}

done_testing;
