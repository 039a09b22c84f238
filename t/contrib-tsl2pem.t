#!/usr/bin/perl

# contrib/tsl2pem: what a trusted list grants becomes trust anchors, and a list
# that nobody signed as it is becomes nothing.
# Copyright (C) the ngx_mtls_module authors

use FindBin;
use lib "$FindBin::Bin/lib";

use MIME::Base64 qw(encode_base64);
use POSIX qw(strftime);

use Mtls::QC qw(qwac);
use Mtls::Test;
use Mtls::Util qw(command);

my $pki = Mtls::PKI->standard;
my $n = Mtls::Test->new(pki => $pki);
my $dir = $n->dir;
my $tool = "$FindBin::Bin/../contrib/tsl2pem";

# scheme operators, and CAs by what the list says of them

my %signer = map { $_ => $pki->cert(cn => $_, name => "tl-$_",
                                    key => "rsa2048:tl-$_", eku => []) }
             qw(de lotl other);

my $root = $pki->ca(cn => 'QTSP Root', name => 'qtsp-root');
my %ca = map { $_ => $pki->ca(cn => "QTSP $_", name => "qtsp-$_",
                              issuer => $root) }
         qw(good second withdrawn seals timestamps later evil);

my $NOW = time;
my $GRANTED = 'http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/granted';
my $GONE = 'http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/withdrawn';
my $CA_QC = 'http://uri.etsi.org/TrstSvc/Svctype/CA/QC';
my $TSA = 'http://uri.etsi.org/TrstSvc/Svctype/TSA/QTST';
my $EXT = 'http://uri.etsi.org/TrstSvc/TrustedList/SvcInfoExt';

my @services = (
    service('good'),
    service('second', cas => [qw(good second)]),
    service('withdrawn', status => $GONE),
    service('seals', for => 'ForeSeals'),
    service('timestamps', type => $TSA),
    service('later', start => 86400),
);

sub when { return strftime('%Y-%m-%dT%H:%M:%SZ', gmtime($NOW + shift)) }

sub x509 {
    return '<DigitalId><X509Certificate>' . encode_base64(shift->der)
           . '</X509Certificate></DigitalId>';
}

