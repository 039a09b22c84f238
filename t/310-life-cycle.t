#!/usr/bin/perl

# What happens to nginx while it runs: starts, reloads, kills.  Each case has
# the verdicts before, during and after.

# Copyright (C) the ngx_mtls_module authors

use FindBin;
use lib "$FindBin::Bin/lib";
use Mtls::Test;

use IO::Select ();
use POSIX ();
use Time::HiRes qw(sleep stat time);

use Mtls::Util qw(die_with_parent);

my $pki = Mtls::PKI->standard;
my ($root, $inter) = ($pki->root, $pki->inter);
my ($alice, $bob, $revoked) = ($pki->alice, $pki->bob, $pki->revoked);
my $other = $pki->other;
my @STOPPED;

END { kill 'CONT', @STOPPED if @STOPPED }

my %BASE = (
    ca    => 'mtls_ca partners %%PKI%%/root.crt %%PKI%%/inter.crt; '
             . 'mtls_ca foreign %%PKI%%/other_root.crt revocation=off;',
    crl   => 'mtls_crl %%DIR%%/inter.crl %%DIR%%/root.crl refresh=1s;',
    group => 'mtls_group payers { ca partners; subject ou payments; }',
    allow => 'payers',
    http  => '',
);


# A cold start: who has a certificate waits for the first load, nobody else.

my $n = new_nginx();

my $large = $inter->large_crl(entries => 400_000, revoked => [$revoked],
                              format => 'der');

install_crl("$n->{dir}/inter.crl", $large);
install_crl("$n->{dir}/root.crl", $root->crl);

my $hunt = hunt($n);

$n->run(conf());

my $child = caught($hunt);
ok($child, 'cold start: the child is held up');

# with TLS 1.3 there would be session tickets to be read

my @k = map { keepalive($n, cert => $_, tls => '1.2') }
        $alice, $revoked, $other;
ask($_) for @k;

is(get($n, '/open')->{status}, 200, 'cold start: what is not asked is served');
refused(get($n, '/'), 'no_cert', 'cold start: nor does who has none wait');
ok(!answers(0.3, @k), 'cold start: who has one waits');

let_go($child);

allowed($k[0]->response, 'cold start: a good one, when it is loaded');
refused($k[1]->response, 'revoked', 'cold start: a bad one');
allowed($k[2]->response, 'cold start: one of a CA without lists');


# A reload: requests that began before are judged by the old workers, which
# hear of new lists, too.

my $session = session($n, cert => $alice, tls => '1.2');
is($session->kind, 'TLS 1.2 id', 'reload: a session is cached');

$_->get('/') for @k;
@k = map { keepalive($n, cert => $_) } $alice, $revoked, $bob;
begin($_) for @k;

my $manager = $n->manager_pid;

ok($n->reload, 'reload: done');
allowed(get($n, '/', cert => $alice), 'reload: a good one does not wait');
refused(get($n, '/', cert => $revoked), 'revoked', 'reload: a bad one');
is($session->get('/', renew => 1)->{reused}, 1, 'reload: sessions live');

finish($k[0]);
finish($k[1]);
allowed($k[0]->response, 'reload: a good one in an old worker');
refused($k[1]->response, 'revoked', 'reload: a bad one in an old worker');

ok(wait_for(sub { ($n->manager_pid || $manager) != $manager }, 5),
   'reload: a new manager');

install_crl("$n->{dir}/inter.crl", $inter->crl(revoked => [$revoked, $bob]));
becomes($n, $bob, 403);
finish($k[2]);
refused($k[2]->response, 'revoked', 'reload: an old worker, a new list');


# A reload that takes a source away.

my $generation = generation($n);

@k = map { keepalive($n, cert => $_) } $alice, $bob;
begin($_) for @k;

ok($n->reload(conf(crl => 'mtls_crl %%DIR%%/root.crl refresh=1s;')),
   'source removed: reload');
refused(get($n, '/', cert => $_), 'revocation_unknown',
        'source removed: nobody is known') for $alice, $bob;

ok(wait_for(sub { generation($n) > $generation }, 5),
   'source removed: published');

finish($_) for @k;
allowed($k[0]->response, 'source removed: an old worker has it, good');
refused($k[1]->response, 'revoked', 'source removed: an old worker, bad');


# One that adds it again under another name: only who asks for it waits.

rename "$n->{dir}/inter.crl", "$n->{dir}/renamed.crl";

@k = map { keepalive($n, cert => $_) } $alice, $bob;
begin($_) for @k;

ok($n->reload(conf(crl => 'mtls_crl %%DIR%%/renamed.crl %%DIR%%/root.crl '
                          . 'refresh=1s;')), 'source renamed: reload');
