package Mtls::DER;

# A small DER writer, with which tests build what no certificate tool makes.
# Copyright (C) the ngx_mtls_module authors

=head1 NAME

Mtls::DER - write DER, byte for byte

=head1 SYNOPSIS

    use Mtls::DER qw(:all);

    seq(oid('2.5.4.3'), str('UTF8', 'alice'))     # SEQUENCE { OID, UTF8String }
    explicit(3, seq(...))                         # [3] EXPLICIT
    implicit(6, 'urn:x')                          # [6] IMPLICIT, primitive
    implicit(0, $content, 1)                      # [0] IMPLICIT, constructed
    integer(5)  integer(-1)  integer('0x80ff')    # value; hex is unsigned
    integer(\"\x80\x01")                          # content octets as they are
    bitstring($bytes, $unused)  named_bits(0, 5)  # BIT STRING
    time_der(time + 60)                           # UTCTime until 2049
    tlv(0x30, $content)                           # any tag octet
    str('BMP', "\x{263a}")                        # characters, encoded by type
    str('BMPraw', "\0a\0")                        # octets as they are
    my ($tag, $content, $whole, $rest) = der_read($der)

Every function returns octets.  Nothing is checked: broken values are written
as they are asked for.

=cut

use strict;
use warnings;

use Encode ();
use Exporter 'import';
use POSIX ();

our @EXPORT_OK = qw(tlv seq set set_unsorted oid integer boolean enumerated
                    null octets bitstring named_bits str time_der explicit
                    implicit der_read der_children pem);
our %EXPORT_TAGS = (all => \@EXPORT_OK);

my %STRING = (
    UTF8      => 0x0c, Numeric => 0x12, Printable => 0x13, T61     => 0x14,
    Teletex   => 0x14, IA5     => 0x16, Visible   => 0x1a, General => 0x1b,
    Universal => 0x1c, BMP     => 0x1e,
);


# One element: a tag octet and its content, with the shortest length form.

sub tlv {
    my ($tag, @content) = @_;

    my $content = join '', @content;
    my $n = length $content;

    return chr($tag) . chr($n) . $content if $n < 0x80;

    my $len = pack 'N', $n;
    $len =~ s/^\0+//;

    return chr($tag) . chr(0x80 | length $len) . $len . $content;
}


sub seq          { tlv(0x30, @_) }
sub set          { tlv(0x31, sort @_) }        # DER: SET OF is sorted
sub set_unsorted { tlv(0x31, @_) }
sub null         { tlv(0x05) }
sub octets       { tlv(0x04, @_) }
sub boolean      { tlv(0x01, $_[0] ? "\xff" : "\0") }
sub explicit     { my $n = shift; tlv(0xa0 | $n, @_) }


# [n] IMPLICIT over primitive content; constructed with a true third argument.

sub implicit {
    my ($n, $content, $constructed) = @_;

    return tlv(($constructed ? 0xa0 : 0x80) | $n, $content);
}


