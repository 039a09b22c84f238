#!/usr/bin/perl

# Runs the cmocka programs of t/unit; each of their tests is a test here.
# T="NAME..." in the environment limits them, KIND=valgrind takes the programs
# that were built for it.

# Copyright (C) the ngx_mtls_module authors

use warnings;
use strict;

use FindBin;
use Test::More;

my $kind = $ENV{KIND} || 'unit';
my $dir = ($ENV{OBJS} || 'objs') . "/$kind";
my @valgrind = ('valgrind', '-q', '--error-exitcode=99', '--leak-check=full',
    '--errors-for-leak-kinds=definite,possible');

chdir "$FindBin::Bin/.." or die "chdir: $!\n";

# under make they are fresh
if (!$ENV{MAKELEVEL} && $kind eq 'unit'
    && system('make', '--no-print-directory', 'unit-programs') != 0)
{
    BAIL_OUT('the unit tests do not compile');
}

my @names = $ENV{T} ? split(' ', $ENV{T})
    : map { m{test_(\w+)\.c$} } sort glob('t/unit/test_*.c');

for my $name (@names) {
    my @cmd = ($kind eq 'valgrind' ? @valgrind : (), "$dir/test_$name");
    my $out = run(@cmd);
    my $status = $?;

    my ($planned, $seen, $failed) = (0, 0, 0);

    for (split /\n/, $out) {
        if (/^1\.\.(\d+)/) {
            $planned += $1;

        } elsif (/^(not )?ok \d+(?: - )?(.*)/) {
            $seen++;
            $failed++ if $1;

            ok(!$1, "$name: $2");
        }
    }

    # a program that dies has run fewer tests than it planned
    if ($seen < $planned || !$planned || ($status && !$failed)) {
        $failed++;
        fail("$name: ran $seen of $planned tests, status $status");
    }

    diag($out) if $failed;
}

done_testing();


sub run {
    my (@cmd) = @_;

    my $pid = open(my $fh, '-|') // die "fork: $!\n";

    if ($pid == 0) {
        $ENV{CMOCKA_MESSAGE_OUTPUT} = 'TAP';
        $ENV{UBSAN_OPTIONS} = 'print_stacktrace=1';
        open(STDERR, '>&', \*STDOUT);
        exec(@cmd) or print "$cmd[0]: $!\n";
        exit 127;
    }

    local $/;
    my $out = <$fh> // '';
    close($fh);

    return $out;
}
