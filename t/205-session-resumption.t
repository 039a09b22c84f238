#!/usr/bin/perl

# Which sessions are resumed, and that the client of any other is served all
# the same: by a full handshake.
# Copyright (C) the ngx_mtls_module authors

use FindBin;
use lib "$FindBin::Bin/lib";
use Mtls::Test;
use Mtls::DER qw(octets);
use Mtls::Ticket;

use Time::HiRes qw(sleep time);

my $pki = Mtls::PKI->standard;
my ($root, $alice, $bob) = ($pki->root, $pki->alice, $pki->bob);

# three nginx with the same ticket key; the last one is nginx alone

my $n = Mtls::Test->new(pki => $pki);
my $twin = Mtls::Test->new(pki => $pki);
my $plain = Mtls::Test->new(pki => $pki, module => 0);

my $key = Mtls::Ticket->new($n->dir . '/ticket.key', 80);

# certificates of an exact size: signatures of Ed25519 are all of one length

my $exact = $pki->ca(cn => 'Exact CA', issuer => $root, name => 'exact',
                     key => 'ed25519');

# CAs that issue each other

my @deep = ($root);

push @deep, $pki->ca(cn => 'Deep ' . @deep, issuer => $deep[-1],
                     name => 'deep' . @deep) for 1 .. 9;

# intermediates that are too large for the zone, all of them together

my @guest = map {
    $pki->cert(cn => 'guest', issuer => $pki->ca(
        cn => "Huge $_", issuer => $root, name => "huge$_",
        ext => [['1.2.3', 0, octets('x' x 60000)]]))
} 1 .. 5;

install_crl($n->dir . '/inter.crl', $pki->inter->crl);
install_crl($n->dir . '/root.crl', $root->crl);

my @kinds = (
    ['TLS 1.2 id',       '1.2', 1],
    ['TLS 1.2 ticket',   '1.2', 0],
    ['TLS 1.3 stateful', '1.3', 1],
    ['TLS 1.3 ticket',   '1.3', 0],
);

my $http = <<'EOF';
ssl_session_timeout 1h;
ssl_session_ticket_key KEY;

# tickets, and the session cache; the same for three seconds

server {
    listen 127.0.0.1:%%PORT_0%% ssl http2; TLS
    location / { ALLOW empty_gif; }
}

server {
    listen 127.0.0.1:%%PORT_1%% ssl http2; TLS
    ssl_session_tickets off;
    ssl_session_cache shared:long:4m;
    location / { ALLOW empty_gif; }
}

server {
    listen 127.0.0.1:%%PORT_2%% ssl; TLS
    ssl_session_timeout 3s;
    location / { ALLOW empty_gif; }
    location /open { empty_gif; }
}

server {
    listen 127.0.0.1:%%PORT_3%% ssl; TLS
    ssl_session_timeout 3s;
    ssl_session_tickets off;
    ssl_session_cache shared:short:1m;
    location / { ALLOW empty_gif; }
    location /open { empty_gif; }
}

# mtls off at the default server, and at the other one

server {
    listen 127.0.0.1:%%PORT_4%% ssl; server_name off.example; TLS OFF
    location / { empty_gif; }
}

server {
    listen 127.0.0.1:%%PORT_4%% ssl; server_name on.example; TLS
    location / { ALLOW empty_gif; }
}

server {
    listen 127.0.0.1:%%PORT_5%% ssl; server_name on.example; TLS
    location / { ALLOW empty_gif; }
}

server {
    listen 127.0.0.1:%%PORT_5%% ssl; server_name off.example; TLS OFF
    location / { empty_gif; }
}
EOF

my $module = <<'EOF';
mtls_ca partners %%PKI%%/root.crt %%PKI%%/inter.crt;
mtls_crl CRL/inter.crl refresh=1s;
mtls_crl CRL/root.crl refresh=1s;
mtls_revocation chain unknown=allow;
mtls_zone 256k;
mtls_group people { subject cn ~.*; identity "u:$mtls_subject_cn"; }
%%MTLS%%
add_header X-Revocation $mtls_revocation always;
EOF

sub configuration {
    my $with = shift;

    my $text = ($with ? $module : '') . $http;
    my %value = (KEY => $key->path, CRL => $n->dir,
                 ALLOW => $with ? 'mtls_allow people;' : '',
                 OFF => $with ? 'mtls off;' : '',
                 TLS => '%%CERT%% ssl_verify_client optional; '
                        . 'ssl_verify_depth 20; '
                        . 'ssl_client_certificate %%PKI%%/root.crt;');

    $text =~ s/\b(KEY|CRL|TLS|ALLOW|OFF)\b/$value{$1}/g;

    return $text;
}

