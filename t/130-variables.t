#!/usr/bin/perl

# Variables: what each says, in every phase, and that no certificate can make
# one of them two lines.
# Copyright (C) the ngx_mtls_module authors

use FindBin;
use lib "$FindBin::Bin/lib";
use Mtls::Test;

use JSON::PP ();
use Time::Local qw(timegm);

use Mtls::DER qw(str);

my $pki = Mtls::PKI->standard;
my $n = Mtls::Test->new(pki => $pki);

my $inter = $pki->inter;
my $quiet_ca = $pki->ca(cn => 'Quiet CA', name => 'quiet');
my $stale_ca = $pki->ca(cn => 'Stale CA', name => 'stale');

sub cert { return $pki->cert(issuer => $inter, @_) }

# A certificate that has everything ...

my $rich = cert(
    name    => 'rich',
    serial  => '0x0aBc',
    subject => [[C => 'DE'], [O => "B\xc3\xa4nk"], [OU => 'one'], [OU => 'two'],
                [CN => 'rich'], ['2.5.4.97' => 'PSDDE-X-1']],
    san     => [[dns => 'A.example'], [dns => 'b.example'], [uri => 'urn:a,b'],
                [uri => 'urn:%2C'], [email => 'Rich@Example.COM'],
                [ip => '192.0.2.1'], [ip => '2001:db8::1'],
                [upn => 'rich@corp'], [rid => '1.2.3'],
                [dirname => [[O => 'x'], [CN => 'y']]]],
    eku     => ['clientAuth', '1.2.3.4'],
    policies => ['1.2.3.4', '2.5.29.32.0'],
    ext     => [['1.2.3.4.5', 0, str('UTF8', 'text')],
                ['1.2.3.4.6', 0, "\x05\x00"]],
    not_after => 10 * 86400 + 3600,
);

# ... and what each variable says of it.

my @facts = (
    mtls_ca                => 'partners',
    mtls_groups            => 'rich,ones,unnamed',
    mtls_group_rich        => '1',
    mtls_group_ones        => '1',
    mtls_group_alice       => '',
    mtls_subject_c         => 'DE',
    mtls_subject_o         => "B\xc3\xa4nk",
    mtls_subject_ou        => '',              # there are two
    mtls_subject_ou_1      => 'one',
    mtls_subject_ou_2      => 'two',
    mtls_subject_ou_3      => '',
    mtls_subject_cn        => 'rich',
    mtls_subject_cn_1      => 'rich',
    mtls_subject_2_5_4_3   => 'rich',
    mtls_subject_2_5_4_11__2 => 'two',
    mtls_subject_2_5_4_97  => 'PSDDE-X-1',
    mtls_subject_organizationidentifier => 'PSDDE-X-1',
    mtls_subject_l         => '',
    mtls_issuer_cn         => 'Issuing CA',
    mtls_issuer_o          => '',
    mtls_san_dns           => 'a.example,b.example',
    mtls_san_dns_1         => 'a.example',
    mtls_san_dns_2         => 'b.example',
    mtls_san_dns_3         => '',
    mtls_san_uri           => 'urn:a%2Cb,urn:%252C',
    mtls_san_uri_1         => 'urn:a,b',
    mtls_san_uri_2         => 'urn:%2C',
    mtls_san_email         => 'Rich@example.com',
    mtls_san_ip            => '192.0.2.1,2001:db8::1',
    mtls_san_upn           => 'rich@corp',
    mtls_san_rid           => '1.2.3',
    mtls_san_dirname       => 'CN=y%2CO=x',
    mtls_san_dirname_1     => 'CN=y,O=x',
    mtls_san               => 'dns:a.example,dns:b.example,uri:urn:a%2Cb,'
                              . 'uri:urn:%252C,email:Rich@example.com,'
                              . 'ip:192.0.2.1,ip:2001:db8::1,upn:rich@corp,'
                              . 'rid:1.2.3,dirname:CN=y%2CO=x',
    mtls_eku               => '1.3.6.1.5.5.7.3.2,1.2.3.4',
    mtls_eku_2             => '1.2.3.4',
    mtls_policies          => '1.2.3.4,2.5.29.32.0',
    mtls_policies_1        => '1.2.3.4',
    mtls_extension_1_2_3_4_5 => 'text',
    mtls_extension_1_2_3_4_6 => '#0500',
    mtls_extension_1_2_3_4_7 => '',
    mtls_fingerprint       => $rich->fingerprint,
    mtls_thumbprint        => $rich->thumbprint,
    mtls_spki              => $rich->spki_sha256,
    mtls_key_type          => 'ec:prime256v1',
    mtls_serial            => '0ABC',
    mtls_days_left         => '10',
);

