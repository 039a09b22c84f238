#!/usr/bin/perl

# Who vouches: labels, partial anchors, helpers, servers that trust some.
# Copyright (C) the ngx_mtls_module authors

use FindBin;
use lib "$FindBin::Bin/lib";
use Mtls::Test;

my $pki = Mtls::PKI->standard;
my $n = Mtls::Test->new(pki => $pki);

my ($root, $inter, $alice) = ($pki->root, $pki->inter, $pki->alice);

# a second intermediate, a third below it, and an intermediate that expired

my $inter2 = $pki->ca(cn => 'Second CA', issuer => $root, name => 'inter2');
my $deep = $pki->ca(cn => 'Deep CA', issuer => $inter2, name => 'deep');
my $old = $pki->ca(cn => 'Old CA', issuer => $root, name => 'old',
                   not_before => -7200, not_after => -60);
my $island = $pki->ca(cn => 'Island CA', issuer => $pki->other_root,
                      name => 'island');

my $second = $pki->cert(cn => 'second', issuer => $inter2);
my $diver = $pki->cert(cn => 'diver', issuer => $deep);
my $late = $pki->cert(cn => 'late', issuer => $old);
my $robinson = $pki->cert(cn => 'robinson', issuer => $island);
my $pinned = $pki->self;

$n->run(<<'EOF');
mtls_ca  main    %%PKI%%/root.crt %%PKI%%/inter2.crt;
mtls_ca  other   %%PKI%%/other_root.crt;
mtls_ca  pinned  %%PKI%%/self.crt;
mtls_ca  also    %%PKI%%/roo[t].crt;
%%MTLS%%

mtls_group main_alice  { ca main;  subject cn alice; identity "main:$mtls_subject_cn"; }
mtls_group other_alice { ca other; subject cn alice; identity "other:$mtls_subject_cn"; }
mtls_group both        { ca also;  group main_alice; }
mtls_group not_main    { not ca main; ca any; }

ssl_session_cache shared:SSL:1m;

