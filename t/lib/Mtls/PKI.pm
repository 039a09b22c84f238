package Mtls::PKI;

# Mints certificates and CRLs for tests, good, bad and hostile.
# Copyright (C) the ngx_mtls_module authors

=head1 NAME

Mtls::PKI - certificates and CRLs, anything that a client or a CA could present

=head1 SYNOPSIS

    use Mtls::PKI;

    my $pki = Mtls::PKI->standard;          # the usual cast, see below
    my $pki = Mtls::PKI->new;               # an empty folder

    my $root  = $pki->ca(cn => 'Root');
    my $inter = $pki->ca(cn => 'Inter', issuer => $root, pathlen => 0);
    my $cross = $pki->ca(cn => 'Inter', issuer => $other, key => $inter,
                         name => 'cross');

    my $c = $pki->cert(
        issuer     => $inter,               # absent: self-signed
        name       => 'carol',              # file name; else made of the CN
        cn         => 'carol',              # short for subject => [[CN => ...]]
        subject    => [ [O => 'Acme'],
                        [OU => "x", 'BMP'],                # string type
                        [CN => "a\0b", 'UTF8'],            # octets as they are
                        [[OU => 'x'], [CN => 'y']] ],      # multi-valued RDN
        san        => [ [dns => 'a.example'], [uri => 'urn:x'],
                        [email => 'a@b'], [ip => '127.0.0.1'],
                        [upn => 'a@corp'], [rid => '1.2.3'],
                        [dirname => [[CN => 'x']]],
                        [other => '1.2.3', $der], [raw => $der] ],
        san_critical => 1,
        eku        => [qw(clientAuth 1.2.3.4)],  # default clientAuth; [] none
        ku         => [qw(digitalSignature)],    # default; [] none
        policies   => ['1.2.3.4'],
        serial     => '0x8f00',             # hex of any length, '-0x1', number
                                            # or \$octets; default random
        not_before => -60,                  # seconds from now, or the content
        not_after  => 3600,                 # of the time as a string
        key        => 'ec',                 # ec ec384 ec521 ed25519 ed448
                                            # rsa2048 rsa4096, or an object
                                            # whose key is shared
        sigalg     => 'rsa-pss',            # default by the issuer's key
        cdp        => ['http://...'], ocsp => 'http://...',
        ext        => [ [$oid, $critical, $der], ... ],    # further ones
        ski => 0, aki => 0,                 # leave them out (or give octets)
        issuer_name => [[CN => 'other']],   # a name that is not the issuer's
        version    => 1,                    # X.509 v1, without extensions
        chain      => [$inter],             # presented along; default: the
                                            # issuers up to the root
        mangle     => sub { $_[0] =~ s/a/b/r },   # the TBS before signing
        break      => 'signature',          # or 'truncate', 'trailing'
    );

    $c->crt      path of the certificate alone     $c->key     of its key
    $c->pem      path: certificate and chain       $c->der     octets
    $c->fingerprint   SHA-256, hex                 $c->thumbprint  x5t#S256
    $c->spki_sha256   hex                          $c->serial  hex, upper case
    $c->subject  $c->issuer   DER of the names     $c->name    file name

    my $crl = $root->crl(
        revoked => [ $c, '0x1234',          # entries: objects or serials,
                     [$c, -60, 'keyCompromise', [[$oid, $crit, $der]]] ],
                                            # [which, time, reason, ext]
        number  => 7,                       # default: counts up; undef: none
        this    => -60, next => 3600,       # seconds from now; next => undef
        ext     => [ [$oid, $crit, $der] ],
        delta   => 5,                       # deltaCRLIndicator: base number
        signer  => $other,                  # whose key signs, whose AKI is set
        key     => $other,                  # whose key signs, nothing else
        issuer_name => [...], aki => 0,
        sigalg  => 'rsa-pss', version => 1,
        format  => 'der',                   # default pem
        name    => 'root',                  # file root.crl; else a fresh one
        break   => 'signature',             # truncate trailing inner_alg
        entries_der => $der,                # many entries, as DER
    );
    $crl->path  $crl->der  $crl->content    # content: as in the file

    my $crl = $root->large_crl(entries => 1_000_000, revoked => [$c],
                               format => 'der');        # EC and RSA keys

    install_crl("$dir/root.crl", $crl);     # atomically, by rename

