#!/usr/bin/perl

# The test library itself, against nginx without the module.
# Copyright (C) the ngx_mtls_module authors

use FindBin;
use lib "$FindBin::Bin/lib";
use Mtls::Test;

use Digest::SHA qw(sha1_hex);
use Mtls::DER qw(:all);

my $pki = Mtls::PKI->standard;
my $n = Mtls::Test->new(pki => $pki, module => 0, workers => 2);

my ($alice, $bob) = ($pki->alice, $pki->bob);


# DER

my @integer = (0 => '020100', 127 => '02017f', 128 => '02020080',
               -1 => '0201ff', -128 => '020180', -129 => '0202ff7f',
               '0xffffffffffffffff' => '020900ffffffffffffffff',
               '-0x8000' => '02028000');

while (my ($value, $hex) = splice @integer, 0, 2) {
    is(unpack('H*', integer($value)), $hex, "INTEGER $value");
}

is(unpack('H*', oid('1.2.840.113549')), '06062a864886f70d', 'OID');
is(unpack('H*', str('BMP', "\x{263a}a")), '1e04263a0061', 'BMPString');
is(unpack('H*', str('Universal', 'a')), '1c0400000061', 'UniversalString');
is(unpack('H*', str('UTF8', "\xff\0")), '0c02ff00', 'UTF8String, raw octets');
is(unpack('H*', str('UTF8', "\x{e9}\x{263a}")), '0c05c3a9e298ba', 'UTF8String');
is(unpack('H*', named_bits(5, 6)), '03020106', 'named bits');
is(unpack('H*', explicit(3, null())), 'a3020500', 'explicit tag');
is(unpack('H*', tlv(4, 'x' x 300)), '0482012c' . '78' x 300, 'long length');
like(time_der(2524607999), qr/^\x17\x0d491231235959Z$/, 'UTCTime in 2049');
like(time_der(2524608000), qr/^\x18\x0f20500101000000Z$/, 'and then not');


# nginx and its clients

$n->file('chunked.html', 'a<!--# echo var="ssl_client_verify" -->b');

$n->run(<<'EOF');
map $uri $who { default "$ssl_client_verify $ssl_client_s_dn"; }
map $uri $cert {
    default "$ssl_client_verify $ssl_client_serial $ssl_client_fingerprint";
}
log_format who "$uri $ssl_client_serial";
access_log %%DIR%%/who.log who;

server {
    listen 127.0.0.1:%%PORT_0%% ssl http2;
    %%TLS%%
    ssl_session_tickets off;
    ssl_session_cache shared:id:1m;
    server_name localhost;

    location /      { return 200 "$who"; }
    location /count { return 200 "$connection $connection_requests"; }
    location /cert  { return 200 "$cert"; }
    location /close { keepalive_timeout 0; return 200 $who; }

    location /up {
        proxy_pass http://%%UPSTREAM%%;
        proxy_set_header X-Who "$who";
    }

    location /yes {
        add_header X-Mtls-Action allow always;
        add_header X-Mtls-Reason ok always;
        return 204;
    }

    location /no {
        add_header X-Mtls-Action deny always;
        add_header X-Mtls-Reason early_data always;
        return 425;
    }

    location /html {
        alias %%DIR%%/chunked.html;
        ssi on;
        default_type text/html;
    }
}

server {
    listen 127.0.0.1:%%PORT_0%% ssl http2;
    %%TLS%%
    server_name b.example.com;
    location / { return 200 "b $host"; }
}

server {
    listen 127.0.0.1:%%PORT_1%% ssl http2;
    %%TLS%%
    ssl_session_tickets on;
    ssl_early_data on;
    location / { return 200 "$who early=$ssl_early_data $request_method"; }
}

server {
    listen 127.0.0.1:%%PORT_2%%;
    listen 127.0.0.1:%%PORT_3%% proxy_protocol ssl;
    %%CERT%%
    location / { return 200 "$https $proxy_protocol_addr"; }
}
EOF

my $ALICE = 'SUCCESS CN=alice,OU=payments,O=Alpha Bank';

my $r = get($n, '/');
is("$r->{status} $r->{body}", '200 NONE ', 'no certificate');

for my $tls ('1.2', '1.3') {
    $r = get($n, '/', cert => $alice, tls => $tls);
    is("$r->{tls} $r->{body}", "$tls $ALICE", "a certificate, TLS $tls");
}

