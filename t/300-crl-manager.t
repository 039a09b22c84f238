#!/usr/bin/perl

# The manager: CRL files that change, go bad, come and vanish while nginx
# runs; its child and itself killed; the folders of runs.

# Copyright (C) the ngx_mtls_module authors

use FindBin;
use lib "$FindBin::Bin/lib";
use Mtls::Test;

use Time::HiRes qw(sleep stat);

my $pki = Mtls::PKI->standard;
my ($root, $inter, $other) = ($pki->root, $pki->inter, $pki->other_root);
my ($alice, $bob, $revoked) = ($pki->alice, $pki->bob, $pki->revoked);
my $device = $pki->device;

my $n = new_nginx();


# A replaced file counts for each worker, on connections that live.

crl('inter.crl', $inter->crl(revoked => [$revoked], number => 10));
crl('root.crl', $root->crl(number => 1));

start($n, 'mtls_crl %%DIR%%/crl/*.crl refresh=1s;');

allowed(get($n, '/', cert => $alice), 'not listed');
refused(get($n, '/', cert => $revoked), 'revoked', 'listed');

ok($n->wait_error(qr/\[notice\].*loaded CRL file ".*inter.crl": 1 entries, /
                  . qr/CRL number 10, next update 20\d\d-/, 5),
   'a line says what was loaded');
is(generation($n), 1, 'two files, one generation');

my @k = map { keepalive($n, cert => $bob) } 1 .. 8;

allowed($_->get('/'), 'connection before') for @k;

$n->mark;
crl('inter.crl', $inter->crl(revoked => [$revoked, $bob], number => 11));

ok($n->wait_error(qr/loaded CRL file ".*inter.crl": 2 entries/, 5),
   'the change is seen');
wait_for(sub { get($n, '/', cert => $bob)->{status} == 403 }, 5);
is(generation($n), 2, 'the next generation');
refused($_->get('/'), 'revoked', 'the same connection') for @k;
allowed(get($n, '/', cert => $alice), 'and nobody else');


# What is refused: named, once, and the last good one stays.

my $good = slurp(path('inter.crl'));
my $number = 20;

for my $case (
    ['garbage', 'no CRL at all', qr/no CRL in it/],
    ['empty', '', qr/the file is empty/],
    ['truncated', substr($good, 0, length($good) / 2), qr/cut short/],
    ['truncated DER', substr($inter->crl(number => 12)->der, 0, -1),
     qr/./],
    ['trailing', $inter->crl(number => 12, break => 'trailing')->content,
     qr/./],
    ['wrong signature',
     $inter->crl(number => 12, break => 'signature')->content,
     qr/signature/],
    ['of another CA\'s key', $inter->crl(number => 12, key => $other)->content,
     qr/signature/],
    ['of an unknown CA', $other->crl(number => 12)->content,
     qr/issuer "CN=[^"]*" is not known/],
    ['an older one', $inter->crl(number => 9)->content,
     qr/older \(CRL number 9\) than the loaded one \(CRL number 11\)/],
    ['unknown critical extension',
     $inter->crl(number => 12, ext => [['1.2.3.4', 1, "\x05\0"]])->content,
     qr/1\.2\.3\.4/])
{
    my ($name, $content, $cause) = @$case;

    $n->mark;
    crl('inter.crl', $content);

    my $line = $n->wait_error(qr/refused CRL file/, 5) || '';

    like($line, qr/\[error\].*refused\ CRL\ file\ ".*inter.crl":\ .*$cause.*;
                   \ the\ last\ good\ one\ stays/x, "$name: refused");
    refused(get($n, '/', cert => $bob), 'revoked', "$name: the last one holds");
}

sleep 3.2;
is($n->error_lines(qr/refused CRL file/), 1, 'said once, not at each look');
is(generation($n), 2, 'what is refused is no generation');

