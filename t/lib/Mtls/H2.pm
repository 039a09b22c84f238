package Mtls::H2;

# A minimal HTTP/2 client (RFC 9113, RFC 7541) over Mtls::Connection.
# Copyright (C) the ngx_mtls_module authors

=head1 NAME

Mtls::H2 - HTTP/2 for tests: several streams of one connection over time

=head1 SYNOPSIS

See Mtls::Client.  Requests are sent as literals without indexing, our header
table has size 0, and flow control only keeps the peer going.

=cut

use strict;
use warnings;

use constant {
    DATA => 0, HEADERS => 1, RST_STREAM => 3, SETTINGS => 4, PING => 6,
    GOAWAY => 7, WINDOW_UPDATE => 8, CONTINUATION => 9,
};

use constant {
    END_STREAM => 1, ACK => 1, END_HEADERS => 4, PADDED => 8, PRIORITY => 32,
};

# RFC 7541, Appendix A.

my @STATIC = (
    undef, [':authority', ''], [':method', 'GET'], [':method', 'POST'],
    [':path', '/'], [':path', '/index.html'], [':scheme', 'http'],
    [':scheme', 'https'],
    (map { [':status', $_] } qw(200 204 206 304 400 404 500)),
    ['accept-charset', ''], ['accept-encoding', 'gzip, deflate'],
    (map { [$_, ''] } qw(
        accept-language accept-ranges accept access-control-allow-origin age
        allow authorization cache-control content-disposition
        content-encoding content-language content-length content-location
        content-range content-type cookie date etag expect expires from host
        if-match if-modified-since if-none-match if-range
        if-unmodified-since last-modified link location max-forwards
        proxy-authenticate proxy-authorization range referer refresh
        retry-after server set-cookie strict-transport-security
        transfer-encoding user-agent vary via www-authenticate)),
);

# RFC 7541, Appendix B, as the lengths of the codes of octets 0 to 255 and of
# EOS: the code is canonical, so that the lengths give it.  Runs are LENGTHxN.

my $LENGTHS = <<'EOF';
13 23 28x7 24 30 28x2 30 28x8 30 28x9 6 10x2 12 13 6 8 11 10x2 8 11 8 6x3 5x3
6x7 7 8 15 6 12 10 13 6 7x22 8 7 8 13 19 13 14 6 15 5 6 5 6 5 6x3 5 7x2 6x3 5
6 7 6 5x2 6 7x5 15 11 14 13 28 20 22 20x2 22x3 23 22 23x5 24 23 24x2 22 23 24
23x4 21 22 23 22 23x2 24 22 21 20 22x2 23x2 21 23 22x2 24 21 22 23x2 21x2 22
21 23 22 23x2 20 22x3 23 22x2 23 26x2 20 19 22 23 22 25 26x3 27x2 26 24 25 19
21 26 27x2 26 27 24 21x2 26x2 28 27x3 20 24 20 21 22 21x2 23 22x2 25x2 24x2 26
23 26 27 26x2 27x5 28 27x5 26 30
EOF

my %HUFFMAN = huffman();


sub huffman {
    my @length = map { /^(\d+)x(\d+)$/ ? ($1) x $2 : $_ } split ' ', $LENGTHS;
    my ($code, $last, %symbol) = (0, 0);

    for my $i (sort { $length[$a] <=> $length[$b] || $a <=> $b } 0 .. 256) {
        $code <<= $length[$i] - $last;
        $last = $length[$i];
        $symbol{sprintf '%0*b', $last, $code++} = $i;
    }

    return %symbol;
}


sub new {
    my ($class, $k) = @_;

    my $self = bless {k => $k, next => 1, stream => {}}, $class;

    # no header table, no push

    $k->write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
              . frame(SETTINGS, 0, 0, pack 'nNnN', 1, 0, 2, 0));

    return $self;
}


sub frame {
    my ($type, $flags, $stream, $payload) = @_;

    return substr(pack('N', length $payload), 1)
           . pack('CCN', $type, $flags, $stream) . $payload;
}


sub reused { $_[0]{k}->reused }
sub tls    { $_[0]{k}->tls }
sub close  { $_[0]{k}->close }


# One request and its response.

sub get {
    my $self = shift;

    return $self->finish($self->start(@_));
}


# Sends a request; gives the number of its stream.