allowed(get($n, '/', cert => $alice), 'source renamed: good');
refused(get($n, '/', cert => $bob), 'revoked', 'source renamed: bad');
finish($_) for @k;
refused($_->response, 'revocation_unknown', 'source renamed: old workers ask '
        . 'for theirs') for @k;

$BASE{crl} =~ s/inter\.crl/renamed.crl/;


# Labels and groups: added, removed, renamed.

$n->reload(conf());
allowed(get($n, '/group', cert => $alice), 'labels: in the group');
refused(get($n, '/group', cert => $other), 'no_match',
        'labels: not of its CA');
allowed(get($n, '/', cert => $other), 'labels: but of a CA that is known');

my $foreign = session($n, cert => $other, tls => '1.2');

@k = map { keepalive($n, cert => $_) } $alice, $other;
begin($k[0], '/group');
begin($k[1], '/');

my %new = (
    ca    => 'mtls_ca friends %%PKI%%/root.crt %%PKI%%/inter.crt;',
    group => 'mtls_group readers { ca friends; subject ou readers; } '
             . 'mtls_group tellers { ca friends; subject ou payments; }',
    allow => 'tellers',
);

ok($n->reload(conf(%new)), 'labels: one renamed, one removed, a group renamed, '
   . 'one added');

my $r = get($n, '/group', cert => $alice);
allowed($r, 'labels: in the renamed group');
is($r->header('X-Groups'), 'tellers', 'labels: by its new name');
is($r->header('X-Ca'), 'friends', 'labels: of the renamed label');

$r = $session->get('/group');
is($r->{reused}, 1, 'labels: a session of before lives');
allowed($r, 'labels: and is of the new label');
is($r->header('X-Ca'), 'friends', 'labels: by name');

is(get($n, '/', cert => $other)->header('X-Mtls-Action') // 'deny', 'deny',
   'labels: one of the removed label, a full handshake');
$r = $foreign->get('/');
is($r->header('X-Mtls-Action') // 'deny', 'deny',
   'labels: one of the removed label, its session');
isnt($r->{status}, 200, 'labels: which gets nothing');

finish($_) for @k;
$r = $k[0]->response;
allowed($r, 'labels: an old worker, the old group');
is($r->header('X-Groups'), 'payers', 'labels: by its old name');
allowed($k[1]->response, 'labels: an old worker, the old label');

ok($n->reload(conf(%new, allow => 'readers')), 'labels: another group');
refused(get($n, '/group', cert => $alice), 'no_match',
        'labels: allowed no longer');


# Rejected configurations, one at once, two when the zone is already set up.

$n->reload(conf());
my @worker = $n->worker_pids;
wait_for(sub { keys(%{{$n->children}}) == 3 }, 5);
$manager = $n->manager_pid;
my $k = keepalive($n, cert => $alice);
allowed($k->get('/group'), 'rejected: before');

$n->allow(qr/\[emerg\].*(?:nobody_of_us|192\.0\.2\.1)/);

for (['early', allow => 'nobody_of_us'],
     ['late', %new, crl => 'mtls_crl %%DIR%%/root.crl refresh=1s;',
      http => 'server { listen 192.0.2.1:%%PORT_0%%; }'],
     ['late, another zone', %new,
      http => 'mtls_zone 1m; server { listen 192.0.2.1:%%PORT_0%%; }'])
{
    my ($name, @conf) = @$_;

    ok(!$n->reload(conf(@conf)), "rejected, $name");
    allowed($k->get('/group'), "rejected, $name: good");
    allowed(get($n, '/group', cert => $alice), "rejected, $name: and anew");
    refused(get($n, '/', cert => $bob), 'revoked', "rejected, $name: bad");
}

is_deeply([$n->worker_pids], \@worker, 'rejected: the same workers');
is($n->manager_pid, $manager, 'rejected: the same manager');
is(scalar(run_dirs($n)), 1, 'rejected: no folder was made');

install_crl("$n->{dir}/renamed.crl", $inter->crl(revoked => [$alice]));
becomes($n, $bob, 200);
refused($k->get('/'), 'revoked', 'rejected: new lists still come');


# An accepted one with another zone is a start of another run.

my $first = run_dir($n);

ok($n->reload(conf(http => 'mtls_zone 1m;')), 'another zone: reload');
allowed(get($n, '/', cert => $bob), 'another zone: good');
refused(get($n, '/', cert => $alice), 'revoked', 'another zone: bad');
isnt(run_dir($n), $first, 'another zone: another folder');


# Workers are killed; the next ones know all from their first request.

