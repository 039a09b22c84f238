package Mtls::CRL;

# Certificate revocation lists, for Mtls::PKI, whose synopsis has the options.
# Copyright (C) the ngx_mtls_module authors

package Mtls::PKI::CA;

use strict;
use warnings;

our @ISA = 'Mtls::PKI::Cert';

use Mtls::DER qw(:all);
use Mtls::Util qw(command tool);


sub crl {
    my ($self, %arg) = @_;

    my $pki = $self->{pki};
    my $signer = $arg{signer} || $self;
    my $key = $pki->key($arg{key} || $signer);
    my $sigalg = $arg{sigalg} || $key->{sigalg};
    my $alg = $Mtls::PKI::SIGALG{$sigalg} || die "unknown sigalg \"$sigalg\"\n";
    my $version = $arg{version} || 2;
    my $next = exists $arg{next} ? $arg{next} : 3600;
    my $entries = $arg{entries_der}
                  // join '', map { crl_entry($_) } @{$arg{revoked} || []};

    my $tbs = seq(
        $version == 1 ? () : integer($version - 1),
        $arg{break} && $arg{break} eq 'inner_alg'
            ? seq(oid('1.2.840.10045.4.3.4')) : $alg->[0],
        $arg{issuer_name} ? Mtls::PKI::name_der($arg{issuer_name})
                          : $self->{subject},
        Mtls::PKI::rel_time($arg{this} // -60),
        defined $next ? Mtls::PKI::rel_time($next) : (),
        $entries ne '' || $arg{empty_list} ? tlv(0x30, $entries) : (),
        $self->crl_extensions($version, $signer, \%arg));

    $tbs = $arg{mangle}->($tbs) if $arg{mangle};

    my $der = seq($tbs, $alg->[0], bitstring($pki->sign($tbs, $key, $alg)));

    if ($arg{break} && $arg{break} ne 'inner_alg') {
        $der = Mtls::PKI::damage($arg{break}, $der);
    }

    my $path = defined $arg{name}
               ? "$pki->{dir}/$arg{name}.crl"
               : sprintf '%s/minted/%d.crl', $pki->dir, ++$pki->{minted};

    my $crl = bless {
        path => $path, der => $der, format => $arg{format} || 'pem',
    }, 'Mtls::PKI::CRL';

    Mtls::PKI::install_crl($path, $crl);

    return $crl;
}


# A CRL of very many entries, made by t/tools/mkcrl.c: the certificates given
# and others with serials of 16 octets.

sub large_crl {
    my ($self, %arg) = @_;

    my $pki = $self->{pki};
    my $format = $arg{format} || 'pem';
    my $path = sprintf '%s/minted/%d.crl', $pki->dir, ++$pki->{minted};

    my ($code, undef, $err) = command(
        tool('mkcrl'), '-c', $self->crt, '-k', $self->key, '-o', $path,
        '-f', $format, '-n', $arg{entries}, '-N', ++$self->{crl_number},
        map { ('-r', ref $_ ? $_->serial : s/^0x//r) } @{$arg{revoked} || []});

    die "mkcrl: $err\n" if $code;

    return bless {
        path => $path, format => $format,
    }, 'Mtls::PKI::CRL';
}


sub crl_extensions {
    my ($self, $version, $signer, $arg) = @_;

    my @ext;
    my $number = exists $arg->{number} ? $arg->{number}
                                       : ++$self->{crl_number};

    $self->{crl_number} = $number
        if defined $number && !ref $number && $number =~ /^\d+$/;

    if ($version > 1) {
        my $aki = Mtls::PKI::key_id($arg->{aki}, $signer);

        push @ext, ['2.5.29.35', 0, seq(implicit(0, $aki))] if defined $aki;
        push @ext, ['2.5.29.20', 0, integer($number)] if defined $number;
        push @ext, ['2.5.29.27', 1, integer($arg->{delta})]
            if defined $arg->{delta};
    }

    push @ext, @{$arg->{ext} || []};

    return @ext ? explicit(0, seq(map { Mtls::PKI::ext_der(@$_) } @ext)) : ();
}


sub crl_entry {
    my ($which, $time, $reason, $ext) = ref $_[0] eq 'ARRAY' ? @{$_[0]} : @_;

    my @ext = @{$ext || []};

    if (defined $reason) {
        $reason = $Mtls::PKI::REASON{$reason} // $reason;
        unshift @ext, ['2.5.29.21', 0, enumerated($reason)];
    }

    return seq(ref $which && ref $which ne 'SCALAR' ? $which->{serial_der}
                                                    : integer($which),
               Mtls::PKI::rel_time($time // -60),
               @ext ? seq(map { Mtls::PKI::ext_der(@$_) } @ext) : ());
}


package Mtls::PKI::CRL;

sub path { $_[0]{path} }
sub der  { $_[0]{der} }


sub content {
    my $self = shift;

    return Mtls::Util::slurp($self->{path}) if !defined $self->{der};
    return $self->{der} if $self->{format} eq 'der';
    return Mtls::DER::pem('X509 CRL', $self->{der});
}


1;
