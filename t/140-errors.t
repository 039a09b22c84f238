#!/usr/bin/perl

# mtls_error: what a refused request is answered, for each reason and kind of
# request, and when it is nginx's own affair.
# Copyright (C) the ngx_mtls_module authors

use FindBin;
use lib "$FindBin::Bin/lib";
use Mtls::Test;

my $pki = Mtls::PKI->standard;
my $n = Mtls::Test->new(pki => $pki);
my $l = Mtls::Test->new(pki => $pki);

sub cert { return $pki->cert(issuer => $pki->inter, @_) }

my ($alice, $bob, $revoked) = ($pki->alice, $pki->bob, $pki->revoked);
my $carol = cert(cn => 'carol');
my $quiet_ca = $pki->ca(cn => 'Quiet CA', name => 'quiet');

my $JSON = 'application/json';
my $GRPC = 'application/grpc';

# reason => [what gives it, grpc-status]; nginx itself refuses those with
# "page", and its error_page is judged

my %case = (
    no_cert    => [{}, 16],
    no_match   => [{cert => $carol}, 7],
    denied     => [{cert => $bob}, 7],
    ambiguous  => [{cert => cert(subject => [[CN => 'alice'], [CN => 'bob']])},
                   7],
    bad_svid   => [{cert => cert(cn => 'carol', name => 'bad_svid',
                                 san => [[uri => 'spiffe://prod.example/']])},
                   16],
    untrusted  => [{cert => $pki->self}, 16],
    wrong_ca   => [{cert => $pki->other, sni => undef, host => 'localhost'},
                   16],
    revoked    => [{cert => $revoked}, 16],
    revocation_unknown =>
                  [{cert => $pki->cert(cn => 'alice', issuer => $quiet_ca)},
                   16],
    error      => [{cert => cert(cn => 'alice', mangle => sub {
                      $_[0] =~ s/\x01\x01\xff/\x01\x01\x01/r; })}, 16],

    expired    => [{cert => $pki->expired}, 16, 'page'],
    not_yet_valid => [{cert => $pki->early}, 16, 'page'],
    purpose    => [{cert => $pki->wrong_eku}, 16, 'page'],

    # these have tests of their own

    early_data => undef,
    loading    => undef,
);


# The answer is a problem, whole.

