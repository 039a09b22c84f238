#!/usr/bin/perl

# Lists that were accepted are kept for the next start: when the file is broken,
# gone, cannot be read or is older then.  What is kept is not believed, either.

# Copyright (C) the ngx_mtls_module authors

use FindBin;
use lib "$FindBin::Bin/lib";
use Mtls::Test;

use Digest::SHA qw(sha256 sha256_hex);
use Fcntl ();
use POSIX ();
use Time::HiRes qw(sleep);

my $pki = Mtls::PKI->standard;
my ($root, $inter, $foreign) = ($pki->root, $pki->inter, $pki->other_root);
my ($alice, $bob, $revoked) = ($pki->alice, $pki->bob, $pki->revoked);
my $other = $pki->other;

my %CONF = (
    ca   => 'mtls_ca partners %%PKI%%/root.crt %%PKI%%/inter.crt;',
    crl  => 'mtls_crl %%DIR%%/inter.crl %%DIR%%/root.crl refresh=1s;',
    main => '',
);

my $n = new_nginx();
my $path = "$n->{dir}/inter.crl";
my $kept = kept($n, $path);


# What is accepted is kept, for the user of the workers alone; an equal file is
# compiled and kept once.

my %crl = (10 => $inter->crl(revoked => [$revoked], number => 10));

install_crl($path, $crl{10});
start($n);
verdicts('first', $alice => 1, $revoked => 0);
ok(is_kept($n, $path, $crl{10}), 'first: kept');
ok(wait_for(sub { @{[kept_files($n)]} == 2 }, 5), 'first: each file');
is(mode("$n->{dir}/state/kept"), 0700, 'first: the folder');
is(mode($kept), 0600, 'first: the file');
is_deeply([glob "$n->{dir}/state/kept/*.tmp"], [], 'first: nothing else');

my @before = (stat $kept)[1, 9];

again($n);
verdicts('equal', $alice => 1, $revoked => 0);
is($n->error_lines(qr/loaded CRL file ".*inter.crl"/), 1,
   'equal: compiled once');
is($n->error_lines(qr/kept/), 0, 'equal: nothing is said');
sleep 1.2;
is_deeply([(stat $kept)[1, 9]], \@before, 'equal: not written again');


# Files that are broken, empty, cut off, gone: what is kept serves.