$k = keepalive($n, cert => $alice);
refused($k->get('/'), 'revoked', 'worker killed: before');

for my $i (1, 2) {
    ok($n->kill_worker, "worker killed: $i");

    on_each($n, sub {
        refused(get($n, '/', cert => $alice), 'revoked', 'worker killed: bad');
        allowed(get($n, '/', cert => $bob), 'worker killed: good');
    });
}


# The manager is killed.

$n->allow(qr/exited on signal 9/);
$manager = $n->manager_pid;
$generation = generation($n);

kill 'KILL', $manager;
refused(get($n, '/', cert => $alice), 'revoked', 'manager killed: bad');
allowed(get($n, '/', cert => $bob), 'manager killed: good');
$n->kill_worker;
refused(get($n, '/', cert => $alice), 'revoked',
        'manager killed: a new worker, too');
ok(wait_for(sub { ($n->manager_pid || $manager) != $manager }, 5),
   'manager killed: a new one');
ok(wait_for(sub { generation($n) > $generation }, 5),
   'manager killed: which publishes');

install_crl("$n->{dir}/renamed.crl", $inter->crl(revoked => [$revoked]));
becomes($n, $alice, 200);
refused(get($n, '/', cert => $revoked), 'revoked', 'manager killed: after');


# The child is killed while it reads, while it writes, while it is stopped by
# somebody and nginx is reloaded; the last good list holds all the time.

my ($good, $bad) = ($bob, $revoked);

for my $case ('as it begins', 'as it writes', 'by a reload',
              'with its manager')
{
    my $list = $inter->large_crl(entries => 400_000, revoked => [$good],
                                 format => 'der');
    $n->mark;
    $hunt = hunt($n, $case eq 'as it writes' ? run_dir($n) : undef);
    install_crl("$n->{dir}/renamed.crl", $list);
    $child = caught($hunt);

    ok($child, "child killed $case: it is stopped");
    allowed(get($n, '/', cert => $good), "child killed $case: before, good");
    refused(get($n, '/', cert => $bad), 'revoked',
            "child killed $case: before, bad");

    $manager = $n->manager_pid;

    if ($case eq 'by a reload') {
        ok($n->reload, "child killed $case: reload");

    } elsif ($case eq 'with its manager') {
        kill 'KILL', $manager;

    } else {
        kill 'KILL', $child;
        ok($n->wait_error(qr/cannot load .* killed by signal 9/, 5),
           "child killed $case: it is said");
    }

    allowed(get($n, '/', cert => $good), "child killed $case: then, good");
    refused(get($n, '/', cert => $bad), 'revoked',
            "child killed $case: then, bad");

    becomes($n, $good, 403);
    ($good, $bad) = ($bad, $good);

    allowed(get($n, '/', cert => $good), "child killed $case: after, good");
    refused(get($n, '/', cert => $bad), 'revoked',
            "child killed $case: after, bad");
    like(state($child), qr/^[ZX]?$/, "child killed $case: it is gone");

    ok(wait_for(sub { !glob_tmp($n) }, 5),
       "child killed $case: nothing is left");
}


# A restart: everything is read anew, sessions of before are worth nothing.

$session = session($n, cert => $alice, tls => '1.2');
$first = run_dir($n);
$n->stop;
$n->run;

$r = $session->get('/');
is($r->{reused}, 0, 'restart: no session lives');
allowed($r, 'restart: good');
refused(get($n, '/', cert => $revoked), 'revoked', 'restart: bad');
isnt(run_dir($n), $first, 'restart: another folder');

# With a list that is cut off nginx starts; without what was kept nobody is
# known (with it: t/330-kept.t).

$n->stop;
command('rm', '-r', "$n->{dir}/state/kept");
my $der = $inter->crl(revoked => [$revoked])->der;
spew("$n->{dir}/renamed.crl", substr $der, 0, -1);
$n->run;
refused(get($n, '/', cert => $_), 'revocation_unknown',
        'restart: with a broken list nobody is known') for $alice, $revoked;
allowed(get($n, '/', cert => $other), 'restart: but who needs none is served');
install_crl("$n->{dir}/renamed.crl", $inter->crl(revoked => [$revoked]));
becomes($n, $alice, 200);
refused(get($n, '/', cert => $revoked), 'revoked', 'restart: mended');

done_testing();


sub new_nginx {
    my $m = Mtls::Test->new(pki => $pki, workers => 2, @_);

    $m->file('index.html', 'hello');

    return $m;
}


