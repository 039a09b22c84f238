#!/usr/bin/perl

# Groups are true, false or undefined; so are identities.
# Copyright (C) the ngx_mtls_module authors

use FindBin;
use lib "$FindBin::Bin/lib";
use Mtls::Test;

my $pki = Mtls::PKI->standard;
my $n = Mtls::Test->new(pki => $pki);
my $root = $pki->root;

sub cert { $pki->cert(issuer => $root, @_) }

# Each kind of undefined, by a line and a certificate.  For every other
# certificate the line is false.

my %kind = (
    two_ous => {
        line => 'subject ou admin',
        cert => cert(name => 'k1', subject => [[OU => 'admin'], [OU => 'b']]) },
    nul => {
        line => 'dns a.example',
        cert => cert(name => 'k2', cn => 'x', san => [[dns => "a\0.example"]]) },
    undecodable => {
        line => 'email bob@example.com',
        cert => cert(name => 'k3', cn => 'x',
                     san => [[raw => "\x81\x05a\@\xff.b"]]) },
    regex_limit => {
        line => 'uri "~^urn:(a+)+$"',
        cert => cert(name => 'k4', cn => 'x',
                     san => [[uri => 'urn:' . 'a' x 60 . '!']]) },
);

my ($groups, $locations) = ('', '');