$n->run(configuration(1));
$twin->run(configuration(1));
$plain->run(configuration(0));


# Age.  Sessions of a server with three seconds are resumed each second, and
# with them those of clients that have no certificate.

my $young = $pki->cert(cn => 'young', issuer => $pki->inter, not_after => 10);
my $brief = $pki->ca(cn => 'Brief CA', issuer => $root, name => 'brief',
                     not_after => 10);
my $renewed = $pki->ca(cn => 'Brief CA', issuer => $root, name => 'renewed',
                       key => $brief);
my $client = $pki->cert(cn => 'client', issuer => $brief);
my $ends = time + 10;

my (%young, %client, %aged, %nobody, %stock);

for (@kinds) {
    my ($kind, $tls, $cached) = @$_;

    $young{$kind} = session($n, port => $cached, tls => $tls, cert => $young);
    $client{$kind} = session($n, port => $cached, tls => $tls, cert => $client);

    for ($young{$kind}, $client{$kind}) {
        is($_->kind, $kind, "$kind: one that will expire");
        $_->get('/', renew => 1);
        my $r = $_->get('/');
        is(seen($r), '1 200 u:' . ($_ == $young{$kind} ? 'young' : 'client'),
           "$kind: and is resumed until then");
    }

    my @from = (port => 2 + $cached, tls => $tls);

    $aged{$kind} = aged($n, @from, cert => $bob);
    $nobody{$kind} = session($n, @from, uri => '/open');
    $stock{$kind} = session($plain, @from, uri => '/open');
}

for my $round (1 .. 7) {
    sleep 1;

    for (@kinds) {
        my ($kind) = @$_;

        older($aged{$kind});

        my @r = map { $_->{$kind}->get('/open', renew => 1) } \%nobody, \%stock;

        is($r[0]{status}, 200, "$kind, no certificate: served") if $round == 7;
        $nobody{"$kind times"} += $r[0]{reused};
        $stock{"$kind times"} += $r[1]{reused};
    }
}

for (@kinds) {
    my ($kind) = @$_;
    my $a = $aged{$kind};

    is(join(' ', @{$a->{wrong}}), '', "$kind: never older than its time");
    ok($a->{resumed} >= 2, "$kind: resumed while it was young");
    ok($a->{full} >= 1, "$kind: and then a full handshake");
    is(join(' ', sort keys %{$a->{seen}}), '200 u:bob',
       "$kind: nobody was refused for that");

    # the two did not begin in the same second

    my @times = map { $_->{"$kind times"} } \%nobody, \%stock;

    ok(abs($times[0] - $times[1]) <= 2,
       "$kind, no certificate: as at a nginx without the module");
    ok($times[0] >= 2, "$kind, no certificate: resumed");
}


# a chain that expired while the session was kept

sleep $ends + 1.5 - time if time < $ends + 1.5;

for (@kinds) {
    my ($kind) = @$_;

    my $r = $young{$kind}->get('/');
    is($r->{reused}, 0, "$kind: an expired certificate is not resumed");
    is($r->{status} . ' ' . $r->header('X-Mtls-Reason'), '400 expired',
       "$kind: nginx refuses it");

    $r = $client{$kind}->get('/');
    is($r->{reused}, 0, "$kind: nor is one of an expired intermediate");
    is($r->{status} . ' ' . $r->header('X-Mtls-Reason'), '400 expired',
       "$kind: that it presents again");

    is(seen($client{$kind}->get('/', chain => [$renewed])), '0 200 u:client',
       "$kind: with a new one it is let in");
}


# An intermediate that nobody knows: the zone had no room for it.

get($n, '/', cert => $_) for @guest;

for (@kinds) {
    my ($kind, $tls, $cached) = @$_;

    my $s = session($n, port => $cached, tls => $tls, cert => $guest[-1]);
    is(seen($s->get('/', renew => 1)), '1 200 u:guest',
       "$kind: resumed by a worker that knows the intermediate");

    $client{$kind} = $s;
}

ok($n->kill_worker, 'the worker is killed');

for (@kinds) {
    my ($kind) = @$_;

    my $r = $client{$kind}->get('/');
    is(seen($r), '0 200 u:guest', "$kind: a full handshake at the next one")
        if $kind eq 'TLS 1.2 id';
    is($r->{status}, 200, "$kind: served there");
}


# Sessions of others that have the same ticket key, and of the same nginx
# before it was started anew.