sub conf {
    my %c = (%BASE, @_);

    return <<"CONF";
$c{ca}
$c{crl}
$c{group}
$c{http}
%%MTLS%%
add_header X-Groups \$mtls_groups always;
add_header X-Ca \$mtls_ca always;
ssl_session_cache shared:SSL:1m;

server {
    listen 127.0.0.1:%%PORT_0%% ssl;
    %%CERT%%
    ssl_verify_client optional;
    ssl_verify_depth 4;
    ssl_session_tickets off;
    ssl_client_certificate %%PKI%%/cas.pem;
    root %%DIR%%;
    location / { mtls_allow any; }
    location /group { mtls_allow $c{allow}; try_files /index.html =404; }
    location /open { mtls off; try_files /index.html =404; }
}
CONF
}


# a whole request; the first part of one; and the rest

sub ask { $_[0]->write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n") }

sub begin {
    my ($c, $uri) = @_;

    $c->write('GET ' . ($uri // '/') . " HTTP/1.1\r\nHost: localhost\r\n");
}

sub finish { $_[0]->write("\r\n") }


# whether one of them answers within the time

sub answers {
    my ($seconds, @c) = @_;

    my $select = IO::Select->new(map { $_->{sock} } @c);

    return scalar $select->can_read($seconds);
}


# the status of a certificate is this, in a while

sub becomes {
    my ($m, $cert, $status) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $is = sub { get($m, '/', cert => $cert)->{status} == $status };

    ok(wait_for($is, 15) && !grep({ !$_ } on_each($m, $is)),
       "a new list makes it $status");
}


# What code gives at each worker, the others being stopped; a worker looks for
# a new list when it is asked.

sub on_each {
    my ($m, $code) = @_;

    my @pid = $m->worker_pids;
    my @got;

    for my $pid (@pid) {
        my @others = grep { $_ != $pid } @pid;

        push @STOPPED, @others;
        kill 'STOP', @others;
        wait_for(sub { !grep { state($_) ne 'T' } @others }, 5);
        push @got, $code->();
        let_go(@others);
    }

    return @got;
}


# A process that stops nginx's next compiler as soon as it has its title (before
# that it is not bound to its parent yet), or as soon as there is a temporary
# file in a folder.

sub hunt {
    my ($m, $dir) = @_;

    pipe my $in, my $out or die "pipe: $!";

    my $parent = $$;
    my $pid = fork // die "fork: $!";

    if ($pid) {
        close $out;
        return {pid => $pid, in => $in};
    }

    alarm 0;
    @SIG{qw(INT TERM HUP ALRM)} = ('DEFAULT') x 4;
    die_with_parent($parent);

    my $end = time + 20;

    while (time < $end) {
        my $compiler = compiler($m);

        if ($compiler && title($compiler) =~ /mtls compiler/
            && (!$dir || glob "$dir/*.tmp"))
        {
            kill 'STOP', $compiler;
            syswrite $out, $compiler;
            last;
        }

        sleep 0.001;
    }

    POSIX::_exit(0);
}


sub caught {
    my ($h) = @_;

    sysread $h->{in}, my $pid, 16;
    waitpid $h->{pid}, 0;
    push @STOPPED, $pid if $pid;

    return $pid;
}


sub let_go {
    my %pid = map { $_ => 1 } @_;

    kill 'CONT', keys %pid;
    @STOPPED = grep { !$pid{$_} } @STOPPED;
}


# the child of a child of the master

sub compiler {
    my ($m) = @_;

    my $path = "$m->{dir}/nginx.pid";
    my $master = -e $path ? slurp($path) : '';

    return if $master !~ /^(\d+)$/m;

    my @child = offspring($1);

    return (map { offspring($_) } @child)[0];
}


sub offspring {
    my ($pid) = @_;

    open my $f, '<', "/proc/$pid/task/$pid/children" or return;

    return split ' ', <$f> // '';
}


sub title {
    my ($pid) = @_;

    open my $f, '<', "/proc/$pid/cmdline" or return '';

    return <$f> // '';
}


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


# the folder of the run that was the last one to publish

sub run_dir {
    my ($m) = @_;

    my %time = map { $_ => (stat "$_/manifest")[9] // 0 } run_dirs($m);

    return (sort { $time{$b} <=> $time{$a} } grep { $time{$_} } keys %time)[0];
}


# the generation of the manifest, 0: none

sub generation {
    my ($m) = @_;

    my $path = (run_dir($m) // '') . '/manifest';

    return 0 if !-e $path;
    return unpack('x48 Q', slurp($path));
}


# what a child has not ended yet, or has left

sub glob_tmp {
    my $n = shift;

    my @left = glob run_dir($n) . '/*.tmp';

    return scalar @left;
}
