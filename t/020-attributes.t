#!/usr/bin/perl

# What a certificate says, as variables and as lines of groups.
# Copyright (C) the ngx_mtls_module authors

use FindBin;
use lib "$FindBin::Bin/lib";
use Mtls::Test;

my $pki = Mtls::PKI->standard;
my $n = Mtls::Test->new(pki => $pki);
my $root = $pki->root;

my %cert;

# Every certificate is one of a case: how it is minted, what the variables
# say, and which lines of groups are true for it.  A group of one line each is
# made of "true", "false" and "undefined" below.

my @cases = (

    { name => 'names',
      cert => { subject => [[C => 'DE'], [O => 'Acme'], [OU => 'a'],
                            [OU => 'b'], [CN => 'carol'],
                            ['2.5.4.97' => 'PSDDE-BAFIN-1']] },
      vars => { subject_cn => 'carol', subject_o => 'Acme',
                subject_c => 'DE',
                subject_ou => '',        # two: neither
                subject_ou_1 => 'a', subject_ou_2 => 'b', subject_ou_3 => '',
                subject_organizationidentifier => 'PSDDE-BAFIN-1',
                subject_2_5_4_97 => 'PSDDE-BAFIN-1',
                subject_2_5_4_11__2 => 'b', subject_l => '',
                issuer_cn => 'Root CA' },
      true => ['subject cn carol', 'subject 2.5.4.3 carol',
               'subject cn x carol', 'subject cn ^~car',
               'subject cn ~^c.*l$', 'subject cn ~*CAROL',
               'not subject cn dave', 'not subject l Berlin',
               'subject any ou b', 'issuer cn "Root CA"',
               'subject_dn '
               . '"2.5.4.97=PSDDE-BAFIN-1,CN=carol,OU=b,OU=a,O=Acme,C=DE"',
               'subject_dn "organizationIdentifier=psdde-bafin-1,'
               . ' cn=Carol, ou=B,ou=a, o=ACME , c=de"'],
      false => ['subject cn Carol', 'subject cn ~aro', 'subject l Berlin',
                'not subject cn carol',
                'subject_dn "CN=carol,OU=a,OU=b,O=Acme,C=DE"',
                'subject any ou c'],
      undefined => ['subject ou b', 'subject ou zzz', 'not subject ou b',
                    'not subject ou zzz', 'subject ou ~.'] },

    { name => 'a multi-valued RDN',
      cert => { subject => [[O => 'Acme'], [[OU => 'x'], [CN => 'dora']]] },
      vars => { subject_cn => '', subject_cn_1 => 'dora', subject_o => 'Acme' },
      true => ['subject any cn dora',
               'subject_dn "CN=dora+OU=x,O=Acme"',
               'subject_dn "OU=x+CN=dora,O=Acme"'],
      false => ['subject_dn "CN=dora,OU=x,O=Acme"', 'subject any cn x'],
      undefined => ['subject cn dora', 'not subject cn nobody'] },

    { name => 'two CNs',
      cert => { subject => [[CN => 'admin'], [CN => 'mallory']] },
      vars => { subject_cn => '', subject_cn_1 => 'admin',
                subject_cn_2 => 'mallory' },
      true => ['subject any cn admin'],
      undefined => ['subject cn admin', 'subject cn mallory'] },

    { name => 'a comma that is part of a value',
      cert => { subject => [[O => 'Evil,CN=admin'], [CN => 'mallory']] },
      vars => { subject_cn => 'mallory', subject_o => 'Evil,CN=admin' },
      true => ['subject cn mallory', 'subject o "Evil,CN=admin"',
               'subject_dn "CN=mallory,O=Evil\\\\,CN=admin"'],
      false => ['subject cn admin', 'subject any cn admin',
                'subject_dn "CN=mallory,CN=admin,O=Evil"'] },

    { name => 'an embedded NUL',
      cert => { subject => [[CN => "admin\0.evil", 'UTF8']],
                san => [[dns => "a.example\0.evil.example"],
                        [uri => 'urn:ok']] },
      vars => { subject_cn => '', subject_cn_1 => '', san_dns => '',
                san_dns_1 => '', san_uri => 'urn:ok' },
      true => ['uri urn:ok'],
      undefined => ['subject cn admin', 'not subject cn admin',
                    'subject any cn admin', 'dns a.example',
                    'not dns a.example', 'dns *.example'] },

    { name => 'a good value beside one with a NUL',
      cert => { cn => 'x', san => [[dns => "b\0b"], [dns => 'a.example']] },
      vars => { san_dns_2 => 'a.example' },
      true => ['dns a.example'],
      undefined => ['dns b', 'not dns b'] },

    { name => 'CR and LF',
      cert => { subject => [[CN => "a\r\nX-Admin: 1", 'UTF8']] },
      vars => { subject_cn => 'a%0D%0AX-Admin: 1' },
      true => ['subject cn ~^a[[:cntrl:]]+X-Admin:.1$'],
      false => ['subject cn "a%0D%0AX-Admin: 1"'] },

    { name => 'string types',
      cert => { subject => [[CN => "m\x{fc}", 'BMP'],
                            [L => "M\xfcnchen", 'T61'],
                            [O => "A\x{df}", 'Universal'],
                            [OU => "gr\xc3\xbcn", 'UTF8'],
                            [ST => 'plain', 'IA5'],
                            [title => 'Dr', 'Printable']] },
      vars => { subject_cn => "m\xc3\xbc", subject_l => "M\xc3\xbcnchen",
                subject_o => "A\xc3\x9f", subject_ou => "gr\xc3\xbcn",
                subject_st => 'plain', subject_title => 'Dr' },
      true => ["subject cn m\xc3\xbc", "subject l M\xc3\xbcnchen",
               "subject o A\xc3\x9f"] },

    { name => 'every kind of SAN',
      cert => { cn => 'san', san => [
                [dns => 'A.Example.COM'], [dns => '*.wild.example'],
                [uri => 'urn:dev:1'], [uri => 'https://h/a/b/c'],
                [email => 'Bob@Example.COM'],
                [ip => '192.0.2.7'], [ip => '2001:db8::7'],
                [upn => 'bob@corp'], [rid => '1.2.3.4'],
                [dirname => [[O => 'X'], [CN => 'y']]]] },
      vars => { san_dns => 'a.example.com,*.wild.example',
                san_dns_1 => 'a.example.com', san_dns_2 => '*.wild.example',
                san_uri_2 => 'https://h/a/b/c',
                san_email => 'Bob@example.com', san_ip_1 => '192.0.2.7',
                san_ip_2 => '2001:db8::7', san_upn => 'bob@corp',
                san_rid => '1.2.3.4', san_dirname => 'CN=y%2CO=X',
                san_dirname_1 => 'CN=y,O=X',
                san_uri_3 => '' },
      true => ['dns a.example.com', 'dns A.EXAMPLE.com', 'dns *.example.com',
               'uri urn:dev:1', 'uri ^~urn:dev:', 'uri https://h/a/*/c',
               'uri https://h/**', 'email Bob@EXAMPLE.com',
               'ip 192.0.2.7', 'ip 192.0.2.0/24', 'ip 2001:db8::/32',
               'ip 10.0.0.1 192.0.2.7', 'upn bob@corp', 'rid 1.2.3.4',
               'dirname "CN=y,O=X"', 'dirname "cn=Y, o=x"',
               'dns *.wild.example *.example.com'],
      false => ['dns example.com', 'dns x.wild.example', 'uri urn:dev:',
                'uri https://h/*', 'uri https://h/a/b',
                'email bob@example.com', 'ip 192.0.3.0/24', 'rid 1.2.3',
                'dirname "O=X,CN=y"', 'not ip 192.0.2.0/24'] },

    { name => 'a wildcard in the certificate is only itself',
      cert => { cn => 'w', san => [[dns => '*.example.com']] },
      vars => { san_dns => '*.example.com' },
      false => ['dns a.example.com', 'dns *.example.com'] },

    { name => 'an empty URI',
      cert => { cn => 'u', san => [[uri => '']] },
      vars => { san_uri => '', san_uri_1 => '' },
      false => ['uri urn:x', 'uri ^~urn:'] },

    { name => 'joined values do not run together',
      cert => { cn => 'j', san => [[uri => 'urn:a,b'], [uri => 'urn:c%d"']] },
      vars => { san_uri => 'urn:a%2Cb,urn:c%25d%22', san_uri_1 => 'urn:a,b' },
      true => ['uri urn:a,b'] },

    { name => 'one value that looks like two',
      cert => { cn => 'l', san => [[uri => 'urn:a,urn:admin']] },
      vars => { san_uri => 'urn:a%2Curn:admin', san => 'uri:urn:a%2Curn:admin',
                san_uri_1 => 'urn:a,urn:admin' },
      false => ['uri urn:admin'] },

    { name => 'usage, policies, extensions',
      cert => { cn => 'e', eku => ['clientAuth', '1.2.3.4'],
                policies => ['1.2.3.4.5', '2.5.29.32.0'],
                ext => [['1.2.3.9', 0, "\x0c\x05hello"],
                        ['1.2.3.10', 0, "\x02\x01\x05"],
                        ['1.2.3.11', 0, "\x0c\x02#5"]] },
      vars => { eku => '1.3.6.1.5.5.7.3.2,1.2.3.4',
                policies => '1.2.3.4.5,2.5.29.32.0',
                extension_1_2_3_9 => 'hello', extension_1_2_3_10 => '#020105',
                extension_1_2_3_11 => '#0c022335', extension_1_2_3_99 => '' },
      true => ['eku clientAuth', 'eku 1.2.3.4', 'policy 1.2.3.4.5',
               'extension 1.2.3.9 hello', 'extension 1.2.3.10 "#020105"',
               'not extension 1.2.3.99 ~.*'],
      false => ['eku serverAuth', 'policy 1.2.3.4', 'extension 1.2.3.99 x'] },

    { name => 'an extension that is there twice',
      cert => { cn => 't', ext => [['1.2.3.9', 0, "\x0c\x01a"],
                                   ['1.2.3.9', 0, "\x0c\x01b"]] },
      vars => { extension_1_2_3_9 => '' },
      undefined => ['extension 1.2.3.9 a', 'not extension 1.2.3.9 a'] },

    { name => 'a serial of 20 octets',
      cert => { cn => 's', serial => '0x7f' . '01' x 19 },
      vars => { serial => '7F' . '01' x 19 },
      true => ['serial 7f' . '01' x 19, 'serial 7F' . '01' x 19],
      false => ['serial 7f'] },

    { name => 'a negative serial',
      cert => { cn => 'neg', serial => '-0x1234' },
      vars => { serial => '-1234' },
      true => ['serial -1234'],
      false => ['serial 1234'] },

    { name => 'RSA of 4096 bits',
      cert => { cn => 'r', key => 'rsa4096' },
      vars => { key_type => 'rsa:4096' },
      true => ['key_type rsa:4096', 'key_type ^~rsa:'] },

    { name => 'Ed25519',
      cert => { cn => 'ed', key => 'ed25519' },
      vars => { key_type => 'ed25519' },
      true => ['key_type ed25519'] },

    { name => 'P-256',
      cert => { cn => 'ec' },
      vars => { key_type => 'ec:prime256v1' },
      false => ['key_type ed25519'] },

    { name => '2,000 SANs',
      cert => { cn => 'many',
                san => [map { [dns => "h$_.example.com"] } 1 .. 2000] },
      vars => { san_dns_2000 => 'h2000.example.com' },
      true => ['dns h1999.example.com', 'dns *.example.com'] },

    { name => 'a name with nothing in it',
      cert => { subject => [], san => [[dns => 'only.example']],
                san_critical => 1 },
      vars => { subject_cn => '' },
      true => ['dns only.example'],
      false => ['subject cn x'] },
);


