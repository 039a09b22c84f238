#!/usr/bin/perl

# Two masters side by side, as nginx's binary is upgraded, and none at all.

# Copyright (C) the ngx_mtls_module authors

use FindBin;
use lib "$FindBin::Bin/lib";
use Mtls::Test;

use Config ();
use POSIX ();

my $pki = Mtls::PKI->standard;
my ($root, $inter) = ($pki->root, $pki->inter);
my ($alice, $bob, $revoked) = ($pki->alice, $pki->bob, $pki->revoked);
my $PID = $$;
my @MASTER;
my $UPGRADED;               # the nginx whose pid files name further ones

END {
    if ($$ == $PID) {
        local ($?, $!);
        push @MASTER, grep { $_ } map { pid($UPGRADED, $_) }
                                      qw(nginx.pid nginx.pid.oldbin)
            if $UPGRADED;
        kill 'TERM', grep { lives($_) } @MASTER;
        waitpid $_, 0 for @MASTER;
    }
}


# An upgrade.  nginx obeys USR2 only if it is a daemon; so that the harness can
# still wait for it, orphans become children of this process.

SKIP: {
    my $prctl = $Config::Config{archname} =~ /^x86_64/ ? 157
                : $Config::Config{archname} =~ /^aarch64/ ? 167 : 0;

    skip 'no prctl(PR_SET_CHILD_SUBREAPER)', 1
        if !$prctl || syscall($prctl, 36, 1, 0, 0, 0) != 0;

    my $n = new_nginx();
    $UPGRADED = $n;

    my $old = daemon($n);

    my $verdicts = sub {
        my ($when) = @_;

        allowed(get($n, '/', cert => $alice), "upgrade, $when: good");
        refused(get($n, '/', cert => $revoked), 'revoked',
                "upgrade, $when: bad");
    };

    $verdicts->('before');

    my $k = keepalive($n, cert => $alice);
    allowed($k->get('/'), 'upgrade: a connection to the old one');
    my $late = keepalive($n, cert => $bob);
    $late->write("GET / HTTP/1.1\r\nHost: localhost\r\n");

    kill 'USR2', $old;

    my $new = wait_for(sub { pid($n, 'nginx.pid') != $old
                             && pid($n, 'nginx.pid') }, 10);
    ok($new, 'upgrade: a new master') || die "no new master\n";
    is(pid($n, 'nginx.pid.oldbin'), $old, 'upgrade: beside the old one');
    push @MASTER, $new;
    ok(wait_for(sub { @{[workers($new)]} == 2 }, 10), 'upgrade: new workers');

    # whichever of the two gets it

    $verdicts->('side by side') for 1 .. 4;
    is(scalar(run_dirs($n)), 2, 'upgrade: a folder each');

    # a new list is seen by both

    install_crl("$n->{dir}/inter.crl", $inter->crl(revoked => [$revoked,
                                                               $bob]));

    for my $only ($new, $old) {
        my @stopped = stop_workers($only == $new ? $old : $new);

        ok(wait_for(sub { get($n, '/', cert => $bob)->{status} == 403 }, 5),
           'upgrade: a new list, ' . ($only == $new ? 'new' : 'old'));
        $verdicts->($only == $new ? 'new' : 'old');
        kill 'CONT', @stopped;
    }

    allowed($k->get('/'), 'upgrade: the connection still holds');

    # WINCH: the old one's workers go; QUIT: it goes itself

    kill 'WINCH', $old;
    ok(wait_for(sub { @{[workers($old)]} <= 1 }, 10),
       'upgrade: the old one lets its workers go');
    $late->write("\r\n");
    refused($late->response, 'revoked', 'upgrade: an old request');
    $verdicts->('WINCH');

    kill 'QUIT', $old;
    ok(wait_for(sub { waitpid($old, POSIX::WNOHANG()) == $old }, 10),
       'upgrade: the old one is gone');
    $n->{pid} = $new;
    @MASTER = ($new);
    $verdicts->('after');
    is(scalar(grep { locked("$_/alive") } run_dirs($n)), 1,
       'upgrade: one folder is in use');

    ok($n->reload, 'upgrade: a reload');
    $verdicts->('reloaded');
    $n->kill_worker;
    $verdicts->('a worker killed');

    # and one that is taken back: HUP to the old one, QUIT to the new one

    kill 'USR2', $new;
    my $third = wait_for(sub { pid($n, 'nginx.pid') != $new
                               && pid($n, 'nginx.pid') }, 10);
    ok($third, 'upgrade taken back: a third master') || die "no third one\n";
    push @MASTER, $third;
    wait_for(sub { @{[workers($third)]} == 2 }, 10);
    kill 'WINCH', $new;
    wait_for(sub { !workers($new) }, 10);
    $verdicts->('the third');

    kill 'HUP', $new;
    ok(wait_for(sub { @{[workers($new)]} == 2 }, 10),
       'upgrade taken back: workers again');
    kill 'QUIT', $third;
    ok(wait_for(sub { !lives($third) }, 10), 'upgrade taken back: it is gone');
    $verdicts->('taken back');
    $n->stop;
    @MASTER = ();
    undef $UPGRADED;
}


# No master: one process that does all.  (A reload of it leaves even nginx
# without modules listening without TLS.)

