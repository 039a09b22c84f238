#!/usr/bin/perl

# The judgement of a request: its order, each reason with its status, and what
# is in force where.
# Copyright (C) the ngx_mtls_module authors

use FindBin;
use lib "$FindBin::Bin/lib";
use Mtls::Test;

use Time::HiRes ();

my $pki = Mtls::PKI->standard;
my $n = Mtls::Test->new(pki => $pki);

my $inter = $pki->inter;
my ($alice, $bob) = ($pki->alice, $pki->bob);

sub cert { return $pki->cert(issuer => $inter, @_) }

# neither allowed nor refused: only told
sub told {
    my ($r, $expected, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return is(join(' ', $r->{status},
                   map { $_ . '=' . ($r->header("X-Mtls-$_") // '') }
                       qw(Action Reason Identity)),
              $expected, $name);
}

my $NOTHING = '204 Action= Reason= Identity=';


# While a source is loaded for the first time requests with a certificate wait,
# for five seconds at most.  After a reload nothing is loaded while the manager
# of before has the lock of the folder, and who is stopped keeps it.

my $l = Mtls::Test->new(pki => $pki);
my $LOADING = <<'EOF';
mtls_ca partners %%PKI%%/root.crt %%PKI%%/inter.crt;
mtls_crl %%PKI%%/root.crl refresh=1s;
%%MTLS%%
server {
    listen 127.0.0.1:%%PORT_0%% ssl http2;
    %%TLS%%
    location /any { mtls_allow any; try_files /no =204; }
    location /dry { mtls dry_run; mtls_allow any; try_files /no =204; }
    location /off { mtls off; try_files /no =204; }
    location /satisfy {
        mtls_allow any;
        satisfy any;
        allow all;
        try_files /no =204;
    }
}
EOF

$l->run($LOADING);
ok($l->wait_error(qr/loaded CRL file ".*root\.crl"/, 5), 'loading: the first');

my $inter_crl = $pki->dir . '/inter.crl';
my $manager = $l->manager_pid;

kill 'STOP', $manager;
END { kill 'CONT', $manager if $manager }

ok($l->reload($LOADING . "mtls_crl $inter_crl refresh=1s;\n"),
   'loading: a second source');

my $begin = Time::HiRes::time();
my $w = h2($l, cert => $alice, timeout => 20);
my %id = map { $_ => $w->start($_) } qw(/any /satisfy);

told(get($l, '/off', cert => $alice), $NOTHING, 'loading: off does not wait');
refused(get($l, '/any'), 'no_cert', 'loading: nor who has no certificate');
told(get($l, '/dry', cert => $alice),
     '204 Action=would_deny Reason=revocation_unknown Identity=',
     'loading: nor a dry run, for which the source says nothing yet');
ok(Time::HiRes::time() - $begin < 2, 'loading: none of them');

my $late = keepalive($l, cert => $alice, timeout => 20);
my $gone = keepalive($l, cert => $alice);

$gone->write("GET /any HTTP/1.1\r\nHost: localhost\r\n\r\n");
$gone->close;
ok($l->wait_error(qr/client prematurely closed|closed prematurely/, 2),
   'loading: a client that goes away is noticed');


# Certificates that fail several steps of the order: they expire (or their
# issuer does) while their connections live.

my $quiet_ca = $pki->ca(cn => 'Quiet CA', name => 'quiet');
my $brief_ca = $pki->ca(cn => 'Brief CA', issuer => $pki->root,
                        not_after => 4, name => 'brief');

my $brief = cert(cn => 'brief', not_after => 4);
my $brief_revoked = cert(cn => 'brief revoked', not_after => 4);
my $of_brief = $pki->cert(cn => 'of brief', issuer => $brief_ca);
my $quiet = $pki->cert(cn => 'quiet one', issuer => $quiet_ca);
my $banned_revoked = cert(cn => 'banned');
my $two = cert(subject => [[OU => 'payments'], [CN => 'alice'], [CN => 'bob']]);

my $malformed = cert(cn => 'alice',
                     mangle => sub { $_[0] =~ s/\x01\x01\xff/\x01\x01\x01/r });

install_crl($n->dir . '/inter.crl', $inter->crl(
    revoked => [$pki->revoked, $brief_revoked, $banned_revoked]));
install_crl($n->dir . '/root.crl', $pki->root->crl);
install_crl($n->dir . '/brief.crl', $brief_ca->crl);

$n->run(<<'EOF');
mtls_ca partners %%PKI%%/root.crt %%PKI%%/inter.crt %%PKI%%/brief.crt;
mtls_ca foreign %%PKI%%/other_root.crt revocation=off;
mtls_ca quiet %%PKI%%/quiet.crt;
mtls_crl %%DIR%%/*.crl;
%%MTLS%%

mtls_group alice    { ca any; subject cn alice; identity "a:$mtls_subject_cn"; }
mtls_group bob      { ca any; subject cn bob; }
mtls_group payments { ca any; subject ou payments; }
mtls_group banned   { ca any; subject cn banned; }
mtls_group carol    { ca any; subject cn carol; }
mtls_group dave     { ca any; subject cn dave; }

log_format v '$host$uri $status action=$mtls_action reason=$mtls_reason';
access_log %%DIR%%/v.log v;
ssl_early_data on;

server {
    listen 127.0.0.1:%%PORT_0%% ssl http2;
    listen 127.0.0.1:%%PORT_1%%;
    listen 127.0.0.1:%%PORT_2%% ssl proxy_protocol;
    server_name localhost;
    %%TLS%%
    mtls_trust partners quiet;

    error_page 421 /any;

    location /any          { mtls_allow any; try_files /no =204; }
    location /alice        { mtls_allow alice; try_files /no =204; }
    location /alice-bob    { mtls_allow alice bob; try_files /no =204; }
    location /lines        { mtls_allow alice; mtls_allow bob;
                             try_files /no =204; }
    location /payments     { mtls_allow alice payments; try_files /no =204; }
    location /not-payments { mtls_allow any; mtls_deny payments;
                             try_files /no =204; }
    location /not-banned   { mtls_allow alice; mtls_deny banned;
                             try_files /no =204; }
    location /not-alice    { mtls_allow bob payments; mtls_deny alice;
                             try_files /no =204; }

    location /authn        { try_files /no =204; }
    location /deny-only    { mtls_deny alice; try_files /no =204; }
    location /unchecked    { mtls_revocation off; try_files /no =204; }
    location /leaf         { mtls_revocation leaf; try_files /no =204; }
    location /lenient      { mtls_revocation chain unknown=allow;
                             try_files /no =204; }

    location /off          { mtls off; mtls_allow bob; try_files /no =204; }
    location /dry {
        mtls dry_run;
        mtls_allow bob;
        proxy_pass http://%%UPSTREAM%%;
        proxy_set_header X-Identity $mtls_identity;
    }
    location /wet {
        mtls_allow alice;
        proxy_pass http://%%UPSTREAM%%;
        proxy_set_header X-Identity $mtls_identity;
    }
    location /early        { mtls_allow alice; mtls_deny bob;
                             mtls_early_data deny; try_files /no =204; }
}

server {
    listen 127.0.0.1:%%PORT_0%% ssl http2;
    server_name b.example.com;
    %%TLS%%
    mtls_trust foreign;
    location / { mtls_allow any; try_files /no =204; }
}

server {
    listen 127.0.0.1:%%PORT_3%% ssl http2;
    %%CERT%%
    ssl_client_certificate %%PKI%%/root.crt;
    ssl_verify_client on;
    error_page 495 496 /page;
    location /page { try_files /no =204; }
}

server {
    listen 127.0.0.1:%%PORT_0%% ssl http2;
    server_name open.example.com;
    %%CERT%%
    location / { try_files /no =204; }
}
EOF

my $up = wait_for(sub { get($n, '/any', cert => $alice)->{status} == 204 }, 5);
ok($up, 'up');

sub judged_as {
    my ($path, $cert, $reason, $name, @arg) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $r = get($n, $path, cert => $cert, @arg);

    return $reason eq 'ok' ? allowed($r, $name) : refused($r, $reason, $name);
}

# Allow and deny

judged_as('/any', $alice, 'ok', 'any: everybody who is authenticated');
judged_as('/any', undef, 'no_cert', 'any: but not nobody');
judged_as('/alice', $alice, 'ok', 'a group that is true');
judged_as('/alice', $bob, 'no_match', 'a group that is false');
judged_as('/alice', $two, 'ambiguous', 'a group that is undefined');
judged_as('/alice-bob', $bob, 'ok', 'two groups on a line: the second');
judged_as('/lines', $bob, 'ok', 'two lines: the second');
judged_as('/lines', undef, 'no_cert', 'two lines: neither');
judged_as('/payments', $two, 'ok', 'a true group beside an undefined one');
judged_as('/not-payments', $bob, 'ok', 'denied: somebody else');
judged_as('/not-payments', $alice, 'denied', 'deny wins over "any"');
judged_as('/not-payments', undef, 'no_cert', 'denied: nobody');
judged_as('/not-alice', $alice, 'denied', 'deny wins over an allowed group');
judged_as('/not-alice', $two, 'ambiguous', 'undefined in deny does deny');
judged_as('/not-banned', $bob, 'no_match', 'neither denied nor allowed');


# Without an mtls_allow authentication is demanded of those who present a
# certificate, and of nobody else.

judged_as('/authn', $alice, 'ok', 'no policy: authenticated');
is(get($n, '/authn', cert => $alice)->header('X-Mtls-Identity'), 'a:alice',
   'no policy: the identity is known');
judged_as('/authn', $pki->revoked, 'revoked', 'no policy: revoked is refused');
told(get($n, '/authn'), '204 Action= Reason=no_cert Identity=',
     'no policy: without a certificate');
judged_as('/deny-only', $alice, 'denied', 'mtls_deny alone: denies');
judged_as('/deny-only', $bob, 'ok', 'mtls_deny alone: the others pass');
told(get($n, '/deny-only'), '204 Action= Reason=no_cert Identity=',
     'mtls_deny alone: so does nobody');


# Revocation, as the place wants it

judged_as('/any', $quiet, 'revocation_unknown', 'a CA without a CRL');
judged_as('/lenient', $quiet, 'ok', 'unknown=allow');
judged_as('/lenient', $pki->revoked, 'revoked', 'unknown=allow: not revoked');
judged_as('/unchecked', $pki->revoked, 'ok', 'mtls_revocation off');
judged_as('/leaf', $pki->revoked, 'revoked', 'mtls_revocation leaf');


# What OpenSSL takes, but is not DER: a BOOLEAN of another octet than 0xff

judged_as('/any', $malformed, 'error', 'a malformed certificate');
judged_as('/authn', $malformed, 'error', 'a malformed certificate, no policy');


# The first step that fails is the reason.

judged_as('/not-banned', $banned_revoked, 'revoked', 'revoked before denied');
judged_as('/not-banned', $quiet, 'revocation_unknown',
          'revocation_unknown before no_match');
judged_as('/not-alice', $pki->revoked, 'revoked', 'revoked before no_match');

my @brief = (
    [$brief, '/any', 'ok', 'expired', 'expired on a connection that lives'],
    [$brief, '/alice', 'no_match', 'expired', 'expired before no_match'],
    [$brief_revoked, '/any', 'revoked', 'expired', 'expired before revoked'],
    [$of_brief, '/any', 'ok', 'expired', 'an intermediate expires'],
    [$brief, '/any', 'wrong_ca', 'wrong_ca', 'wrong_ca before expired',
     host => 'b.example.com'],
    [$brief_revoked, '/any', 'wrong_ca', 'wrong_ca', 'wrong_ca before revoked',
     host => 'b.example.com'],
);

my %open;

# all at once, since they have but few seconds; without SNI any Host will do

for (@brief) {
    my ($cert, $path, $before, $after, $name, @arg) = @$_;

    my $h = $open{$name} = h2($n, cert => $cert, sni => undef);
    my $r = $h->get($path, @arg);

    $before eq 'ok' ? allowed($r, "$name: not yet")
                    : refused($r, $before, "$name: not yet");
}

my $k = keepalive($n, cert => $brief);
allowed($k->get('/any'), 'keepalive: not expired yet');

my $session = session($n, cert => $brief, tls => '1.3');
allowed($session->get('/any'), 'a session: not expired yet');


# ... and while they grow old:


# One connection, several servers: who vouches is asked of the server of the
# request, whichever made the handshake.

sub b { return (host => 'b.example.com', @_) }

allowed(get($n, '/', b(sni => 'b.example.com', cert => $pki->other)),
        'b: its own clients');
refused(get($n, '/', b(sni => undef, cert => $alice)), 'wrong_ca',
        'b: a client of the default server, by no SNI and a Host');
refused(h2($n, cert => $alice, sni => undef)->get('/', b()), 'wrong_ca',
        'b: over HTTP/2 too');
allowed(get($n, '/any', sni => undef, host => 'localhost', cert => $alice),
        'the default server, by no SNI and a Host');

my $h = h2($n, cert => $alice, sni => undef);

allowed($h->get('/any', host => 'localhost'), 'one connection: the one server');
refused($h->get('/', b()), 'wrong_ca', 'one connection: the other');
allowed($h->get('/any', host => 'localhost'), 'one connection: and the first');

is(get($n, '/', b(sni => 'b.example.com', cert => $alice))->{status}, 400,
   'b: a client of the default server, by SNI: 495');
told(get($n, '/', host => 'open.example.com', cert => $alice),
     '204 Action=allow Reason=ok Identity=a:alice',
     'a server without verification judges a certificate that comes all same');


# mtls off and dry_run

told(get($n, '/off'), $NOTHING, 'off: without a certificate');
told(get($n, '/off', cert => $alice), $NOTHING, 'off: not allowed here');
told(get($n, '/off', cert => $pki->revoked), $NOTHING, 'off: revoked');

for (['no_cert', undef], ['no_match', $alice], ['revoked', $pki->revoked],
     ['revocation_unknown', $quiet])
{
    my ($reason, $cert) = @$_;

    my $r = get($n, '/dry', cert => $cert);

    told($r, "200 Action=would_deny Reason=$reason Identity=",
         "dry_run: $reason passes");
    is($r->received('X-Identity'), undef, "dry_run: $reason has no identity");
}

allowed(get($n, '/dry', cert => $bob), 'dry_run: allowed is allowed');
is(get($n, '/wet', cert => $alice)->received('X-Identity'), 'a:alice',
   'on: the identity goes upstream');


# Refused by nginx, and the page is a place where nobody need be known

my $r = get($n, '/', port => 3);
told($r, '403 Action=deny Reason=no_cert Identity=', 'page: 496');
$r = get($n, '/', port => 3, cert => $pki->expired);
told($r, '403 Action=deny Reason=expired Identity=', 'page: 495');
$r = get($n, '/', host => 'b.example.com', cert => $alice);
told($r, '403 Action=deny Reason=wrong_ca Identity=',
     'page: 421, and there alice may');


# Plain HTTP, PROXY protocol

refused(get($n, '/any', plain => 1, port => 1), 'no_cert', 'plain HTTP');
told(get($n, '/authn', plain => 1, port => 1),
     '204 Action= Reason=no_cert Identity=', 'plain HTTP, no policy');
judged_as('/alice', $alice, 'ok', 'PROXY protocol: the certificate',
          port => 2, proxy => '192.0.2.1');
judged_as('/alice', $bob, 'no_match', 'PROXY protocol: judged all the same',
          port => 2, proxy => '192.0.2.1');


# Early data: behind revocation, before deny

for ([$bob, 'early_data', 'denied', 425], [$alice, 'early_data', 'ok', 425],
     [$pki->revoked, 'revoked', 'revoked', 403])
{
    my ($cert, $early, $late, $status) = @$_;

    my $s = session($n, cert => $cert, tls => '1.3');
    my $r = $s->early_data('/early');

    is($r->{early}, 1, "early data of what is $late later: accepted by TLS");
    refused($r, $early, "early data of what is $late later: $early", $status);
    judged_as('/early', $cert, $late, "and the same, not early: $late");
}


# What grew old

ok(wait_for(sub { $k->get('/any')->{status} == 403 }, 6),
   'keepalive: refused some time');
ok($k->closed, 'keepalive: and the connection is ended');

for (@brief) {
    my ($cert, $path, $before, $after, $name, @arg) = @$_;

    wait_for(sub {
        $open{$name}->get($path, @arg)->header('X-Mtls-Reason') eq $after;
    }, 3);

    refused($open{$name}->get($path, @arg), $after, $name);
}

is($session->get('/any')->{reused}, 0,
   'a session of an expired certificate is not resumed');


# What is in force where: the lists of the innermost level that allows replace
# the outer ones, those that deny add up.

my ($banned, $carol, $dave) = map { cert(cn => $_) } qw(clara carol dave);
my $m = Mtls::Test->new(pki => $pki);

$m->run(<<'EOF');
mtls_ca partners %%PKI%%/root.crt;
mtls_ca foreign %%PKI%%/other_root.crt;
%%MTLS%%

mtls_group alice { ca any; subject cn alice; }
mtls_group bob   { ca any; subject cn bob; }
mtls_group clara { ca any; subject cn clara; }
mtls_group carol { ca any; subject cn carol; }
mtls_group dave  { ca any; subject cn dave; }

mtls_allow alice;
mtls_deny clara;

log_format v '$uri $status action=$mtls_action reason=$mtls_reason';
access_log %%DIR%%/v.log v;

server {
    listen 127.0.0.1:%%PORT_0%% ssl http2;
    server_name localhost;
    %%TLS%%
    mtls_trust partners;
    mtls_deny carol;
    try_files /no =204;

    location /http {
        try_files /no =204;
    }

    location /outer {
        mtls_allow bob;
        mtls_deny dave;
        try_files /no =204;

        location /outer/inner {
            try_files /no =204;
        }

        location /outer/all {
            mtls_allow any;
            try_files /no =204;

            limit_except GET { mtls_allow alice; }
        }

        location /outer/not-bob {
            limit_except GET { mtls_deny bob; }
            try_files /no =204;
        }

        location /outer/if {
            if ($arg_x) { set $x 1; }
            try_files /no =204;
        }

        location /outer/off {
            mtls off;
            try_files /no =204;

            location /outer/off/on { mtls on; try_files /no =204; }
        }

        location ~ /outer/(?<who>regex)$ {
            mtls dry_run;
            try_files /no =204;
        }
    }
}

server {
    listen 127.0.0.1:%%PORT_0%% ssl http2;
    server_name b.example.com;
    %%TLS%%
    mtls_allow bob;
    location / { try_files /no =204; }
}

server {
    listen 127.0.0.1:%%PORT_1%% ssl http2;
    mtls_trust partners;
    %%CERT%%
    ssl_client_certificate %%PKI%%/root.crt;
    ssl_verify_client on;
    ssl_verify_depth 4;
    error_page 495 496 /why;
    error_page 497 /why497;

    location = /why    { mtls off; return 200 "$mtls_action $mtls_reason"; }
    location = /why497 { mtls off; return 200 "$mtls_action $mtls_reason"; }
    location /         { mtls_allow any; try_files /no =204; }
}

server {
    listen 127.0.0.1:%%PORT_2%% ssl http2;
    %%CERT%%
    ssl_client_certificate %%PKI%%/root.crt;
    ssl_verify_client on;
    ssl_verify_depth 4;
    mtls_allow any;
    error_page 495 496 /on;
    location / { try_files /no =204; }
}

server {
    listen 127.0.0.1:%%PORT_3%% ssl http2;
    mtls_trust partners;
    %%CERT%%
    ssl_client_certificate %%PKI%%/root.crt;
    ssl_verify_client optional_no_ca;
    ssl_verify_depth 4;
    location /any   { mtls_allow any; try_files /no =204; }
    location /off   { mtls off; try_files /no =204; }
    location /dry   { mtls dry_run; try_files /no =204; }
    location /421   { mtls off; return 421; }
    location /      { mtls_allow bob; try_files /no =204; }
}
EOF

$n = $m;

my @places = (
    # path, then who is allowed, who denied; the others are no_match
    ['/http',           'alice', 'clara carol'],
    ['/outer',          'bob',   'clara carol dave'],
    ['/outer/inner',    'bob',   'clara carol dave'],
    ['/outer/all',      'alice bob', 'clara carol dave'],
    ['/outer/all POST', 'alice', 'clara carol dave'],
    ['/outer/not-bob',  'bob',   'clara carol dave'],
    ['/outer/not-bob POST', '',  'clara carol dave bob'],
    ['/outer/if',       'bob',   'clara carol dave'],
    ['/outer/if?x=1',   'bob',   'clara carol dave'],
    ['/outer/off/on',   'bob',   'clara carol dave'],
);

my %who = (alice => $alice, bob => $bob, clara => $banned, carol => $carol,
           dave => $dave);
my %h2 = map { $_ => h2($n, cert => $who{$_}) } keys %who;

for (@places) {
    my ($place, $allowed, $denied) = @$_;
    my ($path, $method) = split ' ', $place;

    my %reason = map { $_ => 'no_match' } keys %who;

    $reason{$_} = 'ok' for split ' ', $allowed;
    $reason{$_} = 'denied' for split ' ', $denied;

    my %got = map {
        $_ => $h2{$_}->get($path, method => $method // 'GET')
                     ->header('X-Mtls-Reason')
    } keys %who;

    is_deeply(\%got, \%reason, "in force: $place");
}

refused($h2{bob}->get('/http'), 'no_match', 'in force: the status is 403');
told($h2{carol}->get('/outer/off'), $NOTHING, 'in force: off');
is($h2{carol}->get('/outer/regex')->header('X-Mtls-Action'), 'would_deny',
   'in force: a nested location with a regex, dry_run');
allowed(get($n, '/', host => 'b.example.com', cert => $bob, sni => undef),
        'in force: another server of the address');


# What nginx itself refuses before any phase: the variables tell why, in the
# page and in the log.

sub why {
    my ($name, $expected, $log, @arg) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    $n->mark;
    my $r = get($n, '/x', port => 1, @arg);

    is("$r->{status} $r->{body}", $expected, "$name: the page");
    ok($n->wait_log('v.log', qr/ \Q$log\E$/), "$name: the log")
        || diag($n->log_lines('v.log'));
}

why('496', '400 deny no_cert', 'action=deny reason=no_cert');
why('495, foreign', '400 deny untrusted', 'action=deny reason=untrusted',
    cert => $pki->other);
why('495, expired', '400 deny expired', 'action=deny reason=expired',
    cert => $pki->expired);
why('495, early', '400 deny not_yet_valid', 'action=deny reason=not_yet_valid',
    cert => $pki->early);
why('495, of a server', '400 deny purpose', 'action=deny reason=purpose',
    cert => $pki->wrong_eku);
why('497', '400 deny no_cert', 'action=deny reason=no_cert', plain => 1);
allowed(get($n, '/', port => 1, cert => $alice), 'verify on: allowed');


# ... and it stays a refusal, with its reason, where the page is judged itself

for ([undef, 'no_cert'], [$pki->expired, 'expired'], [$pki->self, 'untrusted'])
{
    my ($cert, $reason) = @$_;

    refused(get($n, '/x', port => 2, cert => $cert), $reason,
            "a page that is judged itself: $reason", $cert ? 403 : 403);
}


# Untrusted chains that nginx lets pass

for ([$pki->other, 'foreign'], [$pki->self, 'self-signed']) {
    my ($cert, $name) = @$_;
    my @at = (port => 3, cert => $cert);

    refused(get($n, '/any', @at), 'untrusted', "optional_no_ca: $name");
    told(get($n, '/off', @at), $NOTHING, "optional_no_ca: $name, off");
    told(get($n, '/dry', @at),
         '204 Action=would_deny Reason=untrusted Identity=',
         "optional_no_ca: $name, dry run");
}

allowed(get($n, '/any', port => 3, cert => $alice), 'optional_no_ca: good');
refused(get($n, '/any', port => 3), 'no_cert', 'optional_no_ca: none');
is(get($n, '/off', port => 3, cert => $pki->expired)->{status}, 400,
   'optional_no_ca: an expired one is refused by nginx all the same');

$n->mark;
is(get($n, '/any', cert => $alice, host => 'b.example.com')->{status}, 421,
   'SNI of one server, Host of another: 421 by nginx');
ok($n->wait_log('v.log', qr/ 421 action=deny reason=wrong_ca$/),
   '421: the log tells why');

told(get($n, '/421', port => 3, cert => $alice),
     '421 Action= Reason= Identity=', '421 of a location: it is not ours');

$n->mark;
is(get($n, '/', cert => $alice,
       headers => ['Content-Length' => 'x'])->{status}, 400, 'a bad request');
ok($n->wait_log('v.log', qr/ 400 action=- reason=-$/), '400: it is not ours');


# What has been waiting for its source since the beginning

for ('/any', '/satisfy') {
    my $r = $w->finish($id{$_});

    refused($r, 'loading', "loading: $_ has waited long enough", 503);
    is(join(',', $r->headers('Retry-After')), 5, "loading: $_, Retry-After");
}

$late->write("GET /any HTTP/1.1\r\nHost: localhost\r\n\r\n");
kill 'CONT', $manager;
undef $manager;
allowed($late->response, 'loading: over, and who waits is served');

done_testing;