# hashes, which are known only when a certificate is minted

for (@cases) {
    my $c = $_->{made} = $pki->cert(issuer => $root,
                                    name => $_->{name} =~ s/\W+/_/gr,
                                    %{ $_->{cert} });

    $_->{vars}{fingerprint} = $c->fingerprint;
    $_->{vars}{thumbprint} = $c->thumbprint;
    $_->{vars}{spki} = $c->spki_sha256;

    push @{ $_->{true} },
        'fingerprint ' . $c->fingerprint,
        'fingerprint ' . uc(join ':', $c->fingerprint =~ /../g),
        'spki ' . $c->spki_sha256;
    push @{ $_->{false} }, 'fingerprint ' . '0' x 64;
}


# one configuration for all: a group for each distinct line, and locations

my (%var, %group, $groups, $locations);

$var{$_} = 1 for map { keys %{ $_->{vars} } } @cases;

for my $line (map { my $c = $_;
                    map { @{ $c->{$_} || [] } } qw(true false undefined) }
              @cases)
{
    next if $group{$line};

    my $g = $group{$line} = 'g' . (1 + keys %group);

    $groups .= "mtls_group $g { $line; }\n";
    $locations .= "location /$g { mtls_allow $g; "
                  . "proxy_pass http://%%UPSTREAM%%; }\n";
}

