package Mtls::Client;

# HTTPS clients with certificates: requests, sessions, early data, HTTP/2.
# Copyright (C) the ngx_mtls_module authors

=head1 NAME

Mtls::Client - the clients of the tests

=head1 SYNOPSIS

    use Mtls::Test;                 # exports all of this

    my $r = get($n, '/path', cert => $alice);
    is($r->{status}, 200);          # 0 and $r->{error} where no answer came
    $r->{body}  $r->{reused}  $r->{tls}  $r->{error}  $r->{reason}
    $r->header('X-Name')            # first value, or undef
    $r->headers('X-Name')           # all values
    $r->{headers}                   # [[name, value], ...] as received
    $r->json                        # of the body
    $r->received('X-Name')          # where the upstream of Mtls::Test
                                    # answered: what it received

Every function is also a method: C<< $n->get('/path', ...) >>.  Options:

    cert    => $cert                # of Mtls::PKI: presents $cert->pem
    chain   => [$ca, ...]           # presents these with it instead
    sni     => 'a.example'          # default localhost; undef: none
    host    => 'a.example'          # Host; default: the SNI name or localhost;
                                    # undef: none
    tls     => '1.2'                # or '1.3'; default: the best
    port    => 1                    # %%PORT_1%% (default %%PORT_0%%), or a port
    method  => 'POST', body => $octets,
    headers => [Name => 'value', Name => 'again'],
    plain   => 1                    # no TLS
    proxy   => '192.0.2.7'          # a PROXY protocol line with this address
    ticket  => 0                    # do not offer session tickets (TLS 1.2)
    raw     => $octets              # the whole request instead
    timeout => 10

One connection, several requests:

    my $k = keepalive($n, cert => $alice);
    $k->get('/', host => 'b.example');  # options that concern a request
    $k->reused                          # the TLS session was resumed: 1 or 0
    $k->closed                          # the server ends it within a second
    $k->closed(0)                       # it has ended it by now
    $k->write($octets); $k->response;   # by hand
    $k->close;

Resumption.  What kind it is depends on the server (ssl_session_tickets,
ssl_session_cache) and on tls; C<kind> tells what it came to be:

    my $s = session($n, cert => $alice, tls => '1.2');
    $s->kind                    # 'TLS 1.2 id', 'TLS 1.2 ticket',
                                # 'TLS 1.3 ticket', 'TLS 1.3 stateful', 'none'
    $s->{first}                 # the response that came with it
    my $r = $s->get('/');       # a new connection that offers it; it presents
    is($r->{reused}, 1);        # the same certificate if a full handshake is
                                # asked for (cert => undef: none)
    $s->get('/', renew => 1)    # and keep the session that this one gives
    $s->keepalive(...)  $s->h2(...)

Early data (TLS 1.3, sent by openssl s_client; the handshake is held up until
a request is in all.log, for a second at most, see Mtls::Relay):

    my $r = $s->early_data('/', method => 'POST', body => 'x');
    $r->{early}                 # accepted by the server: 1 or 0

HTTP/2, one connection and any number of streams over time:

    my $h = h2($n, cert => $alice);
    my $r = $h->get('/', host => ..., method => ..., headers => ...,
                    body => ...);
    $r->{rst}                   # code of a RST_STREAM, or undef
    my @id = ($h->start('/a'), $h->start('/b'));
    my @r = map { $h->finish($_) } @id;
    $h->closed  $h->reused

curl, one request:

    my $r = curl($n, '/', cert => $alice, http2 => 1, args => ['-v']);
    $r->{version}               # '2' or '1.1'
    $r->{exit}                  # curl's exit code, its words in $r->{error}

=cut

use strict;
use warnings;

use Exporter 'import';
use Net::SSLeay ();

use Mtls::Connection ();
use Mtls::DER ();
use Mtls::H2 ();
use Mtls::PKI ();
use Mtls::Relay ();
use Mtls::Util qw(command spew);

our @EXPORT = qw(get keepalive session h2 curl);

for my $name (@EXPORT) {
    no strict 'refs';
    no warnings 'once';
    *{"Mtls::Test::$name"} = \&$name;
}


# One request on a connection of its own.

sub get {
    my ($n, $uri, %arg) = @_;

    my $k = eval { Mtls::Connection->new($n, %arg) }
            || return Mtls::Response->none($@);
    my $r = $k->get($uri, close => 1, %arg);
    $k->close;

    return $r;
}


sub keepalive {
    my ($n, %arg) = @_;

    return Mtls::Connection->new($n, %arg);
}


# A session, made by one request (uri => '/').

sub session {
    my ($n, %arg) = @_;

    my $uri = delete $arg{uri} // '/';
    my $k = Mtls::Connection->new($n, %arg);
    my $first = $k->get($uri, close => 1);
    my $der = $k->ended;

    return bless {
        n => $n, arg => \%arg, first => $first, der => $der,
    }, 'Mtls::Client::Session';
}


