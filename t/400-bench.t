#!/usr/bin/perl

# The benchmarks in short: sizes and instructions, nothing that takes longer on
# a busy machine.

# Copyright (C) the ngx_mtls_module authors

use FindBin;
use lib "$FindBin::Bin/lib";

use Mtls::Test;

use Cwd ();

use constant { ENTRIES => 20_000, TABLE => 100_000, SERVERS => 1000 };

my $bench = "$FindBin::Bin/bench";

$ENV{OBJS} = Cwd::abs_path($ENV{OBJS} || "$FindBin::Bin/../objs");

crl();
servers();

done_testing;


# Compiling a CRL and looking a serial number up, by callgrind.

sub crl {
    my $valgrind = grep { -x "$_/valgrind" } split /:/, $ENV{PATH};

  SKIP: {
        skip 'no valgrind', 1 if !$valgrind;

        bench('instructions to compile a CRL and to look up', "$bench/crl",
              '--count', ENTRIES);
    }
}


# One copy of CAs, CRLs and groups.

sub servers {
  SKIP: {
        skip 'no module', 1 if !$ENV{MTLS_MODULE};
        skip 'memory of a sanitizer is not ours', 1 if $ENV{MTLS_PRELOAD};

        bench(SERVERS . ' servers hold one copy', $^X, "$bench/servers",
              '--servers=' . SERVERS, '--entries=' . TABLE, '--each=1000');
    }
}


sub bench {
    my ($name, @command) = @_;

    my ($code, $out, $err) = command(@command);

    is($code, 0, $name) || diag($out, $err);
    note($out);
}
