package Mtls::Connection;

# One connection to nginx, TLS or plain, and HTTP/1.1 on it.
# Copyright (C) the ngx_mtls_module authors

=head1 NAME

Mtls::Connection, Mtls::Response - under Mtls::Client, where the synopsis is

=cut

use strict;
use warnings;

use IO::Select ();
use IO::Socket::INET ();
use Net::SSLeay ();
use Scalar::Util ();
use Time::HiRes ();
use Socket qw(SOL_SOCKET SO_RCVTIMEO SO_SNDTIMEO);

use Mtls::DER ();
use Mtls::Util qw(spew);

my %VERSION = ('1.2' => 0x0303, '1.3' => 0x0304);

my %OPEN;                   # weak references, for close_all()


# Connects and shakes hands; dies with the cause.

sub new {
    my ($class, $n, %arg) = @_;

    my $timeout = $arg{timeout} // 10;
    my $port = $n->port($arg{port});

    my $sock = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $port, Proto => 'tcp')
        || die "cannot connect to port $port: $!\n";

    my $tv = pack 'l!l!', $timeout, 0;
    $sock->setsockopt(SOL_SOCKET, SO_RCVTIMEO, $tv);
    $sock->setsockopt(SOL_SOCKET, SO_SNDTIMEO, $tv);

    my $self = bless {
        n => "$n", sock => $sock, in => '', eof => 0, sessions => [],
        arg => \%arg,
    }, $class;

    Scalar::Util::weaken($OPEN{$self} = $self);

    if ($arg{proxy}) {
        syswrite $sock, "PROXY TCP4 $arg{proxy} 127.0.0.1 1234 $port\r\n";
    }

    $self->handshake if !$arg{plain};

    return $self;
}


sub handshake {
    my $self = shift;

    my $arg = $self->{arg};
    my $sni = exists $arg->{sni} ? $arg->{sni} : 'localhost';

    Net::SSLeay::initialize();

    my $ctx = $self->{ctx} = Net::SSLeay::CTX_new_with_method(
                                 Net::SSLeay::TLS_client_method());

    Net::SSLeay::CTX_set_cipher_list($ctx, 'ALL:@SECLEVEL=0');

    if (my $v = $arg->{tls}) {
        Net::SSLeay::CTX_set_min_proto_version($ctx, $VERSION{$v});
        Net::SSLeay::CTX_set_max_proto_version($ctx, $VERSION{$v});
    }

    if (exists $arg->{ticket} && !$arg->{ticket}) {
        Net::SSLeay::CTX_set_options($ctx, Net::SSLeay::OP_NO_TICKET());
    }

    Net::SSLeay::CTX_set_alpn_protos($ctx, $arg->{alpn}) if $arg->{alpn};

    $self->certificate($arg->{cert}, $arg->{chain}) if $arg->{cert};

    # client side cache off, but each new session is kept, encoded

    my $sessions = $self->{sessions};

    Net::SSLeay::CTX_set_session_cache_mode(
        $ctx, Net::SSLeay::SESS_CACHE_CLIENT()
              | Net::SSLeay::SESS_CACHE_NO_INTERNAL());
    Net::SSLeay::CTX_sess_set_new_cb($ctx, sub {
        push @$sessions, Net::SSLeay::i2d_SSL_SESSION($_[1]);
        return 0;
    });

    my $ssl = $self->{ssl} = Net::SSLeay::new($ctx);
    Net::SSLeay::set_fd($ssl, fileno $self->{sock});
    Net::SSLeay::set_tlsext_host_name($ssl, $sni) if defined $sni;

    if ($arg->{session}) {
        my $s = Net::SSLeay::d2i_SSL_SESSION($arg->{session})
                || die "bad session\n";
        Net::SSLeay::set_session($ssl, $s);
        Net::SSLeay::SESSION_free($s);
    }

    Net::SSLeay::ERR_clear_error();

    if (Net::SSLeay::connect($ssl) != 1) {
        die 'handshake: ' . ssl_error() . "\n";
    }

    if ($arg->{alpn}) {
        my $got = Net::SSLeay::P_alpn_selected($ssl) // '';
        die "ALPN: server chose \"$got\"\n" if $got ne $arg->{alpn}[0];
    }
}


