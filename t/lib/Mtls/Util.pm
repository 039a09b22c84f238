package Mtls::Util;

# Files and commands, for the other parts of the test library.
# Copyright (C) the ngx_mtls_module authors

=head1 NAME

Mtls::Util - files, commands, waiting

=head1 SYNOPSIS

    my $text = slurp($path);                    # octets
    spew($path, @text);
    my ($code, $out, $err) = command('openssl', 'version');
    my ($code, $out, $err) = command({env => {A => 1}}, 'sh', '-c', '...');
    $conf = http2_on($conf);    # "http2 on;" of nginx 1.25.1 in each server
    my $true = wait_for(sub { -e $path }, 5);   # what the sub gave, or false
    die_with_parent($parent_pid);               # in a forked child
    my $path = tool('mkcrl');                   # of t/tools, built if need be

An exit code of 128 + N is a death by signal N.

=cut

use strict;
use warnings;

use Config ();
use Cwd ();
use Exporter 'import';
use File::Temp ();
use POSIX ();
use Time::HiRes ();

our @EXPORT_OK = qw(slurp spew command http2_on tool wait_for die_with_parent);

my %TOOL;                   # name => path, what was built


sub slurp {
    my $path = shift;

    open my $f, '<:raw', $path or die "$path: $!\n";
    local $/;
    my $text = <$f>;

    return $text // '';
}


sub spew {
    my ($path, @text) = @_;

    open my $f, '>:raw', $path or die "$path: $!\n";
    print $f @text;
    close $f or die "$path: $!\n";
}


sub command {
    my $opt = ref $_[0] ? shift : {};
    my @cmd = @_;

    my ($out, $err) = (File::Temp->new, File::Temp->new);
    my $pid = fork // die "fork: $!\n";

    if (!$pid) {
        @ENV{keys %{$opt->{env}}} = values %{$opt->{env}} if $opt->{env};
        open STDIN, '<', $opt->{stdin} || '/dev/null';
        open STDOUT, '>&', $out;
        open STDERR, '>&', $err;
        { no warnings; exec { $cmd[0] } @cmd; }
        POSIX::_exit(127);
    }

    local ($?, $!);
    waitpid $pid, 0;

    my $code = $? & 127 ? 128 + ($? & 127) : $? >> 8;

    return ($code, slurp("$out"), slurp("$err"));
}


# A program of t/tools; it goes to objs/tools, or else with this process.

sub tool {
    my $name = shift;

    return $TOOL{$name} if $TOOL{$name};

    my $top = Cwd::abs_path(__FILE__) =~ s{/t/lib/Mtls/Util\.pm$}{}r;
    my @source = glob "$top/t/tools/$name*.c";
    my $dir = "$top/objs";

    if (-w $dir) {
        $dir .= '/tools';
        mkdir $dir;

    } else {
        $dir = File::Temp::tempdir('mtls-tool-XXXXXXXX', TMPDIR => 1,
                                   CLEANUP => 1);
    }

    my $path = "$dir/$name";

    if (grep { !-e $path || -M $_ < -M $path } @source) {
        my ($code, undef, $err) = command(
            $ENV{CC} || 'cc', '-O2', '-o', "$path.$$", @source,
            '-lssl', '-lcrypto');

        die "cannot build $name: $err\n" if $code;
        rename "$path.$$", $path or die "$path: $!\n";
    }

    return $TOOL{$name} = $path;
}


# Polls until the code gives something true; gives that, or its last answer.

sub wait_for {
    my ($code, $seconds) = @_;

    my $end = Time::HiRes::time() + ($seconds // 5);
    my $pause = 0.002;

    while (1) {
        my $got = $code->();
        return $got if $got || Time::HiRes::time() > $end;

        Time::HiRes::sleep($pause);
        $pause = $pause * 1.5 if $pause < 0.05;
    }
}


# Since nginx 1.25.1 "listen ... http2" warns: a server has a directive for it.

sub http2_on {
    my ($text) = @_;

    my @part = split /(?=\bserver\s*\{)/, $text;

    for (@part) {
        s/(\blisten [^;]*?) http2\b([^;]*;)/$1$2 http2 on;/;
        1 while s/(\blisten [^;]*?) http2\b/$1/;
    }

    return join '', @part;
}


# The child is told to end when its parent dies, however that happens:
# prctl(PR_SET_PDEATHSIG, SIGTERM), which survives exec.

sub die_with_parent {
    my $parent = shift;

    my $nr = $Config::Config{archname} =~ /^x86_64/ ? 157
             : $Config::Config{archname} =~ /^aarch64/ ? 167 : return;

    syscall $nr, 1, POSIX::SIGTERM(), 0, 0, 0;

    POSIX::_exit(1) if getppid() != $parent;
}


1;
