#!/usr/bin/perl

# The state path: shared by two runs, missing, read-only, full, with files of
# somebody else in it.

# Copyright (C) the ngx_mtls_module authors

use FindBin;
use lib "$FindBin::Bin/lib";
use Mtls::Test;

use Time::HiRes qw(stat);

my $pki = Mtls::PKI->standard;
my ($root, $inter) = ($pki->root, $pki->inter);
my ($alice, $bob, $revoked) = ($pki->alice, $pki->bob, $pki->revoked);
my $PID = $$;
my $MOUNT;

END { command('umount', '-l', $MOUNT) if $MOUNT && $$ == $PID }


# Two instances on one path, each with lists of its own.

{
    my $one = new_nginx();
    my $two = new_nginx();
    my $state = "$one->{dir}/state";

    install_crl("$two->{dir}/inter.crl", $inter->crl(revoked => [$alice]));

    for my $m ($one, $two) {
        $m->run(conf(state => $state));
    }

    my $both = sub {
        my ($when) = @_;

        allowed(get($one, '/', cert => $alice), "two instances, $when: one");
        refused(get($one, '/', cert => $revoked), 'revoked',
                "two instances, $when: one, bad");
        allowed(get($two, '/', cert => $revoked), "two instances, $when: two");
        refused(get($two, '/', cert => $alice), 'revoked',
                "two instances, $when: two, bad");
    };

    $both->('started');
    is(scalar(run_dirs($state)), 2, 'two instances: two folders');

    ok($one->reload, 'two instances: one is reloaded');
    $both->('reloaded');

    $one->kill_worker;
    $both->('a worker killed');

    $one->stop;
    allowed(get($two, '/', cert => $bob), 'two instances: one is stopped');

    # folders that are old and free are removed, those in use are not

    my ($dead) = grep { !locked("$_/alive") } run_dirs($state);
    my ($live) = grep { locked("$_/alive") } run_dirs($state);

    ok($dead && $live, 'two instances: one folder is in use');

    $one->run;
    $both->('started again');
    ok(-d $live, 'two instances: the folder of the other stays');
    $one->stop;
    $two->stop;
}


# A path without a parent: nginx says so, at -t and at a reload.

my $n = new_nginx();