sub certificate {
    my ($self, $cert, $chain) = @_;

    my $file = $cert->pem;
    my $temp;

    if ($chain) {
        $temp = File::Temp->new;
        spew("$temp", map { Mtls::DER::pem('CERTIFICATE', $_->der) }
                      $cert, @$chain);
        $file = "$temp";
    }

    Net::SSLeay::CTX_use_certificate_chain_file($self->{ctx}, $file) == 1
        && Net::SSLeay::CTX_use_PrivateKey_file(
               $self->{ctx}, $cert->key, Net::SSLeay::FILETYPE_PEM()) == 1
        || die "cannot use $file: " . ssl_error() . "\n";
}


sub ssl_error {
    my @error;

    while (my $e = Net::SSLeay::ERR_get_error()) {
        push @error, Net::SSLeay::ERR_error_string($e);
    }

    return join('; ', @error) || ($! ? "$!" : 'closed');
}


sub reused {
    my $ssl = $_[0]{ssl} || return 0;

    return Net::SSLeay::session_reused($ssl) ? 1 : 0;
}


sub tls {
    my $ssl = $_[0]{ssl} || return '';

    return Net::SSLeay::get_version($ssl) =~ s/^TLSv//r;
}


# Writes octets; false when the connection is gone.

sub write {
    my ($self, $data) = @_;

    return if !$self->{sock};

    local $SIG{PIPE} = 'IGNORE';

    while (length $data) {
        my $k = $self->{ssl} ? Net::SSLeay::write($self->{ssl}, $data)
                             : syswrite $self->{sock}, $data;

        return if !defined $k || $k <= 0;
        substr($data, 0, $k) = '';
    }

    return 1;
}


# Reads what there is, or waits for it; false at the end or after the timeout,
# with the cause in $self->{error}.

sub fill {
    my $self = shift;

    return if $self->{eof} || !$self->{sock};

    my $buf;

    $! = 0;

    if ($self->{ssl}) {
        Net::SSLeay::ERR_clear_error();
        $buf = Net::SSLeay::read($self->{ssl}, 16384);

    } else {
        sysread $self->{sock}, $buf, 16384;
    }

    if (!defined $buf || $buf eq '') {
        $self->{error} = $!{EAGAIN} ? 'timeout' : ssl_error();
        $self->{eof} = 1 if !$!{EAGAIN};
        return;
    }

    $self->{in} .= $buf;
    return 1;
}


# One request and its response.