sub service {
    my ($name, %arg) = @_;

    my $type = $arg{type} || $CA_QC;
    my $status = $arg{status} || $GRANTED;
    my $start = when($arg{start} // -86400);
    my $for = $arg{for} || 'ForWebSiteAuthentication';
    my $ids = join '', map { x509($ca{$_}) } @{$arg{cas} || [$name]};

    return <<"EOF";
<TSPService><ServiceInformation>
<ServiceTypeIdentifier>$type</ServiceTypeIdentifier>
<ServiceName><Name xml:lang="en">Service $name -----BEGIN</Name></ServiceName>
<ServiceDigitalIdentity>$ids</ServiceDigitalIdentity>
<ServiceStatus>$status</ServiceStatus>
<StatusStartingTime>$start</StatusStartingTime>
<ServiceInformationExtensions><Extension Critical="true">
<AdditionalServiceInformation><URI xml:lang="en">$EXT/$for</URI>
</AdditionalServiceInformation></Extension></ServiceInformationExtensions>
</ServiceInformation></TSPService>
EOF
}

sub provider {
    return '<TrustServiceProvider><TSPInformation><TSPName>'
           . '<Name xml:lang="en">Example &amp; Söhne</Name></TSPName>'
           . '</TSPInformation><TSPServices>' . join('', @_)
           . '</TSPServices></TrustServiceProvider>';
}


# A list, signed by xmlsec1; "uri" and "transform" are those of its reference.

sub list {
    my (%arg) = @_;

    my $number = $arg{number} // 7;
    my $next = defined $arg{next} ? $arg{next} : when(86400);
    my $territory = $arg{territory} // 'DE';
    my $uri = $arg{uri} // '';
    my $id = $arg{id} ? " Id=\"$arg{id}\"" : '';
    my $transform = $arg{transform} // '';
    my $pointers = $arg{pointers} // '';
    my $body = $arg{body} // '<TrustServiceProviderList>'
               . provider(@{$arg{services} || \@services})
               . '</TrustServiceProviderList>';
    my $w3 = 'http://www.w3.org';

    my $text = <<"EOF";
<?xml version="1.0" encoding="UTF-8"?>
<TrustServiceStatusList xmlns="http://uri.etsi.org/02231/v2#"$id>
<SchemeInformation><TSLSequenceNumber>$number</TSLSequenceNumber>
<SchemeTerritory>$territory</SchemeTerritory>$pointers
<NextUpdate><dateTime>$next</dateTime></NextUpdate></SchemeInformation>
$body
<ds:Signature xmlns:ds="$w3/2000/09/xmldsig#"><ds:SignedInfo>
<ds:CanonicalizationMethod Algorithm="$w3/2001/10/xml-exc-c14n#"/>
<ds:SignatureMethod Algorithm="$w3/2001/04/xmldsig-more#rsa-sha256"/>
<ds:Reference URI="$uri"><ds:Transforms>
<ds:Transform Algorithm="$w3/2000/09/xmldsig#enveloped-signature"/>$transform
<ds:Transform Algorithm="$w3/2001/10/xml-exc-c14n#"/></ds:Transforms>
<ds:DigestMethod Algorithm="$w3/2001/04/xmlenc#sha256"/>
<ds:DigestValue/></ds:Reference></ds:SignedInfo><ds:SignatureValue/>
<ds:KeyInfo><ds:X509Data/></ds:KeyInfo></ds:Signature>
</TrustServiceStatusList>
EOF

    my $signer = $signer{$arg{signer} || 'de'};

    spew("$dir/unsigned.xml", $text);
    command('xmlsec1', '--sign', '--privkey-pem',
            $signer->key . ',' . $signer->crt,
            '--id-attr:Id', 'TrustServiceStatusList',
            '--id-attr:Id', 'TrustServiceProviderList',
            '--output', "$dir/signed.xml", "$dir/unsigned.xml");

    return slurp("$dir/signed.xml");
}


# runs tsl2pem: exit code, and what it says

sub tsl2pem {
    my ($xml, @arg) = @_;

    @arg = ('--signer', $signer{de}->crt) if !@arg;
    spew("$dir/list.xml", $xml);

    my $pid = open my $out, '-|';
    die "fork: $!" if !defined $pid;

    if (!$pid) {
        open STDERR, '>&', \*STDOUT;
        exec $tool, @arg, '--output', "$dir/out/DE.pem", "$dir/list.xml"
            or die "$tool: $!\n";
    }

    my $said = do { local $/; <$out> };
    close $out;

    return ($? >> 8, $said);
}

sub taken {
    return if !-e "$dir/out/DE.pem";
    my $pem = slurp("$dir/out/DE.pem");

    return join ' ', grep { index($pem, slurp($ca{$_}->crt)) >= 0 }
                     sort keys %ca;
}

sub refuses {
    my ($name, $re, $xml, @arg) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $before = -e "$dir/out/DE.pem" ? slurp("$dir/out/DE.pem") : undef;
    my ($code, $said) = tsl2pem($xml, @arg);

    is($code, 1, "$name: exit code");
    like($said, qr/^tsl2pem: \S+: .*$re/, "$name: says why");
    is(-e "$dir/out/DE.pem" ? slurp("$dir/out/DE.pem") : undef, $before,
       "$name: the file stays");
    is_deeply([glob "$dir/out/.??*"], [], "$name: nothing is left");
}

mkdir "$dir/out";

my $good = list();

refuses('the first list, without a signer', 'no certificate that may',
        $good, '--signer', $pki->root->key);

my ($code, $said) = tsl2pem($good);
is($code, 0, 'a good list') || diag($said);
like($said, qr/: 2 certificates$/, 'says how many');
is(taken(), 'good second', 'what it grants for websites now');

my $pem = slurp("$dir/out/DE.pem");
like($pem, qr/^# DE list 7\n/, 'the file says whose list it is');
like($pem, qr/^# Example & S\xc3\xb6hne\n# Service good BEGIN\n-----BEGIN/m,
     'and whose certificates; a name is no PEM');
is(() = $pem =~ /^-----BEGIN/mg, 2, 'each once');

is((tsl2pem(list(uri => '#x', id => 'x')))[0], 0, 'a reference by Id');

# signatures

refuses('another signer', 'no certificate that may sign it has',
        list(signer => 'other'));
refuses('a changed list', 'no certificate that may sign it has',
        $good =~ s/withdrawn</granted</r);
refuses('a changed number', 'no certificate that may sign it has',
        $good =~ s/Number>7/Number>8/r);
refuses('no signature', 'must have one signature',
        $good =~ s/<ds:Signature .*<\/ds:Signature>//sr);
refuses('two signatures', 'must have one signature',
        $good =~ s/(<ds:Signature .*<\/ds:Signature>)/$1$1/sr);

my $inner = list(uri => '#l', body => '<TrustServiceProviderList Id="l">'
                 . provider(@services) . '</TrustServiceProviderList>');

refuses('a part that is signed', 'not of the whole list', $inner);
refuses('a part that is left out', 'not of the whole list',
        list(transform => '<ds:Transform Algorithm="http://www.w3.org/TR/1999/'
                          . 'REC-xpath-19991116"><ds:XPath>not(self::*)'
                          . '</ds:XPath></ds:Transform>'));
refuses('an Id that is there twice', 'Id is there twice',
        list(uri => '#x', id => 'x') =~ s/<SchemeInformation/$& Id="x"/r);

# the signature itself is not signed: what stands in it counts nothing

my $evil = provider(service('evil'));

($code) = tsl2pem($good =~ s/<ds:X509Data\/>/$evil/r);
is(taken(), 'good second', 'a provider inside of the signature');

my $object = "<ds:Object>$evil</ds:Object>";

($code) = tsl2pem($good =~ s/(?=<\/ds:Signature>)/$object/r);
is(taken(), 'good second', 'or of an object there');

refuses('the list inside of another', 'must have one signature',
        "<TrustServiceStatusList xmlns=\"http://uri.etsi.org/02231/v2#\">$evil"
        . $good =~ s/<\?xml.*?\?>//r . '</TrustServiceStatusList>');

# forms

refuses('a document type', 'has a document type',
        $good =~ s/\?>\n/?>\n<!DOCTYPE x [<!ENTITY y "z">]>\n/r);
refuses('no XML', 'is not XML', substr $good, 0, 1000);
refuses('another document', 'is no trusted list', '<a/>');
refuses('an empty file', 'is not XML', '');

# time

refuses('an expired list', 'it expired', list(next => when(-60)));
refuses('a closed list', 'no next update', list(next => ''));
refuses('a list without a number', 'has no number', list(number => 'x'));
refuses('an older list', 'number 6 is less than 7', list(number => 6));
is((tsl2pem(list(number => 8)))[0], 0, 'a newer list');
refuses('the one before', 'number 7 is less than 8', $good);

refuses('a list that grants nothing', 'grants no service',
        list(number => 9, services => [service('seals', for => 'ForeSeals')]));
refuses('a certificate that is none', 'is not DER',
        list(number => 9, services => [
             service('good') =~ s/(Certificate>)[^<]+/$1MIIB/r]));

# a list of lists

sub lotl {
    my ($signer, $territory, %arg) = @_;

    my $id = x509($signer{$signer});

    return list(signer => 'lotl', territory => 'EU', body => '', %arg,
                pointers => <<"EOF");
<PointersToOtherTSL><OtherTSLPointer><ServiceDigitalIdentities>
<ServiceDigitalIdentity>$id</ServiceDigitalIdentity></ServiceDigitalIdentities>
<AdditionalInformation><OtherInformation>
<SchemeTerritory>$territory</SchemeTerritory></OtherInformation>
<OtherInformation><ns:MimeType
xmlns:ns="http://uri.etsi.org/02231/v2/additionaltypes#"
>application/vnd.etsi.tsl+xml</ns:MimeType></OtherInformation>
</AdditionalInformation></OtherTSLPointer></PointersToOtherTSL>
EOF
}

sub by_lotl {
    spew("$dir/lotl.xml", shift);
    return ('--lotl', "$dir/lotl.xml", '--lotl-signer', $signer{lotl}->crt);
}

my $list = list(number => 10);

is((tsl2pem($list, by_lotl(lotl('de', 'DE'))))[0], 0, 'by a list of lists');
refuses('of another signer', 'may sign it has',
        $list, by_lotl(lotl('other', 'DE')));
refuses('of another country', 'no certificate that may',
        $list, by_lotl(lotl('de', 'FR')));
refuses('that is changed', 'list of lists: no certificate that may sign it has',
        $list, by_lotl(lotl('de', 'FR') =~ s/>FR</>DE</r));
refuses('that is expired', 'list of lists: it expired',
        $list, by_lotl(lotl('de', 'DE', next => when(-60))));
refuses('that another signed', 'list of lists: no certificate that may sign',
        $list, by_lotl(lotl('de', 'DE', signer => 'de')));


# What comes out is what nginx trusts.

$n->run(<<'EOF');
mtls_ca eidas %%DIR%%/out/*.pem partial refresh=1s;
%%MTLS%%
server {
    listen 127.0.0.1:%%PORT_0%% ssl;
    %%TLS%%
    mtls_allow any;
    root %%DIR%%;
    location / { try_files /no =204; }
}
EOF

my %cert = map { $_ => qwac($pki, $ca{$_}, name => "of-$_", chain => []) }
           qw(good withdrawn);

is(get($n, '/', cert => $cert{good})->{status}, 204, 'a CA of the list');
is(get($n, '/', cert => $cert{withdrawn})->{status}, 400,
   'one that was withdrawn');

tsl2pem(list(number => 11, services => [service('withdrawn')]));

ok(wait_for(sub { get($n, '/', cert => $cert{good})->{status} == 400 }, 20),
   'a new list: the one is out');
is(get($n, '/', cert => $cert{withdrawn})->{status}, 204, 'the other is in');

done_testing;
