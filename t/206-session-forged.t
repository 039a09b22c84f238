#!/usr/bin/perl

# Whoever has a key of the session tickets can make sessions with anybody's
# certificate in them.  None of these is resumed: the client has to show what
# it really has.
# Copyright (C) the ngx_mtls_module authors

use FindBin;
use lib "$FindBin::Bin/lib";
use Mtls::Test;
use Mtls::Ticket;

my $pki = Mtls::PKI->standard;
my ($alice, $bob) = ($pki->alice, $pki->bob);
my $n = Mtls::Test->new(pki => $pki);

# nginx alone, with the same keys: what the forgeries would be worth

my $plain = Mtls::Test->new(pki => $pki, module => 0);

my %key = map { $_ => Mtls::Ticket->new($n->dir . "/$_.key", $_) } 80, 48;
my %with = map {
    $_ => '%%TLS%% ssl_session_ticket_key ' . $key{$_}->path . ';'
} 80, 48;

$n->run(<<"EOF");
mtls_ca partners %%PKI%%/root.crt;
mtls_ca foreign  %%PKI%%/other_root.crt;
mtls_group people { ca any; subject cn ~.*; identity "u:\$mtls_subject_cn"; }
%%MTLS%%
add_header X-Client \$mtls_client always;
proxy_set_header X-Id \$mtls_identity;