for my $k (sort keys %kind) {
    $groups .= <<"EOF";
mtls_group ${k}        { $kind{$k}{line}; }
mtls_group ${k}_not    { not $kind{$k}{line}; }
mtls_group ${k}_nested { group $k; }
mtls_group ${k}_not_nested { not group $k; }
mtls_group ${k}_and_false  { $kind{$k}{line}; subject cn nobody; }
mtls_group ${k}_or     { group $k yes; }
EOF

    for ('', '_not', '_nested', '_not_nested', '_and_false', '_or') {
        $locations .= <<"EOF";
location = /allow/$k$_ { mtls_allow $k$_; proxy_pass http://%%UPSTREAM%%; }
location = /deny/$k$_  { mtls_allow any; mtls_deny $k$_;
                         proxy_pass http://%%UPSTREAM%%; }
EOF
    }
}

$n->run(<<"EOF");
mtls_ca test %%PKI%%/root.crt %%PKI%%/inter.crt;
%%MTLS%%
mtls_group yes { ca any; }
$groups
server {
    listen 127.0.0.1:%%PORT_0%% ssl;
    %%TLS%%
    $locations
}
EOF

for my $k (sort keys %kind) {
    my $c = keepalive($n, cert => $kind{$k}{cert});
    my $other = keepalive($n, cert => $pki->bob);

    for ('', '_not', '_nested', '_not_nested') {
        refused($c->get("/allow/$k$_"), 'ambiguous',
                "$k$_ is undefined: it does not allow");
        refused($c->get("/deny/$k$_"), 'ambiguous',
                "$k$_ is undefined: it does deny");
    }

    refused($c->get("/allow/${k}_and_false"), 'no_match',
            "$k with a false line is false");
    allowed($c->get("/deny/${k}_and_false"),
            "$k with a false line is false: it does not deny");

    allowed($c->get("/allow/${k}_or"), "$k or a true group is true");
    refused($c->get("/deny/${k}_or"), 'denied',
            "$k or a true group is true: it denies");

    refused($other->get("/allow/$k"), 'no_match', "$k: others do not match");
    allowed($other->get("/allow/${k}_not"), "$k: others are its not");
    allowed($other->get("/allow/${k}_not_nested"),
            "$k: others are the not of the group");
    allowed($other->get("/deny/$k"), "$k: others are not denied");
}

my @warnings = $n->error_lines(qr/warn.*limit/);
ok(@warnings, 'a regex that hits its limit is warned of');
cmp_ok(scalar @warnings, '<', 20, 'once per second and group');
ok(!grep({ /urn:aaa/ } @warnings), 'without the value');


# identities

my $ids = Mtls::Test->new(pki => $pki);

my @users = map { cert(@$_) } (
    [name => 'i1', subject => [[O => 'a'], [OU => 'b'], [CN => 'c']]],
    [name => 'i2', subject => [[O => 'a/b'], [OU => 'c'], [CN => 'c']]],
    [name => 'i3', subject => [[O => 'a'], [OU => 'b/c'], [CN => 'c']]],
    [name => 'i4', subject => [[O => 'a%2Fb'], [OU => 'c'], [CN => 'c']]],
    [name => 'i5', subject => [[O => "a\n", 'UTF8'], [OU => 'b'],
                               [CN => 'c']]],
    [name => 'i6', subject => [[O => 'a'], [CN => 'c']]],
    [name => 'i7', subject => [[O => 'a'], [OU => 'b'], [OU => 'c'],
                               [CN => 'c']]],
);

my ($unit, $units, $same) = map { cert(cn => 'dev', @$_) } (
    [name => 'd1', san => [[uri => 'urn:dev:pump:1']]],
    [name => 'd2', san => [[uri => 'urn:dev:pump:1'],
                           [uri => 'urn:dev:pump:2']]],
    [name => 'd3', san => [[uri => 'urn:dev:pump:1'], [uri => 'urn:x'],
                           [uri => 'urn:dev:pump:1']]],
);

$ids->run(<<'EOF');
mtls_ca test %%PKI%%/root.crt %%PKI%%/inter.crt;
%%MTLS%%

mtls_group user {
    subject cn c;
    identity "user:$mtls_subject_o/$mtls_subject_ou";
}

mtls_group device {
    uri "~^urn:dev:(?<model>[a-z]+):(?<unit>[0-9]+)$";
    identity "device:${model}.$unit";
}

mtls_group bobs {
    subject cn bob;
    identity "bob:$mtls_fingerprint";
}

mtls_group bob_again {
    subject cn bob;
    identity "again:$mtls_serial";
}

mtls_group plain {
    subject cn alice;
}

server {
    listen 127.0.0.1:%%PORT_0%% ssl;
    %%TLS%%

    location / {
        mtls_allow any;
        proxy_pass http://%%UPSTREAM%%;
        proxy_set_header X-Id $mtls_identity;
        proxy_set_header X-Group $mtls_identity_group;
        proxy_set_header X-Groups $mtls_groups;
        proxy_set_header X-Client $mtls_client;
    }

    location /user { mtls_allow user; proxy_pass http://%%UPSTREAM%%; }
    location /again { mtls_allow bob_again;
        proxy_pass http://%%UPSTREAM%%;
        proxy_set_header X-Id $mtls_identity; }
}
EOF

sub identity {
    my ($c) = @_;

    my $r = $ids->get('/', cert => $c);
    return $r->{status} == 200 ? $r->received('X-Id') // '' : "refused";
}

is(identity($users[0]), 'user:a/b', 'a template of two attributes');
is(identity($users[1]), 'user:a%2Fb/c',
   'the literal that follows is encoded in the value');
is(identity($users[2]), 'user:a/b/c', 'but not what cannot be mistaken');
is(identity($users[3]), 'user:a%252Fb/c', 'nor can its encoding be forged');
is(identity($users[4]), 'user:a%0A/b', 'control octets are encoded');

for ([5, 'an empty part'], [6, 'a part with two values']) {
    my ($i, $name) = @$_;

    is(identity($users[$i]), '', "$name: no identity");
    refused($ids->get('/user', cert => $users[$i]), 'ambiguous',
            "$name: and the group is undefined");
    my $r = $ids->get('/', cert => $users[$i]);
    is($r->received('X-Groups') // '', '', "$name: nor is it listed");
    is($r->received('X-Client'), 'sha256:' . $users[$i]->fingerprint,
       "$name: the client is its fingerprint");
}

is(identity($unit), 'device:pump.1', 'named captures');
is(identity($units), '', 'two values with other captures: none');
is(identity($same), 'device:pump.1', 'two values with equal captures');

my $bob = $pki->bob;
my $r = $ids->get('/', cert => $bob);

is($r->received('X-Id'), 'bob:' . $bob->fingerprint,
   'the first true group with a template gives the identity');
is($r->received('X-Group'), 'bobs', 'and is $mtls_identity_group');
is($r->received('X-Groups'), 'bobs,bob_again', 'all that are true are listed');
is($ids->get('/again', cert => $bob)->received('X-Id'),
   'bob:' . $bob->fingerprint, 'the same in every location');

$r = $ids->get('/', cert => $pki->alice);
is($r->received('X-Id'), undef, 'a group without a template: no identity');
is($r->received('X-Groups'), 'plain', 'but it is true');

done_testing;