$n->mark;
crl('inter.crl', $good);
ok($n->wait_error(qr/\[notice\].*inter.crl" is good again/, 5),
   'the good one is back');
is(generation($n), 2, 'which changes nothing');


# New files of a glob, several CRLs in one, files that vanish.

$n->mark;
my $both = $inter->crl(revoked => [$alice, $bob], number => 12)->content
           . "and text\n" . $root->crl(number => 2)->content;

crl('new.crl', $both);
ok($n->wait_error(qr/new.crl": 2 entries/, 5), 'a new file');
ok($n->wait_error(qr/new.crl": 0 entries/, 5), 'with two CRLs');
wait_for(sub { get($n, '/', cert => $alice)->{status} == 403 }, 5);
refused(get($n, '/', cert => $alice), 'revoked', 'and it counts');

$n->mark;
unlink path('new.crl');
my $vanished = $n->wait_error(qr/new.crl" has vanished/, 5) || '';
like($vanished, qr/\[warn\].*; the last good one stays/, 'a file vanishes');
sleep 2.2;
is($n->error_lines(qr/vanished/), 1, 'which is said once');
refused(get($n, '/', cert => $alice), 'revoked', 'its table stays');

$n->mark;
crl('new.crl', $inter->crl(revoked => [$bob], number => 13));
ok($n->wait_error(qr/loaded CRL file ".*new.crl"/, 5), 'it comes back');
wait_for(sub { get($n, '/', cert => $alice)->{status} != 403 }, 5);
allowed(get($n, '/', cert => $alice), 'and counts again');


# As Kubernetes does it: the name stays, where it leads to changes.

mkdir "$n->{dir}/v$_" for 1, 2;
install_crl("$n->{dir}/v1/x", $root->crl(number => 3));
install_crl("$n->{dir}/v2/x", $root->crl(number => 4));
symlink "$n->{dir}/v1", "$n->{dir}/data";
$n->mark;
symlink "$n->{dir}/data/x", path('link.crl');
ok($n->wait_error(qr/link.crl".*number 3,/, 5), 'by two links');
my $before = generation($n);
symlink "$n->{dir}/v2", "$n->{dir}/data.tmp";
rename "$n->{dir}/data.tmp", "$n->{dir}/data";
ok($n->wait_error(qr/link.crl".*number 4,/, 5), 'the link leads elsewhere');
ok(wait_for(sub { generation($n) > $before }, 5), 'and that is published');
unlink path('link.crl');


# A reload finds what is there; the configuration's own sources only count.

$before = generation($n);
$n->mark;
my $old_manager = $n->manager_pid;

ok($n->reload, 'reload');
allowed(get($n, '/', cert => $alice), 'no wait after a reload');
ok(wait_for(sub { my $m = $n->manager_pid; $m && $m != $old_manager }, 5),
   'a new manager');
ok(wait_for(sub { generation($n) == $before + 1 }, 5),
   'it publishes once');
is($n->error_lines(qr/loaded CRL file/), 0, 'nothing is compiled again');

$n->mark;
ok($n->reload(config('mtls_crl %%DIR%%/crl/root.crl refresh=1s;')),
   'reload with another source');
refused(get($n, '/', cert => $alice), 'revocation_unknown',
        'tables of the other configuration do not count');
ok($n->wait_error(qr/loaded CRL file ".*root.crl"/, 5), 'its own is loaded');

$n->mark;
ok($n->reload(config('mtls_crl %%DIR%%/crl/*.crl refresh=1s;')),
   'and the first one again');
allowed(get($n, '/', cert => $alice), 'which waits for its tables');


# The manager is killed, and its child.

$n->allow(qr/exited on signal 9/);
$n->mark;
$before = generation($n);
my $manager = $n->manager_pid;
kill 'KILL', $manager;
ok(wait_for(sub { ($n->manager_pid || $manager) != $manager }, 5),
   'a killed manager comes back');
ok(wait_for(sub { generation($n) > $before }, 5), 'it publishes');
is($n->error_lines(qr/loaded CRL file/), 0, 'without compiling');
refused(get($n, '/', cert => $bob), 'revoked', 'nothing was lost');

my $large = $inter->large_crl(entries => 400_000, revoked => [$alice, $bob],
                              format => 'der');

for my $victim (qw(child manager)) {
    $n->mark;
    crl('large.crl', $large);

    my $child = wait_for(sub { compiler($n) }, 5);
    ok($child, "$victim: there is a child");
    $manager = $n->manager_pid;
    kill 'KILL', $victim eq 'child' ? $child : $manager;

    if ($victim eq 'child') {
        like($n->wait_error(qr/large.crl.*killed/, 5) || '',
             qr/\[error\].*cannot\ load\ CRL\ file\ ".*large.crl":\ the
                \ compiler's\ child\ was\ killed\ by\ signal\ 9;
                \ there\ is\ no\ good\ one/x,
             'child: it is said');

    } else {
        ok(wait_for(sub { !lives($child) }, 1), 'manager: the child dies');
    }

    ok($n->wait_error(qr/loaded CRL file ".*large.crl": \d{6} entries/, 20),
       "$victim: tried again");
    ok(wait_for(sub { get($n, '/', cert => $alice)->{status} == 403 }, 5),
       "$victim: and used");

    ok(wait_for(sub { !glob_tmp($n) }, 5),
       "$victim: nothing is left");

    # so that it is new for the next one
    unlink path('large.crl');
    ok($n->wait_error(qr/large.crl" has vanished/, 5), "$victim: and gone");
    $large = $inter->large_crl(entries => 400_000, number => 1000,
                               revoked => [$alice, $bob], format => 'der');
}


# The folder of the run is removed by somebody.

# What a file had that has vanished is kept by then; a copy that is read-only
# is that of the list before.

ok(wait_for(sub { grep { latest($_) } glob "$n->{dir}/state/kept/*" }, 20),
   'folder removed: what a vanished file had is kept');
$n->mark;
command('rm', '-r', run_dir($n));
ok($n->wait_error(qr/\[error\].*somebody has removed/, 5), 'folder removed');
ok($n->wait_error(qr/loaded CRL file ".*inter.crl"/, 10), 'compiled again');
ok(wait_for(sub { run_dir($n) && -e run_dir($n) . '/manifest' }, 5),
   'and published');
ok(wait_for(sub { get($n, '/', cert => $device)->{status} == 200 }, 5),
   'and used');
refused(get($n, '/', cert => $alice), 'revoked',
        'with what was kept of a file that vanished');


# Folders of other runs; when old ones are removed, see t/unit/test_run.c.

my $state = "$n->{dir}/state";
my $old = run_dir($n);

$n->stop;
command('rm', '-r', "$state/kept");

mkdir "$state/" . 'a' x 32, 0700;
symlink 'a' x 32, "$state/" . 'b' x 32;

$n->run;
allowed(get($n, '/', cert => $alice), 'a new run');
isnt(run_dir($n), $old, 'in a folder of its own');
ok(-d $old && -d "$state/" . 'a' x 32 && -l "$state/" . 'b' x 32,
   'young folders are not removed');
$n->stop;


# No write access to the state path: a bad attempt, repeated.

SKIP: {
    skip 'needs root', 5 if $> != 0;

    my $m = new_nginx(user => 'nobody nogroup');

    mkdir "$m->{dir}/state", 0500;
    start($m, 'mtls_crl ' . $n->dir . '/crl/*.crl refresh=1s;');
    $m->mark;
    chown 0, 0, "$m->{dir}/state";
    kill 'KILL', $m->manager_pid;
    $m->allow(qr/exited on signal 9/);
    command('rm', '-r', run_dir($m)) if run_dir($m);

    my $line = $m->wait_error(qr/\[error\].*mkdir/, 5) || '';
    like($line, qr/Permission denied.*nothing can be loaded until this/,
         'a state path that cannot be written');
    refused(get($m, '/', cert => $alice), 'revocation_unknown',
            'nothing is known, and nobody waits for it');

    chown scalar(getpwnam 'nobody'), 0, "$m->{dir}/state";
    ok($m->wait_error(qr/state folder ".*" is good again/, 10), 'mended');
    ok(wait_for(sub { get($m, '/', cert => $alice)->{status} == 200 }, 5),
       'and used');
    $m->stop;
}


# refresh=off, and a CRL that goes stale.

{
    my $m = new_nginx();

    crl('off.crl', $inter->crl(number => 500, next => 2), $m);
    start($m, "mtls_crl %%DIR%%/crl/off.crl refresh=off grace=2s;\n"
              . "mtls_revocation leaf;");

    allowed(get($m, '/', cert => $alice), 'fresh');
    ok($m->wait_error(qr/\[warn\].*off.crl" is stale/, 6), 'it goes stale');
    crl('off.crl', $inter->crl(number => 501), $m);
    ok($m->wait_error(qr/\[error\].*off.crl" is too old: .* "unknown"/, 6),
       'its grace ends, too');
    refused(get($m, '/', cert => $alice), 'revocation_unknown', 'and so it is');
    sleep 1.2;
    is($m->error_lines(qr/is stale/), 1, 'which is said once');
    is($m->error_lines(qr/is too old/), 1, 'and so is that');
    is($m->error_lines(qr/loaded CRL/), 1, 'refresh=off looks at nothing');
    $m->reload;
    ok($m->wait_error(qr/number 501,/, 5), 'a reload does');
    $m->stop;
}


# issuer=FILE that comes to know the signer later

{
    my $m = new_nginx();
    my $signer = $pki->ca(cn => 'Issuing CA', issuer => $root,
                          name => 'signer', ku => ['cRLSign']);

    install_crl("$m->{dir}/issuer.pem", slurp($bob->crt));
    crl('signed.crl', $inter->crl(signer => $signer, revoked => [$alice],
                                  number => 600), $m);
    start($m, 'mtls_crl %%DIR%%/crl/*.crl issuer=%%DIR%%/issuer.pem '
              . "refresh=1s;\nmtls_revocation leaf;");

    ok($m->wait_error(qr/refused CRL file ".*signed.crl"/, 5),
       'the signer is not known');
    refused(get($m, '/', cert => $alice), 'revocation_unknown', 'unknown');
    install_crl("$m->{dir}/issuer.pem", slurp($signer->crt));
    ok($m->wait_error(qr/loaded CRL file ".*signed.crl"/, 5), 'then it is');
    ok(wait_for(sub {
        my $reason = get($m, '/', cert => $alice)->header('X-Mtls-Reason');
        return $reason eq 'revoked';
    }, 5), 'and counts');
    $m->stop;
}


# Without a master.

{
    my $m = new_nginx(workers => 0);

    crl('inter.crl', $inter->crl(number => 700), $m);
    $m->run("worker_processes 1;\nmaster_process off;\nhttp {\n"
            . config('mtls_crl %%DIR%%/crl/*.crl refresh=1s;'
                     . ' mtls_revocation leaf;') . "}\n");

    ok($m->wait_error(qr/loaded CRL file/, 5), 'no master: loaded');
    allowed(get($m, '/', cert => $bob), 'no master: served');
    my $k = keepalive($m, cert => $alice);
    allowed($k->get('/'), 'no master: a connection');
    crl('inter.crl', $inter->crl(number => 701, revoked => [$alice]), $m);
    ok($m->wait_error(qr/loaded CRL file.*number 701/, 5),
       'no master: a change is seen');
    refused($k->get('/'), 'revoked', 'no master: and used');

    # the child holds none of the process's sockets

    crl('inter.crl', $inter->large_crl(entries => 400_000, number => 702,
                                       format => 'der'), $m);
    my $child = wait_for(sub { compiler($m) }, 5);

    SKIP: {
        skip 'the child was too fast', 1 if !$child;

        # a little later than its beginning
        sleep 0.05;
        my @fd = grep { defined } map { readlink } glob "/proc/$child/fd/*";
        is(grep({ /socket|eventpoll/ } @fd), 0, 'no master: a child without '
           . 'sockets') || diag("@fd");
    }

    $m->stop;
}


# Many files, few generations.

{
    my $m = new_nginx();

    for my $i (1 .. 100) {
        crl("$i.crl", $root->crl(number => 1000 + $i), $m);
    }

    crl('inter.crl', $inter->crl(number => 800), $m);
    start($m, 'mtls_crl %%DIR%%/crl/*.crl refresh=1s;');
    allowed(get($m, '/', cert => $alice), '101 files');
    is(generation($m), 1, 'one generation');
    $m->stop;
}


done_testing();


sub new_nginx {
    my $m = Mtls::Test->new(pki => $pki, workers => 2, @_);

    mkdir "$m->{dir}/crl";
    $m->file('index.html', 'hello');

    return $m;
}


sub config {
    my ($crl) = @_;

    return <<"CONF";
mtls_ca  it  %%PKI%%/root.crt refresh=off;
mtls_ca  it  %%PKI%%/inter.crt refresh=off;
$crl
%%MTLS%%

server {
    listen 127.0.0.1:%%PORT_0%% ssl;
    %%TLS%%
    root %%DIR%%;
    location / { mtls_allow any; }
}
CONF
}


sub start {
    my ($m, $crl) = @_;

    $m->run(config($crl));
}


sub path {
    my ($name, $m) = @_;

    return ($m || $n)->dir . "/crl/$name";
}


# atomically, as a client of a CA should

sub crl {
    my ($name, $crl, $m) = @_;

    install_crl(path($name, $m), $crl);
}


sub run_dir {
    my ($m) = @_;

    my @dir = grep { -e "$_/alive" }
              glob $m->dir . '/state/' . '[0-9a-f]' x 32;

    return (sort { (stat $b)[9] <=> (stat $a)[9] } @dir)[0];
}


# the generation of the manifest, 0: none

sub generation {
    my ($m) = @_;

    my $path = (run_dir($m) // '') . '/manifest';

    return 0 if !-e $path;
    return unpack('x48 Q', slurp($path));
}


sub lives {
    my ($pid) = @_;

    open my $f, '<', "/proc/$pid/stat" or return 0;

    return (<$f> // '') =~ /\) [^ZX] /;
}


# the manager's child

sub compiler {
    my ($m) = @_;

    my $parent = $m->manager_pid || $m->master_pid;

    for my $stat (glob '/proc/[0-9]*/stat') {
        open my $f, '<', $stat or next;
        my ($pid, $ppid) = (<$f> // next) =~ /^(\d+) \(.*\) \S (\d+)/ or next;
        return $pid if $ppid == $parent;
    }

    return;
}


# what a child has not ended yet, or has left

sub glob_tmp {
    my $n = shift;

    my @left = glob run_dir($n) . '/*.tmp';

    return scalar @left;
}


# whether a large list is kept there, and no later one is to be

sub latest {
    my $path = shift;

    my @stat = stat $path or return 0;

    return $path !~ /\.tmp$/ && $stat[7] > 1 << 20 && $stat[2] & 0200;
}
