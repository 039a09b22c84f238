#!/usr/bin/perl

# "return" answers before access is checked: nginx -t says so.
# Copyright (C) the ngx_mtls_module authors

use FindBin;
use lib "$FindBin::Bin/lib";
use Mtls::Test;

my $pki = Mtls::PKI->standard;
my $n = Mtls::Test->new(pki => $pki);

sub conf {
    my ($inside) = @_;

    return <<"EOF";
mtls_ca partners %%PKI%%/root.crt %%PKI%%/inter.crt;
%%MTLS%%
server {
    listen 127.0.0.1:%%PORT_0%% ssl;
    %%TLS%%
$inside
}
EOF
}

sub warns {
    my ($inside, $where, $name) = @_;

    $n->config_warns(conf($inside),
                     qr/"mtls_allow" in .* protect location "\Q$where\E" /,
                     $name);
}

warns('location /a { mtls_allow any; return 200; }', '/a',
      'return in a location with mtls_allow');
warns('mtls_allow any; location /a { return 200; }', '/a',
      'return in a location that inherits one');
warns('mtls_allow any; return 301 https://x/; ', '*',
      'return at server level');
warns('location /a { mtls_allow any; location /a/b { return 200; } }', '/a/b',
      'return in a nested location');

for (['if', 'location /a { mtls_allow any;
                           if ($arg_x) { return 200; } try_files /no =204; }'],
     ['set', 'location /a { mtls_allow any;
                            set $x 1; try_files /no =204; }'],
     ['rewrite', 'location /a { mtls_allow any; rewrite ^/a /b last; }'],
     ['off', 'mtls_allow any; location /a { mtls off; return 200; }'],
     ['no policy', 'location /a { return 200; }'])
{
    my ($name, $inside) = @$_;
    $n->config_ok(conf($inside), "no false alarm: $name");
}

# what the warning is about, and the form that it advises

$n->run(conf('location /open { mtls_allow any; return 200 open; }
              location /safe { mtls_allow any; try_files /no @answer; }
              location @answer { mtls off; return 200 safe; }'));

is(get($n, '/open')->{body}, 'open', 'return: nobody was asked');
refused(get($n, '/safe'), 'no_cert', 'try_files and a named location: asked');
is(get($n, '/safe', cert => $pki->alice)->{body}, 'safe',
   'try_files and a named location: answered');

done_testing;
