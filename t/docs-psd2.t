#!/usr/bin/perl

# docs/psd2.md is executed: each configuration with certificates that are made
# for it.
# Copyright (C) the ngx_mtls_module authors

use FindBin;
use lib "$FindBin::Bin/lib";

use Mtls::DER qw(:all);
use Mtls::Docs qw(page examples docs_pki local_conf);
use Mtls::QC qw(qwac psd2_statement);
use Mtls::Test;

my $pki = docs_pki();
my ($inter, $dir) = ($pki->inter, $pki->dir);
my %port = (port => 443);

my %example = map { $_->{heading} => $_ } examples(page('docs/psd2.md'));

my $n = Mtls::Test->new(pki => $pki);
my @tpp = (org => 'PSDDE-BAFIN-123456');

# of which each API is for one

my %cert = (
    AI => qwac($pki, $inter, name => 'ai', roles => ['PSP_AI'], @tpp),
    PI => qwac($pki, $inter, name => 'pi', roles => ['PSP_PI'], @tpp),
    IC => qwac($pki, $inter, name => 'ic', roles => ['PSP_IC'], @tpp),
    AS => qwac($pki, $inter, name => 'as', roles => ['PSP_AS'], @tpp),
    seal => qwac($pki, $inter, name => 'seal', roles => ['PSP_AI'],
                 type => 'eseal', @tpp),
    blocked => qwac($pki, $inter, name => 'blocked', roles => ['PSP_AI'],
                    org => 'PSDXX-NCA-666', nca => 'XX-NCA'),
    twice => qwac($pki, $inter, name => 'twice', @tpp, roles => ['PSP_AI'],
                  more => [psd2_statement(roles => ['PSP_AI'])]),
    expired => qwac($pki, $inter, name => 'late', roles => ['PSP_AI'], @tpp,
                    not_before => -7200, not_after => -3600),
    revoked => qwac($pki, $inter, name => 'gone', roles => ['PSP_AI'], @tpp),
    foreign => qwac($pki, $pki->other_root, name => 'foreign',
                    roles => ['PSP_AI'], @tpp),
);

install_crl("$dir/crl/partner/inter.crl",
            $inter->crl(revoked => [$cert{revoked}]));

run('The three APIs');
apis();
many_cas();

run('Refusals as the Berlin Group has them');
berlin_group();

run('United Kingdom');
united_kingdom();

run('Brazil');
brazil();

run('FAPI 2');
fapi();

done_testing;


sub run {
    my ($heading, $change) = @_;

    my $e = $example{$heading} || die "no example \"$heading\"\n";

    local $_ = local_conf($n, $e->{kind}, $e->{conf});
    $change->() if $change;

    $n->stop if $n->{running}++;
    $n->run($_);
}


sub status {
    my ($path, $name, @arg) = @_;

    my $r = get($n, $path, cert => $name && $cert{$name}, %port, @arg);

    return join ' ', grep { defined } $r->{status},
                     $r->header('X-Mtls-Reason');
}


sub apis {
    my %api = (AI => '/v1/accounts', PI => '/v1/payments/sepa',
               IC => '/v1/funds-confirmations');

    for my $role (qw(AI PI IC AS)) {
        for my $api (sort keys %api) {
            is(status($api{$api}, $role),
               $role eq $api ? '200 ok' : '403 no_match',
               "$role at $api{$api}");
        }
    }

    is(status('/v1/accounts', 'seal'), '403 no_match', 'a seal');
    is(status('/v1/accounts', 'twice'), '403 ambiguous', 'two statements');
    is(status('/v1/accounts', 'blocked'), '403 denied', 'a blocked provider');
    is(status('/v1/accounts', 'revoked'), '403 revoked', 'a revoked one');
    is(status('/v1/accounts', undef), '403 no_cert', 'nobody');
    is(status('/v1/accountsx', 'AI'), '404', 'another path');

    my $r = get($n, '/v1/accounts', cert => $cert{AI}, %port,
                headers => ['TPP-Id' => 'tpp:evil', 'TPP-Roles' => 'PSP_PI']);

    is($r->received('TPP-Id'), 'tpp:PSDDE-BAFIN-123456', 'who it is');
    is($r->received('TPP-Roles'), 'PSP_AI', 'its roles');
    is($r->received('TPP-Authority'), 'DE-BAFIN', 'its authority');
}


# 700 issuing CAs, and a provider of the last one; then it is taken out.

sub many_cas {
    my $key = $pki->key('ec');
    my @ca;

    {
        # nobody looks at an anchor's own signature, and 699 of them are dear

        my $signature = 'x' x 64;
        no warnings 'redefine';
        local *Mtls::PKI::sign = sub { $signature };

        @ca = map { $pki->ca(cn => "QTSP $_", name => "qtsp-$_", key => $key) }
              1 .. 699;
    }

    push @ca, $pki->ca(cn => 'QTSP 700', name => 'qtsp-700', key => $key);

    my $file = "$dir/eidas/XX.pem";
    my $write = sub {
        spew("$file.new", map { slurp($_->crt) } @_);
        rename "$file.new", $file;
    };

    $write->(@ca);
    install_crl("$dir/crl/partner/qtsp.crl", $ca[699]->crl(revoked => []));

    $cert{last} = qwac($pki, $ca[699], name => 'last', roles => ['PSP_AI'],
                       org => 'PSDFR-ACPR-7', nca => 'FR-ACPR');

    run('The three APIs', sub { s/refresh=1[h]/refresh=1s/;
                                s/refresh=10m/refresh=1s/ });
    ok(wait_for(sub { status('/v1/accounts', 'last') eq '200 ok' }, 20),
       'one of 700 CAs');

    $write->(@ca[0 .. 698]);
    ok(wait_for(sub { status('/v1/accounts', 'last') =~ /^400/ }, 20),
       'that was taken out of the list');
    is(status('/v1/accounts', 'AI'), '200 ok', 'the others stay');

    unlink $file, "$dir/crl/partner/qtsp.crl";
}