sub start {
    my ($self, $uri, %arg) = @_;

    my $conn = $self->{k}{arg};
    my $id = $self->{next};
    my $host = $arg{host} // $conn->{host} // $conn->{sni} // 'localhost';
    my @h = @{$arg{headers} || $conn->{headers} || []};

    my $block = literal(':method', $arg{method} // 'GET')
                . literal(':scheme', 'https') . literal(':path', $uri)
                . literal(':authority', $host);

    while (my ($name, $value) = splice @h, 0, 2) {
        $block .= literal(lc $name, $value);
    }

    $block .= literal('content-length', length $arg{body})
        if defined $arg{body};

    my $end = defined $arg{body} ? 0 : END_STREAM;
    my $out = frame(HEADERS, END_HEADERS | $end, $id, $block);

    $out .= frame(DATA, END_STREAM, $id, $arg{body}) if defined $arg{body};

    $self->{next} += 2;
    $self->{stream}{$id} = {headers => [], body => '', block => '', end => 0};
    $self->{k}->write($out);

    return $id;
}


# The response on a stream, when it has ended.

sub finish {
    my ($self, $id) = @_;

    my $s = $self->{stream}{$id};

    while (!$s->{end}) {
        $self->read_frame || last;
    }

    delete $self->{stream}{$id};

    my ($status) = map { $_->[1] } grep { $_->[0] eq ':status' }
                                        @{$s->{headers}};

    my @more = (reused => $self->reused, tls => $self->tls, rst => $s->{rst},
                stream => $id);

    if (!$s->{end} || !defined $status) {
        my $why = defined $s->{rst} ? "RST_STREAM $s->{rst}"
                  : defined $self->{goaway} ? "GOAWAY $self->{goaway}"
                  : $self->{k}{error} // 'closed';

        return Mtls::Response->none($why, @more);
    }

    return bless {
        status => $status, headers => $s->{headers}, body => $s->{body},
        version => '2', @more,
    }, 'Mtls::Response';
}


# True if the server ends the connection within some seconds.

sub closed {
    my ($self, $seconds) = @_;

    return $self->{k}->closed($seconds);
}


# Reads and handles one frame; false at the end of the connection.

sub read_frame {
    my $self = shift;

    my $k = $self->{k};

    while (length $k->{in} < 9) {
        $k->fill || return;
    }

    my ($hi, $lo, $type, $flags, $id) = unpack 'CnCCN', $k->{in};
    my $length = $hi << 16 | $lo;

    while (length $k->{in} < 9 + $length) {
        $k->fill || return;
    }

    my $payload = substr $k->{in}, 9, $length;
    substr($k->{in}, 0, 9 + $length) = '';

    $self->handle($type, $flags, $id & 0x7fffffff, $payload);

    return 1;
}


sub handle {
    my ($self, $type, $flags, $id, $payload) = @_;

    my $k = $self->{k};

    if ($type == SETTINGS) {
        $k->write(frame(SETTINGS, ACK, 0, '')) if !($flags & ACK);

    } elsif ($type == PING) {
        $k->write(frame(PING, ACK, 0, $payload)) if !($flags & ACK);

    } elsif ($type == GOAWAY) {
        (undef, $self->{goaway}) = unpack 'NN', $payload;

    } elsif (my $s = $self->{stream}{$id}) {
        $self->handle_stream($s, $type, $flags, $payload);
    }

    if ($type == DATA && length $payload) {
        my $grow = pack 'N', length $payload;

        $k->write(frame(WINDOW_UPDATE, 0, 0, $grow)
                  . frame(WINDOW_UPDATE, 0, $id, $grow));
    }
}


sub handle_stream {
    my ($self, $s, $type, $flags, $payload) = @_;

    if (($type == DATA || $type == HEADERS) && $flags & PADDED) {
        my $pad = ord substr $payload, 0, 1, '';
        substr($payload, -$pad) = '' if $pad;
    }

    if ($type == RST_STREAM) {
        $s->{rst} = unpack 'N', $payload;
        $s->{end} = 1;

    } elsif ($type == DATA) {
        $s->{body} .= $payload;
        $s->{end} = 1 if $flags & END_STREAM;

    } elsif ($type == HEADERS || $type == CONTINUATION) {
        substr($payload, 0, 5) = '' if $flags & PRIORITY && $type == HEADERS;

        $s->{block} .= $payload;
        $s->{last} = 1 if $flags & END_STREAM && $type == HEADERS;

        if ($flags & END_HEADERS) {
            push @{$s->{headers}}, decode($s->{block});
            $s->{block} = '';
            $s->{end} = 1 if $s->{last};
        }
    }
}


# HPACK: a literal without indexing, no Huffman code.

sub literal {
    my ($name, $value) = @_;

    return "\0" . prefixed(7, 0, length $name) . $name
           . prefixed(7, 0, length $value) . $value;
}


# An integer with an n-bit prefix (RFC 7541 5.1).

sub prefixed {
    my ($bits, $first, $v) = @_;

    my $max = (1 << $bits) - 1;

    return chr($first | $v) if $v < $max;

    my $out = chr($first | $max);
    $v -= $max;

    while ($v >= 128) {
        $out .= chr(0x80 | $v & 0x7f);
        $v >>= 7;
    }

    return $out . chr $v;
}


sub take_integer {
    my ($in, $bits) = @_;

    my $max = (1 << $bits) - 1;
    my $v = ord(substr $$in, 0, 1, '') & $max;

    return $v if $v < $max;

    my ($octet, $shift) = (0x80, 0);

    while ($octet & 0x80) {
        die "HPACK: cut short\n" if $$in eq '';
        $octet = ord substr $$in, 0, 1, '';
        $v += ($octet & 0x7f) << $shift;
        $shift += 7;
    }

    return $v;
}


sub take_string {
    my $in = shift;

    my $huffman = ord($$in) & 0x80;
    my $length = take_integer($in, 7);
    my $octets = substr $$in, 0, $length, '';

    return $octets if !$huffman;

    my ($out, $code) = ('', '');

    for my $bit (split //, unpack 'B*', $octets) {
        $code .= $bit;

        if (defined $HUFFMAN{$code}) {
            $out .= chr $HUFFMAN{$code};
            $code = '';
        }
    }

    die "HPACK: bad padding\n" if $code !~ /^1{0,7}$/;

    return $out;
}


# A header block: a list of [name, value].

sub decode {
    my $in = shift;

    my @header;

    while ($in ne '') {
        my $octet = ord $in;

        if ($octet & 0x80) {
            my $i = take_integer(\$in, 7);
            push @header, $STATIC[$i] || die "HPACK: no entry $i\n";
            next;
        }

        if (($octet & 0xe0) == 0x20) {
            take_integer(\$in, 5);
            next;
        }

        my $i = take_integer(\$in, $octet & 0x40 ? 6 : 4);
        my $name = $i ? ($STATIC[$i] || die "HPACK: no entry $i\n")->[0]
                      : take_string(\$in);

        push @header, [$name, take_string(\$in)];
    }

    return @header;
}


1;