server {
    listen 127.0.0.1:%%PORT_0%% ssl;
    server_name localhost a.example;
    %%TLS%%

    location / {
        mtls_allow any;
        proxy_pass http://%%UPSTREAM%%;
        proxy_set_header X-Ca $mtls_ca;
        proxy_set_header X-Id $mtls_identity;
    }

    location /main_alice  { mtls_allow main_alice;  proxy_pass http://%%UPSTREAM%%; }
    location /other_alice { mtls_allow other_alice; proxy_pass http://%%UPSTREAM%%; }
    location /both        { mtls_allow both;        proxy_pass http://%%UPSTREAM%%; }
    location /not_main    { mtls_allow not_main;    proxy_pass http://%%UPSTREAM%%; }
}

server {
    listen 127.0.0.1:%%PORT_0%% ssl;
    server_name other.example;
    %%TLS%%
    mtls_trust other pinned;
    location / { mtls_allow any; proxy_pass http://%%UPSTREAM%%;
                 proxy_set_header X-Ca $mtls_ca; }
    location /public { proxy_pass http://%%UPSTREAM%%; }
}

# nginx itself trusts other_root here, but no label of the server does

server {
    listen 127.0.0.1:%%PORT_0%% ssl;
    server_name main.example;
    %%CERT%%
    ssl_verify_client optional;
    ssl_client_certificate %%PKI%%/other_root.crt;
    mtls_trust main;
    location / { mtls_allow any; proxy_pass http://%%UPSTREAM%%; }
}

server {
    listen 127.0.0.1:%%PORT_0%% ssl;
    server_name lax.example;
    %%CERT%%
    ssl_verify_client optional_no_ca;
    mtls_trust main;
    location / { mtls_allow any; proxy_pass http://%%UPSTREAM%%; }
    location /public { proxy_pass http://%%UPSTREAM%%; }
}
EOF

# which anchors vouch

my $r = get($n, '/', cert => $alice);
allowed($r, 'a chain to a root, its intermediate sent by the client');
is($r->received('X-Ca'), 'main,also', 'a certificate in two labels has both');

$r = get($n, '/', cert => $second, chain => []);
allowed($r, 'an intermediate of the files helps: the client need not send it');

allowed(get($n, '/', cert => $diver),
        'two intermediates, one sent, one sent and known');
allowed(get($n, '/', cert => $diver, chain => [$deep]),
        'two intermediates, one sent, one known');

$r = get($n, '/', cert => $pinned);
allowed($r, 'a self-signed client certificate that is itself in a label');
is($r->received('X-Ca'), 'pinned', 'vouches for itself');

# the same name from two CAs is two clients

$r = get($n, '/', cert => $pki->other);
is($r->received('X-Id'), 'other:alice', 'alice of the other CA is another');
refused(get($n, '/main_alice', cert => $pki->other), 'no_match',
        'and not alice of the main CA');
allowed(get($n, '/other_alice', cert => $pki->other), 'but herself');
is(get($n, '/', cert => $alice)->received('X-Id'), 'main:alice',
   'alice of the main CA is one');
refused(get($n, '/other_alice', cert => $alice), 'no_match',
        'and not alice of the other CA');
allowed(get($n, '/both', cert => $alice), 'ca is multi-valued');
refused(get($n, '/not_main', cert => $alice), 'no_match', 'not ca');
allowed(get($n, '/not_main', cert => $pki->other), 'not ca of another');

# what does not vouch: nginx answers 400 before any phase

for ([$late, 'expired', 'an expired intermediate'],
     [$pki->expired, 'expired', 'an expired certificate'],
     [$pki->early, 'not_yet_valid', 'a certificate of tomorrow'],
     [$pki->wrong_eku, 'purpose', 'a certificate of a server'],
     [$pki->cert(cn => 'x', issuer => $root, break => 'signature'),
      'untrusted', 'a wrong signature'])
{
    my ($cert, $reason, $name) = @$_;

    $n->allow(qr/ignoring stale global SSL error/) if $name =~ /signature/;
    refused(get($n, '/', cert => $cert), $reason, $name, 400);
}

# another CA's subordinate, with and without what leads to its root

allowed(get($n, '/', cert => $robinson), 'a chain under the other root');
refused(get($n, '/', cert => $robinson, chain => []), 'untrusted',
        'the same without its unknown intermediate', 400);

# mtls_trust: verified by the labels of the server, not by nginx's store

$r = get($n, '/', cert => $pki->other, sni => 'other.example');
allowed($r, 'mtls_trust: a label that the server accepts');
is($r->received('X-Ca'), 'other', 'and its label');
refused(get($n, '/', cert => $alice, sni => 'other.example'), 'untrusted',
        'mtls_trust: a label that it does not', 400);
allowed(get($n, '/', cert => $alice, sni => 'main.example'),
        'the labels count, not ssl_client_certificate');
refused(get($n, '/', cert => $pki->other, sni => 'main.example'), 'untrusted',
        'also the other way round', 400);

# optional_no_ca lets unknown issuers pass nginx, but not mtls

refused(get($n, '/', cert => $pki->other, sni => 'lax.example'), 'untrusted',
        'optional_no_ca: refused by mtls');
refused(get($n, '/public', cert => $pki->other, sni => 'lax.example'),
        'untrusted', 'optional_no_ca: refused without any mtls_allow, too');
allowed(get($n, '/', cert => $alice, sni => 'lax.example'),
        'optional_no_ca: a good one may');

# verified under one server, used at another: no SNI and another Host

refused(get($n, '/', cert => $alice, sni => undef, host => 'other.example'),
        'wrong_ca', 'no SNI, Host of a server that does not trust the CA');
refused(get($n, '/public', cert => $alice, sni => undef,
            host => 'other.example'),
        'wrong_ca', 'the same where no policy is in force');
allowed(get($n, '/', cert => $pki->other, sni => undef,
            host => 'other.example'),
        'no SNI, Host of a server that trusts the CA');

my $k = keepalive($n, cert => $alice, sni => undef);
allowed($k->get('/', host => 'a.example'), 'one connection: at home');
refused($k->get('/', host => 'other.example'), 'wrong_ca',
        'one connection: at the other server');
allowed($k->get('/', host => 'a.example'), 'one connection: at home again');

refused(get($n, '/', cert => $alice, sni => 'a.example',
            host => 'other.example'),
        'wrong_ca', 'SNI of one server, Host of another: nginx says 421', 421);

done_testing;