for (@kinds) {
    my ($kind, $tls, $cached) = @$_;
    next if $cached;

    my %from = ('another instance' => $twin, 'nginx alone' => $plain);

    for my $name (sort keys %from) {
        for (['', 0, 'localhost'], [' with mtls off at the default', 4,
                                    'on.example'])
        {
            my ($where, $port, $sni) = @$_;

            my @at = (port => $port, tls => $tls, sni => $sni, cert => $bob);
            my $s = session($from{$name}, @at);

            is($s->kind, $kind, "$kind of $name$where");
            is($s->get('/')->{reused}, 1, "$kind of $name$where: good there");

            $s->{n} = $n;
            is(seen($s->get('/')), '0 200 u:bob',
               "$kind of $name$where: a full handshake here");
            is(seen($s->get('/', renew => 1)), '0 200 u:bob',
               "$kind of $name$where: once more, for a session");
            is(seen($s->get('/')), '1 200 u:bob',
               "$kind of $name$where: that is resumed");
        }
    }
}


# Sessions of servers with "mtls off": as ever, whoever is the default.

for (@kinds) {
    my ($kind, $tls, $cached) = @$_;
    next if $cached;

    for my $port (4, 5) {
        for my $name ('on', 'off') {
            my $s = session($n, port => $port, tls => $tls, cert => $bob,
                            sni => "$name.example");

            for (1, 2) {
                is(seen($s->get('/', renew => 1)),
                   $name eq 'on' ? '1 200 u:bob' : '1 200 -',
                   "$kind: resumed, mtls $name, the default server "
                   . ($port == 4 ? 'off' : 'on'));
            }
        }
    }
}


# Size.  nginx caches no session larger than this, and does not say so.

my $limit = $n->version >= 1.027005 ? 8192 : 4096;

for (@kinds) {
    my ($kind, $tls, $cached) = @$_;

    # what a session is beside the certificate: the one in a ticket, with the
    # id that one in the cache has, and without what only a ticket has

    my $some = sized(1000);
    my $f = $key->open(session($n, tls => $tls, cert => $some));

    is(length $f->get('record'), 1 + 8 + 8 + 1 + 32 + 32 + 16,
       "$kind: the size of a record");
    is(length $f->get('peer'), 1000, "$kind: of a certificate of 1,000 octets");

    $f->{field}{id} = octets('x' x 32);
    $f->set(hint => undef, peer => sized(2000)->der);

    # in TLS 1.3 there is a random number, of five octets at most

    $f->set(age_add => 0xffffffff) if $tls eq '1.3';

    my $over = $tls eq '1.3' ? 4 : 1;
    my $beside = length($f->der) - 2000;

    for (['just under', -1], ['at', 0], ['just over', $over],
         ['well over', 3000])
    {
        my ($name, $more) = @$_;

        my $cert = sized($limit - $beside + $more);
        my $s = session($n, port => $cached, tls => $tls, cert => $cert);

        is(seen($s->{first}), '0 200 u:sized',
           "$kind, $name the limit: served");

        for (1, 2) {
            my $r = $s->get('/', renew => 1);

            is(seen($r), (!$cached || $more <= 0 ? 1 : 0) . ' 200 u:sized',
               "$kind, $name the limit: "
               . ($cached && $more > 0 ? 'a full handshake' : 'resumed'));
            allowed($r, "$kind, $name the limit: allowed");
        }
    }
}

# Tickets hold more, up to 65,280 octets, where OpenSSL ends the handshake; a
# record must not be what makes a session so long.

for my $tls ('1.2', '1.3') {
    for (30000, 62 * 1024, 62 * 1024 + 1, 65050) {
        my $cert = sized($_);
        my $s = session($n, tls => $tls, cert => $cert);

        is(seen($s->{first}), '0 200 u:sized', "TLS $tls, $_ octets: served");

        # with such a ticket a client's own first message may be too long

        next if $_ == 65050;

        is(seen($s->get('/')), ($_ <= 62 * 1024 ? 1 : 0) . ' 200 u:sized',
           "TLS $tls, $_ octets: "
           . ($_ <= 62 * 1024 ? 'resumed' : 'and again'));

        next if !$s->{der};

        is(defined $key->open($s)->get('record'), $_ <= 62 * 1024,
           "TLS $tls, $_ octets: whether with a record");
    }
}


# The longest chain: eight intermediates between leaf and anchor.

