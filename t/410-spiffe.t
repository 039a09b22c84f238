#!/usr/bin/perl

# SPIFFE: certificates that keep the rules of X509-SVID and those that do not,
# whose word counts for which trust domain, and bundles that change meanwhile.
# Copyright (C) the ngx_mtls_module authors

use FindBin;
use lib "$FindBin::Bin/lib";
use Mtls::Test;

my $pki = Mtls::PKI->standard;
my $n = Mtls::Test->new(pki => $pki, workers => 2);

# CAs of two trust domains, the next one of the first, and one of none

my $prod = $pki->ca(cn => 'prod.example CA');
my $next = $pki->ca(cn => 'next prod.example CA');
my $partner = $pki->ca(cn => 'partner.example CA');
my $plain = $pki->ca(cn => 'Plain CA');

my $ID = 'spiffe://prod.example/ns/pay/sa/api';
my $count = 0;

# as SPIRE issues it, but for what is said

sub svid {
    my ($id, %arg) = @_;

    return $pki->cert(issuer => $prod, name => 'svid' . ++$count,
                      subject => [[C => 'US'], [O => 'SPIRE']],
                      ku => [qw(digitalSignature keyEncipherment keyAgreement)],
                      eku => [qw(serverAuth clientAuth)],
                      ext => [['2.5.29.19', 1, "\x30\x00"]],
                      san => [[uri => $id]], %arg);
}

sub bundle {
    my ($name, @ca) = @_;

    install_crl($n->dir . "/$name.pem", map { slurp($_->crt) } @ca);
}

bundle('prod', $prod);
bundle('partner', $partner);
bundle('plain', $plain);

my $CONF = <<'EOC';
mtls_ca mesh    %%DIR%%/prod.pem    refresh=1s trust_domain=prod.example;
mtls_ca partner %%DIR%%/partner.pem refresh=1s trust_domain=partner.example;
mtls_ca plain   %%DIR%%/plain.pem   refresh=1s;
%%MTLS%%

mtls_group api      { ca any; spiffe spiffe://prod.example/ns/pay/sa/api;
                      identity "spiffe:$mtls_spiffe_path"; }