is(get($n, '/', method => 'HEAD')->{status}, 200, 'HEAD');
is(get($n, '/html', cert => $alice)->{body}, 'aSUCCESSb', 'chunked');
is(get($n, '/', port => 2, plain => 1,
       raw => "GET / HTTP/1.1\r\n\r\n")->{status},
   400, 'octets: a request without Host');
is(get($n, '/', port => 2, plain => 1)->{body}, ' ', 'plain HTTP');
is(get($n, '/', port => 3, proxy => '192.0.2.7')->{body}, 'on 192.0.2.7',
   'PROXY protocol');
is(get($n, '/', plain => 1)->{status}, 400, 'plain HTTP to a TLS port: 497');

is(get($n, '/', sni => 'b.example.com')->{body}, 'b b.example.com', 'SNI');
is(get($n, '/', sni => undef, host => 'b.example.com')->{body},
   'b b.example.com', 'no SNI, but a Host');
is(get($n, '/', cert => $alice, host => 'b.example.com')->{status}, 421,
   'another Host than SNI where certificates are verified');

$r = get($n, '/', port => 3);
is($r->{status}, 0, 'no answer');
like($r->{error}, qr/handshake|closed/, 'and why');

is($n->wait_log('who.log', qr{^/html}), '/html ' . $alice->serial,
   'an access log');


allowed(get($n, '/yes'), 'allowed');
refused(get($n, '/no'), 'early_data', 'refused', 425);

TODO: {
    local $TODO = 'to be found wrong';

    allowed(get($n, '/'), 'allowed, but by nobody');
    allowed(get($n, '/no'), 'allowed, but refused');
    refused(get($n, '/no'), 'early_data', 'refused, but with another status');
    refused(get($n, '/no'), 'revoked', 'refused, but why', 425);
    refused(get($n, '/yes'), 'ok', 'refused, but allowed', 204);
}

is(join('', map { $_->{actual_ok} } grep { $_->{type} eq 'todo' }
                                    Test::More->builder->details),
   '00000', 'all found wrong');


# keepalive

my $k = keepalive($n, cert => $alice);
my ($connection) = split ' ', $k->get('/count')->{body};
is($k->get('/count')->{body}, "$connection 2", 'a second request');
is($k->get('/', host => 'localhost')->{body}, $ALICE, 'a third');
ok(!$k->closed(0), 'still open');
is($k->get('/close')->header('Connection'), 'close', 'the last');
ok($k->closed, 'closed by nginx');
is($k->get('/')->{status}, 0, 'nothing comes any more');


# sessions

for my $case (['1.2', 0, 'TLS 1.2 id'],     ['1.3', 0, 'TLS 1.3 stateful'],
              ['1.2', 1, 'TLS 1.2 ticket'], ['1.3', 1, 'TLS 1.3 ticket'])
{
    my ($tls, $port, $kind) = @$case;

    my $s = session($n, cert => $alice, tls => $tls, port => $port);
    is($s->kind, $kind, "$kind: its kind");
    is($s->{first}{reused}, 0, "$kind: the first is not resumed");

    for my $i (1 .. 2) {
        $r = $s->get('/', renew => 1, cert => undef);
        is($r->{reused}, 1, "$kind: resumed, $i");
        like($r->{body}, qr/^$ALICE/, "$kind: the certificate is known, $i");
    }

    my $k = $s->keepalive;
    is($k->reused, 1, "$kind: on a connection kept alive");
    is($s->h2->get('/')->{reused}, 1, "$kind: HTTP/2");
}

my $s = session($n, cert => $alice, tls => '1.2', ticket => 0, port => 1);
is($s->get('/', port => 1)->{reused}, 0, 'neither tickets nor a cache');


# early data

$s = session($n, cert => $alice, tls => '1.3', port => 1);
$r = $s->early_data('/x', method => 'POST', body => 'x');
is("$r->{status} $r->{body}", "200 $ALICE early=1 POST", 'early data');
is("$r->{early} $r->{reused}", '1 1', 'accepted');

$s = session($n, cert => $alice, tls => '1.3', port => 0);
$r = $s->early_data('/x', timeout => 1);
is("$r->{early} $r->{status}", '0 0', 'not accepted where it is off');


# HTTP/2

