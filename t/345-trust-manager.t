#!/usr/bin/perl

# The manager and files of CAs: what it says, what it refuses and keeps, what
# it publishes together; itself and its child killed, replaced, and deprived of
# its folder.

# Copyright (C) the ngx_mtls_module authors

use FindBin;
use lib "$FindBin::Bin/lib";
use Mtls::Test;

use IO::Select ();
use Time::HiRes qw(sleep time);

my $pki = Mtls::PKI->standard;
my ($root, $inter, $alice, $bob) = ($pki->root, $pki->inter, $pki->alice,
                                    $pki->bob);
my $guest = $pki->ca(cn => 'Guest CA');
my $carol = $pki->cert(cn => 'carol', issuer => $guest);
my $third = $pki->ca(cn => 'Third CA');
my $dave = $pki->cert(cn => 'dave', issuer => $third);

my $n = new_nginx();


# One file: what is said of it.

ca('bundle.pem', $root, $guest);
start('mtls_ca it %%DIR%%/bundle.pem %%PKI%%/inter.crt refresh=1s;');

is(status($alice), 200, 'one file: one CA');
is(status($carol), 200, 'one file: the other');
sleep 0.5;
is(said(qr/loaded CA file/), 0, 'one file: what was just read is no news');
my $before = generation();

$n->mark;
ca('bundle.pem', $root);
like($n->wait_error(qr/loaded CA file/, 5) // '',
     qr/\[notice\].*:\ mtls_ca:\ loaded\ CA\ file\ ".*\/bundle.pem":
        \ 1\ certificates,\ 1\ of\ them\ trusted\ in\ label\ "it"$/x,
     'one file: a change is said');
becomes($carol, 400, 'one file: and counts');
is(status($alice), 200, 'one file: for nobody else');
is(generation(), $before + 1, 'one file: one generation');

my $good = slurp($root->crt);

for my $case (
    ['empty',          '',                   qr/has 0 octets/],
    ['no certificate', "nothing\n",          qr/no certificate/],
    ['cut off',        substr($good, 0, 400), qr/PEM block 1/],
    ['half broken',    $good . substr(slurp($guest->crt), 0, 400),
     qr/PEM block 2/],
    ['no anchor',      slurp($inter->crt),
     qr/label "it" would trust no certificate/])
{
    my ($name, $content, $cause) = @$case;

    $n->mark;
    spew_as('bundle.pem', $content);
    like($n->wait_error(qr/refused/, 5) // '',
         qr/\[error\].*:\ mtls_ca:\ refused\ CA\ file\ ".*\/bundle.pem":
            \ .*$cause.*;\ the\ last\ good\ one\ stays$/x,
         "$name: refused, and why");
    is(status($alice), 200, "$name: the last good one stays");
    is(status($carol), 400, "$name: and no more than that");
}

sleep 2.2;
is(said(qr/refused/), 1, 'refused: said once, not at each look');
is(generation(), $before + 1, 'refused: no generation');

$n->mark;
ca('bundle.pem', $root);
like($n->wait_error(qr/bundle.pem/, 5) // '',
     qr/\[notice\].*mtls_ca: CA file ".*" is good again$/, 'good again');
is(generation(), $before + 1, 'good again: which changes nothing');

$n->mark;
unlink path('bundle.pem');
like($n->wait_error(qr/bundle.pem/, 5) // '',
     qr/\[warn\].*mtls_ca:\ CA\ file\ ".*"\ has\ vanished\ \(2:\ .*\);
        \ the\ last\ good\ one\ stays$/x, 'vanished: said');
sleep 1.5;
is(said(qr/bundle.pem/), 1, 'vanished: once');
is(status($alice), 200, 'vanished: the last good one stays');

$n->mark;
ca('bundle.pem', $root, $guest);
ok($n->wait_error(qr/loaded CA file ".*bundle.pem": 2 certificates/, 5),
   'vanished: it comes back');
becomes($carol, 200, 'vanished: and counts');


# Killed, while it is quiet: what was changed since the start stays changed.

ca('bundle.pem', $root);
becomes($carol, 400, 'takeover: a CA is removed');

$n->allow(qr/exited on signal 9/);
$n->mark;
$before = generation();
my $manager = $n->manager_pid;
kill 'KILL', $manager;
ok(wait_for(sub { generation() > $before }, 10),
   'manager killed: the next one publishes');
is(status($carol), 400, 'manager killed: what was removed is');
$n->kill_worker;
is(status($carol), 400, 'manager killed: and for a new worker');
is(status($alice), 200, 'manager killed: which lets others in');

$before = generation();
ok($n->reload, 'reload');
is(status($carol), 400, 'reload: what was removed is');
ok(wait_for(sub { generation() > $before }, 10), 'reload: published');
is(said(qr/loaded CA file/), 0, 'reload: nothing is loaded again');


