#!/usr/bin/perl

# Attacks, one by one: those that once worked, and those that never did.
# Copyright (C) the ngx_mtls_module authors

use FindBin;
use lib "$FindBin::Bin/lib";
use Mtls::Test;

my $pki = Mtls::PKI->standard;
my ($root, $inter, $alice) = ($pki->root, $pki->inter, $pki->alice);


# A reload that drops the module, or refuses a configuration that loads it,
# must not leave OpenSSL with callbacks into memory that is no longer mapped.

{
    my $n = Mtls::Test->new(pki => $pki);

    my $plain = <<'EOF';
# %%MODULES%%
events { }
http {
    server { listen 127.0.0.1:%%PORT_0%% ssl; %%TLS%% location / { empty_gif; } }
}
EOF

    my $judged = <<'EOF';
mtls_ca partners %%PKI%%/root.crt;
%%MTLS%%
server {
    listen 127.0.0.1:%%PORT_0%% ssl; %%TLS%%
    location / { mtls_allow any; empty_gif; }
}
EOF

    my $serves = sub {
        my $name = shift;

        is(join(' ', map { get($n, '/', cert => $alice)->{status} } 1 .. 3),
           '200 200 200', $name);
    };

    $n->run($plain);
    $n->allow(qr/unknown group "nobody"/);

    ok(!$n->reload($judged =~ s/any/nobody/r), 'refused with the module');
    ok($n->reload($plain), 'then without');
    $serves->('a module of a refused configuration is gone');

    ok($n->reload($judged), 'loaded by a reload');
    allowed(get($n, '/', cert => $alice), 'and judging');

    ok($n->reload($plain), 'dropped by a reload');
    $serves->('a module that was dropped is gone');

    ok($n->reload($judged), 'and back');
    allowed(get($n, '/', cert => $alice), 'judging again');
    refused(get($n, '/'), 'no_cert', 'refusing again');

    $n->stop;
}


done_testing;
