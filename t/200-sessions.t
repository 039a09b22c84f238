#!/usr/bin/perl

# What a client keeps, a connection or a TLS session, is worth no more than
# its certificate is now.
# Copyright (C) the ngx_mtls_module authors

use FindBin;
use lib "$FindBin::Bin/lib";
use Mtls::Test;

my $pki = Mtls::PKI->standard;
my $n = Mtls::Test->new(pki => $pki, workers => 2);

my ($inter, $root, $alice) = ($pki->inter, $pki->root, $pki->alice);
my @p = (cert => $alice);

sub revoke {
    my @certs = @_;

    install_crl($n->dir . '/inter.crl', $inter->crl(revoked => [@certs]));

    my $want = grep({ $_ == $alice } @certs) ? 403 : 200;

    wait_for(sub { get($n, '/', cert => $alice)->{status} == $want }, 10)
        or diag('the new CRL did not take effect');
}

install_crl($n->dir . '/inter.crl', $inter->crl(revoked => [$pki->revoked]));
install_crl($n->dir . '/root.crl', $root->crl);

# PORT_0 gives tickets; PORT_1 keeps sessions in its cache

$n->run(<<'EOF');
mtls_ca partners %%PKI%%/root.crt %%PKI%%/inter.crt;
mtls_crl %%DIR%%/inter.crl refresh=1s;
mtls_crl %%DIR%%/root.crl refresh=1s;
%%MTLS%%

ssl_session_timeout 1h;

server {
    listen 127.0.0.1:%%PORT_0%% ssl http2;
    %%TLS%%
    ssl_early_data on;

    location / {
        mtls_allow any;
        proxy_pass http://%%UPSTREAM%%;
        proxy_set_header X-Revocation $mtls_revocation;
        proxy_set_header X-Source $mtls_revocation_source;
    }

    location /never {
        mtls_allow any;
        mtls_early_data deny;
        proxy_pass http://%%UPSTREAM%%;
    }

    location /always {
        mtls_allow any;
        mtls_early_data allow;
        proxy_pass http://%%UPSTREAM%%;
    }
}

server {
    listen 127.0.0.1:%%PORT_1%% ssl http2;
    %%TLS%%
    ssl_session_tickets off;
    ssl_session_cache shared:SSL:1m;
    location / { mtls_allow any; proxy_pass http://%%UPSTREAM%%; }
}
EOF


# a full handshake

my $r = get($n, '/', @p);
allowed($r, 'a good certificate may');
is($r->received('X-Revocation'), 'good', '$mtls_revocation is good');
like($r->received('X-Source'), qr{/(inter|root)\.crl$},
     '$mtls_revocation_source is the file that said so');

refused(get($n, '/', cert => $pki->revoked), 'revoked',
        'a revoked certificate may not');


# every kind of session, opened while the certificate was good

my @kinds = (
    ['TLS 1.2 ticket',   0, '1.2'],
    ['TLS 1.3 ticket',   0, '1.3'],
    ['TLS 1.2 id',       1, '1.2'],
    ['TLS 1.3 stateful', 1, '1.3'],
);

my %session;

for (@kinds) {
    my ($kind, $port, $tls) = @$_;

    my $s = session($n, @p, port => $port, tls => $tls);
    is($s->kind, $kind, "$kind: the server gives one");

    for ('the session', 'the session of a resumption') {
        my $again = $s->get('/', renew => 1);
        is($again->{reused}, 1, "$kind: $_ resumes");
        allowed($again, "$kind: and may, its chain being known");
    }

    $session{$kind} = $s;
}

my $keep = keepalive($n, @p);
my $h2 = h2($n, @p);
my $other = keepalive($n, cert => $pki->bob);

allowed($keep->get('/'), 'keepalive: may while good');
allowed($h2->get('/'), 'HTTP/2: may while good');
allowed($other->get('/'), 'somebody else: may');


# the certificate is revoked while they live; nobody reloads

revoke($alice);

refused($keep->get('/'), 'revoked',
        'keepalive: refused on the next request after the CRL came');
ok($keep->closed, 'keepalive: and the connection is ended');

refused($h2->get('/'), 'revoked',
        'HTTP/2: refused on the next stream of the same connection');
refused($h2->get('/'), 'revoked',
        'HTTP/2: and on the one after, the connection staying');

allowed($other->get('/'), 'somebody else: may still');

for (@kinds) {
    my ($kind) = @$_;

    my $again = $session{$kind}->get('/');
    is($again->{reused}, 1, "$kind: resumes, for the refusal to be told");
    refused($again, 'revoked', "$kind: refused after the CRL came");
}

is($session{'TLS 1.2 id'}->get('/')->{reused}, 0,
   'TLS 1.2 id: a refused session is gone from the cache');

refused($session{'TLS 1.3 ticket'}->get('/', cert => undef), 'revoked',
        'TLS 1.3 ticket: also where no certificate is offered again');


# what is taken off the list may again, on the connections that live

revoke($pki->revoked);

allowed($h2->get('/'), 'HTTP/2: may again once off the list');
allowed(get($n, '/', @p), 'and so may a new connection');


# sessions survive a reload of the same configuration, and so does judgement

my $cached = session($n, @p, port => 1, tls => '1.2');
my $ticket = session($n, @p, tls => '1.3');

ok($n->reload, 'reload');

$r = $cached->get('/');
is($r->{reused}, 1, 'a cached session resumes over a reload');
allowed($r, 'and its chain is still known');

allowed($ticket->get('/'), 'a ticket, resumed or not, may after a reload');


# TLS 1.3 early data

sub early {
    my ($path, @arg) = @_;

    return session($n, @p, tls => '1.3')->early_data($path, @arg);
}

my @pay = (method => 'POST', body => 'pay');

$r = early('/');
is($r->{early}, 1, 'early GET: taken as early data');
allowed($r, 'early GET: safe by default');

$r = early('/', @pay);
is($r->{early}, 1, 'early POST: taken as early data');
refused($r, 'early_data', 'early POST: 425 by default', 425);

refused(early('/never'), 'early_data', 'mtls_early_data deny: nor GET', 425);
allowed(early('/always', @pay), 'mtls_early_data allow: also POST');
allowed(get($n, '/', @p, @pay), 'a POST that is not early may');

my $s = session($n, @p, tls => '1.3');

revoke($alice);

refused($s->early_data('/'), 'revoked', 'early data of a revoked one');

done_testing;