my @names = map { $facts[2 * $_] } 0 .. $#facts / 2;
my %fact = @facts;

# The decision: known from the access phase on.

my @decision = (
    mtls_identity          => 'rich:rich',
    mtls_identity_group    => 'rich',
    mtls_action            => 'allow',
    mtls_reason            => 'ok',
    mtls_rule              => qr{/nginx\.conf:\d+$},
    mtls_trace             => qr/^rich\b/,
    mtls_revocation        => 'good',
    mtls_revocation_source => qr{/(?:inter|root)\.crl$},
    mtls_revocation_time   => qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/,
);

my @decided = map { $decision[2 * $_] } 0 .. $#decision / 2;
my %decided = @decision;

my @all = (@names, @decided, 'mtls_client');

my $sent = join '', map { 'proxy_set_header X-V-' . tr/_/-/r
                          . " \"<\$$_>\";\n" } @all;
my $set = join '', map { "set \$r_$_ \"\$$_\";\n" } @all;
my $format = join '|', map { "\$$_" } @all;
my $before = join '|', map { "\$r_$_" } @all;

install_crl($n->dir . '/stale.crl',
            $stale_ca->crl(this => -7200, next => -3600));
install_crl($n->dir . '/inter.crl', $inter->crl(
    revoked => [[$pki->revoked, -3600, 'keyCompromise']]));

$n->run(<<"EOF");
mtls_ca partners %%PKI%%/root.crt %%PKI%%/inter.crt;
mtls_ca quiet %%PKI%%/quiet.crt unknown=allow;
mtls_ca stale %%PKI%%/stale.crt;
mtls_ca unchecked %%PKI%%/other_root.crt revocation=off;
mtls_crl %%DIR%%/inter.crl %%PKI%%/root.crl;
mtls_crl %%DIR%%/stale.crl grace=1d;
%%MTLS%%

mtls_group rich {
    ca partners;
    subject cn rich;
    identity "rich:\$mtls_subject_cn";
}
mtls_group alice { ca partners; subject cn alice; identity "a:alice"; }
mtls_group ones  { ca any; subject any ou one; }
mtls_group unnamed { ca any; subject cn rich; }
mtls_group hostile { ca any; subject o ^~ x; identity "host:\$mtls_subject_o"; }

log_format facts escape=none '$format';
log_format v '\$uri \$status r=\$mtls_reason c=\$mtls_client '
             'rv=\$mtls_revocation rs=\$mtls_revocation_source '
             'ru=\$mtls_rule rt=\$mtls_revocation_time t=\$mtls_trace';
log_format j escape=json '{"o":"\$mtls_subject_o","san":"\$mtls_san"}';

map \$mtls_reason \$frozen { ok 1; default "0\$mtls_reason"; }
map \$mtls_reason \$fresh  { volatile; ok 1; default "0\$mtls_reason"; }
map \$mtls_group_alice \$is_alice { 1 yes; default no; }

limit_req_zone \$mtls_client zone=clients:1m rate=1r/m;

access_log %%DIR%%/v.log v;