=head2 The usual cast

C<< Mtls::PKI->standard >> makes, each with an accessor and files NAME.crt,
NAME.key, NAME.pem in C<< $pki->dir >> (%%PKI%% in configurations):

    root        CA "Root CA"            inter       CA "Issuing CA" under root
    other_root  another, foreign CA     server      localhost, *.example.com
    alice       O=Alpha Bank, OU=payments, CN=alice, san dns, email
    bob         O=Beta Bank, OU=readers, CN=bob
    device      CN=pump-17, san uri urn:dev:pump:00000017
    revoked     CN=revoked, listed in inter.crl
    expired     CN=expired     early  CN=early, valid from tomorrow
    wrong_eku   CN=wrong_eku, serverAuth only
    other       O=Alpha Bank, OU=payments, CN=alice, from other_root
    self        CN=alice, self-signed

Files: root.crl (empty), inter.crl, other_root.crl, and cas.pem with root and
other_root.  All but other and self come from inter.

Everything stands in one temporary folder that goes with the process.  Only
RSA keys, which are dear, are kept for other runs: in the folder that
MTLS_PKI_DIR names, else in objs/keys if the build folder objs exists.

=cut

use strict;
use warnings;

use Cwd ();
use Digest::SHA ();
use Exporter 'import';
use File::Temp ();
use MIME::Base64 ();
use Net::SSLeay ();
use Socket ();

use Mtls::CRL ();
use Mtls::DER qw(:all);
use Mtls::Util qw(command slurp spew);

our @EXPORT_OK = qw(install_crl name_der san_der ext_der openssl);

(my $OBJS = Cwd::abs_path(__FILE__)) =~ s{t/lib/Mtls/PKI\.pm$}{objs};

our %ATTRIBUTE = (
    CN => '2.5.4.3',             SN => '2.5.4.4',
    serialNumber => '2.5.4.5',   C => '2.5.4.6',
    L => '2.5.4.7',              ST => '2.5.4.8',
    street => '2.5.4.9',         O => '2.5.4.10',
    OU => '2.5.4.11',            title => '2.5.4.12',
    description => '2.5.4.13',   businessCategory => '2.5.4.15',
    postalCode => '2.5.4.17',    name => '2.5.4.41',
    GN => '2.5.4.42',            initials => '2.5.4.43',
    dnQualifier => '2.5.4.46',   pseudonym => '2.5.4.65',
    organizationIdentifier => '2.5.4.97',
    emailAddress => '1.2.840.113549.1.9.1',
    DC => '0.9.2342.19200300.100.1.25',
    UID => '0.9.2342.19200300.100.1.1',
);

# The string types that a CA would choose.

my %STRING = (
    C => 'Printable', serialNumber => 'Printable', dnQualifier => 'Printable',
    emailAddress => 'IA5', DC => 'IA5',
);

our %EKU = (
    any          => '2.5.29.37.0',        serverAuth   => '1.3.6.1.5.5.7.3.1',
    clientAuth   => '1.3.6.1.5.5.7.3.2',  codeSigning  => '1.3.6.1.5.5.7.3.3',
    emailProtection => '1.3.6.1.5.5.7.3.4',
    timeStamping => '1.3.6.1.5.5.7.3.8',  OCSPSigning  => '1.3.6.1.5.5.7.3.9',
);

our %KU;
@KU{qw(digitalSignature nonRepudiation keyEncipherment dataEncipherment
       keyAgreement keyCertSign cRLSign encipherOnly decipherOnly)} = 0 .. 8;