server {
    listen 127.0.0.1:%%PORT_0%% ssl http2;
    $with{80}
    ssl_early_data on;
    mtls_trust partners;
    location / { mtls_allow people; proxy_pass http://%%UPSTREAM%%; }
}

server {
    listen 127.0.0.1:%%PORT_1%% ssl http2;
    $with{48}
    mtls_trust partners;
    location / { mtls_allow people; proxy_pass http://%%UPSTREAM%%; }
}

# the same certificate and CA list, another trust

server {
    listen 127.0.0.1:%%PORT_0%% ssl;
    server_name foreign.example;
    $with{80}
    mtls_trust foreign;
    location / { mtls_allow people; proxy_pass http://%%UPSTREAM%%; }
}

server {
    listen 127.0.0.1:%%PORT_2%% ssl;
    $with{80}
    mtls off;
    location / { proxy_pass http://%%UPSTREAM%%;
                 proxy_set_header X-Dn \$ssl_client_s_dn; }
}

server {
    listen 127.0.0.1:%%PORT_3%% ssl;
    $with{80}
    ssl_session_timeout 2s;
    location / { mtls_allow people; proxy_pass http://%%UPSTREAM%%; }
}
EOF

$plain->run(<<"EOF");
proxy_set_header X-Dn \$ssl_client_s_dn;

server {
    listen 127.0.0.1:%%PORT_0%% ssl;
    $with{80}
    location / { proxy_pass http://%%UPSTREAM%%; }
}

server {
    listen 127.0.0.1:%%PORT_1%% ssl;
    $with{48}
    location / { proxy_pass http://%%UPSTREAM%%; }
}
EOF


# Bob forges.  A record: version, key id (8), time (8), number of intermediates,
# anchor (32), intermediates (32 each), MAC (16)

my $len = 1 + 8 + 8 + 1 + 32 + 32 + 16;
my ($VERSION, $KEY, $TIME, $COUNT, $ANCHOR, $CHAIN, $MAC) =
    (0, 1, 9, 17, 18, 50, 82);

my $root = pack 'H*', $pki->root->fingerprint;
my $inter = pack 'H*', $pki->inter->fingerprint;
my $foreign = pack 'H*', $pki->other_root->fingerprint;
my $late = pack 'Q>', time + 86400;

# The victim's certificate, and beside it a record made of Bob's own, the
# victim's and a third one's.

my @records = (
    ['his own record',             sub { $_[0] }],
    ['no record',                  sub { undef }],
    ['an empty record',            sub { '' }],
    ['a record of zeros',          sub { "\0" x $len }],
    ['a third one\'s record',      sub { $_[2] }],
    ['a record of nobody',         sub { patched($_[0], $MAC, "\0" x 16) }],
    ['a record without its MAC',   sub { substr $_[0], 0, $MAC }],
    ['half a MAC',                 sub { substr $_[0], 0, $MAC + 8 }],
    ['the begin of a record',      sub { substr $_[0], 0, $ANCHOR }],
    ['one octet',                  sub { substr $_[0], 0, 1 }],
    ['one octet less',             sub { substr $_[0], 0, $len - 1 }],
    ['one octet more',             sub { "$_[0]\0" }],
    ['512 octets',                 sub { $_[0] . "\0" x (512 - $len) }],
    ['513 octets',                 sub { $_[0] . "\0" x (513 - $len) }],
    ['4,000 octets',               sub { $_[0] x 40 }],
    ['his record twice',           sub { $_[0] x 2 }],
    ['another version',            sub { patched($_[0], $VERSION, "\2") }],
    ['the version of "mtls off"',  sub { patched($_[0], $VERSION, "\x80") }],
    ['another key id',             sub { flipped($_[0], $KEY) }],
    ['a later time',               sub { patched($_[0], $TIME, $late) }],
    ['another anchor',             sub { patched($_[0], $ANCHOR, $foreign) }],
    ['the issuer as the anchor',   sub { patched($_[0], $ANCHOR, $inter) }],
    ['another intermediate',       sub { patched($_[0], $CHAIN, $root) }],
    ['no intermediate',            sub { patched($_[0], $COUNT, "\0") }],
    ['a shorter chain',            sub { patched(substr($_[0], 0, $CHAIN)
                                                 . substr($_[0], $MAC),
                                                 $COUNT, "\0") }],
    ['255 intermediates',          sub { patched($_[0], $COUNT, "\xff") }],

    # the victim's own record, changed: it may have been seen somewhere

    ['hers with a later time',     sub { patched($_[1], $TIME, $late) }],
    ['hers with another anchor',   sub { patched($_[1], $ANCHOR, $foreign) }],
    ['hers with another version',  sub { patched($_[1], $VERSION, "\2") }],
    ['hers with another key id',   sub { flipped($_[1], $KEY) }],
    ['hers with his MAC',          sub { patched($_[1], $MAC,
                                                 substr $_[0], $MAC) }],
    ['hers with one bit changed',  sub { flipped($_[1], $len - 1) }],
);

# What becomes of Bob's session; the victim's record is the second argument.

my @sessions = (
    ['his certificate, her record',
     sub { $_[0]->set(record => $_[1]) }],
    ['his own with a longer life',
     sub { my $r = $_[0]->get('record');
           $_[0]->set(record => patched($r, $TIME, $late)) }],
    ['his own without a record',
     sub { $_[0]->set(record => undef) }],
    ['a self-signed certificate of her name',
     sub { $_[0]->set(peer => $pki->self->der, verify => 0) }],
    ['one of her name from a foreign CA',
     sub { $_[0]->set(peer => $pki->other->der, verify => 0) }],
    ['the CA\'s certificate',
     sub { $_[0]->set(peer => $pki->inter->der) }],
    ['the anchor\'s certificate',
     sub { $_[0]->set(peer => $pki->root->der) }],
    ['her certificate and one octet',
     sub { $_[0]->set(peer => $alice->der . "\0") }],
    ['half of her certificate',
     sub { $_[0]->set(peer => substr $alice->der, 0, 200) }],
    ['her certificate, the session far from its end',
     sub { $_[0]->set(peer => $alice->der, timeout => 1 << 30,
                      time => time + 1000) }],
);

for (['1.2', 80, 0], ['1.2', 48, 1], ['1.3', 80, 0], ['1.3', 48, 1]) {
    my ($tls, $size, $port) = @$_;

    my $kind = "TLS $tls, $size octets";
    my $key = $key{$size};
    my @at = (port => $port, tls => $tls);

    my $his = session($n, @at, cert => $bob);
    my $hers = session($n, @at, cert => $alice);
    my $third = session($n, @at, cert => $pki->device);

    is($his->kind, "TLS $tls ticket", "$kind: Bob has a ticket");

    my ($mine, $victims, $thirds) =
        map { $key->open($_)->get('record') } $his, $hers, $third;

    is(join(' ', map { length } $mine, $victims, $thirds), "$len $len $len",
       "$kind: each session has its record");
    is($key->open($his)->get('peer'), $bob->der,
       "$kind: and its client's certificate");

    # forging works: with nothing changed, and for nginx alone

    is(seen($key->forge($his, sub { })->get('/')), '1 200 u:bob',
       "$kind: encrypted anew, it resumes");

    my $r = $key->forge(session($plain, @at, cert => $bob),
                        sub { $_[0]->set(peer => $alice->der) })
                ->get('/', cert => undef);

    is($r->{reused} . ' ' . $r->received('X-Dn'),
       '1 CN=alice,OU=payments,O=Alpha Bank',
       "$kind: nginx alone takes him for the victim");

    for (@records) {
        my ($name, $change) = @$_;

        my $record = $change->($mine, $victims, $thirds);

        honest($key->forge($his, sub { $_[0]->set(peer => $alice->der,
                                                  record => $record) }),
               "$kind: her certificate, $name");
    }

    for (@sessions) {
        my ($name, $change) = @$_;

        honest($key->forge($his, sub { $change->($_[0], $victims) }),
               "$kind: $name");
    }

    for (['nothing in the ticket', ''], ['garbage in the ticket', 'x' x 500],
         ['half a session', substr $key->open($his)->der, 0, 150])
    {
        honest($key->seal($his, $_->[1]), "$kind: $_->[0]");
    }

    # without a certificate it is nginx's own matter: nobody's session

    $r = $key->forge($his, sub { $_[0]->set(peer => undef) })->get('/');

    is($r->{reused}, 1, "$kind: no certificate, but a record");
    refused($r, 'no_cert', "$kind: is nobody's session");

    # what nobody vouched for cannot be made good

    $r = $key->forge($his, sub { $_[0]->set(peer => $pki->other->der,
                                            verify => 0) })
             ->get('/', cert => $pki->other);

    is($r->{reused}, 0, "$kind: whom nobody trusts is asked again");
    is($r->{status}, 400, "$kind: and nginx refuses");

    my $h2 = $key->forge($his, sub { $_[0]->set(peer => $alice->der) })
                 ->h2(cert => $bob);

    is($h2->reused, 0, "$kind: HTTP/2: not resumed");
    is($h2->get('/')->header('X-Mtls-Identity'), 'u:bob',
       "$kind: HTTP/2: he is who he is");
    $h2->closed(0);
}


# Bob's own session, carried to a server that does not trust his CA

for my $tls ('1.2', '1.3') {
    my $s = session($n, tls => $tls, cert => $bob);

    my $there = 'foreign.example';
    my $r = $key{80}->forge($s, sub { $_[0]->set(hostname => $there) })
                    ->get('/', sni => $there);

    ok($r->{status} == 403 || $r->{status} == 400,
       "TLS $tls: the session of another server opens nothing");
    is($r->header('X-Mtls-Identity'), undef, "TLS $tls: and names nobody");
    like($r->header('X-Mtls-Reason'), qr/^(?:wrong_ca|untrusted)$/,
         "TLS $tls: the CA is the reason");
}


# with "mtls off" nginx resumes as ever, but not what somebody made up

for my $tls ('1.2', '1.3') {
    my $s = session($n, port => 2, tls => $tls, cert => $bob);
    my $bobs = 'CN=bob,OU=readers,O=Beta Bank';

    my $r = $s->get('/');
    is("$r->{reused} " . $r->received('X-Dn'), "1 $bobs",
       "TLS $tls, mtls off: resumed");

    $r = $key{80}->forge($s, sub { $_[0]->set(peer => $alice->der) })->get('/');
    is("$r->{reused} " . $r->received('X-Dn'), "0 $bobs",
       "TLS $tls, mtls off: not with the victim's certificate");

    # such a session says nothing where mtls is on, nor does its record

    $s->{arg}{port} = 0;

    $r = $s->get('/');
    is($r->header('X-Mtls-Identity') // '', $r->{reused} ? '' : 'u:bob',
       "TLS $tls, mtls off: no identity comes from there");

    my $record = $key{80}->open($s)->get('record');

    honest($key{80}->forge($s, sub { $_[0]->set(record => patched(
                                         $record, $VERSION, "\1")) }),
           "TLS $tls, mtls off: nor by another version");
}


# early data of a forged session is not even read

{
    my $s = session($n, tls => '1.3', cert => $bob);

    my $r = $s->early_data('/');
    is("$r->{early} " . $r->header('X-Mtls-Identity'), '1 u:bob',
       'early data of his own session');

    my $before = $n->upstream_requests;

    $r = $key{80}->forge($s, sub { $_[0]->set(peer => $alice->der) })
                 ->early_data('/', timeout => 3);
    is($r->{early}, 0, 'early data of a forged one is refused');
    is(scalar($n->upstream_requests), $before, 'and reaches nobody');
}


# the session's own clock can be set, that of the record cannot

{
    my @s = map { session($n, port => 3, tls => $_, cert => $bob) }
            '1.2', '1.3';

    select undef, undef, undef, 3.1;

    for my $s (@s) {
        my $r = $key{80}->forge($s, sub { $_[0]->set(time => time,
                                                     timeout => 1 << 30) })
                        ->get('/');
        is(seen($r), '0 200 u:bob',
           $s->kind . ': an old session made young again');
    }
}


# one request each for her own sessions above

is(scalar(grep { defined && $_ eq 'u:alice' }
          map { my $q = $_; map { $_->[1] }
                grep { lc $_->[0] eq 'x-id' } @{$q->{headers}} }
          $n->upstream_requests),
   4, 'upstream nobody was the victim but herself');

done_testing;


sub patched {
    my ($record, $offset, $octets) = @_;

    substr($record, $offset, length $octets) = $octets;

    return $record;
}


sub flipped {
    my ($record, $offset) = @_;

    substr($record, $offset, 1) ^= "\x01";

    return $record;
}


# reused, status, identity

sub seen {
    my $r = shift;

    return join ' ', $r->{reused}, $r->{status},
                     $r->header('X-Mtls-Identity') // '-';
}


# A session leads to a full handshake: with his certificate he is let in as
# himself, without one he is nobody.

sub honest {
    my ($s, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my @r = ($s->get('/', cert => $bob), $s->get('/', cert => undef));

    is(join(', ', map { seen($_) . ' ' . ($_->header('X-Client') // '-') } @r),
       '0 200 u:bob u:bob, 0 403 - -', $name);
}