{
    my $n = new_nginx(workers => 0);

    $n->run("worker_processes 1; master_process off;\nhttp {\n" . conf()
            . "}\n");
    ok($n->wait_error(qr/loaded CRL file/, 10), 'no master: started');

    my $k = keepalive($n, cert => $bob);

    allowed($k->get('/'), 'no master: before, a connection');
    allowed(get($n, '/', cert => $alice), 'no master: before, good');
    refused(get($n, '/', cert => $revoked), 'revoked',
            'no master: before, bad');

    # the process serves while its child compiles

    $n->mark;
    install_crl("$n->{dir}/inter.crl", $inter->large_crl(
                    entries => 400_000, revoked => [$bob], format => 'der'));

    my $child = wait_for(sub { compiler($n) }, 5);

    SKIP: {
        skip 'the child was too fast', 4 if !$child || !kill 'STOP', $child;

        allowed($k->get('/'), 'no master: meanwhile, a connection');
        refused(get($n, '/', cert => $revoked), 'revoked',
                'no master: meanwhile, bad');
        $n->allow(qr/process $child exited on signal 9/);
        kill 'KILL', $child;
        ok($n->wait_error(qr/cannot load .* child (?:was killed|died)/, 5),
           'no master: a killed child is told');
        refused(get($n, '/', cert => $revoked), 'revoked',
                'no master: then, bad');
    }

    ok($n->wait_error(qr/loaded CRL file.*\/inter\.crl/, 10),
       'no master: a new list');
    ok(wait_for(sub { get($n, '/', cert => $bob)->{status} == 403 }, 5),
       'no master: and used');
    refused($k->get('/'), 'revoked', 'no master: after, a connection');
    allowed(get($n, '/', cert => $revoked), 'no master: after, good');

    $n->stop;
    $n->mark;
    $n->run;
    ok($n->wait_error(qr/loaded CRL file.*\/inter\.crl/, 10),
       'no master: started again');
    refused(get($n, '/', cert => $bob), 'revoked', 'no master: again, bad');
    allowed(get($n, '/', cert => $alice), 'no master: again, good');
    $n->stop;
}


done_testing();


sub new_nginx {
    my $m = Mtls::Test->new(pki => $pki, workers => 2, @_);

    $m->file('index.html', 'hello');
    install_crl("$m->{dir}/inter.crl", $inter->crl(revoked => [$revoked]));
    install_crl("$m->{dir}/root.crl", $root->crl);

    return $m;
}


sub conf {
    return <<'CONF';
mtls_ca partners %%PKI%%/root.crt %%PKI%%/inter.crt;
mtls_crl %%DIR%%/inter.crl %%DIR%%/root.crl refresh=1s;
%%MTLS%%

server {
    listen 127.0.0.1:%%PORT_0%% ssl;
    %%TLS%%
    root %%DIR%%;
    location / { mtls_allow any; }
}
CONF
}


# Starts nginx as a daemon, as the harness does otherwise; its pid.  What a
# sanitizer needs is to reach the next master, too.

sub daemon {
    my ($m) = @_;

    $m->write(conf());
    spew("$m->{dir}/nginx.conf",
         'env LD_PRELOAD; env ASAN_OPTIONS; env UBSAN_OPTIONS; ',
         slurp("$m->{dir}/nginx.conf") =~ s/daemon off/daemon on/r);

    local %ENV = %ENV;
    Mtls::Test::environment();

    my ($code, undef, $err) =
        command($m->command_line('nginx.conf', 'error.log'));

    die "nginx does not start: $err\n" if $code;

    my $pid = wait_for(sub { -e "$m->{dir}/nginx.pid"
                             && pid($m, 'nginx.pid') }, 10)
              || die "no pid of nginx\n";

    push @MASTER, $pid;
    $m->{pid} = $pid;
    wait_for(sub { @{[workers($pid)]} == 2 }, 10);

    return $pid;
}


sub pid {
    my ($m, $name) = @_;

    my $path = "$m->{dir}/$name";

    return -e $path && slurp($path) =~ /^(\d+)/ ? $1 : 0;
}


# of any master, those too that are shutting down

sub workers {
    my ($master) = @_;

    my %child = Mtls::Test::children({pid => $master});

    return grep { $child{$_} =~ /worker process/ } keys %child;
}


# the one child of a process without a master, when it has its title

sub compiler {
    my ($m) = @_;

    my %child = Mtls::Test::children($m);

    return (grep { $child{$_} =~ /mtls compiler/ } keys %child)[0];
}


sub stop_workers {
    my ($master) = @_;

    my @pid = workers($master);

    kill 'STOP', @pid;
    wait_for(sub { !grep { state($_) ne 'T' } @pid }, 5);

    return @pid;
}


sub lives { return state($_[0]) =~ /[^ZX]/ }


# as the system says: R, S, T (stopped), Z ...

sub state {
    my ($pid) = @_;

    open my $f, '<', "/proc/$pid/stat" or return '';

    return (<$f> // '') =~ /\) (\S) / ? $1 : '';
}


sub run_dirs {
    my ($m) = @_;

    return grep { -e "$_/alive" } glob "$m->{dir}/state/" . '[0-9a-f]' x 32;
}


# whether somebody holds a lock

sub locked {
    my ($path) = @_;

    open my $f, '<', $path or return;

    return !flock $f, 2 | 4;
}