for my $case (
    ['broken', 'no CRL at all', qr/there is no CRL in it/],
    ['empty', '', qr/the file is empty/],
    ['cut off', substr($crl{10}->der, 0, -1), qr/truncated/],
    ['gone', undef, qr/cannot be opened \(2:/])
{
    my ($name, $content, $cause) = @$case;

    $n->stop;
    unlink $path;
    spew($path, $content) if defined $content;

    again($n);
    verdicts($name, $alice => 1, $revoked => 0);

    my @said = $n->error_lines(qr/\[error\].*inter\.crl/);

    like($said[0], qr/refused\ CRL\ file\ ".*inter\.crl":\ .*$cause.*;\ the\ one
                      \ kept\ at\ 20[-0-9]+\ [:0-9]+\ GMT\ \(CRL\ number\ 10\)
                      \ serves/x, "$name: said");
    like($n->error_lines(qr/loaded what is kept of CRL file/),
         qr/1/, "$name: loaded");

    ok($n->reload, "$name: reload");
    verdicts("$name, reloaded", $alice => 1, $revoked => 0);
    $n->kill_worker;
    verdicts("$name, another worker", $alice => 1, $revoked => 0);
}

ok($n->wait_error(qr/\[warn\].*inter\.crl" has vanished .*last good one stays/,
                  5), 'gone, reloaded: said by the new manager');
$n->mark;
sleep 2.2;
is($n->error_lines(qr/inter\.crl/), 0, 'gone: nothing more is said');

# and a good one counts at once

$crl{11} = $inter->crl(revoked => [$revoked, $bob], number => 11);
install_crl($path, $crl{11});
becomes($bob, 403, 'mended');
verdicts('mended', $alice => 1, $revoked => 0, $bob => 0);
ok($n->wait_error(qr/\[notice\].*loaded CRL file.*number 11/, 5),
   'mended: said');
ok(is_kept($n, $path, $crl{11}), 'mended: kept');

$n->stop;
spew($path, 'broken');
again($n);
verdicts('broken again', $alice => 1, $revoked => 0, $bob => 0);
$n->mark;
install_crl($path, $crl{11});
ok($n->wait_error(qr/\[notice\].*inter.crl" is good again/, 5),
   'broken again: the same is good again');
verdicts('good again', $alice => 1, $revoked => 0, $bob => 0);


# An older file is refused, unless the operator wants it so.

$n->stop;
install_crl($path, $inter->crl(revoked => [$revoked], number => 9));
again($n);
verdicts('older', $alice => 1, $revoked => 0, $bob => 0);

my ($line) = $n->error_lines(qr/\[error\].*inter\.crl/);

like($line, qr/the\ CRL\ of\ ".*"\ is\ older\ \(CRL\ number\ 9\)\ than\ the
               \ kept\ one\ \(CRL\ number\ 11\);\ if\ its\ CA\ really\ began
               \ anew,\ remove\ "\Q$kept\E"\ and\ restart\ nginx;\ the\ one
               \ kept\ at\ .*\(CRL\ number\ 11\)\ serves/x, 'older: said');

ok($n->reload, 'older: reload');
verdicts('older, reloaded', $alice => 1, $revoked => 0, $bob => 0);
ok($n->wait_error(qr/older \(CRL number 9\) than the loaded one \(CRL number /
                  . qr/11\); .*, remove "\Q$kept\E" and restart nginx/, 5),
   'older, reloaded: said');
ok(is_kept($n, $path, $crl{11}), 'older: the later one stays');

$n->stop;
unlink $kept;
again($n);
verdicts('older, wanted', $alice => 1, $revoked => 0, $bob => 1);

# a newer one is taken

$n->stop;
$crl{20} = $inter->crl(revoked => [$alice], number => 20);
install_crl($path, $crl{20});
again($n);
verdicts('newer', $alice => 0, $revoked => 1, $bob => 1);
ok(is_kept($n, $path, $crl{20}), 'newer: kept');
is($n->error_lines(qr/kept/), 0, 'newer: nothing is said');


# What is kept is not believed: with a broken file nobody is known, with a good
# one nothing happens, and it is kept again.

my $good = slurp($kept);
my $forged = $inter->crl(number => 99, key => $foreign);
my $trap = "$n->{dir}/trap";
my $trap_was;

my @forged = (
    ['cut off', sub { replace($kept, substr $good, 0, -1) },
     qr/it has \d+ octets instead of \d+/],
    ['empty', sub { replace($kept, '') }, qr/its head is wrong/],
    ['an octet of the list', sub {
        replace($kept, substr($good, 0, -9) . chr(1 ^ ord substr $good, -9, 1)
                       . substr $good, -8) }, qr/signature|DER|bits/],
    ['an octet of its head', sub {
        replace($kept, substr($good, 0, 100)
                       . chr(1 ^ ord substr $good, 100, 1)
                       . substr $good, 101) }, qr/not what was written/],
    ['of another file', sub {
        replace($kept, slurp(kept($n, "$n->{dir}/root.crl"))) },
     qr/of another file/],
    ['a forged list', sub {
        replace($kept, kept_file($good, $path, $forged->der)) },
     qr/the signature does not verify/],
    ['a list of a stranger', sub {
        replace($kept, kept_file($good, $path,
                                 $foreign->crl(number => 99)->der)) },
     qr/issuer "[^"]*" is not known/],
    ['no list', sub { replace($kept, kept_file($good, $path, 'x' x 99)) },
     qr/./],
    ['huge', sub { truncate $kept, 3 << 30 }, qr/larger than 2 GiB/],
    ['readable by others', sub { chmod 0644, $kept }, qr/user's alone/],
    ['a link', sub {
        rename $kept, $trap;
        symlink $trap, $kept;
        $trap_was = sha256_hex(slurp($trap)) },
     qr/cannot be opened \(40:/],
    ['a FIFO', sub { unlink $kept; POSIX::mkfifo($kept, 0600) },
     qr/no regular file/],
    ['a folder', sub { unlink $kept; mkdir $kept, 0700 },
     qr/no regular file/],
    $> ? () : ['of another user', sub { chown scalar(getpwnam 'nobody'), 0,
                                              $kept }, qr/user's alone/],
);

for my $case (@forged) {
    my ($name, $forge, $cause) = @$case;

    $n->stop;
    spew($path, 'broken');
    $forge->();
    again($n);
    refused(get($n, '/', cert => $_), 'revocation_unknown',
            "forged, $name: nobody is known") for $alice, $revoked;

    my @said = $n->error_lines(qr/\[(?:error|warn)\].*: mtls_crl: .*inter/);
    like($said[0], qr/refused\ CRL\ file\ .*no\ CRL\ in\ it.*;\ the\ kept\ file
                      \ "\Q$kept\E"\ is\ not\ used:\ .*$cause.*;\ there\ is\ no
                      \ good\ one/x, "forged, $name: said");
    is(scalar @said, 1, "forged, $name: once");

    $n->stop;
    install_crl($path, $crl{20});
    again($n);
    verdicts("forged, $name, with a good file", $alice => 0, $revoked => 1);

    if ($name eq 'a folder') {
        ok($n->wait_error(qr/\[warn\].*CRLs cannot be kept .*\(21:/, 5),
           'forged, a folder: it stays');
        rmdir $kept;
    }

    ok(is_kept($n, $path, $crl{20}), "forged, $name: kept again");
    is(mode($kept), 0600, "forged, $name: as it was");
}

is(sha256_hex(slurp($trap)), $trap_was, 'forged: the link was not followed');


# The folder is not ours: nothing is kept, which is said once, and all else
# goes on.

$n->stop;
rename "$n->{dir}/state/kept", "$n->{dir}/was";
mkdir "$n->{dir}/elsewhere", 0700;

for my $case (['a file', sub { spew($_[0], '') }, sub { unlink $_[0] }],
              ['a link', sub { symlink "$n->{dir}/elsewhere", $_[0] },
               sub { unlink $_[0] }])
{
    my ($name, $make, $remove) = @$case;
    my $dir = "$n->{dir}/state/kept";

    $make->($dir);
    again($n);
    verdicts("no folder, $name", $alice => 0, $revoked => 1);
    ok($n->wait_error(qr/\[warn\].*CRLs cannot be kept for the next start: "\S+/
                      . qr/kept" cannot be used \(\d+: /, 5),
       "no folder, $name: said");
    install_crl($path, $inter->crl(revoked => [$bob], number => 21));
    becomes($alice, 200, "no folder, $name: a new list");
    verdicts("no folder, $name, later", $alice => 1, $bob => 0);
    is($n->error_lines(qr/cannot be kept/), 1, "no folder, $name: once");

    $remove->($dir);
    ok($n->wait_error(qr/\[notice\].*CRLs are kept again/, 15),
       "no folder, $name: mended");
    ok(is_kept($n, $path), "no folder, $name: kept");
    $n->stop;
    command('rm', '-r', $dir);
    install_crl($path, $crl{20});
}

is_deeply([glob "$n->{dir}/elsewhere/*"], [], 'no folder: no link is followed');
rename "$n->{dir}/was", "$n->{dir}/state/kept";


# Several lists in a file, the signer of one beside it.

{
    my $both = "$n->{dir}/both.crl";
    my @conf = (ca => 'mtls_ca partners %%PKI%%/root.crt;',
                crl => 'mtls_crl %%DIR%%/both.crl refresh=1s;');

    install_crl($both, $inter->crl(revoked => [$revoked], number => 30),
                "words\n", slurp($inter->crt), $root->crl,
                $inter->crl(revoked => [$alice], number => 29));
    again($n, @conf);
    verdicts('several', $alice => 1, $revoked => 0);
    ok(is_kept($n, $both), 'several: kept');

    $n->stop;
    spew($both, 'broken');
    again($n, @conf);
    verdicts('several, broken', $alice => 1, $revoked => 0);
    like(($n->error_lines(qr/\[error\].*both/))[0] // '',
         qr/; the 2 CRLs kept at 20.* GMT serve/, 'several, broken: said');

    # one of the two is older: nothing of the file counts

    $n->stop;
    install_crl($both, $inter->crl(number => 28), slurp($inter->crt),
                $root->crl(number => 1000));
    again($n, @conf);
    verdicts('several, one older', $alice => 1, $revoked => 0);
    $n->stop;
}


# A CA that is no longer trusted: its list does not serve.

{
    my $theirs = "$n->{dir}/theirs.crl";
    my @crl = (crl => 'mtls_crl %%DIR%%/*.crl refresh=1s;');

    install_crl($theirs, $foreign->crl(revoked => [$other], number => 5));
    again($n, ca => "$CONF{ca} mtls_ca others %%PKI%%/other_root.crt;", @crl);
    refused(get($n, '/', cert => $other), 'revoked', 'CA removed: before');
    ok(is_kept($n, $theirs), 'CA removed: kept');

    $n->stop;
    spew($theirs, 'broken');
    unlink "$n->{dir}/both.crl", kept($n, "$n->{dir}/both.crl");
    again($n, @crl);
    verdicts('CA removed', $alice => 0, $revoked => 1);
    like(($n->error_lines(qr/\[error\].*theirs/))[0] // '',
         qr/is not used: issuer "[^"]*" is not known.*; there is no good one/,
         'CA removed: not used');

    # while nginx runs a CA comes, and what is kept of its list with it

    my $cas = "$n->{dir}/others.pem";
    my $third = $pki->ca(cn => 'Third CA');

    $n->stop;
    spew($cas, slurp($third->crt));
    again($n, ca => "$CONF{ca} mtls_ca others %%DIR%%/others.pem refresh=1s "
                    . "revocation=leaf;", @crl);
    ok($n->wait_error(qr/theirs.*is not used: issuer/, 5), 'CA live: before');
    $n->mark;
    spew("$cas.new", map { slurp($_->crt) } $third, $foreign);
    rename "$cas.new", $cas;
    ok($n->wait_error(qr/theirs.*\(CRL number 5\) serves/, 10),
       'CA live: what is kept serves');
    ok(wait_for(sub { (get($n, '/', cert => $other)
                       ->header('X-Mtls-Reason') // '') eq 'revoked' }, 5),
       'CA live: revoked');

    # and another one, which changes what is trusted once more

    $n->mark;
    spew("$cas.new", map { slurp($_->crt) } $third, $foreign,
                                            $pki->ca(cn => 'Fourth CA'));
    rename "$cas.new", $cas;
    ok($n->wait_error(qr/loaded CA file ".*others\.pem"/, 10),
       'CA live: another one');
    sleep 1.5;
    refused(get($n, '/', cert => $other), 'revoked', 'CA live: still revoked');
    is($n->error_lines(qr/theirs/), 0, 'CA live: which is no news');

    # and at a start

    $n->stop;
    again($n, ca => "$CONF{ca} mtls_ca others %%PKI%%/other_root.crt;", @crl);
    refused(get($n, '/', cert => $other), 'revoked', 'CA back: it serves');
    $n->stop;
}


# Globs: a file that is gone when nginx starts counts as one that vanishes while
# it runs, so a folder that is not mounted lets nobody in.

{
    my $dir = "$n->{dir}/crl";
    my @conf = (crl => 'mtls_crl %%DIR%%/crl/*.crl %%DIR%%/root.crl '
                       . 'refresh=1s;');

    mkdir $dir;
    install_crl("$dir/a.crl", $inter->crl(revoked => [$revoked], number => 40));
    again($n, @conf);
    verdicts('glob', $alice => 1, $revoked => 0);
    ok(is_kept($n, "$dir/a.crl"), 'glob: kept');

    $n->stop;
    rename $dir, "$dir.was";
    mkdir $dir;
    again($n, @conf);
    verdicts('glob, not mounted', $alice => 1, $revoked => 0);
    like(($n->error_lines(qr/\[error\].*a\.crl/))[0] // '',
         qr/cannot be opened \(2:.*\(CRL number 40\) serves/,
         'glob, not mounted: said');
    sleep 2.2;
    is($n->error_lines(qr/a\.crl/), 2, 'glob, not mounted: once');

    rmdir $dir;
    rename "$dir.was", $dir;
    ok($n->wait_error(qr/a\.crl" is good again/, 5), 'glob, mounted');
    verdicts('glob, mounted', $alice => 1, $revoked => 0);

    # a name that says a date

    $n->stop;
    unlink "$dir/a.crl";
    install_crl("$dir/b.crl", $inter->crl(revoked => [$alice], number => 41));
    again($n, @conf);
    verdicts('glob, another name', $alice => 0, $revoked => 1);
    ok($n->wait_error(qr/a\.crl", which has vanished, is superseded/, 5),
       'glob, another name: said');
    ok(!-e kept($n, "$dir/a.crl"), 'glob, another name: not kept any more');
    ok(is_kept($n, "$dir/b.crl"), 'glob, another name: the new one is');

    # what the glob does not mean, and what a renamed file says, do not count

    $n->stop;
    install_crl("$dir/b.crl", $inter->crl(revoked => [$revoked], number => 42));
    my $no = $inter->crl(revoked => [$alice], number => 50);
    replace(kept($n, "$dir/c.txt"), kept_file($good, "$dir/c.txt", $no->der));
    replace(kept($n, "$dir/x/y.crl"),
            kept_file($good, "$dir/x/y.crl", $no->der));
    replace(kept($n, "$dir/d.crl"), kept_file($good, "$dir/e.crl", $no->der));
    again($n, @conf);
    verdicts('glob, others', $alice => 1, $revoked => 0);

    # those go when nobody has meant them for a month

    my $old = time - 31 * 86400;
    my @old = map { kept($n, $_) } "$dir/c.txt", "$dir/b.crl";

    utime $old, $old, @old;
    utime $old + 2 * 86400, $old + 2 * 86400, kept($n, "$dir/x/y.crl");
    spew("$n->{dir}/state/kept/" . '0' x 64 . '.' . '1' x 32 . '.tmp', '');
    utime $old, $old, glob "$n->{dir}/state/kept/*.tmp";
    spew("$n->{dir}/state/kept/README", '');
    utime $old, $old, "$n->{dir}/state/kept/README";

    $n->stop;
    again($n, @conf);
    ok(wait_for(sub { !-e $old[0] }, 5), 'old: removed');
    ok($n->wait_error(qr/\[notice\].*kept file .* removed/, 5), 'old: said');
    ok(-e $old[1] && (stat _)[9] > $old + 86400, 'old: but not one in use');
    ok(-e kept($n, "$dir/x/y.crl"), 'old: nor one a little younger');
    is_deeply([glob "$n->{dir}/state/kept/*.tmp"], [], 'old: a left file');
    ok(-e "$n->{dir}/state/kept/README", 'old: nothing of somebody else');
    $n->stop;
}


# Two instances of one state path.

{
    my $two = new_nginx();
    my @state = (main => "mtls_state_path $n->{dir}/state;",
                 crl => "mtls_crl $path $n->{dir}/root.crl refresh=1s;");

    install_crl($path, $crl{20});
    start($n, @state);
    start($two, @state);
    verdicts('two instances', $alice => 0, $revoked => 1);
    allowed(get($two, '/', cert => $revoked), 'two instances: the other');

    my $new = $inter->crl(revoked => [$revoked], number => 60);
    install_crl($path, $new);
    becomes($alice, 200, 'two instances: a new list');
    ok(is_kept($n, $path, $new), 'two instances: kept');
    $two->stop;

    $n->stop;
    install_crl($path, $crl{20});
    start($n, @state);
    start($two, @state);
    verdicts('two instances, older', $alice => 1, $revoked => 0);
    refused(get($two, '/', cert => $revoked), 'revoked',
            'two instances, older: the other');
    ok(is_kept($n, $path, $new), 'two instances, older: kept');
    is_deeply([glob "$n->{dir}/state/kept/*.tmp"], [],
              'two instances: nothing is left');
    $_->stop for $n, $two;
}


# Without a master process.

{
    my $m = new_nginx(workers => 0);
    my $text = "worker_processes 1; master_process off;\nhttp {\n" . conf()
               . "}\n";

    install_crl("$m->{dir}/inter.crl", $inter->crl(revoked => [$revoked],
                                                   number => 70));
    $m->run($text);
    ok($m->wait_error(qr/loaded CRL file.*\/inter\.crl/, 10),
       'no master: started');
    ok(is_kept($m, "$m->{dir}/inter.crl"), 'no master: kept');

    $m->stop;
    spew("$m->{dir}/inter.crl", 'broken');
    $m->mark;
    $m->run;
    ok($m->wait_error(qr/CRL number 70\) serves/, 10), 'no master: it serves');
    refused(get($m, '/', cert => $revoked), 'revoked', 'no master: bad');
    allowed(get($m, '/', cert => $alice), 'no master: good');
    $m->stop;
}


# A file that the user of the workers cannot read.

SKIP: {
    skip 'needs root', 1 if $> != 0;

    my $m = new_nginx(user => 'nobody nogroup');
    my $file = "$m->{dir}/inter.crl";

    for ($pki->dir, glob $pki->dir . '/*.crt') {
        my $mode = mode($_);
        chmod $mode | (-d $_ ? 0055 : 0044), $_;
    }

    install_crl($file, $inter->crl(revoked => [$revoked], number => 80));
    start($m);
    allowed(get($m, '/', cert => $alice), 'unreadable: before');
    ok(is_kept($m, $file), 'unreadable: kept');

    $m->stop;
    chmod 0600, $file;
    $m->mark;
    $m->run;
    allowed(get($m, '/', cert => $alice), 'unreadable: good');
    refused(get($m, '/', cert => $revoked), 'revoked', 'unreadable: bad');
    ok($m->error_lines(qr/\[error\].*opened \(13:.*number 80\) serves/),
       'unreadable: said');
    ok(grep({ /\[warn\].*is not readable by the worker user .*; what was kept/ }
            $m->log_lines('stderr'), $m->error_lines(qr/readable/)),
       'unreadable: and at the start');

    $m->mark;
    sleep 2.2;
    is($m->error_lines(qr/inter\.crl/), 0, 'unreadable: once');

    chmod 0644, $file;
    ok($m->wait_error(qr/inter\.crl" is good again/, 5), 'readable');
    allowed(get($m, '/', cert => $alice), 'readable: good');
    refused(get($m, '/', cert => $revoked), 'revoked', 'readable: bad');

    # A list that cannot be kept: the one before it must not serve instead.

    my $dir = "$m->{dir}/state/kept";
    my $is = kept($m, $file);

    chmod 0500, $dir;
    install_crl($file, $inter->crl(revoked => [$alice], number => 81));
    ok($m->wait_error(qr/\[warn\].*CRLs cannot be kept .*\(13:/, 10),
       'not kept: said');
    refused(get($m, '/', cert => $alice), 'revoked', 'not kept: before');
    is(mode($is), 0400, 'not kept: the earlier one is retired');
    $m->stop;

    for my $case (['broken', 'broken', qr/no CRL in it/],
                  ['older', $inter->crl(revoked => [$revoked], number => 79),
                   qr/is older \(CRL number 79\) than the kept one/])
    {
        my ($name, $content, $cause) = @$case;

        install_crl($file, $content);
        $m->mark;
        $m->run;
        refused(get($m, '/', cert => $_), 'revocation_unknown',
                "not kept, $name: nobody is known") for $alice, $revoked;
        ok($m->error_lines(qr/$cause.*; the kept file "\S+" is not used: a /
                           . qr/later list was in force.*no good one/),
           "not kept, $name: said");
        $m->stop;
    }

    chmod 0700, $dir;
    install_crl($file, $inter->crl(revoked => [$alice], number => 81));
    $m->run;
    refused(get($m, '/', cert => $alice), 'revoked', 'not kept, mended: bad');
    allowed(get($m, '/', cert => $revoked), 'not kept, mended: good');
    ok(wait_for(sub { -e $is && mode($is) == 0600 }, 10),
       'not kept, mended: kept');

    # without what is kept it is a wrong configuration

    $m->stop;
    chmod 0600, $file;
    command('rm', '-r', "$m->{dir}/state/kept");
    $m->config_refused(conf(), qr/is not readable by the worker user/,
                       'unreadable, not kept: refused');
}

done_testing();


sub new_nginx {
    my $m = Mtls::Test->new(pki => $pki, workers => 1, @_);

    $m->file('index.html', 'hello');
    install_crl("$m->{dir}/root.crl", $root->crl);

    return $m;
}


sub conf {
    my %c = (%CONF, @_);

    my $mtls = $c{main} ? "$c{main}\n" . <<'HEADERS' : '%%MTLS%%';
add_header X-Mtls-Action $mtls_action always;
add_header X-Mtls-Reason $mtls_reason always;
HEADERS

    return <<"CONF";
$c{ca}
$c{crl}
$mtls

server {
    listen 127.0.0.1:%%PORT_0%% ssl;
    %%CERT%%
    ssl_verify_client optional;
    ssl_verify_depth 4;
    ssl_client_certificate %%PKI%%/cas.pem;
    root %%DIR%%;
    location / { mtls_allow any; }
}
CONF
}


sub start {
    my ($m, @conf) = @_;

    $m->mark;
    $m->run(conf(@conf));
}


sub again {
    my ($m, @conf) = @_;

    $m->stop;
    start($m, @conf);
}


# what becomes of these certificates: 1 allowed, 0 revoked

sub verdicts {
    my ($name, @expected) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my %name = ($alice => 'alice', $bob => 'bob', $revoked => 'revoked');
    my %cert = map { $_ => $_ } $alice, $bob, $revoked;

    while (my ($cert, $good) = splice @expected, 0, 2) {
        my $r = get($n, '/', cert => $cert{$cert});
        my $what = "$name: $name{$cert}";

        $good ? allowed($r, $what) : refused($r, 'revoked', $what);
    }
}


sub becomes {
    my ($cert, $status, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    ok(wait_for(sub { get($n, '/', cert => $cert)->{status} == $status }, 15),
       "$name: in a while it is $status");
}


# where a file is kept

sub kept {
    my ($m, $file) = @_;

    return "$m->{dir}/state/kept/" . sha256_hex($file);
}


sub kept_files {
    my ($m) = @_;

    return grep { m{/[0-9a-f]{64}$} } glob "$m->{dir}/state/kept/*";
}


# whether a file is kept, in a while, with this list

sub is_kept {
    my ($m, $file, $crl) = @_;

    my $is = kept($m, $file);

    return wait_for(sub { -f $is && !-l $is && -s _ < 1 << 20
                          && (!$crl || index(slurp($is), $crl->der) > 0) },
                    15);
}


# A kept file whose head is right: of that path, with one list.  The facts of
# another one are taken over, but for a number that is later than all.

sub kept_file {
    my ($like, $file, $der) = @_;

    my $len = unpack 'x16 L', $like;
    my $entry = substr $like, 72 + $len, 176;

    substr($entry, 8, 8) = pack 'Q', length $der;
    substr($entry, 24, 32) = sha256($der);
    substr($entry, 152, 3) = pack 'C3', 2, 0x7f, 0xff;

    my $head = pack 'a8 L4 Q q', "MTLSKPT\0", 1, 1, 1 + length $file, 0,
               72 + 1 + length($file) + 176 + length $der, time;

    return $head . sha256($head . "\0" x 32 . "$file\0$entry")
           . "$file\0$entry$der";
}


sub replace {
    my ($file, $content) = @_;

    spew("$file.new", $content);
    chmod 0600, "$file.new";
    rename "$file.new", $file or die "$file: $!";
}


sub mode { return (stat $_[0])[2] & 07777 }
