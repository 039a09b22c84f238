package Mtls::Behaviour::Early;

# Many requests in the early data of one connection, HTTP/1.1 or HTTP/2.
# Copyright (C) the ngx_mtls_module authors

=head1 NAME

Mtls::Behaviour::Early - early data by openssl s_client, read as it comes

=head1 SYNOPSIS

    my $e = Mtls::Behaviour::Early->new($n, $session, 'h2');
    my $h = Mtls::H2->new($e);          # what it writes is early data
    my @id = map { $h->start(...) } ...;
    $e->send(sub { $released });        # see Mtls::Relay
    my @r = map { $h->finish($_) } @id;
    $e->close;

It stands for an Mtls::Connection: C<write> collects what C<send> sends, at
most 8,000 octets; what is written later is not sent.  The session is an encoded
SSL_SESSION that was made with the same ALPN protocol (or none).

=cut

use strict;
use warnings;

use File::Temp ();
use IO::Select ();
use POSIX ();

use Mtls::DER ();
use Mtls::Relay ();
use Mtls::Util qw(spew die_with_parent);


sub new {
    my ($class, $n, $session, $alpn) = @_;

    return bless {n => $n, session => $session, alpn => $alpn, out => '',
                  in => '', arg => {}}, $class;
}


sub write {
    my ($self, $octets) = @_;

    $self->{out} .= $octets if !$self->{pid};

    return 1;
}


sub send {
    my ($self, $released) = @_;

    my $dir = $self->{dir} = File::Temp->newdir;

    die "too much early data\n" if length $self->{out} > 8000;

    spew("$dir/session", Mtls::DER::pem('SSL SESSION PARAMETERS',
                                        $self->{session}));
    spew("$dir/early", $self->{out});

    $self->{relay} = Mtls::Relay->new($self->{n}->port, 1, $released);

    my @cmd = ('openssl', 's_client', '-quiet', '-tls1_3',
               '-connect', "127.0.0.1:$self->{relay}{port}",
               '-servername', 'localhost', '-sess_in', "$dir/session",
               '-early_data', "$dir/early",
               $self->{alpn} ? ('-alpn', $self->{alpn}) : ());

    my $parent = $$;

    $self->{pid} = open($self->{from}, '-|') // die "fork: $!\n";

    if (!$self->{pid}) {
        die_with_parent($parent);
        open STDIN, '<', '/dev/null';
        open STDERR, '>', '/dev/null';
        { no warnings; exec { $cmd[0] } @cmd; }
        POSIX::_exit(127);
    }
}


# Reads what there is, or waits for it; false at the end or after 30 s.

sub fill {
    my $self = shift;

    if (!IO::Select->new($self->{from})->can_read(30)) {
        $self->{error} = 'timeout';
        return;
    }

    if (!sysread $self->{from}, $self->{in}, 65536, length $self->{in}) {
        $self->{error} = 'closed';
        return;
    }

    return 1;
}


sub reused { 1 }
sub tls    { '1.3' }


sub close {
    my $self = shift;

    local ($?, $!);

    if (my $pid = delete $self->{pid}) {
        kill 'TERM', $pid;
        CORE::close(delete $self->{from});      # waits for it
    }

    (delete $self->{relay})->stop if $self->{relay};
}


sub DESTROY { $_[0]->close }


1;
