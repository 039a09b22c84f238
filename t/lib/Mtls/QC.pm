package Mtls::QC;

# Qualified certificates: made, or public ones that a CA of the test issues
# again.
# Copyright (C) the ngx_mtls_module authors

=head1 NAME

Mtls::QC - PSD2 and eIDAS certificates for tests

=head1 SYNOPSIS

    use Mtls::QC qw(expected reissue qwac qc_ext);

    for my $e (expected()) {            # of t/data/psd2/expected.tsv
        $e->{file}  $e->{status}  ...   # a hash by its columns
        my $cert = reissue($pki, $ca, $e->{file});
    }

    my $cert = qwac($pki, $ca, org => 'PSDDE-BAFIN-1',
                    roles => [qw(PSP_AI PSP_PI)],   # or [OID, NAME]
                    nca => 'DE-BAFIN', nca_name => 'BaFin', type => 'web',
                    name => 'tpp',                  # and what cert() takes
                    more => [...],                  # further statements
                    statements => [...]);           # in place of the usual

    ext => [ qc_ext(@statements) ]      # the extension alone

A certificate that is issued again keeps version, serial number, subject and
extensions octet by octet, but those that would stop its verification for
reasons foreign to the test; its key is one for all.

=cut

use strict;
use warnings;

use Exporter 'import';
use MIME::Base64 ();

use Mtls::DER qw(:all);
use Mtls::Util qw(slurp);

our @EXPORT_OK = qw(expected reissue qwac qc_ext psd2_statement);

(my $DATA = __FILE__) =~ s{lib/Mtls/QC\.pm$}{data/psd2};

my $QC = '0.4.0.1862.1';
my $PSD2 = '0.4.0.19495';

my %ROLE = (
    PSP_AS => 1, PSP_PI => 2, PSP_AI => 3, PSP_IC => 4, PSP_CB => 5,
    PSP_PA => 6, VOP_RS => 51, VOP_VS => 52, Unspecified => 0,
);

my %TYPE = (esign => 1, eseal => 2, web => 3);

# CT, authority and subject key identifier, CRL distribution points, name
# constraints, authority information access

my %DROP = map { oid($_) => 1 }
           qw(1.3.6.1.4.1.11129.2.4.3 1.3.6.1.4.1.11129.2.4.2 2.5.29.35
              2.5.29.14 2.5.29.31 2.5.29.30 1.3.6.1.5.5.7.1.1);


sub expected {
    my ($head, @line) = split /\n/, slurp("$DATA/expected.tsv");
    my @name = split /\t/, $head;

    return map { my %e; @e{@name} = split /\t/, $_, -1; \%e } @line;
}


sub reissue {
    my ($pki, $issuer, $file, %arg) = @_;

    my ($b64) = slurp("$DATA/$file") =~ /BEGIN CERTIFICATE-+(.*?)-+END/s;
    my $der = MIME::Base64::decode_base64($b64);

    my ($tbs) = der_children($der);
    my @field = der_children($tbs->[2]);

    shift @field if $field[0][0] == 0xa0;

    my ($serial, $subject) = ($field[0][1], $field[4][2]);
    my ($list) = map { der_children($_->[2]) } grep { $_->[0] == 0xa3 } @field;

    my $extensions = join '', map { $_->[2] }
                     grep { !$DROP{(der_children($_->[2]))[0][2]} }
                     $list ? der_children($list->[2]) : ();

    (my $name = $file) =~ s/\W+/-/g;

    return $pki->cert(
        issuer => $issuer, name => "psd2-$name", subject => $subject,
        serial => \$serial, key => $pki->{qc_key} //= $pki->key('ec'),
        ku => [], eku => [], ski => 0, aki => 0,
        mangle => sub {
            my (undef, $fields) = der_read(shift);
            return seq($fields, length $extensions
                                ? explicit(3, seq($extensions)) : ());
        },
        %arg,
    );
}


sub psd2_statement {
    my (%arg) = @_;

    my @roles = map { ref $_ ? $_ : ["$PSD2.1.$ROLE{$_}", $_] }
                @{$arg{roles}};

    return seq(oid("$PSD2.2"),
               seq(seq(map { seq(oid($_->[0]), str('UTF8', $_->[1])) } @roles),
                   str('UTF8', $arg{nca_name} // 'Example Authority'),
                   str('UTF8', $arg{nca} // 'DE-BAFIN')));
}


sub qc_ext {
    return ['1.3.6.1.5.5.7.1.3', 0, seq(@_)];
}


sub qwac {
    my ($pki, $issuer, %arg) = @_;

    my %own = map { $_ => delete $arg{$_} }
              qw(org roles nca nca_name type statements more);

    my @statements = $own{statements} ? @{$own{statements}} : (
        seq(oid("$QC.1")),
        seq(oid("$QC.6"), seq(oid("$QC.6." . $TYPE{$own{type} // 'web'}))),
        $own{roles} ? psd2_statement(%own) : (),
        @{$own{more} || []},
    );

    my $ext = delete $arg{ext} || [];

    return $pki->cert(
        issuer => $issuer,
        subject => [[C => 'DE'], [O => 'Example TPP'],
                    defined $own{org} ? [organizationIdentifier => $own{org}]
                                      : (),
                    [CN => $arg{cn} // 'tpp.example']],
        policies => ['0.4.0.194112.1.4', "$PSD2.3.1"],
        ext => [qc_ext(@statements), @$ext],
        %arg,
    );
}


1;