sub oid {
    my @arc = split /\./, shift;

    my $content = '';

    for my $v ($arc[0] * 40 + $arc[1], @arc[2 .. $#arc]) {
        $content .= pack 'w', $v;
    }

    return tlv(0x06, $content);
}


# A number, '0x...' (unsigned hex of any length, also '-0x...'), or a reference
# to the content octets.

sub integer {
    return tlv(0x02, int_octets(shift));
}


sub enumerated {
    return tlv(0x0a, int_octets(shift));
}


sub int_octets {
    my $v = shift;

    return $$v if ref $v;

    if ($v =~ /^(-?)0x([0-9a-f]+)$/i) {
        my ($neg, $hex) = ($1, $2);

        $hex = "0$hex" if length($hex) % 2;
        my $o = pack 'H*', $hex;
        $o =~ s/^\0+(?=.)//s;
        $o = "\0$o" if ord($o) & 0x80;

        return $neg ? negate($o) : $o;
    }

    return $v < 0 ? negate(int_octets(sprintf '0x%x', -$v))
                  : int_octets(sprintf '0x%x', $v);
}


# Two's complement of positive octets, in the shortest form.

sub negate {
    my @o = map { $_ ^ 0xff } unpack 'C*', shift;

    for (my $i = $#o; $i >= 0; $i--) {
        $o[$i] = ($o[$i] + 1) & 0xff;
        last if $o[$i];
    }

    while (@o > 1 && $o[0] == 0xff && $o[1] & 0x80) {
        shift @o;
    }

    return pack 'C*', @o;
}


sub bitstring {
    my ($bytes, $unused) = @_;

    return tlv(0x03, chr($unused || 0), $bytes);
}


# A BIT STRING of flags (key usage, reasons): bit numbers, trailing zeros cut.

sub named_bits {
    my @bit = @_;

    return bitstring('') unless @bit;

    my ($max) = sort { $b <=> $a } @bit;
    my $bytes = "\0" x (int($max / 8) + 1);

    for my $n (@bit) {
        substr($bytes, int($n / 8), 1) |= chr(0x80 >> $n % 8);
    }

    return bitstring($bytes, 7 - $max % 8);
}


# A string by the name of its type.  BMP and Universal encode characters, UTF8
# encodes a string that Perl holds as characters and takes octets as they are;
# 'BMPraw' and 'Universalraw' take octets; 'DER' takes the whole element and
# a number is a tag octet.

sub str {
    my ($type, $value) = @_;

    return $value if $type eq 'DER';
    return tlv($type, $value) if $type =~ /^\d+$/;

    my $raw = $type =~ s/raw$//;
    my $tag = $STRING{$type} // die "unknown string type \"$type\"\n";

    if (!$raw) {
        if ($type eq 'BMP') {
            $value = Encode::encode('UTF-16BE', $value);

        } elsif ($type eq 'Universal') {
            $value = Encode::encode('UTF-32BE', $value);

        } elsif (utf8::is_utf8($value)) {
            $value = Encode::encode('UTF-8', $value);
        }
    }

    return tlv($tag, $value);
}


# UTCTime or, from 2050 on and before 1950, GeneralizedTime (RFC 5280 4.1.2.5).
# A string that is not a number is taken as content: 14 digits or more make
# a GeneralizedTime.

sub time_der {
    my $t = shift;

    if ($t !~ /^-?\d{1,11}$/) {
        return tlv($t =~ /^\d{14}/ ? 0x18 : 0x17, $t);
    }

    my @tm = gmtime $t;

    if ($tm[5] >= 150 || $tm[5] < 50) {
        return tlv(0x18, POSIX::strftime('%Y%m%d%H%M%SZ', @tm));
    }

    return tlv(0x17, POSIX::strftime('%y%m%d%H%M%SZ', @tm));
}


# The first element of a string: tag, content, the element whole, the rest.

sub der_read {
    my $der = shift;

    my ($tag, $n) = unpack 'CC', $der;
    my $head = 2;

    if ($n & 0x80) {
        my $k = $n & 0x7f;
        $n = unpack 'N', substr("\0\0\0\0" . substr($der, 2, $k), -4);
        $head += $k;
    }

    return ($tag, substr($der, $head, $n), substr($der, 0, $head + $n),
            substr($der, $head + $n));
}


# The elements inside a constructed one: a list of [tag, content, whole].

sub der_children {
    my (undef, $content) = der_read(shift);

    my @child;

    while (length $content) {
        my ($tag, $c, $whole, $rest) = der_read($content);
        push @child, [$tag, $c, $whole];
        $content = $rest;
    }

    return @child;
}


sub pem {
    my ($label, $der) = @_;

    require MIME::Base64;

    my $b64 = MIME::Base64::encode_base64($der, '');
    $b64 =~ s/(.{1,64})/$1\n/g;

    return "-----BEGIN $label-----\n$b64-----END $label-----\n";
}


1;