our %REASON = (
    unspecified => 0, keyCompromise => 1, cACompromise => 2,
    affiliationChanged => 3, superseded => 4, cessationOfOperation => 5,
    certificateHold => 6, removeFromCRL => 8, privilegeWithdrawn => 9,
    aACompromise => 10,
);

my %KEY = (
    ec      => 'prime256v1',                    ec384 => 'secp384r1',
    ec521   => 'secp521r1',
    rsa2048 => [qw(-algorithm RSA -pkeyopt rsa_keygen_bits:2048)],
    rsa3072 => [qw(-algorithm RSA -pkeyopt rsa_keygen_bits:3072)],
    rsa4096 => [qw(-algorithm RSA -pkeyopt rsa_keygen_bits:4096)],
    ed25519 => [qw(-algorithm ED25519)],        ed448 => [qw(-algorithm ED448)],
);

my $pss = seq(explicit(0, seq(oid('2.16.840.1.101.3.4.2.1'), null())),
              explicit(1, seq(oid('1.2.840.113549.1.1.8'),
                              seq(oid('2.16.840.1.101.3.4.2.1'), null()))),
              explicit(2, integer(32)));

# Signature algorithms: identifier and the openssl command without the key.

our %SIGALG = (
    'ecdsa-sha256' => [seq(oid('1.2.840.10045.4.3.2')), 'dgst', '-sha256'],
    'ecdsa-sha384' => [seq(oid('1.2.840.10045.4.3.3')), 'dgst', '-sha384'],
    'ecdsa-sha512' => [seq(oid('1.2.840.10045.4.3.4')), 'dgst', '-sha512'],
    'rsa-sha1'     => [seq(oid('1.2.840.113549.1.1.5'), null()),
                       'dgst', '-sha1'],
    'rsa-sha256'   => [seq(oid('1.2.840.113549.1.1.11'), null()),
                       'dgst', '-sha256'],
    'rsa-sha384'   => [seq(oid('1.2.840.113549.1.1.12'), null()),
                       'dgst', '-sha384'],
    'rsa-sha512'   => [seq(oid('1.2.840.113549.1.1.13'), null()),
                       'dgst', '-sha512'],
    'rsa-pss'      => [seq(oid('1.2.840.113549.1.1.10'), $pss),
                       'dgst', '-sha256', '-sigopt', 'rsa_padding_mode:pss',
                       '-sigopt', 'rsa_pss_saltlen:32'],
    'ed25519'      => [seq(oid('1.3.101.112')), 'pkeyutl'],
    'ed448'        => [seq(oid('1.3.101.113')), 'pkeyutl'],
);


sub new {
    my ($class, %arg) = @_;

    Net::SSLeay::initialize();

    my $dir = File::Temp::tempdir('mtls-pki-XXXXXXXX', TMPDIR => 1,
                                  CLEANUP => 1);
    chmod 0755, $dir;
    mkdir "$dir/minted";

    return bless {
        dir => $dir, named => {}, keys => {}, minted => 0,
    }, $class;
}


sub dir { $_[0]{dir} }


# A certificate authority: as cert() with the defaults of a CA, and pathlen.

sub ca {
    my ($self, %arg) = @_;

    my $pathlen = delete $arg{pathlen};
    my $bc = seq(boolean(1), defined $pathlen ? integer($pathlen) : ());

    $arg{ku} //= [qw(keyCertSign cRLSign)];
    $arg{eku} //= [];
    $arg{not_after} //= 10 * 365 * 86400;
    $arg{ext} = [ ['2.5.29.19', 1, $bc], @{$arg{ext} || []} ];

    my $ca = $self->cert(%arg);

    return bless $ca, 'Mtls::PKI::CA';
}


