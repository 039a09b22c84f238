package Mtls::Ticket;

# Session tickets of nginx, opened and forged by who has the key.
# Copyright (C) the ngx_mtls_module authors

=head1 NAME

Mtls::Ticket - the key file of session tickets, and what one can do with it

=head1 SYNOPSIS

    use Mtls::Ticket;

    my $key = Mtls::Ticket->new($path, 80);     # writes the file of a
                                                # ssl_session_ticket_key, 48
                                                # octets (AES-128) or 80
    my $s = session($n, cert => $alice);        # of Mtls::Client

    my $f = $key->open($s);                     # the SSL_SESSION in its ticket
    $f->get('record')                           # octets, or undef: no such
    $f->get('peer')                             # the client certificate's DER
    $f->set(record => $octets);                 # undef: without
    $f->set(peer => $bob->der);
    $f->set(verify => 0, time => time);         # numbers are written so
    $f->der                                     # encoded again

    my $mine = $key->forge($s, sub { $_[0]->set(peer => $bob->der) });
    $mine->get('/');                            # a session like $s
    my $mine = $key->seal($s, $octets);         # whatever stands in the ticket

The secrets of $s stay in what is forged: the client can go on with it.

Fields: version tls cipher id secret time timeout peer context verify hostname
hint flags age_add early alpn record (SSL_SESSION of OpenSSL's ssl_asn1.c).

=cut

use strict;
use warnings;

use Digest::SHA ();
use File::Temp ();

use Mtls::DER qw(seq octets integer explicit der_read der_children);
use Mtls::PKI ();
use Mtls::Util qw(slurp spew);

# Those without a tag of their own come first, in this order.

my @PLAIN = qw(version tls cipher id secret);

my %TAG = (
    time    => 1,  timeout => 2,  peer    => 3,  context => 4,  verify => 5,
    hostname => 6, hint    => 9,  flags   => 13, age_add => 14, early  => 15,
    alpn    => 16, record  => 18,
);

my %NUMBER = map { $_ => 1 }
             qw(version tls time timeout verify hint flags age_add early);


sub new {
    my ($class, $path, $size) = @_;

    my $key = join '', map { chr rand 256 } 1 .. $size;

    spew($path, $key);

    my $self = bless { path => $path, name => substr $key, 0, 16 }, $class;

    # nginx's order: of the long key the secret of the HMAC comes first

    ($self->{aes}, $self->{hmac}) = $size == 48
        ? (substr($key, 16, 16), substr($key, 32, 16))
        : (substr($key, 48, 32), substr($key, 16, 32));

    return $self;
}


sub path { $_[0]{path} }


sub open {
    my ($self, $session) = @_;

    my $ticket = (der_read((grep { $_->[0] == 0xaa }
                            der_children($session->{der}))[0][1]))[1];

    my ($name, $iv) = unpack 'a16 a16', $ticket;
    my $enc = substr $ticket, 32, -32;

    die "a ticket of another key\n"
        if $name ne $self->{name}
           || Digest::SHA::hmac_sha256("$name$iv$enc", $self->{hmac})
              ne substr $ticket, -32;

    return Mtls::Ticket::Session->new($self->cipher('-d', $iv, $enc));
}


sub forge {
    my ($self, $session, $change) = @_;

    my $field = $self->open($session);

    $change->($field);

    return $self->seal($session, $field->der);
}


# The session of a client with another ticket.

sub seal {
    my ($self, $session, $der) = @_;

    my $iv = join '', map { chr rand 256 } 1 .. 16;
    my $ticket = $self->{name} . $iv . $self->cipher('-e', $iv, $der);

    $ticket .= Digest::SHA::hmac_sha256($ticket, $self->{hmac});

    my @field = map { $_->[0] == 0xaa ? explicit(10, octets($ticket))
                                      : $_->[2] }
                der_children($session->{der});

    return bless { %$session, der => seq(@field) }, ref $session;
}


sub cipher {
    my ($self, $way, $iv, $data) = @_;

    my $file = File::Temp->new;

    spew("$file", $data);

    return Mtls::PKI::openssl('enc', $way,
                              '-aes-' . 8 * length($self->{aes}) . '-cbc',
                              '-K', unpack('H*', $self->{aes}),
                              '-iv', unpack('H*', $iv), '-in', "$file");
}


package Mtls::Ticket::Session;

use Mtls::DER qw(seq octets integer explicit der_read der_children);


sub new {
    my ($class, $der) = @_;

    my @child = der_children($der);
    my %field;

    @field{@PLAIN} = map { $_->[2] } @child[0 .. $#PLAIN];

    for my $child (@child[@PLAIN .. $#child]) {
        $field{$child->[0] & 0x1f} = $child->[1];
    }

    return bless { field => \%field }, $class;
}


# What stands in the element; of a certificate the element whole.

sub get {
    my ($self, $name) = @_;

    my $der = $self->{field}{$TAG{$name} // $name};

    return $der if !defined $der || $name eq 'peer';

    my $content = (der_read($der))[1];

    return $content if !$NUMBER{$name};

    my $number = 0;
    $number = $number * 256 + $_ for unpack 'C*', $content;

    return $number;
}


sub set {
    my ($self, %value) = @_;

    for my $name (keys %value) {
        my $v = $value{$name};

        $self->{field}{$TAG{$name} // $name} =
            !defined $v || $name eq 'peer' ? $v
            : $NUMBER{$name} ? integer($v) : octets($v);
    }
}


sub der {
    my $self = shift;

    my $field = $self->{field};

    return seq(@$field{@PLAIN},
               map { explicit($_, $field->{$_}) }
               grep { defined $field->{$_} }
               sort { $a <=> $b } grep { /^\d+$/ } keys %$field);
}


1;
