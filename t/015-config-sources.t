#!/usr/bin/perl

# What nginx -t says of the files that rule: CA names that are too many for a
# handshake, files that the workers could write, CRLs that are missing or serve
# nothing, and a worker user that changes.
# Copyright (C) the ngx_mtls_module authors

use Fcntl qw(:flock);
use FindBin;
use lib "$FindBin::Bin/lib";
use Mtls::Test;
use POSIX ();

my $pki = Mtls::PKI->standard;
my $n = Mtls::Test->new(pki => $pki);

my $BOTH = 'mtls_ca partners %%PKI%%/root.crt %%PKI%%/inter.crt;';
my $CRLS = 'mtls_crl %%PKI%%/root.crl %%PKI%%/inter.crl;';
my $SSL = 'listen 127.0.0.1:%%PORT_0%% ssl; %%TLS%%';
my $SERVER = "server { $SSL }";

hints();
coverage();
once();
strangers();
quiet();

SKIP: {
    skip 'only root has another worker user', 1 if $> != 0;
    writable();
    changed();
    forged();
}

done_testing;


# The names of CAs that are sent to clients.

sub hints {
    my $many = Mtls::PKI->new;
    my $size = 0;
    my (@names, $key);

    my $mint = sub {
        my ($len) = @_;
        my $ca = $many->ca(name => 'ca' . @names,
                           cn => sprintf('%04d', scalar @names)
                                 . 'x' x ($len - 4),
                           key => $key // 'ec');
        $key //= $ca;
        push @names, $ca;
        return 2 + length $ca->subject;
    };

    $size += $mint->(64) while $size < 60_000 - 180;

    # 13 octets are around a common name, and 2 more are counted for each

    my $rest = 60_000 - $size;
    my $half = int($rest / 2);

    $size += $mint->($half - 15);
    $size += $mint->($rest - $half - 15);

    is($size, 60_000, 'CA names: ' . @names . ' of them, to the octet');

    my $text = join '', map { slurp($_->crt) } @names;
    my $over = $many->ca(name => 'over', cn => 'y' x ($rest - $half - 14),
                         key => $key);

    my $full = $n->file('full.pem', $text);
    my $twice = $n->file('twice.pem', $text . $text);
    my $beyond = $n->file('beyond.pem',
        join('', map { slurp($_->crt) } @names[0 .. $#names - 1], $over));

    my $conf = sub {
        my ($tls, $inside) = @_;
        return <<"EOF";
mtls_ca partners %%PKI%%/root.crt %%PKI%%/inter.crt;
mtls_ca many $full $beyond;
%%MTLS%%
server {
    listen 127.0.0.1:%%PORT_0%% ssl;
    %%CERT%%
    $tls
    location / { $inside mtls_allow any; try_files /no =204; }
}
EOF
    };

    my $verify = 'ssl_verify_client optional; ssl_verify_depth 4;';

    $n->config_ok($conf->("$verify ssl_client_certificate $full;", ''),
                  'CA names: 60,000 octets');
    $n->config_ok($conf->("$verify ssl_client_certificate $twice;", ''),
                  'CA names: a name that is there twice is sent once');

    for (['60,001 octets', "$verify ssl_client_certificate $beyond;"],
         ['with ssl_verify_client on',
          "ssl_verify_client on; ssl_client_certificate $beyond;"],
         ['with ssl_verify_client optional_no_ca',
          "ssl_verify_client optional_no_ca; ssl_client_certificate $beyond;"])
    {
        $n->config_refused($conf->($_->[1], ''),
            qr{\Q"$beyond"\E.*test\.conf:4, have 60001 octets}
            . qr{.* than 60000; name a smaller file},
            "CA names: $_->[0]");
    }

    $n->config_ok(
        $conf->("$verify ssl_client_certificate %%PKI%%/root.crt;"
                . " ssl_trusted_certificate $beyond;", ''),
        'CA names: those of ssl_trusted_certificate are not sent');
    $n->config_ok(<<"EOF", 'CA names: nor by a server with mtls off');
$BOTH
server {
    listen 127.0.0.1:%%PORT_0%% ssl;
    %%CERT%%
    mtls off;
    $verify
    ssl_client_certificate $beyond;
}
server {
    listen 127.0.0.1:%%PORT_1%% ssl;
    %%CERT%%
    ssl_client_certificate $beyond;
}
EOF

    my $inherited = "$verify ssl_client_certificate $beyond; "
                    . $conf->('', '');

    $n->config_refused($inherited, qr{"\S*/beyond\.pem".* in \S*test\.conf:4, },
                       'CA names: inherited from http');

    my $giant = $many->ca(name => 'giant', cn => 'z' x 61_000, key => $key,
                          issuer => $names[0])->crt;

    $n->config_refused("$BOTH server { listen"
        . " 127.0.0.1:%%PORT_0%% ssl; %%CERT%% $verify"
        . " ssl_client_certificate $giant; }",
        qr{the 1 CA names in "\Q$giant\E".*, have 610\d\d octets},
        'CA names: one that is too long alone');

    $n->run($conf->("$verify ssl_client_certificate $full;", ''));

    for my $tls (qw(1.2 1.3)) {
        allowed(get($n, '/', cert => $pki->alice, tls => $tls),
                "60,000 octets of CA names: TLS $tls serves");
        refused(get($n, '/', tls => $tls), 'no_cert',
                "60,000 octets of CA names: TLS $tls, no certificate");
    }

    is(curl($n, '/', cert => $pki->alice)->{status}, 204,
       '60,000 octets of CA names: so it does to curl');
    $n->stop;
}


# A CA wants a CRL where it can be asked for, and only there.

sub coverage {
    my $root = qr/no CRL of "CN=Root CA"/;
    my $inter = qr/no CRL of "CN=Issuing CA"/;
    my $other = 'mtls_ca foreign %%PKI%%/other_root.crt;';

    says('leaf: a root whose intermediates are known',
         "$BOTH mtls_crl %%PKI%%/inter.crl; mtls_revocation leaf; $SERVER");
    says('leaf: but the CA that issues', "$BOTH mtls_crl %%PKI%%/root.crl;"
         . " mtls_revocation leaf; $SERVER", $inter);
    says('leaf: a root without intermediates', 'mtls_ca a %%PKI%%/root.crt;'
         . " mtls_crl %%PKI%%/other_root.crl; $other"
         . " mtls_revocation leaf; $SERVER", $root);
    says('leaf, said by the label', 'mtls_ca a %%PKI%%/root.crt'
         . ' %%PKI%%/inter.crt revocation=leaf;'
         . " mtls_crl %%PKI%%/inter.crl; mtls_revocation off; $SERVER");
    says('leaf for a label, chain for others', 'mtls_ca a %%PKI%%/root.crt'
         . ' %%PKI%%/inter.crt revocation=leaf;'
         . " mtls_crl %%PKI%%/inter.crl; $SERVER");
    says('leaf here, chain there', "$BOTH mtls_crl %%PKI%%/inter.crl;"
         . " mtls_revocation leaf;"
         . " server { $SSL location / { mtls_revocation chain; } }", $root);

    says('partial: a root above anchors', 'mtls_ca a partial %%PKI%%/root.crt'
         . " %%PKI%%/inter.crt; mtls_crl %%PKI%%/inter.crl; $SERVER");
    says('partial: but where another label has only the root',
         'mtls_ca a partial %%PKI%%/inter.crt; mtls_ca b %%PKI%%/root.crt;'
         . " mtls_crl %%PKI%%/inter.crl; $SERVER", $root);

    my $plain = 'server { listen 127.0.0.1:%%PORT_1%%; }';

    says('a server without TLS asks for none',
         "$BOTH mtls_crl %%PKI%%/inter.crl; $plain"
         . " server { $SSL mtls_revocation leaf; }");
    says('nor one that verifies nobody',
         "$BOTH mtls_crl %%PKI%%/inter.crl;"
         . ' server { listen 127.0.0.1:%%PORT_1%% ssl; %%CERT%% }'
         . " server { $SSL mtls_revocation leaf; }");
    says('nor one that does not trust the CA',
         "$BOTH $CRLS $other server { $SSL mtls_trust partners; }"
         . ' server { listen 127.0.0.1:%%PORT_1%% ssl; %%TLS%%'
         . ' mtls_trust partners foreign; mtls_revocation off; }');
    says('but one that does', "$BOTH $CRLS $other"
         . " server { $SSL mtls_trust partners foreign; }",
         qr/no CRL of "CN=Other CA".* is "revocation_unknown"/);
    says('a location with mtls off asks for none',
         "$BOTH mtls_crl %%PKI%%/inter.crl; mtls_revocation leaf;"
         . " server { $SSL location / { mtls off; mtls_revocation chain; } }");
    says('unknown=allow: what that means', "$BOTH mtls_crl %%PKI%%/root.crl;"
         . " mtls_revocation chain unknown=allow; $SERVER",
         qr/"CN=Issuing CA".* is let in by "unknown=allow", revoked or not/);
    says('a root that was renewed', 'mtls_ca a %%PKI%%/root.crt '
         . $pki->ca(cn => 'Root CA', name => 'renewed', key => $pki->root)->crt
         . " %%PKI%%/inter.crt; $CRLS $SERVER");
}


# CRLs of CAs that nobody knows

sub strangers {
    my @strangers = map { $pki->ca(cn => "Stranger $_") } 1 .. 3;

    mkdir $n->dir . '/crl';
    spew($n->dir . '/crl/a.crl', $pki->root->crl->content);
    spew($n->dir . '/crl/i.crl', $pki->inter->crl->content);
    spew($n->dir . "/crl/s$_.crl", $strangers[$_]->crl->content) for 0 .. 2;

    my $glob = "$BOTH\nmtls_crl %%DIR%%/crl/*.crl;\n$SERVER";

    says('strangers: one line, the first and how many more', $glob,
         qr{"\S*/s0\.crl" and of 2 more files is not known.* serves nothing,}
         . qr{ for "mtls_crl" in \S*:2; take it away});

    unlink map { $n->dir . "/crl/s$_.crl" } 1, 2;
    says('strangers: one file', $glob,
         qr{"\S*/s0\.crl" is not known, so it will be refused and});

    says('strangers: with their certificate',
         $glob =~ s/;\nserver/' issuer=' . $strangers[0]->crt . ";\nserver"/er);
}


# A rule is spoken of once for a server, and not where nothing can come to it.

sub once {
    my $deny = "$BOTH $CRLS mtls_group bad { serial 01; } mtls_deny bad;";
    my $alone = qr/"mtls_deny" in \S*:1 applies without any "mtls_allow"/;
    my $plain = 'listen 127.0.0.1:%%PORT_1%%;';
    my $inherits = qr/inherits an "mtls_allow" without "listen/;

    says('mtls_deny alone: once for a server', "$deny\nserver { $SSL"
         . ' location / { } location /a { mtls_early_data deny; } }', $alone);
    says('mtls_deny alone: once for each server',
         "$deny\nserver { $SSL }\nserver { $plain }",
         qr/$alone in the server in \S*:2,/,
         qr/$alone in the server in \S*:3,/);
    says('mtls_deny alone: each rule', "$deny\nserver { $SSL mtls_deny good;"
         . " location /a { mtls_deny good2; } }\n"
         . 'mtls_group good { serial 02; } mtls_group good2 { serial 03; }',
         qr/"mtls_deny" in \S*:2 applies/, qr/"mtls_deny" in \S*:2 applies/);
    says('mtls_deny: a location that takes all allows', "$deny\nserver { $SSL"
         . ' location / { mtls_allow any; } }');
    says('mtls_deny: but not where it takes one', "$deny\nserver { $SSL"
         . ' location = / { mtls_allow any; } }', $alone);
    says('mtls_deny: nor by a regex', "$deny\nserver { $SSL"
         . ' location ~ / { mtls_allow any; } }', $alone);
    says('mtls_deny: a server that redirects', "$deny\nserver { $plain"
         . ' return 301 https://$host$request_uri; }');

    my $allow = "$BOTH $CRLS mtls_allow any; $SERVER\n";

    says("inherited: $_->[0]", "${allow}server { $plain $_->[1] }",
         $_->[2] // ()) for (
    ['a server that redirects', 'return 301 https://$host$request_uri;'],
    ['one that closes', 'return 444;'],
    ['one whose location redirects',
     'location / { return 301 https://$host$request_uri; }'],
    ['one whose location is open', 'location / { mtls off; }'],
    ['one with an open path besides',
     'location / { return 404; } location /.well-known/ { mtls off; }'],
    ['one that redirects some', 'location /a { return 301 https://a/; }',
     $inherits],
    ['one that redirects some by "if"',
     'if ($arg_x) { return 301 https://a/; }', $inherits],
    ['one that answers, but not all', 'location / { return 301 https://a/; }'
     . ' location /b { root x; }', $inherits]);
}


# Configurations as they are written: not one line.

sub quiet {
    my $both = $n->file('both.crl',
        join '', map { $pki->$_->crl->content } qw(root inter));
    my $chain = $n->file('chain.pem',
        join '', map { slurp($pki->$_->crt) } qw(other_root root inter));

    says("quiet: $_->[0]", $_->[1]) for (
    ['migrating from ssl_crl', <<"EOF"],
$BOTH
mtls_crl $both;
server { $SSL }
EOF
    ['stapling, whose CA vouches for no client', <<"EOF"],
$BOTH
$CRLS
server {
    $SSL
    ssl_trusted_certificate $chain;
    ssl_stapling on;
    ssl_stapling_responder http://127.0.0.1:1/;
}
EOF
    ['a mesh', <<"EOF"],
mtls_ca mesh %%PKI%%/root.crt %%PKI%%/inter.crt revocation=off;
mtls_group payments { ca mesh; uri spiffe://prod/ns/payments/**; }
server {
    $SSL
    mtls_trust mesh;
    location / { mtls_allow payments; proxy_pass http://127.0.0.1:1; }
    location = /healthz { mtls off; return 200 ok; }
}
EOF
    ['devices', <<"EOF"],
mtls_ca device %%PKI%%/root.crt %%PKI%%/inter.crt revocation=leaf;
mtls_crl %%PKI%%/inter.crl refresh=10s grace=1d;
mtls_group devices {
    uri "~^urn:dev:(?<model>[a-z]+):(?<unit>[0-9]{8})\$";
    identity "device:\$model/\$unit";
}
server {
    $SSL
    mtls_allow devices;
    error_page 403 \@refused;
    location / { proxy_pass http://127.0.0.1:1; }
    location \@refused { return 403 "\$mtls_reason"; }
}
server { listen 127.0.0.1:%%PORT_1%%; return 301 https://\$host\$request_uri; }
EOF
    ['two labels, on two servers', <<"EOF"],
$BOTH
mtls_ca device %%PKI%%/other_root.crt revocation=off;
$CRLS
server { $SSL mtls_trust partners; mtls_allow any; }
server {
    listen 127.0.0.1:%%PORT_0%% ssl;
    server_name b.example.com;
    %%CERT%%
    ssl_verify_client on;
    ssl_client_certificate %%PKI%%/other_root.crt;
    mtls_trust device;
    mtls_allow any;
}
EOF
    ['off in places', <<"EOF"],
$BOTH
$CRLS
mtls_allow any;
server {
    $SSL
    location / { proxy_pass http://127.0.0.1:1; }
    location /public/ { mtls off; return 200 hello; }
    location = /old { return 301 /new; }
    location ~ /\\.git { return 404; }
}
server {
    listen 127.0.0.1:%%PORT_1%% ssl;
    %%CERT%%
    mtls off;
    return 301 https://example.com\$request_uri;
}
server { listen 127.0.0.1:%%PORT_2%%; mtls off; return 200; }
EOF
    ['a dry run', <<"EOF"],
$BOTH
$CRLS
mtls dry_run;
mtls_allow any;
server { $SSL location / { proxy_pass http://127.0.0.1:1; } }
EOF
    ['issuing CAs of a list, partial', <<"EOF"],
mtls_ca eidas %%PKI%%/[ri]*t*r.crt %%PKI%%/root.crt partial;
mtls_crl %%PKI%%/inter.crl;
server { $SSL mtls_allow any; }
EOF
    );
}


# What the workers' user could write

sub writable {
    my $w = Mtls::Test->new(pki => $pki, user => 'nobody nogroup');
    my $dir = $w->dir;
    my ($uid, $gid) = (getpwnam('nobody'))[2, 3];

    my $put = sub {
        my ($name, $from, $mode, @owner) = @_;
        my $path = "$dir/$name";
        spew($path, slurp($pki->dir . "/$from"));
        chown @owner, $path if @owner;
        chmod $mode, $path;
        return $path;
    };

    my $check = sub {
        my ($name, $text, @warnings) = @_;
        my ($code, $err) = $w->test_config("$text\n$SERVER");
        my @lines = grep { /\[warn\]/ } split /\n/, $err;
        is($code, 0, "writable: $name: accepted") || diag($err);
        is(scalar @lines, scalar @warnings, "writable: $name: lines")
            || diag($err);
        like($lines[$_], qr/$warnings[$_]/, "writable: $name")
            for 0 .. $#warnings;
    };

    mkdir "$dir/$_" for qw(safe open sticky own deep deep/x real);
    chmod 0755, $dir, map { "$dir/$_" } qw(safe deep deep/x real);
    chmod 0777, "$dir/open";
    chmod 01777, "$dir/sticky";
    chown $uid, $gid, "$dir/own";
    chmod 0555, "$dir/own";

    my $tail = qr/worker user "nobody"; give files and folders to another user/;
    my $ok = $put->('safe/root.crt', 'root.crt', 0644);
    my $crl = $put->('safe/root.crl', 'root.crl', 0640, 0, $gid);

    $check->('files of root', "mtls_ca a $ok; mtls_crl $crl;");
    $check->('a file in a folder such as /tmp', 'mtls_ca a '
             . $put->('sticky/root.crt', 'root.crt', 0644) . ';');

    $check->('all may write a CA', 'mtls_ca a '
             . $put->('safe/all.crt', 'root.crt', 0666) . ';',
             qr{"\S*/all\.crt" of "mtls_ca" can be written by the $tail});
    $check->('its group may', 'mtls_ca a '
             . $put->('safe/group.crt', 'root.crt', 0664, 0, $gid) . ';',
             qr{"\S*/group\.crt" of "mtls_ca" can be written by the $tail});
    $check->('an owner may change the mode', 'mtls_ca a '
             . $put->('safe/mine.crt', 'root.crt', 0444, $uid, 0) . ';',
             qr{"\S*/mine\.crt" of "mtls_ca" can be written});
    $check->('a folder', 'mtls_ca a '
             . $put->('open/root.crt', 'root.crt', 0644) . ';',
             qr{"\S*/open/root\.crt" of "mtls_ca" can be replaced by the }
             . qr{worker user "nobody", who may write to "\Q$dir\E/open"; g});
    $check->('a folder of its own, without the right to write', 'mtls_ca a '
             . $put->('own/root.crt', 'root.crt', 0644) . ';',
             qr{who may write to "\Q$dir\E/own"});
    $check->('its own file in a folder such as /tmp', 'mtls_ca a '
             . $put->('sticky/mine.crt', 'root.crt', 0600, $uid, $gid) . ';',
             qr{can be written});

    $put->('deep/x/root.crt', 'root.crt', 0644);
    chmod 0777, "$dir/deep";
    $check->('a folder further up', "mtls_ca a $dir/deep/x/root.crt;",
             qr{who may write to "\Q$dir\E/deep"});

    $put->('real/root.crt', 'root.crt', 0644);
    symlink "$dir/real/root.crt", "$dir/safe/link.crt";
    $check->('a link', "mtls_ca a $dir/safe/link.crt;");
    symlink "$dir/open/root.crt", "$dir/safe/link2.crt";
    $check->('a link into an open folder', "mtls_ca a $dir/safe/link2.crt;",
             qr{"\S*/link2\.crt" .* replaced .*, who may write to a folder});

    $put->("open/$_.crl", "$_.crl", 0644) for qw(root inter other_root);
    my $issuer = $put->('open/other.crt', 'other_root.crt', 0644);

    $check->('CRLs: one line for a glob, with its place; one for issuer=',
             "mtls_ca a $ok %%PKI%%/inter.crt;\n"
             . "mtls_ca b %%PKI%%/other_root.crt;\n"
             . "mtls_crl $dir/open/*.crl issuer=$issuer;",
             qr{"\S*/inter\.crl" and 2 more of "mtls_crl" in \S*:3 can be repl},
             qr{"\S*/other\.crt" of "issuer=" of "mtls_crl" in \S*:3 can be});

    # nothing new is learnt where all is one user's

    my ($code, $err) = $n->test_config("mtls_ca a $dir/open/root.crt; $SERVER");
    unlike($err, qr/can be (written|replaced)/, 'writable: none for root');

    SKIP: {
        ($code, my $out, $err) = command('su', 'nobody', '-s', '/bin/sh',
                                         '-c', 'true');
        skip 'no su', 1 if $code != 0;

        spew("$dir/t.conf", join "\n", 'pid t.pid;', 'error_log stderr;',
             'load_module ' . module() . ';', 'events { }',
             'http {', (map { "${_}_temp_path $dir/open;" }
                        qw(client_body proxy fastcgi uwsgi scgi)),
             'access_log off;', "mtls_ca a $dir/open/root.crt;", '}');
        ($code, $out, $err) = command('su', 'nobody', '-s', '/bin/sh', '-c',
            'LD_PRELOAD="' . ($ENV{MTLS_PRELOAD} // '') . '" '
            . ($ENV{MTLS_NGINX} || '/usr/sbin/nginx')
            . " -t -p $dir/open -c $dir/t.conf");
        is($code, 0, 'writable: nginx of a user') || diag($err);
        unlike($err, qr/can be (written|replaced)/,
               'writable: none for a master that is not root');
    }
}


# Tables belong to the worker user, so it changes by a restart.

sub changed {
    my $w = Mtls::Test->new(pki => $pki, user => 'nobody nogroup');

    $w->allow(qr/"user" cannot be changed to/);

    my $conf = <<"EOF";
mtls_ca partners %%PKI%%/root.crt %%PKI%%/inter.crt;
mtls_crl %%DIR%%/crls/*.crl refresh=1s;
%%MTLS%%
server {
    $SSL
    location / { mtls_allow any; try_files /no =204; }
}
EOF

    mkdir $w->dir . '/crls';
    install_crl($w->dir . "/crls/$_.crl", $pki->$_->crl) for qw(root inter);

    $w->run($conf);
    allowed(get($w, '/', cert => $pki->alice), 'user: serves');

    my $owner = sub { (stat($w->dir . "/$_[0]"))[4] };
    my $nobody = getpwnam('nobody');
    my $state = $owner->('state');

    is($state, $nobody, 'user: has the state path');

    # nginx -t of another user: a word, and nothing is taken away

    $w->{user} = 'daemon daemon';

    my ($code, $err) = $w->test_config($conf);
    is($code, 0, 'user: nginx -t with another one') || diag($err);
    like($err, qr/\[warn\].*"user" is "daemon", but an nginx that runs keeps/,
         'user: nginx -t says that nginx runs as another one');
    like($err, qr/user with id $nobody; a reload will be refused, restart it/,
         'user: nginx -t warns that a reload will be refused');
    is($owner->('state'), $nobody, 'user: nginx -t leaves the state path');

    # a reload

    $w->mark;
    my $pids = join ' ', sort $w->worker_pids;

    ok(!$w->reload($conf), 'user: a reload with another one is refused');
    is(scalar $w->error_lines(qr/\[emerg\].*"user" cannot be changed/), 1,
       'user: one line says so');
    is(scalar $w->error_lines(qr/"daemon" by .*id $nobody; restart nginx/), 1,
       'user: and what to do');
    is($owner->('state'), $nobody, 'user: the state path is given back');
    is($owner->('temp/client_body'), $nobody,
       "user: and so are nginx's own folders");
    is(join(' ', sort $w->worker_pids), $pids, 'user: the same workers go on');
    allowed(get($w, '/', cert => $pki->alice), 'user: which let alice in');

    install_crl($w->dir . '/crls/inter.crl',
                $pki->inter->crl(revoked => [$pki->alice]));
    ok(wait_for(sub {
        get($w, '/', cert => $pki->alice)->{status} == 403;
    }, 15), 'user: and still learn of what is revoked');

    # tables of its own

    my $other = $conf =~ s{%%MTLS%%}{
        mtls_state_path %%DIR%%/other;
        add_header X-Mtls-Action \$mtls_action always;
        add_header X-Mtls-Reason \$mtls_reason always;
    }r;

    ok($w->reload($other), 'user: a reload that changes the state path, too');
    refused(get($w, '/', cert => $pki->alice), 'revoked',
            'user: its workers have tables');
    ok(!$w->reload($other =~ s{/other}{/state}r),
       'user: going back to the tables of the first one is refused');

    # a restart

    $w->stop;
    $w->run($conf);
    is($owner->('state'), scalar getpwnam('daemon'),
       'user: a restart gives the state path to the new one');
    refused(get($w, '/', cert => $pki->alice), 'revoked',
            'user: whose workers have tables');
    refused(get($w, '/'), 'no_cert', 'user: and serve');
}


# What looks like the folder of a nginx that runs, and is none.

sub forged {
    my $f = Mtls::Test->new(pki => $pki, user => 'daemon daemon');
    my $state = $f->dir . '/state';
    my $nobody = getpwnam('nobody');
    my @run = map { "$state/" . $_ x 32 } qw(a b c d e);

    mkdir $_ for $state, @run[0 .. 3], "$state/short", "$state/../else";
    symlink "$state/../else", $run[4];
    spew("$run[0]/alive", '');
    symlink $f->dir . '/else/alive', "$run[1]/alive";
    POSIX::mkfifo("$run[2]/alive", 0600);
    mkdir "$run[3]/alive";
    spew("$state/../else/alive", '');
    chown $nobody, -1, $state, @run[0 .. 3], "$state/short", "$state/../else",
        "$run[0]/alive", "$state/../else/alive";

    open(my $held, '<', "$state/../else/alive") or die $!;
    flock($held, LOCK_SH);

    my ($code, $err) = $f->test_config("$BOTH $CRLS mtls_state_path $state;"
                                       . $SERVER);

    is($code, 0, 'forged: folders of runs') || diag($err);
    unlike($err, qr/\[warn\]/, 'forged: nobody holds them');
    is((stat $state)[4], scalar getpwnam('daemon'),
       'forged: the state path stays that of the worker user');
}


# Exactly these warnings, each once.

sub says {
    my ($name, $text, @warnings) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my ($code, $err) = $n->test_config($text);
    my @lines = grep { !/test\.conf (syntax is ok|test is successful)/ }
                split /\n/, $err;

    return fail($name) || diag($err)
        if $code != 0 || @lines != @warnings
           || grep { $lines[$_] !~ $warnings[$_] } 0 .. $#warnings;

    return pass($name);
}


sub module {
    return $ENV{MTLS_MODULE} || "$FindBin::Bin/../objs/ngx_http_mtls_module.so";
}