# Somebody removes the folder of the run.

ca('bundle.pem', $root, $guest);
becomes($carol, 200, 'folder removed: a CA is added');
ca('bundle.pem', $root);
becomes($carol, 400, 'folder removed: and removed');
$n->mark;
command('rm', '-r', run_dir());
ok($n->wait_error(qr/somebody has removed/, 5), 'folder removed');
ok(wait_for(sub { run_dir() && -e run_dir() . '/manifest' }, 10),
   'folder removed: published again');
is(status($carol), 400, 'folder removed: what was removed is');
$n->kill_worker;
is(status($carol), 400, 'folder removed: and for a new worker');
is(status($alice), 200, 'folder removed: which lets others in');


# Its child is killed as it reads a CA file, and then with its manager.  It has
# enough to read to be caught.

for my $victim (qw(child manager)) {
    my ($want, @ca) = $victim eq 'child' ? (200, $guest) : (400, $third);
    my $was = status($carol);

    $n->mark;
    my $child = stopped(sub { ca('bundle.pem', ($root) x 2000, @ca) });
    ok($child, "$victim killed: there is a child");
    is(status($carol), $was, "$victim killed: before");
    kill 'KILL', $victim eq 'child' ? $child : $n->manager_pid;

    if ($victim eq 'child') {
        like($n->wait_error(qr/cannot load/, 5) // '',
             qr/\[error\].*:\ mtls_ca:\ cannot\ load\ CA\ file\ ".*bundle.pem":
                \ the\ compiler's\ child\ was\ killed\ by\ signal\ 9;
                \ the\ last\ good\ one\ stays$/x, 'child killed: said');
    }

    is(status($alice), 200, "$victim killed: others are served");
    becomes($carol, $want, "$victim killed: after");
}

$n->stop;


# A folder of files.

$n = new_nginx();
mkdir path('ca');
ca('ca/1.pem', $root);
ca('ca/2.pem', $guest);
start('mtls_ca it %%DIR%%/ca/*.pem refresh=1s;'
      . 'mtls_ca it %%PKI%%/inter.crt;');
is(status($carol), 200, 'glob: one of the files');
is(status($dave), 400, 'glob: none of them');

$n->mark;
ca('ca/3.pem', $third);
ok($n->wait_error(qr/loaded CA file ".*3.pem"/, 5), 'glob: another file');
becomes($dave, 200, 'glob: counts');

$n->mark;
unlink path('ca/2.pem');
like($n->wait_error(qr/2\.pem/, 5) // '',
     qr/\[notice\].*mtls_ca:\ CA\ file\ ".*\/2.pem"\ has\ vanished;\ what\ it
        \ alone\ had\ is\ no\ longer\ trusted\ in\ label\ "it"$/x,
     'glob: one that vanishes');
becomes($carol, 400, 'glob: is no longer trusted');
is(status($_), 200, 'glob: the others are') for $alice, $dave;

# under another name it is the same

