#!/usr/bin/perl

# What nginx -t refuses, with file, line and remedy; what it warns of; and that
# it has nothing to say of a good configuration.
# Copyright (C) the ngx_mtls_module authors

use FindBin;
use lib "$FindBin::Bin/lib";
use Mtls::Test;

my $pki = Mtls::PKI->standard;
my $n = Mtls::Test->new(pki => $pki);
my $nobody = Mtls::Test->new(pki => $pki, user => 'nobody nogroup');

my $CA = 'mtls_ca partners %%PKI%%/root.crt;';
my $SSL = 'listen 127.0.0.1:%%PORT_0%% ssl; %%TLS%%';
my $SERVER = "server { $SSL }";


# The message must name the line that is marked with "#!".

sub refuses {
    my ($name, $text, $error, $on) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return ($on || $n)->config_refused($text, placed($text, $error), $name);
}

sub warns {
    my ($name, $text, $warning) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return $n->config_warns($text, placed($text, $warning), $name);
}

sub placed {
    my ($text, $re) = @_;

    my ($before) = $text =~ /^(.*?)#!/s or return $re;
    my $line = 1 + ($before =~ tr/\n//);

    return qr/^(?=.*test\.conf:$line\b).*$re/;
}

# one directive in http, in a server, in a group

sub in_http   { "$CA\n$_[0] #!\n$SERVER\n" }
sub in_server { "$CA\nserver {\n$SSL\n$_[0] #!\n}\n" }
sub in_group  { "$CA\n$SERVER\nmtls_group g {\n$_[0] #!\n}\n" }


# Good configurations: not one warning.

$n->config_ok('server { listen 127.0.0.1:%%PORT_0%%; }',
              'no directive of ours at all');

$n->config_ok($SERVER, 'none either, and clients are verified by nginx');

$n->config_ok(<<'EOF', 'every directive');
mtls_ca partners %%PKI%%/root.crt %%PKI%%/inter.crt unknown=deny;
mtls_ca foreign revocation=off %%PKI%%/other_root.c?t partial;
mtls_crl %%PKI%%/root.crl %%PKI%%/int*.crl refresh=5s grace=1h max_age=30d;
mtls_crl %%PKI%%/other_root.crl refresh=off issuer=%%PKI%%/other_root.crt;
mtls_revocation chain unknown=deny;
mtls_state_path %%DIR%%/state/;
mtls_zone 1m;
mtls_early_data safe;
mtls on;
mtls_deny nobody;

mtls_group staff {
    ca partners;
    subject o "Alpha Bank";
    subject any ou payments readers;
    not email "~*^root@";
    identity "staff:$mtls_subject_cn";
}
mtls_group devices {
    ca foreign;
    uri "~^urn:dev:(?<model>[a-z]+):(?<unit>[0-9]{8})$";
    identity "device:${model}/$unit";
}
mtls_group both { group staff; group devices; }
mtls_group nobody { ca any; serial 00; }

map $mtls_reason $why { volatile; default $mtls_group_staff; }
log_format m "$mtls_client $mtls_subject_cn $mtls_san_dns_2 $why";

server {
    listen 127.0.0.1:%%PORT_0%% ssl;
    %%TLS%%
    access_log %%DIR%%/m.log m if=$mtls_group_devices;
    mtls_trust partners foreign;
    mtls_allow staff devices;

    location / {
        mtls_allow any;
        mtls_deny devices;
        limit_except GET { mtls_allow staff; mtls_deny both; }
    }
    location /new { mtls dry_run; mtls_revocation leaf unknown=allow; }
    location /health { mtls off; }
}
EOF

$n->config_ok(<<'EOF', 'a server with mtls off: its trust is its own affair');
mtls_ca foreign %%PKI%%/other_root.crt;
server {
    listen 127.0.0.1:%%PORT_0%% ssl;
    %%TLS%%
    mtls off;
    ssl_crl %%PKI%%/root.crl;
    ssl_session_cache builtin;
}
EOF

my $lines = $n->file('group.inc', "subject cn alice;\n");

$n->config_ok(in_group("include $lines;"), 'include in a group');


# Groups

refuses("group: $_->[0]", in_group($_->[1]), $_->[2]) for (
    ['unknown attribute', 'common_name x;',
     qr/unknown attribute "common_name"/],
    ['no value', 'dns;', qr/"dns" needs a value after it/],
    ['not what?', 'not;', qr/"not" of group "g" names no attribute/],
    ['unknown type of attribute', 'subject nick x;',
     qr/"nick" after "subject" is not a known short name .* nor an OID/],
    ['no type of attribute', 'issuer;', qr/as in "subject cn"/],
    ['an OID that is none', 'extension 1.2.x x;',
     qr/"1.2.x" after "extension" is not an OID/],
    ['unknown group', 'group x;', qr/unknown group "x"; define it/],
    ['unknown label', 'ca x;', qr/unknown ca "x"; give the label of/],
    ['any and a label', 'ca any partners;', qr/"any" .* must stand alone/],
    ['not any', 'not ca any;', qr/"not ca any" is true for no certificate/],
    ['bad regex', 'dns "~a(";', qr/regex "a\(" is wrong at offset 2: /],
    ['regex without one', 'dns ~;', qr/"~" needs a value after it/],
    ['regex for a label', 'ca ~part;', qr/"part" has an operator/],
    ['regex for a whole name', 'subject_dn "~CN=.*";',
     qr/whole names are compared exactly; use "subject NAME"/],
    ['prefix of an address', 'ip ^~10.;', qr/use CIDR notation/],
    ['an address that is none', 'ip 10.0.0.256;',
     qr/"10.0.0.256" is not an IP address/],
    ['a network with host bits', 'ip 10.0.0.1/8;', qr/clear them/],
    ['a fingerprint that is none', 'fingerprint 00ff;',
     qr/"00ff" is not a SHA-256 hash of 64 hexadecimal digits/],
    ['a serial number that is none', 'serial 0x1g;',
     qr/"0x1g" is not a hexadecimal number/],
    ['an EKU that is none', 'eku client;', qr/as "clientAuth"/],
    ['a key type that is none', 'key_type rsa2048;', qr/as "rsa:2048"/],
    ['"*" inside of a label', 'dns a*.example;',
     qr/as in "\*\.example\.com"; use a regex/],
    ['"**" in the middle', 'uri https://a/**/b;', qr/must be the last/],
    ['a name that is none', 'subject_dn alice;', qr/"alice"/],
    ['"not" identity', 'not identity x;', qr/"not" cannot precede/],
    ['two templates', 'identity a b;', qr/put one that has spaces in quotes/],
    ['adjacent variables', 'identity "$mtls_subject_o$mtls_subject_cn";',
     qr/"\$mtls_subject_o" and "\$mtls_subject_cn" .* are adjacent, put a /],
    ['unknown capture', 'ca any; identity "x:$unit";',
     qr/unknown variable "\$unit" .* name a capture "\(\?<unit>/],
    ['a variable of the decision', 'identity "x:$mtls_reason";',
     qr/"\$mtls_reason" cannot be part of identity/],
    ['a variable of nginx', 'ca any; identity "x:$ssl_client_s_dn";',
     qr/unknown variable "\$ssl_client_s_dn"/],
    ['a numbered capture', 'dns "~(.)"; identity "x:$1";', qr/give it one/],
    ['"%" behind a variable', 'identity "$mtls_subject_cn%";',
     qr/choose another literal/],
    ['a capture with our name', 'dns "~(?<mtls_x>a)";',
     qr/choose one that does not begin with "mtls_"/],
    ['the same capture twice', 'dns "~(?J)(?<x>a)|(?<x>b)";',
     qr/capture "x" occurs twice/],
    ['empty identity', 'identity "";', qr/identity is empty/],
    ['a block', 'ca { }', qr/unexpected "\{"/],
);

refuses('group: a capture of a "not" line', <<"EOF",
$CA
$SERVER
mtls_group g {
    not dns "~(?<x>a)";
    identity "x:\$x"; #!
}
EOF
        qr/"\$x"/);

refuses('group: a second identity', <<"EOF",
$CA
$SERVER
mtls_group g {
    ca any;
    identity a;
    identity b; #!
}
EOF
        qr/second identity, the first is in .*:5 in /);

refuses('group: empty', "$CA\nmtls_group g { } #!\n$SERVER",
        qr/group "g" has no lines .* add a line, or "ca any"/);

refuses('group: an identity alone', "$CA\nmtls_group g { #!\nidentity x;\n}",
        qr/group "g" has no lines/);

refuses('group: two of one name',
        "mtls_group g { ca any; }\n" . in_http('mtls_group g { ca any; }'),
        qr/duplicate group "g", the first is in .*test\.conf:1 in /);

refuses('group: "any"', in_http('mtls_group any { ca any; }'),
        qr/group name "any" is reserved/);

refuses('group: a name with a dash', in_http('mtls_group a-b { ca any; }'),
        qr/invalid group name "a-b", use lower-case letters, digits and "_"/);

refuses('group: a cycle', <<"EOF",
$CA
mtls_group a { group b; }
mtls_group b {
    not group c;
}
mtls_group c { ca any; group a; } #!
EOF
        qr/groups "a -> b -> c -> a" form a cycle, remove one/);

refuses('group: an include that is not there', in_group('include x.inc;'),
        qr/open\(\) ".*x\.inc" failed/);

$n->file('wrong.inc', "ca any;\nbad x;\n");

$n->config_refused("$CA mtls_group g {\ninclude %%DIR%%/wrong.inc;\n}",
                   qr{unknown attribute "bad" in .*/wrong\.inc:2$},
                   'group: an error in an include is placed there');


# With two labels every group says which of them it speaks of, itself or by
# the groups that it is made of.

my $TWO = "$CA mtls_ca foreign %%PKI%%/other_root.crt;";

refuses('two labels, a group without ca', <<"EOF",
$TWO
$SERVER
mtls_group g { subject cn alice; } #!
EOF
        qr/group "g" needs a "ca" line .* add "ca LABEL" or "ca any"/);

refuses('two labels, only a "not" line', <<"EOF",
$TWO
mtls_group g { not ca foreign; } #!
$SERVER
EOF
        qr/group "g" needs a "ca" line/);

refuses('two labels, the groups that it names do not say either', <<"EOF",
$TWO
$SERVER
mtls_group outer { group inner; }
mtls_group inner { subject cn alice; } #!
EOF
        qr/group "inner" needs a "ca" line/);

refuses('two labels, "not group" says nothing', <<"EOF",
$TWO
$SERVER
mtls_group inner { ca any; subject cn alice; }
mtls_group outer { not group inner; } #!
EOF
        qr/group "outer" needs a "ca" line/);

$n->config_ok(<<"EOF", 'two labels, by the groups that it names');
$TWO
$SERVER
mtls_group inner { ca partners; subject cn alice; }
mtls_group outer { group inner; not dns x.example; }
EOF


# Allow and deny

my $GROUPS = "$CA mtls_group a { ca any; } mtls_group b { ca any; }";

sub rules { "$GROUPS\nserver {\n$SSL\nlocation / {\n$_[0]\n}\n}\n" }

refuses("rules: $_->[0]", rules($_->[1]), $_->[2]) for (
    ['allowed, an unknown group', "mtls_allow a x; #!",
     qr/unknown group "x" in "mtls_allow" .*; add "mtls_group x \{/],
    ['denied, an unknown group', "mtls_deny x; #!",
     qr/unknown group "x" in "mtls_deny"/],
    ['allowed and denied', "mtls_allow a b;\nmtls_deny b; #!",
     qr/group "b" is already allowed at this level, in .*:5; remove one/],
    ['denied and allowed', "mtls_deny b;\nmtls_allow b; #!",
     qr/group "b" is already denied at this level, in .*:5; remove one/],
    ['named twice', "mtls_allow a;\nmtls_allow b a; #!",
     qr/group "a" is named twice at this level, first in .*:5/],
    ['named twice on a line', "mtls_deny a a; #!", qr/"a" is named twice/],
    ['any and a group', "mtls_allow any a; #!", qr/"any" must stand alone/],
    ['a group and any', "mtls_allow a any; #!", qr/"any" must stand alone/],
    ['denied: any', "mtls_deny any; #!", qr/"any" must stand alone/],
    ['any and, on a line of its own, a group',
     "mtls_allow any;\nmtls_allow a; #!", qr/"any"/],
    ['any twice', "mtls_allow any;\nmtls_allow any; #!", qr/"any"/],
);

$n->config_ok(rules("mtls_allow a b; limit_except GET { mtls_deny a; }"),
              'rules: allowed outside, denied inside: that is what denying is');


# Where no client certificate can come

refuses('mtls_allow without "listen ... ssl"', <<"EOF",
$CA
server {
    listen 127.0.0.1:%%PORT_0%%;
    location / { mtls_allow any; } #!
}
EOF
        qr/server in .*:2 without "listen \.\.\. ssl".*; add "ssl" to its "li/);

refuses('mtls_allow with ssl_verify_client off', <<"EOF",
$CA
server {
    listen 127.0.0.1:%%PORT_0%% ssl;
    %%CERT%%
    location / { mtls_allow any; } #!
}
EOF
        qr/ssl_verify_client off".*; add "ssl_verify_client optional"/);

refuses('mtls on below a server that says mtls off', <<"EOF",
$CA
server {
    listen 127.0.0.1:%%PORT_0%% ssl;
    %%TLS%%
    mtls off;
    location / {
        mtls on; #!
    }
}
EOF
        qr/cannot be switched on .* "mtls off" in .*:2.*move "mtls off" to/);

refuses('ssl_session_cache builtin', <<"EOF",
$CA
server { #!
    listen 127.0.0.1:%%PORT_0%% ssl;
    %%TLS%%
    ssl_session_cache builtin shared:SSL:1m;
}
EOF
        qr/"ssl_session_cache builtin".*use "shared:NAME:SIZE"/);


refuses('ssl_session_cache builtin in the default server, off and unverified',
        <<"EOF",
$CA
server { #!
    listen 127.0.0.1:%%PORT_0%% ssl;
    %%CERT%%
    mtls off;
    ssl_session_cache builtin;
}
server {
    listen 127.0.0.1:%%PORT_0%% ssl;
    server_name b.example.com;
    %%TLS%%
}
EOF
        qr/"ssl_session_cache builtin".*use "shared:NAME:SIZE"/);


# Directives of ours without anybody to trust

refuses("no mtls_ca: $_", "$SERVER\n$_ #!\n",
        qr/"mtls_ca" is not configured.*; add "mtls_ca LABEL FILE"/)
    for ('mtls on;', 'mtls off;', 'mtls_deny x;', 'mtls_group g { ca any; }',
         'mtls_crl %%PKI%%/root.crl;', 'mtls_trust x;', 'mtls_zone 1m;',
         'mtls_early_data safe;', 'mtls_state_path x;', 'mtls_revocation off;');


# Parameters

refuses("parameter: $_->[0]", in_http($_->[0]), $_->[1]) for (
    ['mtls yes;', qr/"yes" in "mtls", it must be "on", "dry_run" or "off"/],
    ['mtls;', qr/invalid number of arguments in "mtls"/],
    ['mtls_ca a partial;', qr/no file in "mtls_ca a"/],
    ['mtls_ca a;', qr/invalid number of arguments in "mtls_ca"/],
    ['mtls_ca a %%PKI%%/root.crt refresh=soon;',
     qr/invalid parameter "refresh=soon" in "mtls_ca", known are "partial"/],
    ['mtls_ca a %%PKI%%/root.crt revocation=on;',
     qr/"revocation=on" in "mtls_ca".*"revocation=off\|leaf\|chain"/],
    ['mtls_ca a %%PKI%%/root.crt unknown=;', qr/"unknown=" in "mtls_ca"/],
    ['mtls_trust x;', qr/unknown label "x" in .*; add "mtls_ca x FILE"/],
    ['mtls_crl refresh=1m;', qr/no file in "mtls_crl"/],
    ['mtls_crl %%PKI%%/root.crl refresh=x;',
     qr/"refresh=x" in "mtls_crl", it must be a time such as "60s"/],
    ['mtls_crl %%PKI%%/root.crl refresh=0;', qr/"refresh=0" in "mtls_crl"/],
    ['mtls_crl %%PKI%%/root.crl grace=-1h;', qr/"grace=-1h" in "mtls_crl"/],
    ['mtls_crl %%PKI%%/root.crl max_age=;', qr/"max_age=" in "mtls_crl"/],
    ['mtls_crl %%PKI%%/root.crl issuer=;', qr/"issuer=" in "mtls_crl"/],
    ['mtls_crl %%PKI%%/root.crl age=1h;',
     qr/"age=1h" in "mtls_crl", known are "refresh=", "grace=", "max_age="/],
    ['mtls_crl http://crl.example/a.crl;', qr/"http:.*" in "mtls_crl"/],
    ['mtls_revocation on;', qr/"on" in .*must be "off", "leaf" or "chain"/],
    ['mtls_revocation leaf unknown=ask;',
     qr/"unknown=ask" in .*must be "unknown=deny" or "unknown=allow"/],
    ['mtls_early_data yes;', qr/invalid value "yes"/],
    ['mtls_zone 8;', qr/"8" in "mtls_zone", it must be at least 256k/],
    ['mtls_zone big;', qr/invalid size "big" in "mtls_zone"/],
);

refuses("twice: $_", in_http("$_ $_"), qr/"\w+" directive is duplicate/)
    for ('mtls on;', 'mtls_trust partners;', 'mtls_revocation off;',
         'mtls_early_data safe;', 'mtls_state_path x;', 'mtls_zone 1m;');

refuses('a label with two words on revocation', <<"EOF",
mtls_ca a %%PKI%%/root.crt revocation=off;
mtls_ca a %%PKI%%/other_root.crt revocation=leaf; #!
EOF
        qr/"revocation=" of label "a" was already set to another value/);

refuses("context: $_", in_server($_), qr/directive is not allowed here/)
    for ('mtls_ca a %%PKI%%/root.crt;', 'mtls_group g { ca any; }',
         'mtls_crl %%PKI%%/root.crl;', 'mtls_zone 1m;');

refuses('context: mtls in limit_except',
        rules("limit_except GET {\nmtls off; #!\n}"),
        qr/directive is not allowed here/);


# Variables

refuses("variable: \$$_->[0]", in_http("log_format x \"\$$_->[0]\";"), $_->[1])
    for (
    ['mtls_nothing', qr/unknown variable "\$mtls_nothing"/],
    ['mtls_group_x', qr/unknown group "x" .*; add "mtls_group x \{/],
    ['mtls_subject_nick', qr/unknown variable "\$mtls_subject_nick"/],
    ['mtls_subject_cn_0', qr/unknown variable "\$mtls_subject_cn_0"/],
    ['mtls_san_x500', qr/unknown variable "\$mtls_san_x500"/],
    ['mtls_san_dns_x', qr/unknown variable "\$mtls_san_dns_x"/],
    ['mtls_extension_1', qr/unknown variable "\$mtls_extension_1"/],
    ['mtls_', qr/unknown variable "\$mtls_"/],
);

my $vars = $n->file('vars.inc', "# \$mtls_x\n\nlog_format x '\${mtls_x}';\n");
mkdir $n->dir . '/inc';
$n->file('inc/a.conf', "map \$host \$mtls_yes { default 1; }\n");
$n->file('inc/b.conf', "include $vars;\n");

$n->config_refused("$CA\ninclude %%DIR%%/inc/*.conf;\n$SERVER",
                   qr{unknown variable "\$mtls_x": .* in \S*/vars\.inc:3$},
                   'variable: placed in a file that an included one includes');

refuses("variable: \$mtls_nothing in $_->[0]", "$CA\n# \$mtls_nothing\n"
        . "\n$_->[1] #!\n",
        qr/unknown variable "\$mtls_nothing": no such attribute of a cert/i)
    for (['a server', 'server { listen 127.0.0.1:%%PORT_0%%;'
                      . ' return 200 "x$mtls_nothing"; }'],
         ['braces', 'log_format y "${mtls_nothing}_else";'],
         ['capitals', 'log_format y $MTLS_Nothing;']);

$n->config_refused('server { return 200 $mtls_nothing; }',
                   qr/unknown variable "\$mtls_nothing"/,
                   'variable: also where there is no directive of ours');


# Files of CAs

my $dir = $n->dir;
my $crt = slurp($pki->root->crt);

spew("$dir/empty", '');
spew("$dir/text", "no certificate\n");
spew("$dir/cut.crt", substr $crt, 0, 300);
spew("$dir/broken.crt", $crt =~ s/\n(.)/\n*$1/r);
spew("$dir/der.crt", $pki->root->der);
spew("$dir/more.der", $pki->root->der, 'x');
mkdir "$dir/folder";

$n->config_ok("mtls_ca a $dir/der.crt;", 'CA: in DER');

refuses("CA: $_->[0]", "mtls_ca a $dir/$_->[1]; #!\n", $_->[2]) for (
    ['no such file', 'no.crt', qr/open\(\) ".*no.crt" failed: No such file/],
    ['no such glob', 'no/*.crt', qr{no file matches ".*/no/\*.crt"}],
    ['an empty file', 'empty', qr/"\S*empty" has 0 octets/],
    ['a folder', 'folder',
     qr{"\S*/folder" is a folder; .* "\S*/folder/\*\.pem"}],
    ['a folder, with slashes', 'folder//',
     qr{"\S*/folder//" is a folder; .* "\S*/folder/\*\.pem"}],
    ['a glob that finds a folder', 'fold*', qr/"\S*folder" is not a regular f/],
    ['text', 'text', qr/no certificate.* in "\S*text"/],
    ['cut off', 'cut.crt', qr/PEM .* in "\S*cut.crt"/],
    ['broken', 'broken.crt', qr/PEM .* in "\S*broken.crt"/],
    ['octets behind DER', 'more.der', qr/octets after .* in "\S*more.der"/],
);

refuses('CA: none that is self-signed', <<"EOF",
$CA
mtls_ca b %%PKI%%/other_root.crt;
mtls_ca a %%PKI%%/inter.crt; #!
mtls_ca a %%PKI%%/inter.crt;
$SERVER
EOF
        qr/label "a" trusts no certificate.*one or "partial"/);

$n->config_ok('mtls_ca a %%PKI%%/inter.crt partial;', 'CA: so "partial"');


# Files of CRLs

my $BOTH = 'mtls_ca partners %%PKI%%/root.crt %%PKI%%/inter.crt;';
my $CRLS = 'mtls_crl %%PKI%%/root.crl %%PKI%%/inter.crl;';

spew("$dir/cut.crl",
     $pki->root->crl(break => 'truncate', format => 'der')->content);

refuses("CRL: $_->[0]", "$BOTH\nmtls_crl $dir/$_->[1]; #!\n", $_->[2]) for (
    ['no such file', 'no.crl', qr/"\S*no.crl": cannot be opened/],
    ['a folder', 'folder',
     qr{"\S*/folder" is a folder; .* "\S*/folder/\*\.crl"}],
    ['a glob that finds a folder', 'fold*', qr/"\S*folder": not a regular f/],
    ['a glob in no folder', 'no/*.crl', qr{cannot look for "\S*/no/\*\.crl"}],
);

# a file that came to be broken must not keep nginx from a start or a reload

$n->config_warns("$BOTH mtls_crl %%PKI%%/inter.crl $dir/$_->[1]; $SERVER",
                 qr/\[warn\].*"\S*$_->[1]"/, "warning: CRL: $_->[0]")
    for (['an empty file', 'empty'], ['text', 'text'],
         ['a certificate', 'der.crt'], ['cut off', 'cut.crl']);

refuses("CRL: issuer=, $_->[0]",
        "$BOTH\nmtls_crl %%PKI%%/root.crl issuer=$dir/$_->[1]; #!\n", $_->[2])
    for (
    ['no such file', 'no.crt', qr/"\S*no.crt" failed.* for "issuer=" of/],
    ['text', 'text', qr/no certificate.* in "\S*text"/],
);


# The state path

spew("$dir/state-file", '');

$n->config_refused("$BOTH $CRLS mtls_state_path $dir/state-file; $SERVER",
                   qr{"mtls_state_path" "\S*/state-file" is not a folder},
                   'mtls_state_path: a file');


# What root can read the workers may not.

SKIP: {
    skip 'only root can keep files from a user', 11 if $> != 0;

    mkdir $nobody->dir . '/closed', 0700;

    $nobody->config_refused(
        "$BOTH $CRLS mtls_state_path %%DIR%%/closed/state; $SERVER",
        qr{"\S*/closed/state" is not readable by the worker user "nobody"},
        'worker user: a folder above the state path');

    for (['a CA', 'root.crt', 'mtls_ca a FILE;'],
         ['a CA beside CRLs', 'root.crt', "mtls_ca a FILE; $CRLS"],
         ['a CRL', 'root.crl', "$BOTH mtls_crl FILE;"],
         ['the first of two CRLs', 'root.crl',
          "$BOTH mtls_crl FILE %%PKI%%/inter.crl;"],
         ['issuer=', 'root.crt',
          "$BOTH mtls_crl %%PKI%%/root.crl issuer=FILE;"])
    {
        my ($name, $file, $text) = @$_;

        my $path = $nobody->dir . "/secret.$file";

        spew($path, slurp($pki->dir . "/$file"));
        chmod 0600, $path;

        $nobody->config_refused($text =~ s/FILE/$path/r,
            qr/"\Q$path\E" is not readable by the worker user "nobody"/,
            "worker user: $name");

        chmod 0644, $path;

        my ($code, $err) = $nobody->test_config($text =~ s/FILE/$path/r);
        is($code, 0, "worker user: $name, with mode 0644");
    }
}


# Warnings

my $OWN = "$BOTH $CRLS";

$n->config_ok("$OWN\n$SERVER", 'warning: none');

warns('warning: mtls_deny alone', <<"EOF",
$GROUPS
server {
    $SSL
    location / {
        mtls_deny a; #!
    }
}
EOF
      qr/"mtls_deny" .* without any "mtls_allow".*; add "mtls_allow any"/);

warns('warning: "return" answers before access is checked', <<"EOF",
$CA
server {
    $SSL
    location / {
        mtls_allow any; #!
        return 200;
    }
}
EOF
      qr/does not protect location "\/" .* "return" answers there before/);

warns("warning: a regex that matches everything: $_",
      in_group("dns '~$_';"),
      qr/regex "\Q$_\E" in group "g" seems to match any value/)
    for ('.*', '.+', '[^"]+', '(?s).+');

$n->config_ok(in_group('dns "~.*\.example";'), 'warning: but not that');

spew("$dir/both.crl", map { $pki->$_->crl->content } qw(root inter));

warns('warning: ssl_crl beside ours', <<"EOF",
$OWN
server { #!
    $SSL
    ssl_crl %%DIR%%/both.crl;
}
EOF
      qr/"ssl_crl" .* refuses before .*; use "mtls_crl"/);

warns('warning: ssl_ocsp beside ours', <<"EOF",
$OWN
server { #!
    $SSL
    ssl_ocsp leaf;
    resolver 127.0.0.1;
}
EOF
      qr/"ssl_ocsp" .* refuses before/);

my $stale = $pki->root->crl(this => -7200, next => -3600)->path;

warns('warning: a stale CRL', <<"EOF",
$BOTH
mtls_crl %%PKI%%/inter.crl;
mtls_crl $stale; #!
EOF
      qr/CRL "\Q$stale\E" is stale/);

$n->config_warns("mtls_ca partners %%PKI%%/root.crt;"
                 . " mtls_crl %%PKI%%/root.crl %%PKI%%/inter.crl; $SERVER",
                 qr{the issuer of CRL "\S*/inter.crl" is not known},
                 'warning: a CRL whose issuer no mtls_ca file has');

spew("$dir/beside.crl", $pki->inter->crl->content, slurp($pki->inter->crt));

$n->config_ok("mtls_ca partners %%PKI%%/root.crt;"
              . " mtls_crl %%PKI%%/root.crl $dir/beside.crl; $SERVER",
              'no warning: its certificate is in the file of the CRL');
$n->config_ok("mtls_ca partners %%PKI%%/root.crt; mtls_crl %%PKI%%/root.crl;"
              . " mtls_crl %%PKI%%/inter.crl issuer=%%PKI%%/inter.crt;"
              . " $SERVER",
              'no warning: or in that of issuer=');
$n->config_ok("mtls_ca partners %%PKI%%/inter.crt partial;"
              . " mtls_crl %%PKI%%/inter.crl; $SERVER",
              'no warning: a hint that is the root of a partial anchor');

warns('warning: a glob of CRLs that matches nothing yet', <<"EOF",
$OWN
mtls_crl %%DIR%%/folder/*.crl; #!
EOF
      qr{no file matches "\S*/folder/\*\.crl" in "mtls_crl"});

$n->config_warns("$BOTH mtls_crl %%PKI%%/root.crl; $SERVER",
                 qr{no CRL of "CN=Issuing CA" \("\S*/inter.crt"\) is config\S*,}
                 . qr{ so what it issued is "revocation_unknown"},
                 'warning: no CRL of a CA whose revocation is on');

$n->config_warns("$BOTH mtls_revocation off; server { $SSL"
                 . ' location / { mtls_revocation leaf; } }',
                 qr{no CRL of "CN=Issuing CA"},
                 'warning: nor of any, where a location says so');

$n->config_warns("mtls_ca a %%PKI%%/root.crt revocation=chain; $SERVER",
                 qr{no CRL of "CN=Root CA"},
                 'warning: nor of any, where a label says so');

$n->config_ok("$BOTH mtls_crl %%PKI%%/root.crl; mtls_revocation off; $SERVER",
              'warning: none where revocation is off');

$n->config_ok("$BOTH $CRLS mtls_ca foreign revocation=off"
              . " %%PKI%%/other_root.crt; $SERVER",
              'warning: none for a label whose revocation is off');

warns('warning: a CA that no label has', <<"EOF",
mtls_ca a %%PKI%%/other_root.crt;
server { #!
    $SSL
}
EOF
      qr/names the CA "\S*Root CA" to nginx, but no "mtls_ca" has it/);

warns('warning: identities that may be spelled alike', <<"EOF",
$CA
$SERVER
mtls_group a {
    ca any;
    identity "dev:\$mtls_subject_cn";
}
mtls_group b {
    ca any;
    identity "dev:x:\$mtls_subject_cn"; #!
}
EOF
      qr/"a" and "b" may be spelled alike.*; begin each with a literal/);

$n->config_ok(<<"EOF", 'warning: and those that may not');
$CA
$SERVER
mtls_group a { ca any; identity "dev:\$mtls_subject_cn"; }
mtls_group b { ca any; identity "pay:\$mtls_subject_cn"; }
EOF

my ($code, $err) = $n->test_config(<<"EOF");
$CA
$SERVER
mtls_group a { subject cn a; }
mtls_group b { dns "~a.*"; }
mtls_group c { uri ^~urn:; not group b; }
EOF

is($code, 0, 'groups that are tried one by one');
like(slurp("$dir/test.log"), qr/2 of 3 mtls groups have no exact line/,
     'are counted in the log');
like(slurp("$dir/test.log"), qr/1 of 3 mtls groups are evaluated in full/,
     'and those that a "not group" reaches');


# An mtls_allow that is inherited where no certificate can come stays in force:
# one warning, and every request is refused.

my $INHERITED = <<"EOF";
$CA
%%MTLS%%
mtls_allow any;
server { $SSL location / { try_files /no =204; } }
server {
    listen 127.0.0.1:%%PORT_1%%;
    location / { try_files /no =204; }
    location /a { mtls_allow any; }
    location /off { mtls off; try_files /no =204; }
}
server {
    listen 127.0.0.1:%%PORT_2%% ssl;
    %%CERT%%
    location / { try_files /no =204; }
}
EOF

$n->config_refused($INHERITED, qr/"mtls_allow" in .*:8 /,
                   'inherited: one that is written there is refused still');

$INHERITED =~ s/^ *location .a .*$//m;

($code, $err) = $n->test_config($INHERITED);

is($code, 0, 'inherited: accepted');
is(() = $err =~ /server in \S+:5 inherits an "mtls_allow" without "listen/g, 1,
   'inherited: one warning for a server without TLS');
is(() = $err =~ /server in \S+:11 inherits .*"ssl_verify_client off" and ref/g,
   1, 'inherited: one for a server without verification');
is(() = $err =~ /\[warn\]/g, 2, 'inherited: and no other') || diag($err);

$n->run($INHERITED);

refused(get($n, '/', port => 1, plain => 1), 'no_cert',
        'inherited: refused without TLS');
is(get($n, '/off', port => 1, plain => 1)->{status}, 204,
   'inherited: mtls off lifts it');
refused(get($n, '/', port => 2, cert => $pki->alice), 'no_cert',
        'inherited: refused without verification');

done_testing;