$n->run(conf());
allowed(get($n, '/', cert => $alice), 'no parent: before');
$n->config_refused(conf(state => '%%DIR%%/no/state'),
                   qr{mkdir\(\) "\S+/no/state" failed \(2:},
                   'no parent: refused by -t');
$n->allow(qr{\[emerg\].*/no/state});
ok(!$n->reload(conf(state => '%%DIR%%/no/state')), 'no parent: refused');
allowed(get($n, '/', cert => $alice), 'no parent: good');
refused(get($n, '/', cert => $revoked), 'revoked', 'no parent: bad');


# A link where the folder of the run was, and one where a table would be
# written: neither is followed.

my $run = run_dir($n);
my $trap = "$n->{dir}/trap";

mkdir $trap, 0700;
$n->mark;
rename $run, "$run.was" or die "$run: $!";
symlink $trap, $run or die "$run: $!";

ok($n->wait_error(qr/\[error\].*somebody has removed/, 5), 'link: noticed');
ok($n->wait_error(qr/\[error\].*nothing can be loaded until/, 5),
   'link: said');
allowed(get($n, '/', cert => $alice), 'link: good');
refused(get($n, '/', cert => $revoked), 'revoked', 'link: bad');

$n->kill_worker;
refused(get($n, '/', cert => $_), 'revocation_unknown',
        'link: a new worker knows nothing') for $alice, $revoked;
is_deeply([glob "$trap/*"], [], 'link: not followed');

unlink $run;
rename "$run.was", $run;
ok($n->wait_error(qr/state folder ".*" is good again/, 5), 'link: gone');
becomes($n, $alice, 200, 'link');
refused(get($n, '/', cert => $revoked), 'revoked', 'link: after');


# Tables and manifests that are not the manager's.

my $manifest = slurp("$run/manifest");
my @table = grep { m{/[0-9a-f]{64}$} } glob "$run/*";

ok(@table >= 2, 'forged: there are tables');

my %forged = (
    'a manifest with a bit changed' => sub {
        my $bad = $manifest;
        substr($bad, 100, 1) ^= "\1";
        replace("$run/manifest", $bad);
    },
    'a manifest that is a link' => sub {
        spew("$n->{dir}/copy", $manifest);
        unlink "$run/manifest";
        symlink "$n->{dir}/copy", "$run/manifest";
    },
    'an empty manifest' => sub { replace("$run/manifest", '') },
    'tables with another head' => sub {
        for my $path (@table) {
            my $bad = slurp($path);
            substr($bad, 120, 1) ^= "\1";
            replace($path, $bad);
        }
    },
    'tables cut off' => sub {
        replace($_, substr slurp($_), 0, -1) for @table;
    },
    'tables that are links' => sub {
        for my $path (@table) {
            my $copy = "$n->{dir}/" . $path =~ s{.*/}{}r;
            rename $path, $copy;
            symlink $copy, $path;
        }
    },
    'a table in place of another' => sub {
        replace($table[0], slurp($table[1]));
    },
);

for my $name (sort keys %forged) {
    my %kept = map { $_ => slurp($_) } "$run/manifest", @table;

    $manifest = $kept{"$run/manifest"};
    allowed(get($n, '/', cert => $alice), "$name: before, good");
    refused(get($n, '/', cert => $revoked), 'revoked', "$name: before, bad");

    $n->mark;
    $forged{$name}->();

    # workers that have mapped the good ones go on with them

    refused(get($n, '/', cert => $revoked), 'revoked', "$name: bad");
    allowed(get($n, '/', cert => $alice), "$name: good");

    # a new manager makes good ones

    $n->allow(qr/exited on signal 9/);
    my $manager = $n->manager_pid;
    kill 'KILL', $manager;

    ok($n->wait_error(qr/\[warn\].*all sources are compiled again/, 5),
       "$name: not believed");
    ok(wait_for(sub { -f "$run/manifest" && !-l "$run/manifest"
                      && slurp("$run/manifest") ne $manifest
                      && -s _ == length $manifest }, 5),
       "$name: made again");

    $n->kill_worker;
    becomes($n, $alice, 200, $name);
    refused(get($n, '/', cert => $revoked), 'revoked', "$name: after, bad");
    is(scalar(grep { -l } glob "$run/*"), 0, "$name: no link is left");

    @table = grep { m{/[0-9a-f]{64}$} && -f } glob "$run/*";
}


# The manager that lives makes good ones, too, once a new worker needs them:
# which lets its requests wait as at the start.

for my $name ('a manifest with a bit changed', 'tables that are links') {
    $manifest = slurp("$run/manifest");
    $n->mark;
    $forged{$name}->();
    $n->kill_worker;

    allowed(get($n, '/', cert => $alice), "$name, a new worker: good");
    refused(get($n, '/', cert => $revoked), 'revoked',
            "$name, a new worker: bad");
    ok($n->error_lines(qr/\[error\].*(?:written|compiled) again/),
       "$name, a new worker: said");
    is(scalar(grep { -l } glob "$run/*"), 0,
       "$name, a new worker: no link is left");

    @table = grep { m{/[0-9a-f]{64}$} && -f } glob "$run/*";
}

$n->stop;


# A path that the workers' user cannot write, and one that is full.

SKIP: {
    skip 'needs root', 1 if $> != 0;

    my $m = new_nginx(user => 'nobody nogroup');

    $m->run(conf());
    allowed(get($m, '/', cert => $alice), 'read-only: before');

    # what is loaded is loaded; what is new cannot be

    my $dir = run_dir($m);
    $m->mark;
    chown 0, 0, $dir;
    install_crl("$m->{dir}/inter.crl", $inter->crl(revoked => [$alice]));

    ok($m->wait_error(qr/\[error\].*nothing can be loaded until/, 5),
       'read-only: said');
    allowed(get($m, '/', cert => $alice), 'read-only: good');
    refused(get($m, '/', cert => $revoked), 'revoked', 'read-only: bad');

    chown scalar(getpwnam 'nobody'), 0, $dir;
    becomes($m, $alice, 403, 'read-only, mended');
    allowed(get($m, '/', cert => $revoked), 'read-only, mended: good');
    $m->stop;
}

SKIP: {
    skip 'needs root', 1 if $> != 0;

    my $m = new_nginx();
    my $state = "$m->{dir}/state";

    mkdir $state, 0700;
    $MOUNT = $state;

    if ((command('mount', '-t', 'tmpfs', '-o', 'size=64k,mode=700', 'tmpfs',
                 $state))[0])
    {
        undef $MOUNT;
        skip 'mount is not permitted', 1;
    }

    $m->run(conf());
    allowed(get($m, '/', cert => $alice), 'full: before, good');
    refused(get($m, '/', cert => $revoked), 'revoked', 'full: before, bad');

    # a table that does not fit

    $m->mark;
    install_crl("$m->{dir}/inter.crl", $inter->large_crl(
                    entries => 10_000, revoked => [$alice], format => 'der'));

    like($m->wait_error(qr/cannot load CRL file/, 5) || '',
         qr/\[error\].*\(28: .*; the last good one stays/, 'full: said');
    allowed(get($m, '/', cert => $alice), 'full: good');
    refused(get($m, '/', cert => $revoked), 'revoked', 'full: bad');
    $m->kill_worker;
    refused(get($m, '/', cert => $revoked), 'revoked', 'full: a new worker');

    # nothing at all fits, not even a manifest

    $m->mark;
    spew_until_full("$state/ballast");
    install_crl("$m->{dir}/inter.crl",
                $inter->crl(revoked => [$alice], number => 900_000));

    ok($m->wait_error(qr/\[error\].*\(28:/, 5), 'full to the brim: said');
    allowed(get($m, '/', cert => $alice), 'full to the brim: good');
    refused(get($m, '/', cert => $revoked), 'revoked',
            'full to the brim: bad');

    unlink "$state/ballast";
    becomes($m, $alice, 403, 'full, mended');
    allowed(get($m, '/', cert => $revoked), 'full, mended: good');
    is(scalar(my @left = glob run_dir($m) . '/*.tmp'), 0,
       'full: nothing is left');
    $m->stop;

    # a start where there is no room

    spew_until_full("$state/ballast");
    $m->run;
    refused(get($m, '/', cert => $_), 'revocation_unknown',
            'full at the start: nothing is known') for $alice, $revoked;
    unlink "$state/ballast";
    becomes($m, $revoked, 200, 'full at the start, mended');
    refused(get($m, '/', cert => $alice), 'revoked',
            'full at the start, mended: bad');
    $m->stop;
}


done_testing();


sub new_nginx {
    my $m = Mtls::Test->new(pki => $pki, workers => 1, @_);

    $m->file('index.html', 'hello');
    install_crl("$m->{dir}/inter.crl", $inter->crl(revoked => [$revoked]));
    install_crl("$m->{dir}/root.crl", $root->crl);

    # for workers that are nobody

    for my $path ($pki->dir, glob($pki->dir . '/*.crt')) {
        my $mode = (stat $path)[2] & 0777;
        chmod $mode | (-d $path ? 0055 : 0044), $path if $m->{user} =~ /nobody/;
    }

    return $m;
}


sub conf {
    my %c = (state => '%%DIR%%/state', @_);

    return <<"CONF";
mtls_ca partners %%PKI%%/root.crt %%PKI%%/inter.crt;
mtls_crl %%DIR%%/inter.crl %%DIR%%/root.crl refresh=1s;
mtls_state_path $c{state};
add_header X-Mtls-Action \$mtls_action always;
add_header X-Mtls-Reason \$mtls_reason always;

server {
    listen 127.0.0.1:%%PORT_0%% ssl;
    %%TLS%%
    root %%DIR%%;
    location / { mtls_allow any; }
}
CONF
}


sub becomes {
    my ($m, $cert, $status, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    ok(wait_for(sub { get($m, '/', cert => $cert)->{status} == $status }, 15),
       "$name: in a while it is $status");
}


sub replace {
    my ($path, $content) = @_;

    spew("$path.new", $content);
    chmod 0600, "$path.new";
    rename "$path.new", $path or die "$path: $!";
}


sub spew_until_full {
    my ($path) = @_;

    open my $f, '>:raw', $path or die "$path: $!";
    1 while syswrite $f, 'x' x 4096;
    close $f;
}


sub run_dirs {
    my ($state) = @_;

    return grep { -e "$_/alive" } glob "$state/" . '[0-9a-f]' x 32;
}


# the folder of the run that was the last one to publish

sub run_dir {
    my ($m) = @_;

    my %time = map { $_ => (stat "$_/manifest")[9] // 0 }
               run_dirs("$m->{dir}/state");

    return (sort { $time{$b} <=> $time{$a} } grep { $time{$_} } keys %time)[0];
}


# whether somebody holds a lock

sub locked {
    my ($path) = @_;

    open my $f, '<', $path or return;

    return !flock $f, 2 | 4;
}
