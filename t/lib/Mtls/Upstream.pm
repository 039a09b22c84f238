package Mtls::Upstream;

# An HTTP server that answers with what it received.
# Copyright (C) the ngx_mtls_module authors

=head1 NAME

Mtls::Upstream - the upstream behind nginx, %%UPSTREAM%% in configurations

=head1 SYNOPSIS

    my $u = Mtls::Upstream->new($log);  # forks; port: $u->{port}
    $u->stop;

It answers with JSON: method, uri, headers ([[name, value], ...]), body, each
octet as a character; and writes the same as a line of the log.  The query may
ask for more:

    ?status=500  ?delay=0.5  ?size=100000 (octets instead of JSON)
    ?header=X-Accel-Redirect:/inner

=cut

use strict;
use warnings;

use IO::Socket::INET ();
use JSON::PP ();
use POSIX ();
use Time::HiRes ();

use Mtls::Util qw(die_with_parent);


sub new {
    my ($class, $log) = @_;

    my $listen = IO::Socket::INET->new(
        LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 64,
        ReuseAddr => 1, Proto => 'tcp') || die "upstream: $!\n";

    my $parent = $$;
    my $pid = fork // die "fork: $!\n";

    if (!$pid) {
        @SIG{qw(INT TERM HUP ALRM)} = ('DEFAULT') x 4;
        alarm 0;
        die_with_parent($parent);
        eval { serve($listen, $log) };
        POSIX::_exit(0);
    }

    return bless {port => $listen->sockport, pid => $pid}, $class;
}


sub stop {
    my $self = shift;

    my $pid = delete $self->{pid} || return;

    local ($?, $!);
    kill 'TERM', $pid;
    waitpid $pid, 0;
}


# A process for each connection: nginx may keep several open.

sub serve {
    my ($listen, $log) = @_;

    $SIG{CHLD} = 'IGNORE';
    my $parent = $$;

    while (1) {
        my $c = $listen->accept || next;
        my $pid = fork // next;

        if (!$pid) {
            die_with_parent($parent);
            close $listen;
            eval { 1 while answer($c, $log) };
            POSIX::_exit(0);
        }

        close $c;
    }
}


sub answer {
    my ($c, $log) = @_;

    my $line = <$c> // return;
    my ($method, $uri, $version) = $line =~ m{^(\S+) (\S+) HTTP/(\S+)\r\n};
    my (@header, %header);

    while (defined(my $h = <$c>)) {
        last if $h eq "\r\n";
        my ($name, $value) = $h =~ /^([^:]+): ?(.*)\r\n/ or next;

        push @header, [$name, $value];
        $header{lc $name} = $value;
    }

    my $body = '';
    read $c, $body, $header{'content-length'} if $header{'content-length'};

    my $json = JSON::PP->new->ascii->canonical->encode({
        method => $method, uri => $uri, headers => \@header, body => $body,
    });

    open my $f, '>>', $log;
    syswrite $f, "$json\n";
    close $f;

    my %query = map { /^([^=]+)=(.*)$/ } split /&/, $uri =~ s/^[^?]*\??//r;

    Time::HiRes::sleep($query{delay}) if $query{delay};

    my $text = defined $query{size} ? 'x' x $query{size} : $json;
    my $close = $version eq '1.0' || lc($header{connection} // '') eq 'close';

    print $c "HTTP/1.1 ", $query{status} // 200, " Echo\r\n",
             "Content-Type: application/json\r\n",
             $query{header} ? "$query{header}\r\n" : '',
             $close ? "Connection: close\r\n" : '',
             "Content-Length: ", length $text, "\r\n\r\n", $text;
    $c->flush;

    return !$close;
}


1;
