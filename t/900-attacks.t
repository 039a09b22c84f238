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


# Names: what cannot be read must not slip through mtls_deny, and no two
# certificates may come out as one client.

{
    my $n = Mtls::Test->new(pki => $pki);

    my $mint = sub {
        my ($name, %arg) = @_;
        return $pki->cert(name => $name, issuer => $inter, %arg);
    };

    # "@" is not a character of PrintableString

    my $evil = $mint->('evil', cn => 'evil@corp');
    my $hidden = $mint->('hidden', subject => [[CN => 'evil@corp', 'Printable']]);
    my $dirname = $mint->('dirname', cn => 'dirname',
                          san => [[dirname => [[CN => 'evil@corp', 'Printable']]]]);

    $n->run(<<'EOF');
mtls_ca partners %%PKI%%/root.crt;

mtls_group evil_dn  { subject_dn "CN=evil@corp"; }
mtls_group evil_dir { dirname "CN=evil@corp"; }
mtls_group not_evil { not subject_dn "CN=evil@corp"; }
mtls_group by_hex   { subject_dn "CN=#13096576696c40636f7270"; }
mtls_group admin    { subject cn ~.*; identity "u:$mtls_subject_cn"; }
%%MTLS%%

proxy_set_header X-Id $mtls_identity;
proxy_set_header X-Cn $mtls_subject_cn;

server {
    listen 127.0.0.1:%%PORT_0%% ssl; %%TLS%%

    location /        { mtls_allow admin; proxy_pass http://%%UPSTREAM%%; }
    location /dn      { mtls_allow any; mtls_deny evil_dn; empty_gif; }
    location /dir     { mtls_allow any; mtls_deny evil_dir; empty_gif; }
    location /not     { mtls_allow not_evil; empty_gif; }
    location /hex     { mtls_allow by_hex; empty_gif; }
}
EOF

    refused(get($n, '/dn', cert => $evil), 'denied', 'a whole name is denied');
    refused(get($n, '/dn', cert => $hidden), 'ambiguous',
            'also with a string that cannot be read');
    refused(get($n, '/not', cert => $hidden), 'ambiguous', 'and by "not"');
    refused(get($n, '/dir', cert => $dirname), 'ambiguous', 'and in a SAN');
    allowed(get($n, '/hex', cert => $hidden), 'it can be named by its octets');
    allowed(get($n, '/dn', cert => $alice), 'others are not concerned');

    my %id;

    for my $cn ('admin', 'admin ', ' admin', "admin\t", "admin\r\nX: 1",
                'admin%20', 'admin%', "admin\x7f", 'Admin')
    {
        my $name = 'cn' . keys %id;
        my $r = get($n, '/', cert => $mint->($name, cn => $cn));

        # a header's value without the white space at its ends

        my $id = $r->received('X-Id') // '';
        $id =~ s/^[ \t]+|[ \t]+$//g;

        $id{$id}++;
    }

    is(join(' | ', grep { $id{$_} > 1 } sort keys %id), '',
       'no two names are one name upstream');
    ok(!$id{''} && !grep({ /[\0-\x1f\x7f]/ } keys %id), 'and each is one line');

    refused(get($n, '/', cert => $mint->('nul', cn => "admin\0x")), 'ambiguous',
            'a NUL does not end a name');
    refused(get($n, '/', cert => $mint->('two', subject => [[CN => 'admin'],
                                                            [CN => 'x']])),
            'ambiguous', 'two names are none');

    $n->stop;
}


done_testing;