sub cert {
    my ($self, %arg) = @_;

    my $issuer = $arg{issuer};
    my $subject = $arg{subject} || [[CN => $arg{cn} // 'unnamed']];
    my $key = $self->key($arg{key});
    my $signer = $issuer ? $issuer->{keyobj} : $key;
    my $alg = $SIGALG{$arg{sigalg} || $signer->{sigalg}}
              || die "unknown sigalg \"$arg{sigalg}\"\n";

    my $subject_der = name_der($subject);
    my $issuer_der = $arg{issuer_name} ? name_der($arg{issuer_name})
                     : $issuer ? $issuer->{subject} : $subject_der;

    my $serial = int_der($arg{serial});
    my $ski = key_id($arg{ski}, $key);
    my $aki = key_id($arg{aki}, $issuer ? $issuer : undef);
    my $version = $arg{version} || 3;

    my @ext = $version == 1 && !$arg{ext} ? () : extensions(\%arg, $ski, $aki);

    my $tbs = seq($version == 1 ? () : explicit(0, integer($version - 1)),
                  $serial, $alg->[0], $issuer_der,
                  seq(rel_time($arg{not_before} // -86400),
                      rel_time($arg{not_after} // 30 * 86400)),
                  $subject_der, $arg{spki} || $key->{spki},
                  @ext ? explicit(3, seq(@ext)) : ());

    $tbs = $arg{mangle}->($tbs) if $arg{mangle};

    my $der = damage($arg{break},
                     seq($tbs, $alg->[0],
                         bitstring($self->sign($tbs, $signer, $alg))));

    my $c = bless {
        pki => $self, der => $der, subject => $subject_der, ski => $ski,
        issuer => $issuer_der, issuing => $issuer, keyobj => $key,
        serial_der => $serial,
        name => $self->file_name($arg{name}, $subject, $arg{cn}),
    }, 'Mtls::PKI::Cert';

    $c->{chain} = $arg{chain};

    my $base = $self->dir . "/$c->{name}";

    $self->link_key($key, "$base.key");
    spew("$base.crt", pem('CERTIFICATE', $der));
    spew("$base.pem", join '', map { pem('CERTIFICATE', $_->{der}) }
                               $c, $c->chain);

    return $c;
}


# A key by type, always a fresh one, or that of an object.  RSA keys are dear:
# 'rsa2048' is one key of the run, 'rsa2048:NAME' another.

sub key {
    my ($self, $want) = @_;

    $want //= 'ec';
    return $want->{keyobj} if ref $want && $want->{keyobj};
    return $want if ref $want;

    my ($type) = split /:/, $want;
    my $how = $KEY{$type} || die "unknown key type \"$type\"\n";
    my $file = sprintf '%s/minted/key-%d.pem', $self->dir, ++$self->{minted};

    if (!ref $how) {
        spew($file, ec_key($how));

    } elsif ($type !~ /^rsa/) {
        openssl('genpkey', @$how, '-out', $file);

    } elsif ($self->{keys}{$want}) {
        return $self->{keys}{$want};

    } else {
        my $kept = keep_dir();
        $kept .= "/$want.pem" if $kept;

        if ($kept && -s $kept) {
            spew($file, slurp($kept));

        } else {
            openssl('genpkey', @$how, '-out', $file);

            if ($kept) {
                spew("$kept.$$", slurp($file));
                rename "$kept.$$", $kept;
            }
        }
    }

    my $key = {
        type => $type, path => $file, spki => spki($file),
        sigalg => $type =~ /^ed/ ? $type : $type =~ /^rsa/ ? 'rsa-sha256'
                                         : 'ecdsa-sha256',
    };

    $self->{keys}{$want} = $key if $type =~ /^rsa/;

    return $key;
}


# Where RSA keys are kept from run to run, if there is such a place.

sub keep_dir {
    return $ENV{MTLS_PKI_DIR} if $ENV{MTLS_PKI_DIR};

    return if !-d $OBJS || !-w $OBJS;

    mkdir "$OBJS/keys";
    return "$OBJS/keys";
}


sub ec_key {
    my $curve = shift;

    my $pkey = Net::SSLeay::EVP_PKEY_new();
    my $ec = Net::SSLeay::EC_KEY_generate_key($curve);
    Net::SSLeay::EVP_PKEY_assign_EC_KEY($pkey, $ec);
    my $pem = Net::SSLeay::PEM_get_string_PrivateKey($pkey);
    Net::SSLeay::EVP_PKEY_free($pkey);

    return $pem;
}


# The SubjectPublicKeyInfo of a key file.

sub spki {
    my $file = shift;

    my $bio = Net::SSLeay::BIO_new_file($file, 'r');
    my $pkey = Net::SSLeay::PEM_read_bio_PrivateKey($bio)
               || die "no key in $file\n";
    my $x509 = Net::SSLeay::X509_new();

    Net::SSLeay::X509_set_pubkey($x509, $pkey);
    my $spki = Net::SSLeay::X509_get_X509_PUBKEY($x509);

    Net::SSLeay::X509_free($x509);
    Net::SSLeay::EVP_PKEY_free($pkey);
    Net::SSLeay::BIO_free($bio);

    return $spki;
}


sub sign {
    my ($self, $data, $key, $alg) = @_;

    my (undef, $cmd, @opt) = @$alg;
    my $file = sprintf '%s/minted/tbs', $self->dir;

    spew($file, $data);

    return openssl('pkeyutl', '-sign', '-rawin', '-inkey', $key->{path},
                   '-in', $file) if $cmd eq 'pkeyutl';

    return openssl('dgst', @opt, '-sign', $key->{path}, $file);
}


# A name of files: the given one, or the common name with a number if taken.

sub file_name {
    my ($self, $name, $subject, $cn) = @_;

    if (defined $name) {
        die "certificate \"$name\" exists\n" if $self->{named}{$name}++;
        return $name;
    }

    if (!defined $cn) {
        my @rdn = map { ref $_->[0] ? @$_ : $_ }
                      ref $subject ? @$subject : ();
        ($cn) = map { $_->[1] } grep { $_->[0] eq 'CN' } @rdn;
    }

    $name = lc substr($cn // 'unnamed', 0, 30);
    $name =~ s/[^a-z0-9_]+/-/g;

    my $n = ++$self->{named}{$name};
    return $n == 1 ? $name : $self->file_name(undef, undef, "$name-$n");
}


sub link_key {
    my ($self, $key, $path) = @_;

    link $key->{path}, $path or spew($path, slurp($key->{path}));
}


# Subject key identifier: SHA-1 of the key (RFC 5280 4.2.1.2), or as asked.

sub key_id {
    my ($want, $of) = @_;

    return if defined $want && !$want;
    return $want if defined $want;
    return if !$of;
    return $of->{ski} if exists $of->{ski};

    my (undef, $bits) = map { $_->[1] } der_children($of->{spki});

    return Digest::SHA::sha1(substr $bits, 1);
}


sub extensions {
    my ($arg, $ski, $aki) = @_;

    my @ext;
    my $eku = $arg->{eku} || ['clientAuth'];
    my $ku = $arg->{ku} || ['digitalSignature'];

    push @ext, ext_der('2.5.29.14', 0, octets($ski)) if defined $ski;
    push @ext, ext_der('2.5.29.35', 0, seq(implicit(0, $aki))) if defined $aki;

    push @ext, ext_der('2.5.29.15', 1, named_bits(map { $KU{$_} } @$ku))
        if @$ku;

    push @ext, ext_der('2.5.29.37', 0, seq(map { oid($EKU{$_} || $_) } @$eku))
        if @$eku;

    push @ext, ext_der('2.5.29.17', $arg->{san_critical}, san_der($arg->{san}))
        if $arg->{san};

    push @ext, ext_der('2.5.29.32', 0,
                       seq(map { seq(oid($_)) } @{$arg->{policies}}))
        if $arg->{policies};

    push @ext, ext_der('2.5.29.31', 0,
                       seq(map { seq(explicit(0, explicit(0,
                                              implicit(6, $_)))) }
                           @{$arg->{cdp}}))
        if $arg->{cdp};

    push @ext, ext_der('1.3.6.1.5.5.7.1.1', 0,
                       seq(seq(oid('1.3.6.1.5.5.7.48.1'),
                               implicit(6, $arg->{ocsp}))))
        if $arg->{ocsp};

    push @ext, map { ext_der(@$_) } @{$arg->{ext} || []};

    return @ext;
}


# Extension ::= SEQUENCE { OID, critical BOOLEAN DEFAULT FALSE, OCTET STRING }

sub ext_der {
    my ($oid, $critical, $der) = @_;

    return seq(oid($oid), $critical ? boolean(1) : (), octets($der));
}


# A Name from a list of RDNs, or as it is if it is no list.

sub name_der {
    my $name = shift;

    return $name if !ref $name;

    my @rdn;

    for my $rdn (@$name) {
        my @atv;

        for my $atv (ref $rdn->[0] ? @$rdn : $rdn) {
            my ($type, $value, $string) = @$atv;

            push @atv, seq(oid($ATTRIBUTE{$type} || $type),
                           str($string || $STRING{$type} || 'UTF8', $value));
        }

        push @rdn, set(@atv);
    }

    return seq(@rdn);
}


# GeneralNames, see the synopsis.

sub san_der {
    my $list = shift;

    return $list if !ref $list;

    my $der = '';

    for my $san (@$list) {
        my ($type, $v, $value) = @$san;

        $der .= $type eq 'email'   ? implicit(1, $v)
              : $type eq 'dns'     ? implicit(2, $v)
              : $type eq 'dirname' ? explicit(4, name_der($v))
              : $type eq 'uri'     ? implicit(6, $v)
              : $type eq 'ip'      ? implicit(7, ip($v))
              : $type eq 'rid'     ? implicit(8, (der_read(oid($v)))[1])
              : $type eq 'raw'     ? $v
              : $type eq 'other'   ? implicit(0, oid($v) . explicit(0, $value),
                                              1)
              : $type eq 'upn'     ? implicit(0, oid('1.3.6.1.4.1.311.20.2.3')
                                              . explicit(0, str('UTF8', $v)),
                                              1)
              : die "unknown SAN type \"$type\"\n";
    }

    return tlv(0x30, $der);
}


sub ip {
    my $v = shift;

    return Socket::inet_pton(Socket::AF_INET6(), $v) // $v if $v =~ /:/;
    return Socket::inet_pton(Socket::AF_INET(), $v) // $v;
}


sub int_der {
    my $v = shift;

    return integer($v) if defined $v;

    return integer('0x5a' . join '', map { sprintf '%02x', rand 256 } 1 .. 15);
}


# Seconds from now, or the content of a time.

sub rel_time {
    my $t = shift;

    return time_der($t =~ /^[-+]?\d{1,10}$/ ? time + $t : $t);
}


sub damage {
    my ($how, $der) = @_;

    return $der if !$how;
    return substr($der, 0, length($der) - 10) if $how eq 'truncate';
    return "$der\0\0" if $how eq 'trailing';

    if ($how eq 'signature') {
        substr($der, -3, 1) ^= "\x01";
        return $der;
    }

    die "unknown way to break: \"$how\"\n";
}


# Runs openssl; gives its output, dies with its error.

sub openssl {
    my ($code, $out, $err) = command('openssl', @_);

    die "openssl @_: $err\n" if $code;

    return $out;
}


# Puts one CRL or several (PEM) in a file, atomically: a reader sees the old
# file or the new one.  Octets instead of an object are written as they are.

sub install_crl {
    my ($path, @crl) = @_;

    my ($dir, $file) = $path =~ m{^(.*/)?([^/]+)$};
    my $temp = ($dir // '') . ".$file.$$";

    spew($temp, map { ref $_ ? $_->content : $_ } @crl);
    rename $temp, $path or die "rename $path: $!\n";
}


my @CAST = qw(root inter other_root server alice bob device revoked expired
              early wrong_eku other self);

for my $name (@CAST) {
    no strict 'refs';
    *$name = sub { $_[0]{cast}{$name} || die "no \"$name\" in this PKI\n" };
}


sub standard {
    my $class = shift;

    my $self = $class->new(@_);
    my $c = $self->{cast} = {};

    my $make = sub {
        my ($name, $kind, @arg) = @_;
        $c->{$name} = $self->$kind(name => $name, @arg);
    };

    $make->('root', 'ca', cn => 'Root CA');
    $make->('inter', 'ca', cn => 'Issuing CA', issuer => $c->{root},
            pathlen => 0);
    $make->('other_root', 'ca', cn => 'Other CA');

    $make->('server', 'cert', issuer => $c->{root}, cn => 'localhost',
            eku => ['serverAuth'],
            san => [ [dns => 'localhost'], [ip => '127.0.0.1'],
                     [dns => '*.example.com'], [dns => 'example.com'] ]);

    my @inter = ('cert', issuer => $c->{inter});

    $make->('alice', @inter,
            subject => [[O => 'Alpha Bank'], [OU => 'payments'],
                        [CN => 'alice']],
            san => [[dns => 'alice.partner.example'],
                    [email => 'alice@partner.example']]);
    $make->('bob', @inter,
            subject => [[O => 'Beta Bank'], [OU => 'readers'], [CN => 'bob']]);
    $make->('device', @inter, cn => 'pump-17',
            san => [[uri => 'urn:dev:pump:00000017']]);
    $make->('revoked', @inter, cn => 'revoked');
    $make->('expired', @inter, cn => 'expired', not_after => -60);
    $make->('early', @inter, cn => 'early', not_before => 86400);
    $make->('wrong_eku', @inter, cn => 'wrong_eku', eku => ['serverAuth']);
    $make->('other', 'cert', issuer => $c->{other_root},
            subject => [[O => 'Alpha Bank'], [OU => 'payments'],
                        [CN => 'alice']]);
    $make->('self', 'cert', cn => 'alice');

    $c->{root}->crl(name => 'root');
    $c->{other_root}->crl(name => 'other_root');
    $c->{inter}->crl(name => 'inter', revoked => [$c->{revoked}]);

    spew($self->dir . '/cas.pem',
         map { pem('CERTIFICATE', $_->{der}) } @$c{qw(root other_root)});

    return $self;
}


package Mtls::PKI::Cert;

sub path        { "$_[0]{pki}{dir}/$_[0]{name}$_[1]" }
sub crt         { $_[0]->path('.crt') }
sub key         { $_[0]->path('.key') }
sub pem         { $_[0]->path('.pem') }
sub name        { $_[0]{name} }
sub der         { $_[0]{der} }
sub subject     { $_[0]{subject} }
sub issuer      { $_[0]{issuer} }
sub fingerprint { Digest::SHA::sha256_hex($_[0]{der}) }
sub spki_sha256 { Digest::SHA::sha256_hex($_[0]{keyobj}{spki}) }


sub thumbprint {
    my $v = MIME::Base64::encode_base64(Digest::SHA::sha256($_[0]{der}), '');

    return $v =~ tr{+/=}{-_}dr;
}


# As openssl prints it: hex of the value, upper case, '-' before a negative.

sub serial {
    my (undef, $o) = Mtls::DER::der_read($_[0]{serial_der});

    return '-' . uc unpack 'H*', Mtls::DER::negate($o) if ord($o) & 0x80;

    $o =~ s/^\0(?=.)//s;
    return uc unpack 'H*', $o;
}


# What is presented with the certificate: its issuers below the root.

sub chain {
    my $self = shift;

    return @{$self->{chain}} if $self->{chain};

    my @chain;

    for (my $ca = $self->{issuing}; $ca && $ca->{issuing};
         $ca = $ca->{issuing})
    {
        push @chain, $ca;
    }

    return @chain;
}


1;