my $h = h2($n, cert => $alice);
($connection) = split ' ', $h->get('/count')->{body};
is($h->get('/count')->{body}, "$connection 2", 'two streams, one connection');

my @id = ($h->start('/up?delay=0.1'), $h->start('/', method => 'DELETE'));
my ($slow, $fast) = map { $h->finish($_) } @id;
is($fast->{body}, $ALICE, 'streams beside each other');
is($slow->received('X-Who'), $ALICE, 'one from the upstream');

$r = $h->get('/up', method => 'POST', body => 'b' x 20_000,
             headers => ['X-A' => 'one', 'X-A' => "two%\x{e9}"]);
is(length $r->json->{body}, 20_000, 'a body');
is_deeply([$r->received('x-a')], ['one', "two%\x{e9}"], 'headers');
is(length $h->get('/up?size=300000')->{body}, 300_000, 'flow control');
like($h->get('/up?header=X-B:%7E!%22%5C')->header('x-b') // '', qr/^%7E/,
     'Huffman code');
is($h->get('/', host => 'b.example.com')->{status}, 421, 'another authority');
ok(!$h->closed(0), 'still open');

$r = curl($n, '/', cert => $alice, http2 => 1);
is("$r->{version} $r->{body}", "2 $ALICE", 'curl, HTTP/2');
$r = curl($n, '/up', headers => ['X-A' => 'a'], body => 'b');
is($r->{version} . $r->received('X-A') . $r->json->{body}, '1.1ab',
   'curl, HTTP/1.1');
is(curl($n, '/', plain => 1, port => 0, args => ['-m1'])->{status}, 400,
   'curl, plain');

my @request = $n->upstream_requests;
is($request[-1]{headers}[0][1], 'NONE ', 'what the upstream saw');


# certificates, good and hostile: accepted by nginx as they are meant

my $dn = sub {
    my ($dn, @arg) = @_;
    my $c = $pki->cert(issuer => $pki->inter, @arg);

    return [$c, $dn, substr("@arg", 0, 40) =~ s/[^ -~]/?/gr];
};

my @cert = (
    $dn->('CN=x', cn => 'x', key => 'rsa2048'),
    $dn->('CN=x', cn => 'x', key => 'rsa4096'),
    $dn->('CN=x', cn => 'x', key => 'ed25519'),
    $dn->('CN=x', cn => 'x', key => 'ec384', key => $bob),
    $dn->('CN=x', cn => 'x', serial => '0x' . 'ff' x 19),
    $dn->('CN=x', cn => 'x', serial => '0x7f' . 'ff' x 19),
    $dn->('CN=x', cn => 'x', serial => '-0x1234'),
    $dn->('CN=x', cn => 'x', serial => 0),
    $dn->('CN=x', cn => 'x', version => 1),
    $dn->('CN=x', cn => 'x', eku => [], ku => [], ski => 0, aki => 0),
    $dn->('O=Evil\,CN=admin', subject => [[O => 'Evil,CN=admin']]),
    $dn->('CN=two,CN=one', subject => [[CN => 'one'], [CN => 'two']]),
    $dn->('OU=x+CN=y', subject => [[[OU => 'x'], [CN => 'y']]]),
    $dn->('CN=a', subject => [[CN => 'a', 'BMP']]),
    $dn->('CN=a\00b', subject => [[CN => "a\0b"]]),
    $dn->('CN=a\0D\0AX: b', subject => [[CN => "a\r\nX: b", 'T61']]),
    $dn->('', subject => []),
    $dn->('1.2.3.4=#0C0178', subject => [['1.2.3.4' => 'x']]),
    $dn->('CN=x', cn => 'x', san => [map { [dns => "h$_.example"] } 1 .. 2000]),
    $dn->('CN=x', cn => 'x', san => [
        [dns => '*.example.com'], [uri => ''], [email => 'a@b'],
        [ip => '::1'], [ip => '192.0.2.1'], [upn => 'a@corp'], [rid => '1.2.3'],
        [dirname => [[CN => 'x']]], [other => '1.2.3', null()],
        [raw => implicit(2, "a\0b")],
    ], policies => ['1.2.3'], cdp => ['http://x/'], ocsp => 'http://y/'),
    $dn->('CN=x', cn => 'x', ext => [['1.2.3.4', 0, null()],
                                     ['1.2.3.4', 0, null()]]),
);