sub h2 {
    my ($n, %arg) = @_;

    return Mtls::H2->new(Mtls::Connection->new($n, %arg, alpn => ['h2']));
}


sub curl {
    my ($n, $uri, %arg) = @_;

    my $port = $n->port($arg{port});
    my $host = $arg{host} // $arg{sni} // 'localhost';
    my $url = ($arg{plain} ? 'http' : 'https') . "://$host:$port$uri";

    my @cmd = ('curl', '-sSki', '--noproxy', '*',
               '--max-time', $arg{timeout} // 10,
               '--connect-to', "::127.0.0.1:$port",
               $arg{http2} ? '--http2' : '--http1.1');

    push @cmd, '--cert', $arg{cert}->pem, '--key', $arg{cert}->key
        if $arg{cert};
    push @cmd, '-X', $arg{method} if $arg{method};
    push @cmd, '--data-binary', $arg{body} if defined $arg{body};

    my @h = @{$arg{headers} || []};

    while (my ($name, $value) = splice @h, 0, 2) {
        push @cmd, '-H', "$name: $value";
    }

    my ($code, $out, $err) = command(@cmd, @{$arg{args} || []}, $url);

    my $r = Mtls::Response->parse($out, 1) || Mtls::Response->none($err);
    $r->{exit} = $code;
    $r->{error} = $err if $err ne '';

    return $r;
}


package Mtls::Client::Session;

use Mtls::Util qw(command spew);


sub options {
    my ($self, %arg) = @_;

    return (%{$self->{arg}}, %arg, session => $self->{der});
}


sub connection {
    my ($self, %arg) = @_;

    return Mtls::Connection->new($self->{n}, $self->options(%arg));
}


sub get {
    my ($self, $uri, %arg) = @_;

    my $renew = delete $arg{renew};
    my $k = eval { $self->connection(%arg) }
            || return Mtls::Response->none($@);

    my $r = $k->get($uri, close => 1, %arg);

    if ($renew) {
        $self->{der} = $k->ended // $self->{der};
    }

    $k->close;

    return $r;
}


sub keepalive {
    my ($self, %arg) = @_;

    return $self->connection(%arg);
}


sub h2 {
    my ($self, %arg) = @_;

    return Mtls::H2->new($self->connection(%arg, alpn => ['h2']));
}


# The kind, read from the encoded SSL_SESSION: [10] is the ticket, which is
# a session id of 32 octets where TLS 1.3 keeps the state at the server.

sub kind {
    my $self = shift;

    return 'none' if !$self->{der};

    my @field = Mtls::DER::der_children($self->{der});
    my $version = unpack('n', $field[1][1]) == 0x304 ? 'TLS 1.3' : 'TLS 1.2';
    my ($ticket) = map { (Mtls::DER::der_read($_->[1]))[1] }
                   grep { $_->[0] == 0xaa } @field;

    return defined $ticket ? "$version ticket" : "$version id"
        if $version eq 'TLS 1.2';

    return length $ticket > 32 ? "$version ticket" : "$version stateful";
}


sub early_data {
    my ($self, $uri, %arg) = @_;

    my $n = $self->{n};
    my %all = (%{$self->{arg}}, %arg);
    my $dir = File::Temp->newdir;
    my $sni = exists $all{sni} ? $all{sni} : 'localhost';

    spew("$dir/session", Mtls::DER::pem('SSL SESSION PARAMETERS',
                                        $self->{der}));
    my $request = Mtls::Connection::request($uri, host => $sni, %arg,
                                            close => 1);
    spew("$dir/request", $request);

    my $log = $n->dir . '/all.log';
    my $size = -s $log // 0;
    my $relay = Mtls::Relay->new($n->port($all{port}),
                                 int((length($request) + 16383) / 16384),
                                 sub { (-s $log // 0) > $size });

    my ($code, $out, $err) = command(
        'timeout', $all{timeout} // 10, 'openssl', 's_client', '-ign_eof',
        '-connect', "127.0.0.1:$relay->{port}", '-tls1_3',
        defined $sni ? ('-servername', $sni) : '-noservername',
        '-sess_in', "$dir/session", '-early_data', "$dir/request");

    $relay->stop;

    my ($http) = $out =~ m{(HTTP/1\.[01] \d{3}.*)}s;

    my $r = defined $http && Mtls::Response->parse($http)
            || Mtls::Response->none("no answer: $err");

    $r->{early} = $out =~ /^Early data was accepted/m ? 1 : 0;
    $r->{reused} = $out =~ /^Reused, /m ? 1 : 0;
    $r->{output} = $out;

    return $r;
}


1;
