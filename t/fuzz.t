#!/usr/bin/perl

# Runs the fuzzers of t/fuzz, from public certificates on: each for as many
# seconds as FUZZ_SECONDS says (30).
# Copyright (C) the ngx_mtls_module authors

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Temp ();
use MIME::Base64 ();
use Test::More;

use Mtls::DER qw(:all);
use Mtls::Util qw(slurp spew);

my $top = "$FindBin::Bin/..";
my $dir = ($ENV{OBJS} || 'objs') . '/fuzz';
my $seconds = $ENV{FUZZ_SECONDS} || 30;
my $tmp = File::Temp::tempdir('mtls-fuzz-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);

chdir $top or die "chdir: $!\n";

if (!$ENV{MAKELEVEL}
    && system('make', '--no-print-directory', 'fuzz-programs') != 0)
{
    BAIL_OUT('the fuzzers do not compile');
}

seeds();

for my $name (map { m{fuzz_(\w+)\.c$} } sort glob 't/fuzz/fuzz_*.c') {
    my $log = "$tmp/$name.log";

    my $status = system("$dir/fuzz_$name -max_total_time=$seconds "
                        . "-timeout=10 -max_len=8192 "
                        . "-artifact_prefix=$tmp/$name- $tmp/$name "
                        . "> $log 2>&1");
    my $said = slurp($log);

    ok($status == 0, "$name: nothing found") || diag(substr $said, -6000);

    my ($runs) = $said =~ /Done (\d+) runs/;
    diag("$name: " . ($runs // 'no') . ' runs');
}

done_testing();


# Certificates, and the values of their QCStatements after an octet of options.

sub seeds {
    mkdir "$tmp/$_" for qw(certificate qcstatement);

    my $qc = oid('1.3.6.1.5.5.7.1.3');
    my $n = 0;

    for my $file (glob('t/data/psd2/*/*.pem'), glob('t/unit/data/*.pem')) {
        for my $pem (slurp($file) =~ /BEGIN CERTIFICATE-+(.*?)-+END/sg) {
            my $der = MIME::Base64::decode_base64($pem);

            next if length $der > 8192;

            spew("$tmp/certificate/" . ++$n, $der);

            # each octet string that follows the OID, whole extension or not

            while ($der =~ /\Q$qc\E(?:\x01\x01\xff)?(?=\x04)/g) {
                my $value = (der_read(substr $der, pos $der))[1];

                spew("$tmp/qcstatement/$n-$_", chr($_) . $value) for 0, 3;
            }
        }
    }

    cmp_ok($n, '>=', 100, 'seeds');
}