server {
    listen 127.0.0.1:%%PORT_0%% ssl http2;
    %%CERT%%
    ssl_client_certificate %%PKI%%/root.crt;
    ssl_verify_client optional_no_ca;
    ssl_verify_depth 4;
    root %%DIR%%;

    set \$in_server "\$mtls_subject_cn \$mtls_group_alice [\$mtls_reason]";

    location /late {
        mtls_allow rich;
        access_log %%DIR%%/facts.log facts;
        proxy_pass http://%%UPSTREAM%%;
        $sent
    }

    location /early {
        mtls_allow rich;
        $set
        access_log %%DIR%%/facts.log facts;
        proxy_pass http://%%UPSTREAM%%;
        proxy_set_header X-Before "<$before>";
        $sent
    }

    location /phases {
        mtls_allow any;
        set \$rewrite "\$frozen \$fresh";
        proxy_pass http://%%UPSTREAM%%;
        proxy_set_header X-Rewrite \$rewrite;
        proxy_set_header X-Content "\$frozen \$fresh";
        proxy_set_header X-Server \$in_server;
        proxy_set_header X-Map \$is_alice;
    }

    location /if {
        if (\$mtls_group_alice) { return 200 alice; }
        if (\$mtls_subject_cn = bob) { return 200 bob; }
        if (\$mtls_reason) { return 200 decided; }
        return 200 nobody;
    }

    location /logged {
        mtls_allow alice;
        access_log %%DIR%%/alice.log v if=\$mtls_group_alice;
        access_log %%DIR%%/identity.log v if=\$mtls_identity;
        try_files /no =204;
    }

    location /limited {
        mtls_allow any;
        limit_req zone=clients;
        try_files /no =204;
    }

    location /hostile {
        mtls_allow any;
        access_log %%DIR%%/hostile.log v;
        access_log %%DIR%%/json.log j;
        add_header X-CN \$mtls_subject_cn always;
        add_header X-SAN \$mtls_san always;
        proxy_pass http://%%UPSTREAM%%;
        proxy_set_header X-CN \$mtls_subject_cn;
        proxy_set_header X-O \$mtls_subject_o;
        proxy_set_header X-OU \$mtls_subject_ou;
        proxy_set_header X-SAN \$mtls_san;
        proxy_set_header X-UPN-1 \$mtls_san_upn_1;
        proxy_set_header X-DNS-1 \$mtls_san_dns_1;
        proxy_set_header X-Client \$mtls_client;
    }

    location /ssi.html { mtls_allow any; ssi on; }
    location /any      { mtls_allow any; try_files /no =204; }
    location /alice    { mtls_allow alice; #alice
                         mtls_allow ones;
                         try_files /no =204; }
    location /no-rich  { mtls_allow any;
                         mtls_deny rich; #no-rich
                         try_files /no =204; }
    location /off      { mtls off; proxy_pass http://%%UPSTREAM%%; $sent }
}

server {
    listen 127.0.0.1:%%PORT_1%%;
    location / { proxy_pass http://%%UPSTREAM%%; $sent }
}
EOF

wait_for(sub { get($n, '/any', cert => $pki->alice)->{status} == 204 }, 5);

# the variables as the upstream received them

sub received {
    my ($r) = @_;

    return map { my $v = $r->received('X-V-' . tr/_/-/r) // '?';
                 $_ => $v =~ s/^<(.*)>$/$1/sr } @all;
}

sub by {
    my ($cert, $path, @arg) = @_;

    $n->mark;
    return get($n, $path, cert => $cert, @arg);
}


# Each of them, read first when content is made

my $r = by($rich, '/late');
allowed($r, 'the rich one may');

my %got = received($r);
is($got{$_}, $fact{$_}, "\$$_") for @names;

for (@decided) {
    ref $decided{$_} ? like($got{$_}, $decided{$_}, "\$$_")
                     : is($got{$_}, $decided{$_}, "\$$_");
}

is($got{mtls_client}, 'rich:rich', '$mtls_client');
is($n->wait_log('facts.log', qr/rich/), join('|', map { $got{$_} } @all),
   'the log says the same');
is_deeply({received(h2($n, cert => $rich)->get('/late'))}, \%got,
          'and so does HTTP/2');

my $s = session($n, cert => $rich, tls => '1.3');
$r = $s->get('/late');
is($r->{reused}, 1, 'a resumed session');
is_deeply({received($r)}, \%got, 'and so does a resumed session');


# Read first in the rewrite phase: facts are there, the decision is not; and
# that it was asked too early does not freeze it.

$r = by($rich, '/early');
my %early;
@early{@all} = split /\|/, $r->received('X-Before') =~ s/^<(.*)>$/$1/sr, -1;

is_deeply({map { $_ => $early{$_} } @names}, \%fact, 'before access: facts');
is(join('', map { $early{$_} } @decided), '', 'before access: no decision');
is($early{mtls_client}, 'rich:rich', 'before access: $mtls_client');
is_deeply({received($r), mtls_rule => $got{mtls_rule}}, \%got,
          'afterwards: all');


# map, if, if=, limit_req

$r = by($pki->alice, '/phases');
is($r->received('X-Server'), 'alice 1 []', 'set in a server');
is($r->received('X-Rewrite'), '0 0', 'map: before access');
is($r->received('X-Content'), '0 1', 'map: afterwards, if it is volatile');
is($r->received('X-Map'), 'yes', 'map of a group');

is(by($pki->alice, '/if')->{body}, 'alice', 'if: a group');
is(by($pki->bob, '/if')->{body}, 'bob', 'if: a name');
is(by($rich, '/if')->{body}, 'nobody', 'if: the decision is not yet');
is(by(undef, '/if')->{body}, 'nobody', 'if: without a certificate');

get($n, '/logged', cert => $pki->bob);
by($pki->bob, '/logged');
get($n, '/logged', cert => $pki->alice);
ok($n->wait_log('alice.log', qr/ 204 r=ok /), 'if= of a group: logged');
is($n->log_lines('alice.log'), 1, 'if= of a group: nobody else is');
is($n->log_lines('identity.log'), 1, 'if= of the identity: also the allowed');

is(join(' ', map { get($n, '/limited', cert => $_)->{status} }
             $pki->alice, $pki->alice, $pki->bob),
   '204 503 204', 'limit_req: each client has a limit of its own');


# $mtls_client, $mtls_ca and groups of others

sub client {
    my ($cert) = @_;

    my %v = received(by($cert, '/off'));
    get($n, '/any', cert => $cert);
    my ($c) = $n->wait_log('v.log', qr{^/any}) =~ / c=(\S+) /;

    return "$c ca=$v{mtls_ca} groups=$v{mtls_groups} off=$v{mtls_client}"
           . "$v{mtls_identity}$v{mtls_action}$v{mtls_reason}";
}

my ($ones, $quiet) = (cert(cn => 'x', subject => [[OU => 'one']]),
                      $pki->cert(cn => 'q', issuer => $quiet_ca));

is(client($pki->alice), 'a:alice ca=partners groups=alice off=',
   'client: its identity');
is(client($ones), 'sha256:' . $ones->fingerprint . ' ca=partners groups=ones '
                  . 'off=', 'client: without an identity its fingerprint');
is(client($pki->self), 'unverified:sha256:' . $pki->self->fingerprint
                       . ' ca= groups= off=', 'client: unverified');
is(client($quiet), 'sha256:' . $quiet->fingerprint . ' ca=quiet groups= off=',
   'client: of another label');
is(client($pki->revoked), 'sha256:' . $pki->revoked->fingerprint
                          . ' ca=partners groups= off=', 'client: revoked');
is(client(undef), '- ca= groups= off=', 'client: none');

%got = received(by($pki->self, '/off'));
is($got{mtls_subject_cn}, 'alice', 'a fact does not say that it is true');
is($got{mtls_group_alice}, '', 'but a group does');

%got = received(by(cert(cn => 'x', san => [[uri => 'urn:a,urn:b']]), '/off'));
is("$got{mtls_san_uri} $got{mtls_san_uri_1}", 'urn:a%2Curn:b urn:a,urn:b',
   'one value with a comma is not two');

%got = received(get($n, '/', port => 1, plain => 1));
is(join('', map { $got{$_} } grep { $_ ne 'mtls_reason' } @all), '',
   'plain HTTP: all empty');
is($got{mtls_reason}, 'no_cert', 'plain HTTP: but the reason');

%got = received(by(undef, '/off'));
is(join('', map { $got{$_} } @all), '', 'off, no certificate: all empty');


# $mtls_rule and $mtls_trace

sub log_of {
    my ($cert, $path) = @_;

    by($cert, $path);
    return $n->wait_log('v.log', qr{^$path}) || '';
}

sub at { return qr/ru=\S+\/nginx\.conf:$_[0] / }

my ($alice_line, $no_rich_line) = map { $n->line($_) } '#alice', '#no-rich';
my $ones_line = $alice_line + 1;

like(log_of($rich, '/alice'), at($ones_line), 'rule: the line that allowed');
like(log_of($pki->alice, '/alice'), at($alice_line), 'rule: the other line');
like(log_of($rich, '/no-rich'), at($no_rich_line), 'rule: that denied');
like(log_of($pki->bob, '/alice'), qr/ru=- /, 'rule: none where none matched');
like(log_of($pki->bob, '/any'), qr/ru=\S+:\d+ /, 'rule: any');

my $alice_false = qr{alice=false \(\S+/nginx\.conf:\d+ subject cn alice\)};
my $ones_false = qr{ones=false \(\S+/nginx\.conf:\d+ subject any ou one\)};

like(log_of($rich, '/alice'), qr/ t=$alice_false; ones=true$/,
     'trace: each group that is allowed');
like(log_of($pki->bob, '/alice'), qr/ t=$alice_false; $ones_false$/,
     'trace: the first line that failed');
like(log_of(cert(subject => [[CN => 'alice'], [CN => 'b']]), '/alice'),
     qr/ t=alice=undefined \(\S+:\d+ subject cn alice\); $ones_false/,
     'trace: the line that is undefined');
like(log_of($rich, '/no-rich'), qr/r=denied .* t=rich=true$/,
     'trace: and that is denied');
like(log_of($pki->bob, '/any'), qr/ t=-$/, 'trace: none of any');
like(log_of($pki->self, '/alice'), qr/ t=-$/, 'trace: none of strangers');
like(log_of(undef, '/alice'), qr/ t=-$/, 'trace: none of nobody');


# Revocation

sub revocation {
    my ($cert, $path) = @_;

    my $line = log_of($cert, $path // '/any');
    my ($rv, $rs) = $line =~ / rv=(\S+) rs=(\S*) /;

    return "$rv " . $rs =~ s{.*/}{}r;
}

like(revocation($pki->alice), qr/^good (?:inter|root)\.crl$/,
     'revocation: good, by');
is(revocation($pki->revoked), 'revoked inter.crl', 'revocation: revoked, by');
is(revocation($pki->cert(cn => 's', issuer => $stale_ca)), 'stale stale.crl',
   'revocation: stale, by');
is(revocation($quiet), 'unknown -', 'revocation: unknown');
is(revocation($pki->other), 'unchecked -', 'revocation: unchecked');
is(revocation(undef), '- -', 'revocation: no certificate');

sub revocation_time {
    my ($cert) = @_;

    log_of($cert, '/any') =~ / rt=(\d+)-(\d+)-(\d+)T(\d+):(\d+):(\d+)Z /
        or return 0;

    return timegm($6, $5, $4, $3, $2 - 1, $1);
}

ok(abs(revocation_time($pki->revoked) - $^T + 3600) < 10,
   'revocation: when it was revoked');
ok(abs(revocation_time($pki->alice) - $^T + 60) < 10,
   'revocation: else when the list was issued');


# Names that want to be several lines

my $hostile = cert(
    name    => 'hostile',
    subject => [[O => "x\"y%z\\\t\xc3\xbc"],
                [OU => "admin\0.evil.example"],
                [CN => "a\r\nX-Evil: 1\r\n\r\n<html>"]],
    san     => [[upn => "a\r\nX-Evil: 2"], [upn => 'b,c'],
                [dns => "a\r\nX-Evil: 3"]],
);

my $CN = 'a%0D%0AX-Evil: 1%0D%0A%0D%0A<html>';
my $SAN = 'upn:a%0D%0AX-Evil: 2,upn:b%2Cc,';

$r = by($hostile, '/hostile');
is($r->{status}, 200, 'hostile: allowed, there is nothing wrong with them');

is($r->header('X-CN'), $CN, 'hostile: a header of the response');
is($r->header('X-SAN'), $SAN, 'hostile: of several values');
is($r->header('X-Evil'), undef, 'hostile: no header of its own');

is($r->received('X-CN'), $CN, 'hostile: a header upstream');
is($r->received('X-O'), "x\"y%z\\%09\xc3\xbc",
   'hostile: one value, only what ends a line is encoded');
is($r->received('X-OU'), undef, 'hostile: a NUL is no value');
is($r->received('X-UPN-1'), 'a%0D%0AX-Evil: 2', 'hostile: the n-th');
is($r->received('X-DNS-1'), undef, 'hostile: no control characters in IA5');
is($r->received('X-Client'), "host:x\"y%25z\\%09\xc3\xbc",
   'hostile: an identity');
is($r->received('X-Evil'), undef, 'hostile: no header upstream of its own');

ok($n->wait_log('json.log', qr/./), 'hostile: a log');
is($n->log_lines('hostile.log'), 1, 'hostile: of one line');
is_deeply(JSON::PP->new->utf8->decode($n->log_lines('json.log')),
          {o => "x\"y%z\\%09\xfc", san => $SAN},
          'hostile: that is JSON where it shall be');


# Names that only SSI asks for, and that no configuration has

$n->file('ssi.html', join '|', map {
    "<!--# echo var=\"mtls_$_\" encoding=\"none\" -->"
} qw(subject_ou_2 san_uri_2 group_unnamed group_nothing nothing identity));

is(by($rich, '/ssi.html')->{body}, 'two|urn:%2C|1|(none)|(none)|rich:rich',
   'SSI: names that the configuration does not have');
is(by($pki->bob, '/ssi.html')->{body},
   '(none)|(none)|(none)|(none)|(none)|(none)', 'SSI: of somebody else');

done_testing;
