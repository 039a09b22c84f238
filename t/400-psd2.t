#!/usr/bin/perl

# Qualified certificates in real handshakes: what is read of public ones, what
# groups make of it, and what the configuration may say.
# Copyright (C) the ngx_mtls_module authors

use FindBin;
use lib "$FindBin::Bin/lib";
use Mtls::Test;

use Mtls::DER qw(:all);
use Mtls::QC qw(expected reissue qwac qc_ext psd2_statement);

my $pki = Mtls::PKI->new;
my $n = Mtls::Test->new(pki => $pki);

my $ca = $pki->ca(cn => 'QTSP', name => 'root');
$pki->cert(name => 'server', cn => 'localhost', issuer => $ca,
           eku => ['serverAuth'], san => [[dns => 'localhost']]);

my @columns = qw(status roles nca nca_name country qc_type qc_compliant
                 qc_limit qc_retention qc_pds organization_id scheme
                 org_country state authority value dn);

my @variables = qw(psd2_status psd2_roles psd2_nca psd2_nca_name psd2_country
                   qc_type qc_compliant qc_limit qc_retention qc_pds
                   organization_id organization_id_scheme
                   organization_id_country organization_id_state
                   organization_id_authority organization_id_value
                   subject_dn);

my $facts = join '', map { 'add_header X-' . tr/_/-/r
                           . " \"<\$mtls_$_>\" always;\n" }
            @variables, qw(psd2_number qc_sscd psd2_roles_1 psd2_roles_2);

my $conf = <<"EOF";
mtls_ca qtsp %%PKI%%/root.crt;

#PSD2

%%MTLS%%
$facts

mtls_group ai      { psd2_role PSP_AI; }
mtls_group not_ai  { not psd2_role PSP_AI; }
mtls_group aisp    { qc_type web; qc_compliant EU; psd2_role PSP_AI PSP_AS;
                     psd2_country DE FR; }
mtls_group bafin   { psd2_nca DE-BAFIN; }
mtls_group german  { psd2_nca ^~DE-; not psd2_number 666; }
mtls_group number  { psd2_number 123456 "A 12345"; }
mtls_group policy  { policy QCP-w-psd2; }
mtls_group tpp     { organization_id "~PSD[A-Z]{2}-(?<nca>[A-Z]+)-.+";
                     identity "tpp:\$mtls_organization_id"; }

server {
    listen 127.0.0.1:%%PORT_0%% ssl;
    %%TLS%%
    root %%DIR%%;

    location / { mtls_allow any; try_files /no =204; }
    location /ai { mtls_allow ai; try_files /no =204; }
    location /not_ai { mtls_allow not_ai; try_files /no =204; }
    location /aisp { mtls_allow aisp; try_files /no =204; }
    location /bafin { mtls_allow bafin; try_files /no =204; }
    location /german { mtls_allow german; try_files /no =204; }
    location /number { mtls_allow number; try_files /no =204; }
    location /policy { mtls_allow policy; try_files /no =204; }
    location /tpp { mtls_allow tpp; try_files /no =204; }
    location /deny { mtls_allow any; mtls_deny ai; try_files /no =204; }
}
EOF