for my $case (@cert) {
    my ($c, $dn, $name) = @$case;

    $r = get($n, '/cert', cert => $c);
    is($r->{body}, join(' ', 'SUCCESS', $c->serial, sha1_hex($c->der)),
       "certificate: $name");
    is(get($n, '/', cert => $c, tls => '1.2')->{body} =~ s/^SUCCESS //r, $dn,
       "its name: $dn");
}

for my $case ([expired => 10], [early => 9], [wrong_eku => 26], [other => 21],
              [self => 18])
{
    my ($name, $error) = @$case;

    is(get($n, '/', cert => $pki->$name)->{status}, 400,
       "$name: refused by nginx");
    ok($n->wait_error(qr/verify error: \($error:/), "$name: error $error");
}

my $bad = $pki->cert(issuer => $pki->inter, cn => 'bad', break => 'signature');
is(get($n, '/', cert => $bad)->{status}, 400, 'a broken signature');
$n->allow(qr/ignoring stale global SSL error/);
is(get($n, '/', cert => $alice, chain => [])->{status}, 400,
   'without its issuer');

my $cross = $pki->ca(cn => 'Issuing CA', key => $pki->inter, name => 'cross',
                     issuer => $pki->other_root);
is((command('openssl', 'verify', '-CAfile', $pki->other_root->crt,
            '-untrusted', $cross->crt, $alice->crt))[0], 0, 'cross-signed');
is($alice->spki_sha256, $pki->cert(key => $alice)->spki_sha256, 'shared key');
isnt($alice->spki_sha256, $bob->spki_sha256, 'keys of their own');

my ($code, $out) = command('openssl', 'x509', '-in', $alice->crt, '-noout',
                           '-fingerprint', '-sha256', '-serial');
is($out =~ s/://gr, 'sha256 Fingerprint=' . uc($alice->fingerprint)
                    . "\nserial=" . $alice->serial . "\n",
   'fingerprint and serial');


# CRLs, by the word of openssl

my $rsa = $pki->ca(cn => 'RSA CA', key => 'rsa2048');
my $ed = $pki->ca(cn => 'Ed25519 CA', key => 'ed25519');

sub crl {
    my ($ca, %arg) = @_;

    my $crl = $ca->crl(%arg);
    my ($code, $out, $err) = command(
        'openssl', 'crl', '-in', $crl->path, '-CAfile', $ca->crt, '-noout',
        '-text', '-inform', uc($arg{format} || 'pem'));

    return $err =~ s/\n.*//sr . "\n$out";
}

like(crl($rsa), qr/^verify OK.*CRL Number: \n *1\n.*No Revoked/s,
     'CRL: RSA, empty');
like(crl($rsa, sigalg => 'rsa-pss'), qr/^verify OK.*rsassaPss/s, 'CRL: PSS');
like(crl($ed, format => 'der'), qr/^verify OK/, 'CRL: Ed25519, DER');
like(crl($rsa, version => 1, revoked => ['0x12']), qr/^verify OK.*Version 1/s,
     'CRL: v1');
like(crl($rsa, next => undef, number => undef), qr/^verify OK.*Update: NONE/s,
     'CRL: neither nextUpdate nor number');
like(crl($rsa, number => '0x' . '7f' x 20, delta => 1),
     qr/^verify OK.*Delta CRL Indicator: critical/s, 'CRL: delta');
like(crl($rsa, revoked => [$alice, [$bob, -5, 'keyCompromise'],
                           ['-0x80', -5, 6, [['1.2.3', 1, null()]]]],
         ext => [['1.2.3.4', 1, null()]]),
     qr/^verify OK.*1\.2\.3\.4: critical.*Key Compromise.*-80.*1\.2\.3: crit/s,
     'CRL: entries and extensions');
like(crl($rsa, break => 'signature'), qr/^verify failure/, 'CRL: broken');
like(crl($rsa, key => 'rsa2048:b'), qr/^verify failure/, 'CRL: another key');
like(crl($rsa, break => 'truncate'), qr/^Could not (?:read|find) CRL/,
     'CRL: cut');
like(crl($rsa, issuer_name => [[CN => 'x']]), qr/issuer cert|^verify fail/i,
     'CRL: another issuer');
like(crl($rsa, entries_der => seq(integer(7), time_der(time)) x 1000),
     qr/^verify OK/, 'CRL: a thousand entries');

my $large = $rsa->large_crl(entries => 20_000, revoked => [$alice]);
($code, $out, my $err) = command('openssl', 'crl', '-in', $large->path,
                                 '-CAfile', $rsa->crt, '-noout', '-text');
like($err, qr/^verify OK/, 'CRL: twenty thousand entries');
is(() = $out =~ /Serial Number:/g, 20_001, 'CRL: all there');
like($out, qr/Serial Number: ${\$alice->serial}\n/, 'CRL: with the one given');

($code, undef, $err) = command(
    'openssl', 'verify', '-crl_check_all', '-CAfile', $pki->root->crt,
    (map { ('-CRLfile', $pki->dir . "/$_.crl") } qw(root inter)),
    '-untrusted', $pki->inter->crt, $pki->revoked->crt);
like($err, qr/certificate revoked/, 'CRL: the one of the usual cast');

my $path = $n->dir . '/live.crl';
install_crl($path, $rsa->crl);
my $inode = (stat $path)[1];
open my $reader, '<', $path;
install_crl($path, $rsa->crl(revoked => [$alice]), $ed->crl);
isnt((stat $path)[1], $inode, 'CRL: put in place by rename');
is(() = slurp($path) =~ /BEGIN X509 CRL/g, 2, 'CRL: two in one file');
is(join('', glob $n->dir . '/.live*'), '', 'CRL: nothing left beside it');


# nginx: reload, workers, -t, logs

my @old = $n->worker_pids;
is(@old, 2, 'two workers');
$k = keepalive($n);
is($k->get('/')->{status}, 200, 'a connection before the reload');
$n->mark;
ok($n->reload, 'reload');
is(grep({ my $pid = $_; grep { $_ == $pid } @old } $n->worker_pids), 0,
   'other workers');
ok($k->closed, 'old connections end');
is(get($n, '/')->{status}, 200, 'new ones are served');

ok($n->kill_worker, 'a worker is killed and comes again');
is($n->worker_pids, 2, 'two workers');
is($n->error_lines(qr/gracefully/) > 0, 1, 'lines since the mark');

my $conf = 'server { listen 127.0.0.1:%%PORT_0%% ssl; %%TLS%% }';
$n->config_ok($conf, 'nginx -t is content');
$n->config_warns("$conf $conf", qr/conflicting server name/, 'nginx -t warns');
$n->config_refused("$conf\nssi_wrong;\n",
                   qr/unknown directive "ssi_wrong" in .*:2$/,
                   'nginx -t refuses, with the line of the text');
is($n->line('ssl_early_data'), 55, 'the line of a directive');

$n->allow(qr/unknown directive "wrong"/);
my $text = $n->{text};
ok(!$n->reload('wrong;'), 'a reload that is refused');
ok($n->reload($text), 'and one that is not');


# the judgement at the end

my $mock = Mtls::Test->new;

for my $line ('[alert] 1#1: x', '[emerg] 1#1: x', 'AddressSanitizer: x',
              'a.c:1: runtime error: x', 'process 1 exited on signal 11')
{
    spew($mock->dir . '/error.log', "[info] fine\n", "$line\n");
    is(join(',', $mock->bad_lines), $line, "found: $line");
}

$mock->allow(qr/signal 11/);
is($mock->bad_lines, 0, 'allowed');


# nothing is left behind, whatever happens to the test

for my $end ('die "as asked\n"', 'kill KILL => $$') {
    my ($code, $out) = command($^X, "-I$FindBin::Bin/lib", '-e', <<"EOF");
        use Mtls::Test;
        my \$n = Mtls::Test->new(module => 0, workers => 1);
        \$n->run('server { listen 127.0.0.1:%%PORT_0%%; }');
        \$| = 1;
        print join ' ', \$n->dir, \$n->master_pid, \$n->worker_pids;
        $end;
EOF

    my ($dir, @pid) = split ' ', $out;
    isnt($code, 0, "$end: a failure");
    is(@pid, 2, "$end: nginx ran");
    ok(wait_for(sub {
        !grep { (eval { slurp("/proc/$_/cmdline") } // '') ne '' } @pid
    }), "$end: nginx has ended");

    if ($code < 128) {
        ok(!-e $dir, "$end: no folder");

    } else {
        command('rm', '-r', $dir);
    }
}

done_testing;