my $vars = join '\n', map { "$_=\$mtls_$_" } sort keys %var;
$vars =~ s/(\$mtls_\w+)/'${' . substr($1, 1) . '}'/ge;

$n->run(<<"EOF");
mtls_ca test %%PKI%%/root.crt;
%%MTLS%%
variables_hash_max_size 4096;
$groups
server {
    listen 127.0.0.1:%%PORT_0%% ssl;
    %%TLS%%
    location = /vars { return 200 "$vars"; }
    $locations
}
EOF

for (@cases) {
    my ($name, $cert) = ($_->{name}, $_->{made});

    my %got = map { split /=/, $_, 2 }
              split /\\n|\n/, get($n, '/vars', cert => $cert)->{body};

    for my $v (sort keys %{ $_->{vars} }) {
        is($got{$v}, $_->{vars}{$v}, "$name: \$mtls_$v");
    }

    my $k = keepalive($n, cert => $cert);

    for my $line (@{ $_->{true} }) {
        allowed($k->get("/$group{$line}"), "$name: true: $line");
    }

    for my $line (@{ $_->{false} }) {
        refused($k->get("/$group{$line}"), 'no_match', "$name: false: $line");
    }

    for my $line (@{ $_->{undefined} || [] }) {
        refused($k->get("/$group{$line}"), 'ambiguous',
                "$name: undefined: $line");
    }
}

done_testing;