sub fact {
    my ($r, $name) = @_;

    return ($r->header('X-' . $name =~ tr/_/-/r) // '') =~ s/^<(.*)>$/$1/r;
}

sub outcome {
    my $r = shift;

    return $r->header('X-Mtls-Reason') // $r->{status};
}


# Every public certificate, issued again.

$n->run($conf);

my @expected = expected();
my %cert;

for my $e (@expected) {
    my $cert = $cert{$e->{file}} = reissue($pki, $ca, $e->{file});
    my $k = keepalive($n, cert => $cert);
    my $r = $k->get('/');

    if ($e->{nginx} eq 'refused') {
        is($r->{status}, 400, "$e->{file}: nginx refuses it");
        next;
    }

    my (%got, %want);

    for my $i (0 .. $#columns) {
        my $want = $e->{$columns[$i]};
        next if $want eq '*';

        $want{$variables[$i]} = $want eq '?' ? '' : $want;
        $got{$variables[$i]} = fact($r, $variables[$i]);
    }

    is_deeply(\%got, \%want, "$e->{file}: as expected");

    my $ai = $e->{roles} =~ /PSP_AI/ ? 1 : 0;
    my $unknown = $e->{roles} eq '?';

    is(join(' ', map { outcome($k->get($_)) } qw(/ai /not_ai /deny)),
       $unknown ? 'ambiguous ambiguous ambiguous'
       : $ai ? 'ok no_match denied' : 'no_match ok ok',
       "$e->{file}: groups");
}


# Forms that are read if the configuration says so, and only then.

ok($n->reload($conf =~ s/#PSD2/mtls_psd2 compat=flat compat=unwrapped;/r),
   'compat');

for my $e (grep { $_->{compat_status} ne $_->{status}
                  && $_->{nginx} ne 'refused' } @expected)
{
    my $r = get($n, '/ai', cert => $cert{$e->{file}});

    is(fact($r, 'psd2_status'), $e->{compat_status}, "$e->{file}: compat");
    is(fact($r, 'psd2_roles'), $e->{compat_roles}, "$e->{file}: roles");
    is(outcome($r), $e->{compat_roles} =~ /PSP_AI/ ? 'ok' : 'no_match',
       "$e->{file}: its group");
}

for my $form (qw(flat unwrapped)) {
    ok($n->reload($conf =~ s/#PSD2/mtls_psd2 compat=$form;/r), "only $form");

    for my $e (grep { $_->{file} =~ /^synth\/(flat|unwr)/ } @expected) {
        is(fact(get($n, '/', cert => $cert{$e->{file}}), 'psd2_status'),
           $e->{file} =~ /$form/ ? "compat_$form" : 'malformed',
           "$e->{file}: with compat=$form");
    }
}


# Lines of groups.

ok($n->reload($conf), 'strictly again');

my @tpp = (org => 'PSDDE-BAFIN-123456', nca => 'DE-BAFIN');

my %c = (
    good => qwac($pki, $ca, name => 'good', roles => [qw(PSP_AI PSP_PI)],
                 @tpp),
    seal => qwac($pki, $ca, name => 'seal', roles => ['PSP_AI'],
                 type => 'eseal', @tpp),
    other => qwac($pki, $ca, name => 'elsewhere', roles => ['PSP_AI'],
                  org => 'PSDES-BDE-666', nca => 'ES-BDE'),
    bad => qwac($pki, $ca, name => 'bad', @tpp,
                statements => [psd2_statement(roles => ['PSP_AI']),
                               psd2_statement(roles => ['PSP_AI'])]),
    central => qwac($pki, $ca, name => 'central', roles => ['PSP_CB'],
                    org => 'NTRDE-HRB 1', nca => 'NA', nca_name => 'NA'),
    plain => $pki->cert(issuer => $ca, cn => 'plain', name => 'plain'),
);

my @paths = qw(/aisp /bafin /german /number /policy /tpp);

my %want = (
    good => 'ok ok ok ok ok ok',
    seal => 'no_match ok ok ok ok ok',
    other => 'no_match no_match no_match no_match ok ok',
    bad => 'no_match ambiguous ambiguous ambiguous ok ok',
    central => 'no_match no_match no_match no_match ok no_match',
    plain => 'no_match no_match no_match no_match no_match no_match',
);

for my $name (sort keys %want) {
    my $k = keepalive($n, cert => $c{$name});

    is(join(' ', map { outcome($k->get($_)) } @paths), $want{$name},
       "$name: @paths");
}

my $r = get($n, '/tpp', cert => $c{good});
is($r->header('X-Mtls-Identity'), 'tpp:PSDDE-BAFIN-123456', 'identity');
is(fact($r, 'psd2_number'), '123456', '$mtls_psd2_number');
is(fact($r, 'psd2_roles'), 'PSP_PI,PSP_AI', 'roles in the order of the list');
is(fact($r, 'psd2_roles_2'), 'PSP_AI', '$mtls_psd2_roles_2');
is(fact(get($n, '/', cert => $c{bad}), 'psd2_number'), '',
   'no number beside a statement that cannot be told');

for my $tls (qw(1.2 1.3)) {
    my $s = session($n, cert => $c{good}, tls => $tls);
    my $r = $s->get('/aisp');

    is($r->{reused}, 1, "TLS $tls: resumed");
    is(outcome($r), 'ok', "TLS $tls: judged the same");
}

# What a certificate says cannot become a second line of a header or a log.

my $lf = qwac($pki, $ca, name => 'lf', roles => ['PSP_AI'],
              org => "PSDDE-BAFIN-1\r\nX-Evil: 1", nca => "DE-BAFIN\n",
              nca_name => "a\r\nX-Evil: 1");

$r = get($n, '/', cert => $lf);
is($r->header('X-Evil'), undef, 'no header out of a certificate');
is(fact($r, 'psd2_nca_name'), 'a%0D%0AX-Evil: 1', 'but its text');
is(fact($r, 'psd2_nca'), 'DE-BAFIN%0A', 'an id that is none');
is(fact($r, 'psd2_country'), '', 'has no country');


# Further roles.

my $own = qwac($pki, $ca, name => 'own', @tpp,
               roles => ['PSP_AS', ['1.2.3.4', 'PSP_XX']]);
my $false = qwac($pki, $ca, name => 'false', @tpp,
                 roles => ['PSP_AS', ['1.2.3.4', 'PSP_YY']]);

is(fact(get($n, '/', cert => $own), 'psd2_roles'), 'PSP_AS',
   'a role that is not known');

# the group stands above the line that its role comes from

ok($n->reload($conf =~ s/^(mtls_group ai .*?)PSP_AI;/$1PSP_XX;/mr
              =~ s/(server \{)/mtls_psd2 role=1.2.3.4:PSP_XX;\n$1/r),
   'a further role');
is(fact(get($n, '/', cert => $own), 'psd2_roles'), 'PSP_AS,PSP_XX',
   'a role that was added');
is(outcome(get($n, '/ai', cert => $own)), 'ok', 'in a group');
is(fact(get($n, '/', cert => $false), 'psd2_status'), 'mismatch',
   'under another name');
is(outcome(get($n, '/ai', cert => $false)), 'ambiguous', 'in no group');


# nginx -t

sub refuses {
    my ($text, $re) = @_;

    $n->config_refused("mtls_ca qtsp %%PKI%%/root.crt;\n$text\n"
                       . 'server { listen 127.0.0.1:%%PORT_0%% ssl; %%TLS%% }',
                       qr/$re.* in \S+test\.conf:2\b|$re.*test\.conf:2\b/,
                       $text);
}

refuses('mtls_group g { psd2_role PSP_A1; }', 'unknown PSD2 role "PSP_A1"');
refuses('mtls_group g { psd2_role psp_ai; }', 'unknown PSD2 role "psp_ai"');
refuses('mtls_group g { psd2_role PSP_AI Unspecified; }',
        'unknown PSD2 role "Unspecified"');
refuses('mtls_group g { not psd2_role AISP; }', 'unknown PSD2 role "AISP"');
refuses('mtls_group g { psd2_role ~PSP_.*; }', 'compared exactly');
refuses('mtls_group g { psd2_country ^~D; }', 'compared exactly');
refuses("mtls_group g { psd2_country $_; }", "\"$_\" is not a country")
    for qw(de DEU D 49);
refuses('mtls_group g { qc_compliant yes; }', '"yes" is not a country');
refuses('mtls_group g { qc_type qwac; }', '"qwac" is not "esign"');
refuses('mtls_group g { policy QCP; }', '"QCP" is neither an OID nor');
refuses("mtls_psd2 $_;", 'invalid parameter') for qw(compat=both flat strict);
refuses('mtls_psd2 role=PSP_XX;', '"PSP_XX" is not a role');
refuses('mtls_psd2 role=1.2.3:PSP_AI;', 'role "PSP_AI" already');
refuses('mtls_psd2 role=0.4.0.19495.1.3:PSP_XX;', 'role "PSP_AI" already');

done_testing;