sub problem {
    my ($r, $reason, $status, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $type = "urn:ngx-mtls:problem:$reason";
    my $json = eval { $r->json } // {};
    my $texts = join '', map { $_ // '' } @$json{qw(title detail)};

    return is(join(' ', $r->{status}, 'deny',
                   $r->header('X-Mtls-Reason') // '-',
                   $r->header('Content-Type') // '-',
                   $r->header('Content-Length') // '-',
                   join(',', $r->headers('Cache-Control')),
                   join(',', sort keys %$json),
                   $json->{type} // '-', $json->{status} // '-',
                   $texts =~ /^[A-Z][\w ,;]+[A-Z][\w ,;]+\.$/
                       ? 'texts' : $texts),
              join(' ', $status, 'deny', $reason, 'application/problem+json',
                   length $r->{body}, 'no-store', 'detail,status,title,type',
                   $type, $status, 'texts'), $name)
           || diag($r->{body} . ($r->{error} // ''));
}


# ... a page of nginx's

sub page {
    my ($r, $status, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return is(join(' ', $r->{status}, $r->header('Content-Type') // '-',
                   $r->{body} =~ /<center>nginx/ ? 'page' : 'none'),
              "$status text/html page", $name);
}


# ... gRPC's

sub grpc {
    my ($r, $status, $name, $type) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $message = $r->header('Grpc-Message') // '';

    return is(join(' ', $r->{status}, $r->header('Content-Type') // '-',
                   join(',', $r->headers('Grpc-Status')),
                   $message =~ /^[A-Z][\w ,;]+\.$/ ? 'text' : $message,
                   length $r->{body}),
              join(' ', 200, $type // $GRPC, $status, 'text', 0), $name);
}


# ... none

sub none {
    my ($r, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return is($r->{status}, 0, $name);
}


# The tokens are those of the code.

my ($enum) = slurp("$FindBin::Bin/../ngx_mtls_module/ngx_mtls_decision.h")
             =~ /typedef enum \{\s*(NGX_MTLS_REASON_.*?)\}/s;
my @reasons = sort grep { !/^(?:none|ok)$/ }
              map { lc } $enum =~ /NGX_MTLS_REASON_(\w+)/g;

is_deeply([sort keys %case], \@reasons, 'every reason has a case');


# While a source is loaded (see 100-judgement.t)

my $LOADING = <<'EOF';
mtls_ca partners %%PKI%%/root.crt %%PKI%%/inter.crt;
mtls_crl %%PKI%%/root.crl refresh=1s;
%%MTLS%%
mtls_allow any;
mtls_error problem;
server {
    listen 127.0.0.1:%%PORT_0%% ssl http2;
    %%TLS%%
    location / { try_files /no =204; }
    location /auto { mtls_error auto; try_files /no =204; }
    location /500 { mtls_error problem loading=500; try_files /no =204; }
    location /page { error_page 503 /judged; try_files /no =204; }
    location = /judged { try_files /no =204; }
}
EOF

$l->run($LOADING);
ok($l->wait_error(qr/loaded CRL file ".*root\.crl"/, 5), 'loading: the first');

my $manager = $l->manager_pid;

kill 'STOP', $manager;
END { kill 'CONT', $manager if $manager }

ok($l->reload($LOADING . 'mtls_crl ' . $pki->dir . "/inter.crl refresh=1s;\n"),
   'loading: a second source');

my $w = h2($l, cert => $alice, timeout => 20);
my %wait = map { $_ => $w->start($_) } qw(/ /500 /page);

$wait{'/auto'} = $w->start('/auto', method => 'POST', body => 'x',
                           headers => ['Content-Type' => $GRPC]);


# nginx -t

my $CA = 'mtls_ca partners %%PKI%%/root.crt;';
my $SERVER = 'server { listen 127.0.0.1:%%PORT_0%% ssl; %%TLS%% }';

for (['no form', 'no_cert=444',
      qr/invalid value "no_cert=444" .* "default", "problem" or "auto"/],
     ['an unknown form', 'html', qr/invalid value "html"/],
     ['no code', 'auto no_cert', qr/"no_cert" .* must be REASON=CODE/],
     ['an unknown reason', 'auto nocert=444', qr/unknown reason "nocert"/],
     ['an empty reason', 'auto =444', qr/unknown reason ""/],
     ['ok is none', 'auto ok=404', qr/unknown reason "ok"/],
     ['a reason twice', 'auto no_cert=444 denied=404 no_cert=401',
      qr/"no_cert" has two codes .* remove one/],
     (map { ["code \"$_\"", "auto denied=$_",
             qr/invalid code in "denied=$_" .* from 400 to 599; 444/] }
          '', 'x', '-403', 200, 302, 399, 600, '4030', '404x',
          '99999999999999999999'),
     (map { ["code $_", "auto denied=$_", qr/nginx never sends it; use 444/] }
          408, 499),
     ['twice', 'auto; mtls_error auto',
      qr/"mtls_error" directive is duplicate/])
{
    my ($name, $arg, $error) = @$_;

    $n->config_refused("$CA\n$SERVER\nmtls_error $arg;\n",
                       qr/$error.* in .*:3$/, "nginx -t: $name");
}

my (undef, $err) = $n->test_config("$CA mtls_error auto x=1; $SERVER");
my ($named) = $err =~ /must be one of (.*) in /;

is_deeply([sort $named =~ /"(\w+)"/g], \@reasons,
          'nginx -t names the reasons');
$n->config_ok("$CA $SERVER mtls_error default "
              . join(' ', map { "$_=444" } @reasons) . ';',
              'nginx -t: every reason with a code');
$n->config_refused("mtls_error auto; $SERVER", qr/"mtls_ca" is not configured/,
                   'nginx -t: without mtls_ca');


# A server where everybody comes to the access phase, and others where nginx
# refuses first: its page is judged, or is that of the docs.

my ($recipe) = slurp("$FindBin::Bin/../docs/directives.md")
               =~ /^\*\*What nginx itself refuses.*?^```nginx\n(.*?)^```/ms;

$n->file('users', "joe:{PLAIN}secret\n");

$n->run(<<'EOF' =~ s/%%RECIPE%%/$recipe/r);
mtls_ca partners %%PKI%%/root.crt %%PKI%%/inter.crt;
mtls_ca foreign %%PKI%%/other_root.crt revocation=off;
mtls_ca quiet %%PKI%%/quiet.crt;
mtls_crl %%PKI%%/inter.crl %%PKI%%/root.crl;
%%MTLS%%

mtls_group alice { ca partners; subject cn alice; }
mtls_group bob   { ca partners; subject cn bob; }
mtls_group svids { ca partners; spiffe spiffe://prod.example/**; }
mtls_allow alice svids;
mtls_deny bob;
mtls_error problem no_match=404;

ssl_early_data on;

server {
    listen 127.0.0.1:%%PORT_0%% ssl http2;
    server_name other.example.com;
    %%TLS%%
    mtls_error auto;
    try_files /no =204;
}

server {
    listen 127.0.0.1:%%PORT_0%% ssl http2;
    listen 127.0.0.1:%%PORT_1%%;
    server_name localhost;
    %%CERT%%
    ssl_client_certificate %%PKI%%/root.crt;
    ssl_verify_client optional_no_ca;
    ssl_verify_depth 4;
    mtls_trust partners quiet;
    try_files /no =204;

    location /inherited { try_files /no =204; }

    location /default { mtls_error default; try_files /no =204; }
    location /problem { mtls_error problem; try_files /no =204; }
    location /auto    { mtls_error auto; try_files /no =204; }
    location /dry     { mtls dry_run; mtls_error auto no_match=444;
                        try_files /no =204; }
    location /early   { mtls_error problem; mtls_early_data deny;
                        try_files /no =204; }
    location /early/auto { mtls_error auto; mtls_early_data deny;
                           try_files /no =204; }

    location /codes {
        mtls_error default no_match=404 denied=500 no_cert=444 revoked=599
                           wrong_ca=496;
        try_files /no =204;

        location /codes/problem {
            mtls_error problem no_match=404 denied=500 no_cert=444 revoked=599
                               wrong_ca=496 untrusted=400;
            try_files /no =204;
        }
        location /codes/auto {
            mtls_error auto no_cert=444 denied=404;
            try_files /no =204;
        }
        location /codes/none  { mtls_error problem; try_files /no =204; }
        location /codes/inner { try_files /no =204; }
        location /codes/limit { limit_except HEAD { mtls_allow bob; }
                                try_files /no =204; }
        location /codes/if    { if ($arg_x) { set $x 1; } try_files /no =204; }
    }
    location = /444 { mtls off; return 444; }

    # error_page wins, but only for its codes, and once

    location /page {
        mtls_error auto denied=404;
        error_page 403 /shown;
        try_files /no =204;
    }
    location /named {
        mtls_error problem no_match=418;
        error_page 418 = @named;
        try_files /no =204;
    }
    location /judged  { mtls_error problem; error_page 403 /again;
                        try_files /no =204; }
    location = /again { mtls_error problem no_match=410; try_files /no =204; }
    location = /shown { mtls off; return 200 "shown $mtls_reason"; }
    location @named   { mtls off; return 200 "named $mtls_reason"; }

    # an answer that another follows: what it said of itself goes

    location /accel   { mtls off;
                        proxy_pass http://127.0.0.1:%%PORT_1%%/origin; }
    location = /origin {
        mtls off;
        add_header X-Accel-Redirect /problem;
        add_header Cache-Control "public, max-age=3600";
        add_header Accept-Ranges bytes;
        return 200 x;
    }

    location /satisfy {
        satisfy any;
        mtls_error problem no_match=404 denied=444 revoked=410;
        try_files /no =204;

        location /satisfy/allow { allow 127.0.0.1; try_files /no =204; }
        location /satisfy/deny  { deny all; try_files /no =204; }
        location /satisfy/password {
            auth_basic x;
            auth_basic_user_file %%DIR%%/users;
            try_files /no =204;
        }
        location /satisfy/auto  { mtls_error auto; try_files /no =204; }
    }
}

server {
    listen 127.0.0.1:%%PORT_2%% ssl http2;
    %%CERT%%
    ssl_client_certificate %%PKI%%/root.crt;
    ssl_verify_client on;
    ssl_verify_depth 4;
    error_page 495 496 497 /problem;
    mtls_error problem;
    try_files /no =204;
}

server {
    listen 127.0.0.1:%%PORT_3%% ssl http2;
    %%CERT%%
    ssl_client_certificate %%PKI%%/root.crt;
    ssl_verify_client on;
    ssl_verify_depth 4;
    error_page 495 496 /auto;
    mtls_error auto;
    try_files /no =204;
}

server {
    listen 127.0.0.1:%%PORT_4%% ssl http2;
    %%CERT%%
    ssl_client_certificate %%PKI%%/root.crt;
    ssl_verify_client on;
    ssl_verify_depth 4;
    %%RECIPE%%
    location / { try_files /no =204; }
}
EOF

ok(wait_for(sub { get($n, '/problem', cert => $alice)->{status} == 204 }, 5),
   'up');

sub by {
    my ($cert, $path, @arg) = @_;

    return get($n, $path, cert => $cert, @arg);
}

sub json { return (headers => [Accept => $JSON], @_) }

sub call {
    return (method => 'POST', body => "\0\0\0\0\0",
            headers => ['Content-Type' => $GRPC, TE => 'trailers'], @_);
}


# Every reason, as each kind

for my $reason (grep { $case{$_} } @reasons) {
    my ($arg, $status, $page) = @{$case{$reason}};
    my @problem = (%$arg, $page ? (port => 2) : ());
    my @auto = (%$arg, $page ? (port => 3) : ());

    my $r = get($n, '/problem', @problem);

    problem($r, $reason, 403, "$reason: problem");
    is(h2($n, @problem)->get('/problem', @problem)->{body}, $r->{body},
       "$reason: the same over HTTP/2");
    is(get($n, '/auto', @auto, json())->{body}, $r->{body},
       "$reason: and for who accepts JSON");

    my $h = h2($n, @auto);
    my $id = $h->start('/auto', %$arg, call());
    my $stream = $h->{stream}{$id};

    $r = $h->finish($id);
    grpc($r, $status, "$reason: gRPC");
    ok($stream->{last} && !defined $r->header('Content-Length'),
       "$reason: gRPC, trailers only");
    page(get($n, '/auto', @auto), 403, "$reason: for who does not say");
}


# The texts are those of the reason, whatever the certificate says.

my $evil = cert(subject => [[O => "\"},\r\nX-Evil: %0a\\"], [CN => 'evil']]);

is(by($evil, '/problem?evil', headers => [Evil => 'evil'])->{body},
   by($carol, '/problem')->{body}, 'the same of another certificate');
problem(get($n, '/problem', port => 1, plain => 1), 'no_cert', 403,
        'plain HTTP');
problem(get($n, '/', port => 2, plain => 1), 'no_cert', 403, '497, judged');


# Early data

my $s = session($n, cert => $alice, tls => '1.3');
my $r = $s->early_data('/early');

is($r->{early}, 1, 'early data: it was');
problem($r, 'early_data', 425, 'early data: problem');
$s = session($n, cert => $alice, tls => '1.3');
grpc($s->early_data('/early/auto', call()), 16, 'early data: gRPC');
is($s->get('/early/auto', call())->{status}, 204, 'early data: then allowed');


# Accept

my $k = keepalive($n, cert => $carol);

for (['application/json', 1],
     ['application/problem+json', 1],
     ['Application/JSON', 1],
     ['text/html, application/json', 1],
     ["text/html;q=0.9 ,\tapplication/problem+json ;q=0.5, */*", 1],
     ['application/json;q=0.001', 1],
     ['application/json;q=1', 1],
     ['application/json;charset=utf-8', 1],
     ['application/json;q=0, application/problem+json', 1],
     ['application/json;q=0', 0],
     ['application/json; Q=0.000', 0],
     ['application/json;charset=utf-8;q=0', 0],
     ['application/json;q=', 0],
     ['*/*', 0],
     ['application/*', 0],
     ['text/html,application/xhtml+xml,*/*;q=0.8', 0],
     ['application/json-seq', 0],
     ['x-application/json', 0],
     ['application/problem+xml', 0],
     ['text/html;x=application/json', 0],
     ['application/js on', 0],
     [',,;q=1,', 0],
     ['', 0])
{
    my ($accept, $json) = @$_;
    my $r = $k->get('/auto', headers => [Accept => $accept]);
    my $name = "Accept: $accept";

    $json ? problem($r, 'no_match', 403, $name) : page($r, 403, $name);
}

problem($k->get('/auto', headers => [Accept => 'text/html', ACCEPT => $JSON]),
        'no_match', 403, 'Accept: two fields');
page($k->get('/default', json()), 403, 'Accept: default does not ask');
problem($k->get('/problem', headers => [Accept => 'text/html']), 'no_match',
        403, 'Accept: nor does problem');
is($k->get('/dry', json())->{status}, 204, 'dry_run refuses nothing');
is($k->get('/dry', call())->{status}, 204, 'dry_run refuses no call');
is(by($alice, '/auto', json())->{status}, 204, 'allowed: it is');


# Content types of gRPC

for (['application/grpc+proto', 'application/grpc'],
     ['Application/gRPC;x=y', 'application/grpc'],
     ['application/grpc-web', 'application/grpc-web'],
     ['application/grpc-web+proto', 'application/grpc-web'],
     ['application/grpc-web-text+proto', 'application/grpc-web-text'],
     ['application/grpcx'],
     ['application/grpc-webx'],
     ['application/grp'],
     ['x-application/grpc'],
     ['application/json'],
     [''])
{
    my ($sent, $type) = @$_;
    my $r = $k->get('/auto', method => 'POST', body => 'x',
                    headers => ['Content-Type' => $sent]);

    $type ? grpc($r, 7, "Content-Type: $sent", $type)
          : page($r, 403, "Content-Type: $sent");
}

grpc($k->get('/auto', call(headers => ['Content-Type' => $GRPC,
                                       Accept => $JSON])), 7,
     'gRPC before Accept');
problem($k->get('/problem', call()), 'no_match', 403,
        'problem does not ask for gRPC');
is($k->get('/dry')->{status}, 204, 'all of that on one connection');


# Codes, and whose they are

my $h = h2($n);

page(by($carol, '/codes'), 404, 'default: no_match=404');
page(by($bob, '/codes'), 500, 'default: denied=500');
is(by($revoked, '/codes')->{status}, 599, 'default: revoked=599');
page(get($n, '/codes', %{$case{wrong_ca}[0]}), 400, 'default: wrong_ca=496');
none(get($n, '/codes'), 'default: no_cert=444');
page(by($pki->self, '/codes'), 403, 'default: a reason without a code');

problem(by($carol, '/codes/problem'), 'no_match', 404, 'problem: 404');
problem(by($revoked, '/codes/problem'), 'revoked', 599, 'problem: 599');
problem(get($n, '/codes/problem', %{$case{wrong_ca}[0]}), 'wrong_ca', 400,
        'problem: 496 is sent as 400');
none(get($n, '/codes/problem'), 'problem: 444');
none(get($n, '/codes/auto', call()), 'auto: 444');
grpc(by($bob, '/codes/auto', call()), 7, 'auto: gRPC knows no codes');
page(by($bob, '/codes/auto'), 404, 'auto: but the others do');
is($h->get('/codes')->{rst}, $h->get('/444')->{rst}, '444 over HTTP/2');
is($h->get('/codes/problem')->{rst}, $h->get('/444')->{rst},
   '444 over HTTP/2, problem');
problem($h->get('/problem'), 'no_cert', 403, '444 over HTTP/2: a stream');

for ([$pki->self, 'untrusted', 400], [$bob, 'denied', 500]) {
    my ($cert, $reason, $status) = @$_;
    my $k = keepalive($n, cert => $cert);

    problem($k->get('/codes/problem'), $reason, $status, "problem: $status");
    ok($k->closed, "problem: $status ends the connection");
}

problem(by($carol, '/inherited'), 'no_match', 404, 'inherited from http');
problem(by($carol, '/'), 'no_match', 404, 'inherited from http by the server');
page(by($carol, '/', sni => 'other.example.com'), 403,
     'another server has its own, and not the codes of http');
problem(by($carol, '/codes/none'), 'no_match', 403,
        'an inner one replaces codes, too');
page(by($carol, '/codes/inner'), 404, 'inherited from a location');
page(by($carol, '/codes/if?x=1'), 404, 'inherited by "if"');
page(by($alice, '/codes/limit'), 404, 'inherited by limit_except');


# error_page

sub shown {
    my ($r, $expected, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return is("$r->{status} $r->{body}", $expected, $name);
}

shown(by($carol, '/page', json()), '403 shown no_match', 'error_page: JSON');
shown(by($carol, '/page', call()), '403 shown no_match', 'error_page: gRPC');
problem(by($bob, '/page', json()), 'denied', 404, 'error_page: another code');
grpc(by($bob, '/page', call()), 7, 'error_page: another code, gRPC');
shown(by($carol, '/named'), '200 named no_match', 'error_page: by our code');
problem(by($carol, '/judged'), 'no_match', 410,
        'error_page: the page is judged itself');


# X-Accel-Redirect

$r = by($carol, '/accel');
problem($r, 'no_match', 403, 'X-Accel-Redirect: no-store, nothing else');
is($r->header('Accept-Ranges'), undef, 'X-Accel-Redirect: no ranges');


# What others may overrule is theirs

my @password = (headers => [Authorization => 'Basic am9lOnNlY3JldA==']);

page(by($carol, '/satisfy'), 404, 'satisfy any: the code is ours');
none(by($bob, '/satisfy'), 'satisfy any: so is 444');
problem(by($revoked, '/satisfy'), 'revoked', 410, 'satisfy any: final');
is(by($alice, '/satisfy')->{status}, 204, 'satisfy any: allowed');
is(by($carol, '/satisfy/allow')->{status}, 204, 'satisfy any: an address');
is(by($bob, '/satisfy/allow')->{status}, 204, 'satisfy any: in spite of 444');
problem(by($revoked, '/satisfy/allow'), 'revoked', 410,
        'satisfy any: an address does not overrule what is final');
page(by($carol, '/satisfy/deny'), 403, 'satisfy any: deny says 403');
problem(by($revoked, '/satisfy/deny'), 'revoked', 410,
        'satisfy any: deny is not asked');
$r = by($carol, '/satisfy/password');
page($r, 401, 'satisfy any: no password');
is($r->header('WWW-Authenticate'), 'Basic realm="x"',
   'satisfy any: it is asked for');
is(by($carol, '/satisfy/password', @password)->{status}, 204,
   'satisfy any: a password');
page(by($carol, '/satisfy/auto', call()), 403, 'satisfy any: gRPC');
grpc(by($revoked, '/satisfy/auto', call()), 16, 'satisfy any: gRPC, final');


# HEAD

my $length = length $k->get('/problem')->{body};

$r = $k->get('/problem', method => 'HEAD');
is(join(' ', $r->{status}, $r->header('Content-Length'), $r->{body}),
   "403 $length ", 'HEAD');
problem($k->get('/problem'), 'no_match', 403, 'HEAD: and the next request');

$r = h2($n, cert => $carol)->get('/problem', method => 'HEAD');
is(join(' ', $r->{status}, $r->header('Content-Length'), $r->{body}),
   "403 $length ", 'HEAD over HTTP/2');

$r = by($carol, '', raw => "GET /problem HTTP/1.0\r\nHost: localhost\r\n\r\n");
problem($r, 'no_match', 403, 'HTTP/1.0');


# Bodies in flight: discarded, and the connection lives on.

my $HEAD = "HTTP/1.1\r\nHost: localhost\r\n";

for my $path ('/problem', '/auto') {
    my @type = $path eq '/auto' ? ('Content-Type' => $GRPC) : ();
    my $is = @type ? sub { grpc($_[0], 7, $_[1]) }
                   : sub { problem($_[0], 'no_match', 403, $_[1]) };
    my $type = @type ? "Content-Type: $GRPC\r\n" : '';
    my $k = keepalive($n, cert => $carol);

    $is->($k->get($path, method => 'POST', body => 'x' x 50000,
                  headers => \@type), "$path: POST");

    $k->write("POST $path $HEAD${type}Content-Length: 50000\r\n\r\n"
              . 'x' x 10);
    $is->($k->response, "$path: POST, answered before its body came");
    $k->write('x' x 49990);
    is($k->get('/dry')->{status}, 204, "$path: POST, the next request");

    $k->write("POST $path $HEAD${type}Transfer-Encoding: chunked\r\n\r\n"
              . "5\r\nhello\r\n");
    $is->($k->response, "$path: chunked");
    $k->write("0\r\n\r\n");
    is($k->get('/dry')->{status}, 204, "$path: chunked, the next request");

    $k->write("POST $path $HEAD${type}Content-Length: 5\r\n"
              . "Expect: 100-continue\r\n\r\n");
    1 while $k->{in} !~ /\r\n\r\n/ && $k->fill;
    unlike($k->{in}, qr/^HTTP\S+ 100/, "$path: a body is not asked for");
    $is->($k->response, "$path: Expect");
    $k->write('hello');
    is($k->get('/dry')->{status}, 204, "$path: Expect, the next request");

    # an open stream of HTTP/2

    my $h = h2($n, cert => $carol);
    my $id = $h->start($path, method => 'POST', body => '', headers => [
                       @type]);
    $is->($h->finish($id), "$path: HTTP/2");

    $id = open_stream($h, $path, @type);
    $is->($h->finish($id), "$path: HTTP/2, its body has not come");
    is($h->get('/dry')->{status}, 204, "$path: HTTP/2, the next stream");
}


# A request with a first octet of its body, and more to come

sub open_stream {
    my ($h, $path, %header) = @_;

    my $id = $h->{next};
    my %all = (':method' => 'POST', ':scheme' => 'https', ':path' => $path,
               ':authority' => 'localhost', map { lc } %header);
    my $block = join '', map { Mtls::H2::literal($_, $all{$_}) }
                         sort keys %all;

    $h->{next} += 2;
    $h->{stream}{$id} = {headers => [], body => '', block => '', end => 0};
    $h->{k}->write(Mtls::H2::frame(Mtls::H2::HEADERS, Mtls::H2::END_HEADERS,
                                   $id, $block)
                   . Mtls::H2::frame(Mtls::H2::DATA, 0, $id, 'x'));

    return $id;
}


# What nginx itself refuses, by the configuration of the docs

for ([undef, 'no_cert'], [$pki->expired, 'expired'],
     [$pki->self, 'untrusted'], [$pki->wrong_eku, 'purpose'])
{
    my ($cert, $reason) = @$_;
    my $r = by($cert, '/', port => 4);

    is_deeply([$r->{status}, $r->header('Content-Type'),
               $r->header('Cache-Control'), eval { $r->json }],
              [400, 'application/problem+json', 'no-store',
               {type => "urn:ngx-mtls:problem:$reason", status => 400}],
              "by nginx: $reason") || diag($r->{body});
}

is(by($alice, '/', port => 4)->{status}, 204, 'by nginx: allowed');


# What has been waiting for its source

for (['/', 503], ['/500', 500], ['/page', 503]) {
    my ($path, $status) = @$_;
    my $r = $w->finish($wait{$path});

    problem($r, 'loading', $status, "loading: $path");
    is(join(',', $r->headers('Retry-After')), 5, "loading: $path, Retry-After");
}

$r = $w->finish($wait{'/auto'});
grpc($r, 14, 'loading: gRPC');
is($r->header('Retry-After'), 5, 'loading: gRPC, Retry-After');
kill 'CONT', $manager;

done_testing;