sub berlin_group {
    my $code = sub {
        my ($name, @arg) = @_;

        my $r = get($n, '/v1/accounts', cert => $name && $cert{$name}, %port,
                    @arg);

        return "$r->{status} " . ($r->{status} == 200 ? ''
               : $r->json->{tppMessages}[0]{code} . ' '
                 . $r->header('Content-Type'));
    };

    my %want = (
        AI => '200 ', PI => 'ROLE_INVALID', AS => 'ROLE_INVALID',
        seal => 'ROLE_INVALID', blocked => 'CERTIFICATE_BLOCKED',
        twice => 'CERTIFICATE_INVALID', expired => 'CERTIFICATE_EXPIRED',
        revoked => 'CERTIFICATE_REVOKED', foreign => 'CERTIFICATE_INVALID',
        '' => 'CERTIFICATE_MISSING',
    );

    for my $name (sort keys %want) {
        my $want = $want{$name} =~ /^200/ ? $want{$name}
                   : "401 $want{$name} application/json";

        is($code->($name), $want, "Berlin Group: '$name'");
    }

    # nginx itself wants a certificate: 496

    run('Refusals as the Berlin Group has them',
        sub { s/ssl_verify_client +optional/ssl_verify_client on/ });

    is($code->(''), '401 CERTIFICATE_MISSING application/json',
       'with ssl_verify_client on, nobody');
    is($code->('expired'), '401 CERTIFICATE_EXPIRED application/json',
       'with ssl_verify_client on, an expired one');
    is($code->('AI'), '200 ', 'with ssl_verify_client on, a good one');
}


sub united_kingdom {
    my $qc = '0.4.0.1862.1';
    my $type = seq(oid("$qc.6"), seq(oid("$qc.6.3")));
    my @org = (org => 'PSDGB-FCA-123456');
    my @gb = (nca => 'GB-FCA', nca_name => 'Financial Conduct Authority');

    $cert{obwac} = qwac($pki, $inter, name => 'obwac', @org, statements => [
        $type, psd2_statement(roles => [qw(PSP_PI PSP_AI)], @gb)]);

    my @pair = map { oid("0.4.0.19495.1.$_->[0]"), str('UTF8', $_->[1]) }
               [2, 'PSP_PI'], [3, 'PSP_AI'];

    $cert{flat} = qwac($pki, $inter, name => 'flat', @org, statements => [
        $type, seq(oid('0.4.0.19495.2'),
                   seq(seq(seq(@pair)), str('UTF8', 'FCA'),
                       str('UTF8', 'GB-FCA')))]);

    my $path = '/open-banking/v3.1/aisp/accounts';

    is(status($path, 'obwac'), '200 ok', 'OBWAC');
    is(status($path, 'flat'), '200 ok', 'OBWAC of 2019');
    is(status($path, 'AI'), '403 no_match', 'another authority');
    is(status($path, 'seal'), '403 no_match', 'a seal');
}


sub brazil {
    my $brcac = $pki->cert(
        issuer => $inter, name => 'brcac', subject => [
            ['2.5.4.15' => 'Private Organization', 'Printable'],
            ['1.3.6.1.4.1.311.60.2.1.3' => 'BR', 'Printable'],
            [serialNumber => '43142666000197'],
            [C => 'BR'], [O => 'Banco Exemplo'], [ST => 'SP'],
            [L => 'Sao Paulo'],
            [organizationIdentifier =>
                 'OFBBR-74e929d9-33b6-4d85-8ba7-c146c867a817', 'Printable'],
            [UID => '10120340-3318-4baf-99e2-0b56729c4ab2'],
            [CN => 'app.example']]);

    $cert{seal_br} = $pki->cert(
        issuer => $inter, name => 'brseal', eku => ['1.2.3', 'clientAuth'],
        subject => [[UID => '74e929d9'], [C => 'BR'], [CN => 'Banco']]);

    my $r = get($n, '/token', cert => $brcac, %port);

    is($r->{status}, 200, 'BRCAC');
    is($r->header('X-Mtls-Identity'),
       'software:10120340-3318-4baf-99e2-0b56729c4ab2', 'its software');
    is($r->received('X-Participant'), '74e929d9-33b6-4d85-8ba7-c146c867a817',
       'its participant');
    is($r->received('X-Client-Subject'),
       'CN=app.example,UID=10120340-3318-4baf-99e2-0b56729c4ab2,'
       . '2.5.4.97=#132a'
       . unpack('H*', 'OFBBR-74e929d9-33b6-4d85-8ba7-c146c867a817')
       . ',L=Sao Paulo,ST=SP,O=Banco Exemplo,C=BR,2.5.4.5=#130e'
       . unpack('H*', '43142666000197')
       . ',1.3.6.1.4.1.311.60.2.1.3=#13024252,2.5.4.15=#1314'
       . unpack('H*', 'Private Organization'), 'its subject');
    is(status('/token', 'seal_br'), '403 no_match', 'BRSEAL');
}


sub fapi {
    my $r = get($n, '/', cert => $cert{AI}, %port,
                headers => ['X-Client-Thumbprint' => 'forged']);

    is($r->received('X-Client-Thumbprint'), $cert{AI}->thumbprint,
       'x5t#S256 for the upstream');
    is(status('/', undef), '403 no_cert', 'FAPI: nobody');
}