sub get {
    my ($self, $uri, %arg) = @_;

    my $conn = $self->{arg};

    $arg{host} //= $conn->{host} if !exists $arg{host} && exists $conn->{host};
    $arg{host} //= $conn->{sni} // 'localhost'
        if !exists $arg{host} || defined $arg{host};
    $arg{headers} //= $conn->{headers};

    $self->write($arg{raw} // request($uri, %arg));

    return $self->response($arg{method});
}


# The octets of a request.

sub request {
    my ($uri, %arg) = @_;

    my $method = $arg{method} // 'GET';
    my @h = @{$arg{headers} || []};
    my $text = "$method $uri HTTP/1.1\r\n";

    $text .= "Host: $arg{host}\r\n" if defined $arg{host};
    $text .= "Connection: close\r\n" if $arg{close};

    while (my ($name, $value) = splice @h, 0, 2) {
        $text .= "$name: $value\r\n";
    }

    $text .= 'Content-Length: ' . length($arg{body}) . "\r\n"
        if defined $arg{body};

    return "$text\r\n" . ($arg{body} // '');
}


sub response {
    my ($self, $method) = @_;

    my $r;

    while (1) {
        my $eof = $self->{eof};

        $r = Mtls::Response->parse($self->{in}, $eof, $method);
        last if $r || $eof || !$self->fill && !$self->{eof};
    }

    if (!$r) {
        return Mtls::Response->none($self->{error} // 'closed',
                                    reused => $self->reused,
                                    tls => $self->tls);
    }

    $self->{in} = delete $r->{rest};
    $r->{reused} = $self->reused;
    $r->{tls} = $self->tls;

    return $r;
}


# True if the server ends the connection within some seconds.

sub closed {
    my ($self, $seconds) = @_;

    my $end = Time::HiRes::time() + ($seconds // 1);

    while (!$self->{eof} && $self->{sock}) {
        if (!$self->{ssl} || !Net::SSLeay::pending($self->{ssl})) {
            my $left = $end - Time::HiRes::time();
            return 0 if !IO::Select->new($self->{sock})
                                   ->can_read($left > 0 ? $left : 0);
        }

        # what arrives may be a session ticket: do not wait for more

        $self->{sock}->blocking(0);
        $self->fill;
        $self->{sock}->blocking(1);
    }

    return 1;
}


# Waits for the end and gives the last session received.

sub ended {
    my $self = shift;

    $self->closed(2);
    my $der = $self->{sessions}[-1];
    $self->close;

    return $der;
}


# Those to one nginx, before it is stopped: it would wait for clients that do
# not close.

sub close_all {
    my $n = shift;

    $_->close for grep { $_ && $_->{n} eq "$n" } values %OPEN;
}


sub close {
    my $self = shift;

    delete $OPEN{$self};

    local $SIG{PIPE} = 'IGNORE';

    if (my $ssl = delete $self->{ssl}) {
        Net::SSLeay::shutdown($ssl) if !$self->{eof} && $self->{sock};
        Net::SSLeay::free($ssl);
    }

    if (my $ctx = delete $self->{ctx}) {
        Net::SSLeay::CTX_sess_set_new_cb($ctx, undef);
        Net::SSLeay::CTX_free($ctx);
    }

    if (my $sock = delete $self->{sock}) {
        CORE::close $sock;
    }

    $self->{eof} = 1;
}


sub DESTROY {
    my $self = shift;

    local ($@, $!, $?);

    $self->close if ${^GLOBAL_PHASE} ne 'DESTRUCT';
}


package Mtls::Response;


# A complete response at the beginning of the octets, with what follows in
# {rest}; nothing if it is not complete.

sub parse {
    my ($class, $in, $eof, $method) = @_;

    # leave out interim responses

    while ($in =~ m{^HTTP/\S+ 1\d\d\b}) {
        $in =~ s/^.*?\r\n\r\n//s || return;
    }

    my ($head, $rest) = $in =~ /^(.*?\r\n)\r\n(.*)$/s or return;
    my ($version, $status, $reason) =
        $head =~ m{^HTTP/(\S+) (\d{3}) ?([^\r]*)\r\n} or return;

    my $self = bless {
        status => $status, reason => $reason, version => $version,
        headers => [], body => '', head => $head,
    }, $class;

    while ($head =~ /^([^\r\n:]+):[ \t]*([^\r\n]*)\r\n/mg) {
        push @{$self->{headers}}, [$1, $2];
    }

    my $length = $self->header('Content-Length');

    if ($method && $method eq 'HEAD' || $status == 204 || $status == 304) {
        $length = 0;
    }

    if (lc($self->header('Transfer-Encoding') // '') eq 'chunked') {
        while (1) {
            $rest =~ /^([0-9a-f]+)[^\r\n]*\r\n/i or return;
            my ($n, $skip) = (hex $1, $+[0]);
            return if length $rest < $skip + $n + 2;

            $self->{body} .= substr $rest, $skip, $n;
            substr($rest, 0, $skip + $n + 2) = '';
            last if $n == 0;
        }

    } elsif (defined $length) {
        return if length $rest < $length && !$eof;

        $self->{body} = substr $rest, 0, $length, '';

    } else {
        return if !$eof;

        $self->{body} = $rest;
        $rest = '';
    }

    $self->{rest} = $rest;

    return $self;
}


# No answer: status 0 and why.

sub none {
    my ($class, $error, @more) = @_;

    chomp $error;

    return bless {
        status => 0, headers => [], body => '', error => $error, reused => 0,
        @more,
    }, $class;
}


sub headers {
    my ($self, $name) = @_;

    return map { $_->[1] } grep { lc $_->[0] eq lc $name } @{$self->{headers}};
}


sub header {
    my ($self, $name) = @_;

    return ($self->headers($name))[0];
}


sub json {
    require JSON::PP;
    return JSON::PP->new->utf8->decode($_[0]{body});
}


# What the echoing upstream received under a name: all values, or the first.

sub received {
    my ($self, $name) = @_;

    my @value = map { $_->[1] } grep { lc $_->[0] eq lc $name }
                                     @{$self->json->{headers}};

    return wantarray ? @value : $value[0];
}


1;