mtls_group accounts { ca any; spiffe spiffe://prod.example/ns/pay/sa/*; }
mtls_group space    { ca any; spiffe spiffe://prod.example/ns/pay/**; }
mtls_group regex    { ca any;
    spiffe "~^spiffe://prod\.example/ns/(?<ns>[^/]+)/sa/(?<sa>[^/]+)$";
    identity "k8s:$ns/$sa"; }
mtls_group either   { ca any; spiffe spiffe://prod.example/a
                                     spiffe://partner.example/edge/*; }
mtls_group not_api  { ca any; not spiffe spiffe://prod.example/ns/pay/sa/api; }
mtls_group text     { ca any; uri ~.*prod.example.*; }

add_header X-Id     $mtls_spiffe_id always;
add_header X-Domain $mtls_spiffe_trust_domain always;
add_header X-Path   $mtls_spiffe_path always;
add_header X-Trace  $mtls_trace always;
add_header X-Mtls-Action   $mtls_action always;
add_header X-Mtls-Reason   $mtls_reason always;
add_header X-Mtls-Identity $mtls_identity always;

ssl_session_timeout 1h;

server {
    listen 127.0.0.1:%%PORT_0%% ssl http2;
    %%TLS%%
    ssl_conf_command NumTickets 1;

    location /api      { mtls_allow api; try_files /no =204; }
    location /accounts { mtls_allow accounts; try_files /no =204; }
    location /space    { mtls_allow space; try_files /no =204; }
    location /regex    { mtls_allow regex; try_files /no =204; }
    location /either   { mtls_allow either; try_files /no =204; }
    location /not      { mtls_allow not_api; try_files /no =204; }
    location /deny     { mtls_allow any; mtls_deny not_api;
                         try_files /no =204; }
    location /text     { mtls_allow text; try_files /no =204; }
    location /any      { mtls_allow any; try_files /no =204; }
    location /none     { try_files /no =204; }
    location /dry      { mtls dry_run; mtls_allow api; try_files /no =204; }
    location /proxy    { mtls_allow api; proxy_pass http://%%UPSTREAM%%;
                         proxy_set_header X-Workload $mtls_identity; }
}
EOC

$n->run($CONF);

sub ask { return get($n, $_[0], cert => $_[1], @_[2 .. $#_]) }

sub spiffe {
    my ($r) = @_;

    return join ' ', map { $r->header("X-$_") // '-' } qw(Id Domain Path);
}


# what is matched by what

my %svid = map { $_ => svid("spiffe://prod.example$_") }
           qw(/ns/pay/sa/api /ns/pay/sa/web /ns/pay/sa/api/x /ns/payroll/sa/api
              /ns/pay /NS/pay/sa/api);

for (
    ['/ns/pay/sa/api',     qw(api accounts space regex)],
    ['/ns/pay/sa/web',     qw(accounts space regex not)],
    ['/ns/pay/sa/api/x',   qw(space not)],
    ['/ns/payroll/sa/api', qw(regex not)],
    ['/ns/pay',            qw(not)],
    ['/NS/pay/sa/api',     qw(not)])
{
    my ($path, @in) = @$_;
    my %in = map { $_ => 1 } @in;
    my $k = keepalive($n, cert => $svid{$path});

    for my $group (qw(api accounts space regex not either)) {
        my $r = $k->get("/$group");

        $in{$group} ? allowed($r, "$path: in $group")
                    : refused($r, 'no_match', "$path: not in $group");
    }

    is(spiffe($k->get('/any')),
       "spiffe://prod.example$path prod.example $path", "$path: variables");
}

my $api = $svid{'/ns/pay/sa/api'};

is(ask('/api', $api)->header('X-Mtls-Identity'), 'spiffe:/ns/pay/sa/api',
   'the identity is made of the path');
is(ask('/regex', $svid{'/ns/pay/sa/web'})->header('X-Mtls-Identity'),
   'k8s:pay/web', 'and of captures');
is(ask('/proxy', $api)->received('X-Workload'), 'spiffe:/ns/pay/sa/api',
   'the upstream hears it');

# what is no SVID is none, and breaks no rule

for (['no URI', san => [[dns => 'prod.example']]],
     ['another URI', san => [[uri => 'https://prod.example/ns/pay/sa/api']]],
     ['other URIs', san => [[uri => 'urn:x'], [uri => 'spiffes://a/b']]])
{
    my ($what, %arg) = @$_;
    my $cert = svid('', ku => [], ext => [], eku => ['clientAuth'], %arg);

    refused(ask('/api', $cert), 'no_match', "$what: no SVID");
    allowed(ask('/not', $cert), "$what: nor is it undefined");
    is(spiffe(ask('/any', $cert)), '- - -', "$what: no variables");
}


# hostile certificates of the right CA

my @bad = (
    ['two IDs', 'more than one URI', san => [[uri => $ID], [uri => $ID]]],
    ['a URI behind', 'more than one URI',
     san => [[uri => $ID], [uri => 'https://a/']]],
    ['a URI before', 'more than one URI',
     san => [[uri => 'https://a/'], [uri => $ID]]],
    ['a NUL', 'cannot be decoded', san => [[uri => "$ID\0/x"]]],
    ['a newline', 'cannot be decoded', san => [[uri => "$ID\n"]]],
    ['UTF-8', 'cannot be decoded', san => [[uri => "$ID\xc3\xa4"]]],

    ['capitals', 'does not begin with spiffe://', san => [[uri => uc $ID]]],
    ['the scheme in capitals', 'does not begin',
     san => [[uri => 'SPIFFE://prod.example/ns/pay/sa/api']]],
    ['the domain in capitals', 'not in lower case',
     san => [[uri => 'spiffe://Prod.example/ns/pay/sa/api']]],
    ['no domain', 'trust domain is empty',
     san => [[uri => 'spiffe:///ns/pay/sa/api']]],
    ['a port', 'colon',
     san => [[uri => 'spiffe://prod.example:443/ns/pay/sa/api']]],
    ['a user', 'user information',
     san => [[uri => 'spiffe://x@prod.example/ns/pay/sa/api']]],
    ['an encoded dot', 'percent',
     san => [[uri => 'spiffe://prod%2eexample/ns/pay/sa/api']]],
    ['a domain of 256', 'longer than 255',
     san => [[uri => 'spiffe://' . 'a' x 256 . '/b']]],

    ['no path', 'no path', san => [[uri => 'spiffe://prod.example']]],
    ['the root', 'is empty', san => [[uri => 'spiffe://prod.example/']]],
    ['a slash at the end', 'is empty', san => [[uri => "$ID/"]]],
    ['two slashes', 'is empty',
     san => [[uri => 'spiffe://prod.example/ns//pay/sa/api']]],
    ['..', 'relative',
     san => [[uri => 'spiffe://prod.example/ns/x/../pay/sa/api']]],
    ['.', 'relative', san => [[uri => "$ID/."]]],
    ['an encoded slash', 'percent',
     san => [[uri => 'spiffe://prod.example/ns/pay%2fsa/api']]],
    ['a query', 'query', san => [[uri => "$ID?x"]]],
    ['a fragment', 'fragment', san => [[uri => "$ID#x"]]],
    ['a star', 'other characters',
     san => [[uri => 'spiffe://prod.example/ns/pay/sa/*']]],
    ['2049 octets', 'longer than 2048',
     san => [[uri => $ID . '/' . 'a' x (2048 - length $ID)]]],

    ['keyCertSign', 'keyCertSign or cRLSign',
     ku => [qw(digitalSignature keyCertSign)]],
    ['cRLSign', 'keyCertSign or cRLSign',
     ku => [qw(digitalSignature cRLSign)]],
    ['no keyUsage', 'no keyUsage', ku => []],
    ['keyUsage not critical', 'not critical', ku => [],
     ext => [['2.5.29.15', 0, "\x03\x02\x07\x80"]]],
    ['a CA', 'of a CA', ku => ['digitalSignature'],
     ext => [['2.5.29.19', 1, "\x30\x03\x01\x01\xff"]]],
);

for (@bad) {
    my ($what, $why, %arg) = @$_;
    my $cert = svid($ID, %arg);
    my $k = keepalive($n, cert => $cert);
    my $r = $k->get('/space');

    refused($r, 'bad_svid', "$what: refused");
    like($r->header('X-Trace'), qr/^space=undefined \(.*: .*\Q$why\E.*\)$/,
         "$what: and told why");
    refused($k->get('/not'), 'bad_svid', "$what: by \"not\", too");
    refused($k->get('/regex'), 'bad_svid', "$what: by a regex, too");
    refused($k->get('/deny'), 'ambiguous', "$what: denied");
    is(spiffe($k->get('/any')), '- - -', "$what: no variables");
}

# an undefined group that something true does not need

allowed(ask('/text', svid($ID, san => [[uri => $ID], [uri => 'urn:x']])),
        'a "uri" line knows nothing of SVIDs');

my $r = ask('/dry', svid("$ID/"));
is("$r->{status} " . $r->header('X-Mtls-Action') . ' '
   . $r->header('X-Mtls-Reason'), '204 would_deny bad_svid', 'dry run');

# as large as it may be

my $long = $ID . '/' . 'a' x (2047 - length $ID);

allowed(ask('/space', svid($long)), '2048 octets');


# whose word counts

my $theirs = svid('spiffe://partner.example/edge/a', issuer => $partner);
my @everywhere = qw(/api /space /not /text /any /none /deny);

allowed(ask('/either', $theirs), 'partner.example: its own CA may');
allowed(ask('/any', $theirs), 'partner.example: anywhere');
allowed(ask('/not', svid('spiffe://nobody.example/a', issuer => $plain)),
        'a trust domain that is bound to nobody');
allowed(ask('/any', svid('', issuer => $partner, san => [[dns => 'a']])),
        'no ID at all');

for (['prod.example by a partner', $partner, $ID],
     ['prod.example by a CA without a trust domain', $plain, $ID],
     ['partner.example by prod.example', $prod,
      'spiffe://partner.example/edge/a'],
     ['the trust domain alone', $partner, 'spiffe://prod.example'],
     ['a slash at the end', $partner, "$ID/"],
     ['in capitals', $partner, uc $ID],
     ['with a user', $partner, 'spiffe://x@prod.example/a'],
     ['with a port', $partner, 'spiffe://prod.example:1/a'],
     ['with a query', $partner, 'spiffe://prod.example?a'])
{
    my ($what, $ca, $id) = @$_;
    my $k = keepalive($n, cert => svid($id, issuer => $ca));

    refused($k->get($_), 'wrong_ca', "$what: refused at $_") for @everywhere;
    is($k->get('/dry')->header('X-Mtls-Reason'), 'wrong_ca',
       "$what: in a dry run, too");
}

refused(ask('/any', svid('', issuer => $partner,
                         san => [[uri => 'spiffe://partner.example/edge/a'],
                                 [uri => $ID]])),
        'wrong_ca', 'a second ID of another trust domain');
refused(ask('/any', svid($ID, issuer => $partner, ku => ['keyAgreement'])),
        'wrong_ca', 'before it is asked whether it is an SVID at all');

# it is said before validity

my $brief = svid($ID, issuer => $partner, not_after => 3);
my $k = keepalive($n, cert => $brief);

refused($k->get('/any'), 'wrong_ca', 'a brief one: wrong_ca');


# resumed sessions and streams

my $h2 = h2($n, cert => $api);
my $s = session($n, cert => $api, path => '/any');

allowed($h2->get('/api'), 'HTTP/2: may');
is($s->get('/api')->{reused}, 1, 'a session of it resumes');

my $foreign = session($n, cert => svid($ID, issuer => $partner),
                      path => '/any');

$r = $foreign->get('/any');
is($r->{reused}, 1, 'a session of what is refused resumes, too');
refused($r, 'wrong_ca', 'and it is refused there');


# the bundle changes: the next CA is added, then the old one goes

my $new = svid($ID, issuer => $next);

is(ask('/api', $new)->{status}, 400, 'rotation: not yet');

bundle('prod', $prod, $next);
ok(wait_for(sub { ask('/api', $new)->{status} == 204 }, 10),
   'rotation: the next CA may speak for the trust domain');
allowed($h2->get('/api'), 'rotation: and so may the old one');
refused($k->get('/any'), 'wrong_ca',
        'an expired one of another CA: wrong_ca is said first');

bundle('prod', $next);
ok(wait_for(sub { ask('/api', $api)->{status} == 400 }, 10),
   'rotation: the old CA is gone');
refused($h2->get('/api'), 'wrong_ca', 'rotation: on a stream');
is($s->get('/api')->{reused}, 0, 'rotation: its session is resumed no more');
allowed(ask('/api', $new), 'rotation: the next one may');

# a CA that comes into the bundle may speak, and no more once it is out

my $h3 = h2($n, cert => svid($ID, issuer => $partner));

refused($h3->get('/api'), 'wrong_ca', 'a partner: may not');
bundle('prod', $next, $partner);
ok(wait_for(sub { $h3->get('/api')->{status} == 204 }, 10),
   'a partner in the bundle: may, on the same connection');
allowed(ask('/either', $theirs), 'a partner in the bundle: and as itself');
bundle('prod', $next);
ok(wait_for(sub { $h3->get('/api')->{status} == 403 }, 10),
   'a partner out of the bundle: may not');
refused($h3->get('/any'), 'wrong_ca', 'a partner out of the bundle: wrong_ca');
allowed(ask('/either', $theirs), 'a partner out of the bundle: as itself');

# a bundle that is written over, and read half way

$n->mark;
spew($n->dir . '/prod.pem', substr slurp($next->crt), 0, 200);
ok($n->wait_error(qr/\[error\].*refused .*prod\.pem.*last good/, 10),
   'half a bundle: refused');
allowed(ask('/api', $new), 'half a bundle: the last good one stays');
bundle('prod', $next, $prod);
ok(wait_for(sub { ask('/api', $api)->{status} == 204 }, 10),
   'the whole one: counts');


# nginx -t

my $CA = 'mtls_ca mesh %%PKI%%/root.crt';
my $END = '%%MTLS%% server { listen 127.0.0.1:%%PORT_0%% ssl; %%TLS%% }';

sub conf { return join "\n", @_, $END }

for (["$CA trust_domain=a;", "$CA trust_domain=a;"],
     ["$CA trust_domain=a trust_domain=a;"],
     ["$CA trust_domain=a;", "$CA;"],
     ["$CA trust_domain=a;", 'mtls_ca b %%PKI%%/root.crt trust_domain=a;'],
     ["$CA;", 'mtls_group g { spiffe spiffe://a/b spiffe://c/*; }'],
     ["$CA;", 'mtls_group g { spiffe ~.*; }'],
     ["$CA trust_domain=a;", 'mtls_group g { spiffe spiffe://a/**; }'],
     ['mtls_group g { ca any; spiffe spiffe://b/*; }', "$CA;",
      'mtls_ca b %%PKI%%/root.crt trust_domain=b;'])
{
    my ($code, $err) = $n->test_config(conf(@$_));
    is($code, 0, "@$_") || diag($err);
}

for (["$CA trust_domain=;", '',
      qr/"" is no SPIFFE trust domain: the trust domain is empty/],
     ["$CA trust_domain=Prod;", '', qr/"Prod" is no .* lower case/],
     ["$CA trust_domain=spiffe://prod;", '', qr/is no SPIFFE trust domain/],
     ["$CA trust_domain=*.prod;", '', qr/is no SPIFFE trust domain/],
     ["$CA trust_domain=a trust_domain=b;", '',
      qr/more than one "trust_domain="/],
     ["$CA trust_domain=a; $CA trust_domain=b;", '',
      qr/"trust_domain=" of label "mesh" was already set to another value/],
     ["$CA trust_domain=a;", 'spiffe spiffe://b/c;',
      qr/no mtls_ca may speak for trust domain "b" .* in .*:2/],
     ["$CA trust_domain=a;", 'not spiffe spiffe://b/**;',
      qr/no mtls_ca may speak for trust domain "b"/],
     ["$CA trust_domain=a;", 'spiffe ~spiffe://[ab]/c;',
      qr/must begin with its trust domain as a literal/],
     ["$CA;", 'spiffe spiffe://b;', qr/no pattern of SPIFFE IDs: .*no path/],
     ["$CA;", 'spiffe spiffe://*/b;', qr/no pattern of SPIFFE IDs/],
     ["$CA;", 'spiffe spiffe://b/**/c;', qr/not the last segment/],
     ["$CA;", 'spiffe ^~spiffe://b/c;', qr/could end within a segment/],
     ["$CA;", 'spiffe /ns/pay;', qr/does not begin with spiffe/],
     ["$CA trust_domains=a;", '',
      qr/invalid parameter "trust_domains=a" .* "trust_domain=NAME"/])
{
    my ($ca, $line, $why) = @$_;

    $n->config_refused(conf($ca, $line && "mtls_group g { $line }"), $why,
                       "$ca $line");
}

done_testing;
