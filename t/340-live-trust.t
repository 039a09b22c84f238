#!/usr/bin/perl

# What is trusted changes while nginx runs: no reload, and nothing that began
# before, a connection, a session or a worker, goes by what was trusted then.
# Copyright (C) the ngx_mtls_module authors

use FindBin;
use lib "$FindBin::Bin/lib";
use Mtls::Test;

my $pki = Mtls::PKI->standard;
my $n = Mtls::Test->new(pki => $pki, workers => 2);

my ($alice, $root) = ($pki->alice, $pki->root);

# a CA that comes and goes, with an issuing CA below it
my $guest = $pki->ca(cn => 'Guest CA');
my $below = $pki->ca(cn => 'Guest Issuing CA', issuer => $guest, pathlen => 0);
my $carol = $pki->cert(cn => 'carol', issuer => $below);
my @p = (cert => $carol);

sub trust {
    my @ca = @_;

    install_crl($n->dir . '/bundle.pem', map { ref $_ ? slurp($_->crt) : $_ }
                                             @ca);
}

# waits until a new connection of the certificate is answered so

sub becomes {
    my ($want, $cert, $name) = @_;

    my $r;

    wait_for(sub {
        $r = get($n, '/', cert => $cert);
        return $r->{status} == $want;
    }, 15);

    is($r->{status}, $want, $name);
}

trust($root, $guest);

$n->run(<<'EOF');
mtls_ca partners %%DIR%%/bundle.pem refresh=1s;
%%MTLS%%

log_format why '$mtls_action $mtls_reason $ssl_session_reused';
access_log %%DIR%%/why.log why;

ssl_session_timeout 1h;

server {
    listen 127.0.0.1:%%PORT_0%% ssl http2;
    %%TLS%%
    location / { mtls_allow any; proxy_pass http://%%UPSTREAM%%; }
}

server {
    listen 127.0.0.1:%%PORT_1%% ssl http2;
    %%TLS%%
    ssl_session_tickets off;
    ssl_session_cache shared:SSL:1m;
    location / { mtls_allow any; proxy_pass http://%%UPSTREAM%%; }
}
EOF

allowed(get($n, '/', @p), 'a CA of the bundle: its client may');


# all that a client can keep, made while the CA was trusted

my @kinds = (
    ['TLS 1.2 ticket',   0, '1.2'],
    ['TLS 1.3 ticket',   0, '1.3'],
    ['TLS 1.2 id',       1, '1.2'],
    ['TLS 1.3 stateful', 1, '1.3'],
);

my (%session, %ours);

for (@kinds) {
    my ($kind, $port, $tls) = @$_;

    for ([\%session, $carol], [\%ours, $alice]) {
        my ($all, $cert) = @$_;

        $all->{$kind} = session($n, cert => $cert, port => $port, tls => $tls);
        is($all->{$kind}->kind, $kind, "$kind: the server gives one");
    }

    is($session{$kind}->get('/', renew => 1)->{reused}, 1, "$kind: resumes");
}

my $keep = keepalive($n, @p);
my $h2 = h2($n, @p);
my $h2_ours = h2($n, cert => $alice);

allowed($keep->get('/'), 'keepalive: may while trusted');
allowed($h2->get('/'), 'HTTP/2: may while trusted');
allowed($h2_ours->get('/'), 'HTTP/2: and so may another CA\'s client');


# the CA is taken out of the file

trust($root);
becomes(400, $carol, 'removed: a new connection is refused by nginx');
like($n->wait_log('why.log', qr/untrusted/, 5), qr/^deny untrusted \.$/,
     'removed: the reason is "untrusted"');

refused($keep->get('/'), 'wrong_ca',
        'keepalive: refused on the next request');
refused($keep->get('/'), 'wrong_ca', 'keepalive: and on the one after');

refused($h2->get('/'), 'wrong_ca', 'HTTP/2: refused on the next stream');
refused($h2->get('/'), 'wrong_ca', 'HTTP/2: and on the one after');
allowed($h2_ours->get('/'), 'HTTP/2: another CA\'s connection goes on');

for (@kinds) {
    my ($kind) = @$_;

    $n->mark;

    my $r = $session{$kind}->get('/');
    is($r->{reused}, 0, "$kind: no longer resumes");
    is($r->{status}, 400, "$kind: the full handshake is refused");
    is($n->wait_log('why.log', qr/^deny/, 5), 'deny untrusted .',
       "$kind: as untrusted");

    $r = $ours{$kind}->get('/');
    is($r->{reused}, 1, "$kind: that of another CA's client resumes");
    allowed($r, "$kind: and it may");
}


# a worker that comes later has inherited what the master read: the CA with it

for my $worker (1 .. 2) {
    $n->kill_worker;

    is(get($n, '/', @p)->{status}, 400, "worker $worker killed: refused still");
    allowed(get($n, '/', cert => $alice), "worker $worker killed: ours may");
}


# what is no list of CAs changes nothing

my $garbage = "-----BEGIN CERTIFICATE-----\nno!\n-----END CERTIFICATE-----\n";

for (['empty',     qr/has 0 octets/, ''],
     ['text',      qr/no certificate/, "nothing\n"],
     ['broken',    qr/PEM block 2 is broken/, $root, $garbage],
     ['truncated', qr/PEM block 1 is broken/,
      substr(slurp($root->crt), 0, 300)])
{
    my ($what, $why, @content) = @$_;

    $n->mark;
    trust(@content);

    ok($n->wait_error(qr/\[error\].*mtls_ca: refused .*$why.*last good/, 10),
       "$what: refused, and the log says why");
    allowed(get($n, '/', cert => $alice), "$what: the last good one stays");
    is(get($n, '/', @p)->{status}, 400, "$what: and no more than that");
}


# it comes back

trust($root, $guest);
becomes(200, $carol, 'added again: a new connection may');

$h2 = h2($n, @p);
$h2_ours = h2($n, cert => $alice);
allowed($h2->get('/'), 'added again: HTTP/2 may');
allowed($h2_ours->get('/'), 'added again: and so may ours');

trust($root);
becomes(400, $carol, 'removed again');
refused($h2->get('/'), 'wrong_ca', 'HTTP/2: refused while it is away');
allowed($h2_ours->get('/'), 'HTTP/2: ours goes on');

trust($guest, $root);
becomes(200, $carol, 'added again, in another order');
allowed($h2->get('/'), 'HTTP/2: the same connection may again');


# a reload reads the files itself: there is no moment in which it goes by what
# was compiled before

trust($root);
ok($n->reload, 'removed, and a reload at once');
is(get($n, '/', @p)->{status}, 400, 'reload: refused from the first request');

trust($root, $guest);
ok($n->reload, 'added, and a reload at once');
allowed(get($n, '/', @p), 'reload: allowed from the first request');

# and what changes after it counts, as it did before it

trust($root);
becomes(400, $carol, 'removed after a reload');

done_testing;