for (@kinds) {
    my ($kind, $tls, $cached) = @$_;

    for my $count (1, 8) {
        my $deep = $pki->cert(cn => 'deep', issuer => $deep[$count]);
        my $s = session($n, port => $cached, tls => $tls, cert => $deep);

        is(seen($s->{first}), '0 200 u:deep', "$kind, $count between: served");
        is(seen($s->get('/')), '1 200 u:deep',
           "$kind, $count between: resumed");

        next if $cached;

        my $size = length $key->open($s)->get('record');
        is($size, 66 + 32 * $count, "$kind, $count between: its record");
        ok($size <= 512, "$kind, $count between: at most 512 octets");
    }

    my $r = get($n, '/', port => $cached, tls => $tls,
                cert => $pki->cert(cn => 'deep', issuer => $deep[9]));
    is($r->{status} . ' ' . $r->header('X-Mtls-Reason'), '400 untrusted',
       "$kind, nine between: too long a chain");
}

ok($n->error_lines(qr/verify error: \(22:certificate chain too long\)/),
   'the log says so');


# Revoked: the session of the refused connection is removed from the cache.  In
# TLS 1.3 that is the one that it was given, not the one that it offered; what
# is left is refused each time, as is every ticket.

my %victim = map { $_->[0] => session($n, port => $_->[2], tls => $_->[1],
                                      cert => $alice) } @kinds;

is($victim{$_->[0]}->get('/')->header('X-Revocation'), 'good',
   "$_->[0]: good at first") for @kinds;

install_crl($n->dir . '/inter.crl',
            $pki->inter->crl(revoked => [$alice], number => 100));
wait_for(sub { get($n, '/', cert => $alice)->{status} == 403 }, 10)
    or diag('the new CRL did not take effect');

for (@kinds) {
    my ($kind, $tls, $cached) = @$_;
    my $s = $victim{$kind};
    my $old = bless { %$s }, ref $s;

    my $r = $s->get('/', renew => 1);
    is($r->{reused}, 1, "$kind: resumes, for the refusal to be told");
    refused($r, 'revoked', "$kind: refused");

    # that of the connection, and that which was offered for it

    $r = $s->get('/', cert => undef);
    is($r->{reused}, 0, "$kind: its session is gone") if $cached;
    refused($r, $r->{reused} ? 'revoked' : 'no_cert',
            "$kind: and its client refused again");

    next if $kind eq 'TLS 1.2 id';

    $r = $old->get('/', cert => undef);
    is($r->{reused}, 1, "$kind: the one before is not");
    refused($r, 'revoked', "$kind: and is refused as well");
}


# The same nginx, started anew: the key of the tickets stays, ours does not.

my %before = map { $_->[0] => session($n, tls => $_->[1], cert => $bob) }
             grep { !$_->[2] } @kinds;

$n->stop;
$n->run;

for my $kind (sort keys %before) {
    my $s = $before{$kind};

    is(seen($s->get('/', renew => 1)), '0 200 u:bob',
       "$kind: a full handshake after a restart");
    is(seen($s->get('/')), '1 200 u:bob', "$kind: then resumed");
}

done_testing;


# reused, status, identity

sub seen {
    my $r = shift;

    return join ' ', $r->{reused}, $r->{status},
                     $r->header('X-Mtls-Identity') // '-';
}


# A certificate whose DER has this size.

sub sized {
    my $size = shift;

    my $pad = $size - 500;

    for (1, 2) {
        my $c = $pki->cert(cn => 'sized', issuer => $exact,
                           ext => [['1.2.3', 0, octets('x' x $pad)]]);
        my $is = length $c->der;

        return $c if $is == $size;
        $pad += $size - $is;
    }

    die "no certificate of $size octets\n";
}


# A session that is resumed now and then, and when its handshake was: a second
# is not told from the next one, so that only what must be is asked for.

sub aged {
    my ($n, @arg) = @_;

    my $from = time;
    my $s = session($n, @arg);

    return { session => $s, from => $from, to => time, resumed => 0, full => 0,
             wrong => [] };
}

sub older {
    my $a = shift;

    my $from = time;
    my $r = $a->{session}->get('/', renew => 1);
    my $to = time;

    $a->{seen}{"$r->{status} " . ($r->header('X-Mtls-Identity') // '-')} = 1;

    if ($r->{reused}) {
        $a->{resumed}++;
        push @{$a->{wrong}}, 'too old' if $from - $a->{to} >= 4;

    } else {
        $a->{full}++;
        push @{$a->{wrong}}, 'too early' if $to - $a->{from} < 2;
        @$a{qw(from to)} = ($from, $to);
    }
}
