#!/usr/bin/perl

# A session of one virtual server, resumed at another.  Whether nginx lets it
# be resumed depends on its version: up to 1.29.1 it names the server too late
# and refuses, later it compares certificate and CA list of the two.  Whatever
# it does, the anchor has to be one that the answering server trusts.

# Copyright (C) the ngx_mtls_module authors

use FindBin;
use lib "$FindBin::Bin/lib";
use Mtls::Test;

my $pki = Mtls::PKI->standard;
my $alice = $pki->alice;
my $n = Mtls::Test->new(pki => $pki);

# same: as a; hint: the CA list of a, another trust; list: another CA list, the
# trust of a; open: no client certificates

my $location = 'location / { proxy_set_header X-Server $server_name; '
    . 'proxy_set_header X-Client $mtls_client; proxy_pass http://%%UPSTREAM%%;';

$n->run(<<"EOF");
mtls_ca partners %%PKI%%/root.crt %%PKI%%/inter.crt;
mtls_ca foreign  %%PKI%%/other_root.crt;
%%MTLS%%
ssl_session_cache shared:SSL:1m;

server {
    listen 127.0.0.1:%%PORT_0%% ssl;
    server_name a.example;
    %%TLS%%
    mtls_trust partners;
    $location mtls_allow any; }
}

server {
    listen 127.0.0.1:%%PORT_0%% ssl;
    server_name same.example;
    %%TLS%%
    mtls_trust partners;
    $location mtls_allow any; }
}

server {
    listen 127.0.0.1:%%PORT_0%% ssl;
    server_name hint.example;
    %%TLS%%
    mtls_trust foreign;
    $location mtls_allow any; }
}

server {
    listen 127.0.0.1:%%PORT_0%% ssl;
    server_name list.example;
    %%CERT%%
    ssl_verify_client optional;
    ssl_client_certificate %%PKI%%/other_root.crt;
    mtls_trust partners;
    $location mtls_allow any; }
}

server {
    listen 127.0.0.1:%%PORT_0%% ssl;
    server_name open.example;
    %%CERT%%
    $location }
}
EOF

my $late = $n->version < 1.029002;

for (['1.2', 0, 'TLS 1.2 id'],
     ['1.2', 1, 'TLS 1.2 ticket'],
     ['1.3', 1, 'TLS 1.3 ticket'])
{
    my ($tls, $ticket, $kind) = @$_;

    my $s = session($n, cert => $alice, sni => 'a.example', tls => $tls,
                    ticket => $ticket);

    is($s->kind, $kind, "$kind: the server gives one");
    allowed($s->{first}, "$kind: at a full handshake");

    my $r = at($s, 'a');
    allowed($r, "$kind: at home");
    is("$r->{reused} " . $r->received('X-Server'), '1 a.example',
       "$kind: resumed at home");

    $r = $s->get('/', sni => undef, host => 'a.example');
    allowed($r, "$kind: at home without SNI");

    # never where the anchor is not trusted, and then for that reason

    $r = at($s, 'hint');

    if ($late && !$r->{status}) {
        like($r->{error}, qr/alert/, "$kind: nginx refuses, another trust");

    } else {
        refused($r, 'wrong_ca', "$kind: the CA list of a, another trust",
                $late ? qr/403|421/ : 403);
    }

    for my $to ('same', 'list') {
        $r = at($s, $to);

        if ($late && $r->{status} != 200) {
            ok($r->{status} == 421 || $r->{error} =~ /alert/,
               "$kind: nginx refuses, $to");
            next;
        }

        allowed($r, "$kind: $to, the same trust");
        is("$r->{reused} " . $r->received('X-Server'),
           ($to eq 'same' || $late ? 1 : 0) . " $to.example",
           "$kind: $to, resumed where the CA lists are the same");
    }

    # a server that verifies nobody knows whom the session speaks of, or
    # nginx does not resume it there

    $r = at($s, 'open');
    is($r->{status}, 200, "$kind: a server that asks for no certificate");
    is($r->received('X-Client') // '', $r->{reused} ? client($s) : '',
       "$kind: who is known there comes with the session");
}

done_testing;


sub at {
    my ($s, $to) = @_;

    return $s->get('/', sni => "$to.example", host => "$to.example");
}


sub client {
    my ($s) = @_;

    return $s->{first}->received('X-Client');
}