$n->mark;
rename path('ca/3.pem'), path('ca/33.pem');
my @status;
my $loaded = wait_for(sub {
    push @status, status($dave);
    return said(qr/loaded CA file ".*33.pem"/)
           && said(qr/3\.pem" has vanished/);
}, 5);
ok($loaded, 'glob: a file is renamed');
push @status, status($dave);
is(grep({ $_ != 200 } @status), 0, 'glob: which nobody notices');

# a bad one beside good ones

$n->mark;
spew_as('ca/bad.pem', 'no!');
like($n->wait_error(qr/bad\.pem/, 5) // '',
     qr/\[error\].*refused CA file ".*bad.pem": .*; none of it is trusted$/,
     'glob: a bad one is refused');
unlink path('ca/bad.pem');

# the last anchor of the label, with another file left, and the last file

$n->mark;
ca('ca/0.pem', $inter);
ok($n->wait_error(qr/loaded CA file ".*0.pem": 1 certificates, 0 of them/, 5),
   'label: a file without an anchor');
unlink path('ca/1.pem'), path('ca/33.pem');
like($n->wait_error(qr/\[error\].*vanished/, 5) // '',
     qr/mtls_ca:\ CA\ file\ ".*\.pem"\ has\ vanished,\ but\ without\ it\ label
        \ "it"\ would\ trust\ no\ certificate;\ the\ last\ good\ one\ stays$/x,
     'label: its last anchor stays');
is(grep({ status($_) == 200 } $alice, $dave), 1, 'label: and no other');

$n->mark;
unlink path('ca/0.pem');
like($n->wait_error(qr/no file matches/, 5) // '',
     qr/\[warn\].*:\ mtls_ca:\ no\ file\ matches\ ".*\/ca\/\*.pem"\ any\ more;
        \ the\ last\ good\ ones\ stay$/x, 'glob: all vanish');
sleep 1.5;
is(said(qr/no file matches/), 1, 'glob: which is said once');
is(grep({ status($_) == 200 } $alice, $dave), 1, 'glob: and changes nothing');

# a CA that goes from one file to another one

ca('ca/1.pem', $root);
ca('ca/2.pem', $inter);
becomes($alice, 200, 'moved: before');
wait_for(sub { said(qr/loaded CA file ".*2.pem"/) }, 5);
$n->mark;
ca('ca/1.pem', $inter);
ca('ca/2.pem', $root);
ok($n->wait_error(qr/loaded CA file ".*1.pem": 1 certificates, 0 of them/, 8),
   'moved: the first file is tried again when the second one is there');
is(status($alice), 200, 'moved: after');
$n->stop;


# CRLs: of an unknown CA, which then comes; verified anew, and not said again.

$n = new_nginx();
ca('bundle.pem', $root);
install_crl(path('inter.crl'), $inter->crl(number => 1));
install_crl(path('guest.crl'), $guest->crl(number => 2));
start('mtls_ca it %%DIR%%/bundle.pem %%PKI%%/inter.crt refresh=1s;'
      . 'mtls_crl %%DIR%%/inter.crl %%DIR%%/guest.crl refresh=1s;'
      . 'mtls_revocation leaf;');

ok($n->wait_error(qr/refused CRL file ".*guest.crl": .* not known/, 5),
   'CRL: its CA is not known');
is(status($carol), 400, 'CRL: nor are its clients');
is(status($alice), 200, 'CRL: which others do not notice');

$n->mark;
$before = generation();
ca('bundle.pem', $root, $guest);
my %seen;
ok(wait_for(sub {
    my $r = get($n, '/', cert => $carol);
    $seen{$r->{status} == 403 ? $r->header('X-Mtls-Reason') : $r->{status}}++;
    return $r->{status} == 200;
}, 10), 'CRL: tried again when its CA appears');
is(join(' ', sort keys %seen), '200 400', 'CRL: both come together');
is(generation(), $before + 1, 'CRL: in one generation');
is(said(qr/loaded CRL file ".*guest.crl"/), 1, 'CRL: which is said');
is(said(qr/inter\.crl/), 0, 'CRL: of one that was good nothing is');

# a CA that its list follows at the next look

$n->mark;
ca('bundle.pem', $root);
ok($n->wait_error(qr/refused CRL file ".*guest.crl": .*last good one stays/, 5),
   'CRL: its CA is removed');
install_crl(path('guest.crl'), $guest->crl(number => 3, revoked => [$carol]));
ca('bundle.pem', $root, $guest);
ok(wait_for(sub {
    my $r = get($n, '/', cert => $carol);
    return $r->{status} == 403 && $r->header('X-Mtls-Reason') eq 'revoked';
}, 10), 'CRL: and comes back with a new list');
is(status($alice), 200, 'CRL: which is that of no other CA');

# killed in between: the next one verifies what this one did not

install_crl(path('inter.crl'), $inter->large_crl(entries => 400_000,
            number => 4, revoked => [$bob], format => 'der'));
wait_for(sub { status($bob) == 403 }, 10);
my $child = stopped(sub { ca('bundle.pem', $root, $third) },
                    sub { glob run_dir() . '/*.tmp' });
ok($child, 'CRL: it is verified anew');
is(status($bob), 403, 'CRL: the last one holds meanwhile');
$n->mark;
$n->allow(qr/exited on signal 9/);
$before = generation();
kill 'KILL', $n->manager_pid;
ok(wait_for(sub { generation() > $before }, 10), 'CRL: the manager is killed');
becomes($dave, 403, 'CRL: the new CA counts, and has no list');
is(status($bob), 403, 'CRL: nothing is lost');
is(said(qr/loaded CRL file ".*inter.crl"/), 0, 'CRL: nor said again');
ok(wait_for(sub { !(my @left = glob run_dir() . '/*.tmp') }, 10),
   'CRL: nothing is left');
$n->stop;


# Sources of the configuration before: an old worker finds its last list.

$n = new_nginx(workers => 1);
install_crl(path('inter.crl'), $inter->crl(number => 1));
install_crl(path('root.crl'), $root->crl);

my $trust = 'mtls_ca it %%PKI%%/root.crt %%PKI%%/inter.crt refresh=off; ';
my $both = "$trust mtls_crl %%DIR%%/inter.crl %%DIR%%/root.crl refresh=1s;";
my $one = "$trust mtls_crl %%DIR%%/root.crl refresh=1s;";

start($both);
my $k = keepalive($n, cert => $bob);
allowed($k->get('/'), 'old worker: before');
$k->write("GET / HTTP/1.1\r\nHost: localhost\r\n");

$n->mark;
install_crl(path('inter.crl'), $inter->crl(number => 2, revoked => [$bob]));
ok($n->wait_error(qr/loaded CRL file ".*inter.crl"/, 5),
   'old worker: it is not asked when a list comes');
$before = generation();
ok(wait_for(sub { generation() > 1 }, 5), 'old worker: published');

for my $round (1, 2) {
    $before = generation();
    ok($n->reload(config($one) . "# $round\n"),
       "old worker: reload $round takes the source away");
    ok(wait_for(sub { generation() > $before }, 10),
       "old worker: published, $round");
}

refused(get($n, '/', cert => $alice), 'revocation_unknown',
        'old worker: a new one does not know the list');
$k->write("\r\n");
refused($k->response, 'revoked', 'old worker: but this one does');

# what comes back is looked at before it counts

install_crl(path('inter.crl'), $inter->crl(number => 3, revoked => [$alice]));
my %child = $n->children;
my @manager = grep { $child{$_} =~ /cache manager/ } keys %child;
kill 'STOP', @manager;
ok($n->reload(config($both)), 'source back: reload');

# with TLS 1.3 there would be session tickets to be read

$k = keepalive($n, cert => $alice, tls => '1.2');
$k->write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
ok(!IO::Select->new($k->{sock})->can_read(0.5),
   'source back: what was kept of it does not count');
kill 'CONT', @manager;
refused($k->response, 'revoked', 'source back: but what is there now');
allowed(get($n, '/', cert => $bob), 'source back: not by that of before');
$n->stop;


# Without a master, and with refresh=off.

$n = new_nginx(workers => 0);
ca('bundle.pem', $root, $guest);
ca('off.pem', $root, $third);
$n->run("worker_processes 1;\nmaster_process off;\nhttp {\n"
        . config('mtls_ca it %%DIR%%/bundle.pem %%PKI%%/inter.crt refresh=1s;'
                 . 'mtls_ca it %%DIR%%/off.pem refresh=off;') . "}\n");

becomes($_, 200, 'no master: before') for $carol, $dave;
ca('off.pem', $root);
ca('bundle.pem', $root);
becomes($carol, 400, 'no master: a CA is removed');
sleep 1.2;
is(status($dave), 200, 'refresh=off: not looked at');
is(status($alice), 200, 'no master: others are served');

done_testing();


sub new_nginx {
    my $m = Mtls::Test->new(pki => $pki, workers => 2, @_);

    $m->file('index.html', 'hello');

    return $m;
}


sub config {
    my ($sources) = @_;

    return <<"CONF";
$sources
%%MTLS%%

server {
    listen 127.0.0.1:%%PORT_0%% ssl;
    %%TLS%%
    root %%DIR%%;
    location / { mtls_allow any; }
}
CONF
}


sub start { $n->run(config(@_)) }


sub path { return $n->dir . "/$_[0]" }


# a file of these CAs; of this text

sub ca {
    my ($name, @ca) = @_;

    spew_as($name, join '', map { slurp($_->crt) } @ca);
}


sub spew_as {
    my ($name, $text) = @_;

    spew(path("$name.new"), $text);
    rename path("$name.new"), path($name) or die "$name: $!";
}


sub status { return get($n, '/', cert => $_[0])->{status} }


sub becomes {
    my ($cert, $status, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $got;

    wait_for(sub { ($got = status($cert)) == $status }, 15);
    is($got, $status, $name);
}


sub said { return scalar(my @lines = $n->error_lines(@_)) }


# the generation of the manifest, 0: none

sub generation {
    my $path = (run_dir() // '') . '/manifest';

    return 0 if !-e $path;
    return unpack('x48 Q', slurp($path));
}


sub run_dir {
    my @dir = grep { -e "$_/alive" } glob path('state/' . '[0-9a-f]' x 32);

    return $dir[0];
}


# the manager's next child, stopped, after this was done

sub stopped {
    my ($do, $when) = @_;

    $do->();

    my $end = time + 8;

    while (time < $end) {
        my $pid = compiler();

        if ($pid && (!$when || $when->())) {
            kill 'STOP', $pid;
            return $pid;
        }
    }

    return;
}


# The manager's child.  Before it has its title it is not bound to its parent.

sub compiler {
    my $parent = $n->manager_pid || return;
    my ($pid) = split ' ', slurp("/proc/$parent/task/$parent/children") // '';

    return if !$pid;

    open my $f, '<', "/proc/$pid/cmdline" or return;

    return (<$f> // '') =~ /mtls compiler/ ? $pid : undef;
}
