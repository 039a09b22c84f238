package Mtls::Relay;

# Passes one TLS connection on, but keeps the client's last flight back.
# Copyright (C) the ngx_mtls_module authors

=head1 NAME

Mtls::Relay - early data that is early for certain

=head1 SYNOPSIS

    my $relay = Mtls::Relay->new($port, $records, sub { $released });
    # a client connects to $relay->{port}
    $relay->stop;

nginx takes a request for early data only while the handshake goes on, and a
client on the same machine ends it at once: which comes first is left to
chance.  So what a client sends behind its first records of application data
(type 23: the early data) waits until the code gives true, for a second at
most.

=cut

use strict;
use warnings;

use IO::Select ();
use IO::Socket::INET ();
use POSIX ();
use Time::HiRes ();

use Mtls::Util qw(die_with_parent);


sub new {
    my ($class, $port, $records, $released) = @_;

    my $listen = IO::Socket::INET->new(
        LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 1,
        Proto => 'tcp') || die "relay: $!\n";

    my $parent = $$;
    my $pid = fork // die "fork: $!\n";

    if (!$pid) {
        @SIG{qw(INT TERM HUP ALRM)} = ('DEFAULT') x 4;
        alarm 0;
        die_with_parent($parent);
        eval { serve($listen, $port, $records, $released) };
        POSIX::_exit(0);
    }

    return bless {port => $listen->sockport, pid => $pid}, $class;
}


sub stop {
    my $self = shift;

    local ($?, $!);
    kill 'TERM', $self->{pid};
    waitpid $self->{pid}, 0;
}


sub serve {
    my ($listen, $port, $records, $released) = @_;

    my $client = $listen->accept;
    my $server = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $port, Proto => 'tcp')
        || die "relay: $!\n";

    my $both = IO::Select->new($client, $server);
    my ($held, $end) = ('');

    while (1) {
        for my $from ($both->can_read(0.01)) {
            my $n = sysread $from, my $octets, 65536;

            if (!$n) {
                return if $from == $server;
                $both->remove($client);
                next;
            }

            if ($from == $server) {
                syswrite $client, $octets;

            } else {
                $held .= $octets;
            }
        }

        $records -= pass_records(\$held, $server, $records) if $records;
        next if $records;

        $end //= Time::HiRes::time() + 1;

        if ($released->() || Time::HiRes::time() > $end) {
            syswrite $server, $held;
            $held = '';
            $end = 0;
        }
    }
}


# Whole records, up to a number of those with application data.

sub pass_records {
    my ($held, $server, $records) = @_;

    my $passed = 0;

    while ($passed < $records && length $$held >= 5) {
        my ($type, undef, $n) = unpack 'Cnn', $$held;
        last if length $$held < 5 + $n;

        syswrite $server, substr $$held, 0, 5 + $n, '';
        $passed++ if $type == 23;
    }

    return $passed;
}


1;
