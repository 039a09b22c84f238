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

warns('location /a { mtls_allow any; set $x 1; return 200; }', '/a',
      'return behind other directives');
warns('location /a { mtls_allow any; if ($arg_x) { set $x 1; } return 200; }',
      '/a', 'return behind an "if"');
warns('location /a { mtls_allow any; rewrite ^/a/b /c last; return 200; }',
      '/a', 'return behind a rewrite that may not match');
warns('location /a { mtls_allow any; return 204; if ($arg_x) { break; } }',
      '/a', 'return before an "if"');
warns('location /a { mtls_allow any; return 302 /b?$mtls_identity; }', '/a',
      'a redirect where a rule was written for it');
warns('location ~ ^/a { mtls_allow any; return "https://x/"; }', '^/a',
      'so without a code');
warns('return 200 x; location /a { mtls_allow any; }', '*',
      'return at server level, a rule below it');
warns('mtls_allow any; return 200 x;
       location /a { } location /b { mtls_allow any; return 200; }', '*',
      'return at server level: one warning, whatever is in the server');
warns('mtls_allow any; if ($arg_x) { return 200 x; }', '*',
      'return in an "if" at server level');
warns('location /a { mtls dry_run; mtls_allow any; return 200 x; }', '/a',
      'return, of a dry run');
warns('location /a { mtls_allow any; if ($arg_x) { return 200 x; }
                     return 404; }', '/a', 'return of a text in an "if"');
warns('location /a { mtls_allow any; if ($arg_y) { return 404; }
                     if ($arg_x) { set $x 1; return 201 $x; } }', '/a',
      'return of a text in the second "if"');

$n->config_warns(conf('location /a { mtls_allow any;
                                     if ($arg_x) { return 200 x; } }'),
                 qr/since "return" in an "if" answers there before access/,
                 'the warning speaks of the "if"');

my ($code, $err) = $n->test_config(
    conf('mtls_allow any; location /a { return 200; if ($arg_x) { set $x 1; }
                                        limit_except GET { deny all; } }
          location /b { return 200; }'));

is(() = $err =~ /does not protect/g, 2, 'one warning for each location')
    || diag($err);

for (['if', 'location /a { mtls_allow any;
                           if ($arg_x) { return 200; } try_files /no =204; }'],
     ['if, with an "if" of the server',
      'if ($arg_y) { set $y 1; } location /a { mtls_allow any;
       if ($arg_x) { return 204; } try_files /no =204; }'],
     ['a preflight', 'mtls_allow any;
       if ($request_method = OPTIONS) { return 204; }'],
     ['a redirect in an "if"', 'mtls_allow any;
       if ($host != a) { return 301 https://a$request_uri; }'],
     ['444', 'mtls_allow any; location /a { return 444; }'],
     ['444 for a server', 'mtls_allow any; return 444;'],
     ['404', 'location /a { mtls_allow any; return 404; }'],
     ['403 with a text', 'mtls_allow any; location /a { return 403 no; }'],
     ['an error in an "if"',
      'mtls_allow any; if ($arg_x) { return 403 no; }'],
     ['a redirect that inherits a rule',
      'mtls_allow any; location /a { return 301 https://x/; }'],
     ['a server that only redirects, and inherits no rule of its own',
      'return 301 https://x/; location /a { mtls_allow any; }'],
     ['rewrite ... redirect',
      'location /a { mtls_allow any; rewrite ^/a /b redirect; }'],
     ['rewrite ... permanent',
      'mtls_allow any; rewrite ^/a /b permanent; location /a { }'],
     ['break', 'location /a { mtls_allow any; break; return 200 x; }'],
     ['nested below a return',
      'location /a { return 200 x; location /a/b { mtls_allow any; } }'],
     ['a nested location with mtls off', 'location /a { mtls_allow any;
       location /a/b { mtls off; return 200 x; } }'],
     ['a server with mtls off', 'mtls off; mtls_allow any; return 200 x;'],
     ['a named location', 'mtls_allow any; location @a { return 200 x; }'],
     ['an internal one',
      'mtls_allow any; location /a { internal; return 200 x; }'],
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
              location /if { mtls_allow any; if ($arg_x) { return 200 open; }
                             try_files /no @answer; }
              location /break { mtls_allow any; break; return 200 open; }
              location /safe { mtls_allow any; try_files /no @answer; }
              location @answer { mtls off; return 200 safe; }'));

is(get($n, '/open')->{body}, 'open', 'return: nobody was asked');
is(get($n, '/if?x=1')->{body}, 'open', 'return in an "if": nor here');
refused(get($n, '/if'), 'no_cert', 'return in an "if": asked otherwise');
refused(get($n, '/break'), 'no_cert', 'return behind "break": asked');
refused(get($n, '/safe'), 'no_cert', 'try_files and a named location: asked');
is(get($n, '/safe', cert => $pki->alice)->{body}, 'safe',
   'try_files and a named location: answered');

done_testing;
