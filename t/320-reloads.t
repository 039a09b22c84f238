#!/usr/bin/perl

# Reloads under load, with lists that change by swapped links as Kubernetes
# swaps them: no wrong verdict, and no more requests lost than nginx loses
# without the module.  MTLS_LONG=1 for 100 of them.

# Copyright (C) the ngx_mtls_module authors

use FindBin;
use lib "$FindBin::Bin/lib";
use Mtls::Test;

use POSIX ();
use Time::HiRes qw(sleep);

use Mtls::Util qw(die_with_parent);

my $pki = Mtls::PKI->standard;
my ($root, $inter) = ($pki->root, $pki->inter);
my ($alice, $bob, $device, $revoked) =
    ($pki->alice, $pki->bob, $pki->device, $pki->revoked);
my $RELOADS = $ENV{MTLS_LONG} ? 100 : 20;

my $n = Mtls::Test->new(pki => $pki, workers => 2);
my $stock = Mtls::Test->new(pki => $pki, workers => 2, module => 0);

$_->file('index.html', 'hello') for $n, $stock;

mkdir "$n->{dir}/crl";
swap(1, $revoked);
symlink '..data/inter.crl', "$n->{dir}/crl/inter.crl";
symlink '..data/root.crl', "$n->{dir}/crl/root.crl";

my $server = <<'CONF';
server {
    listen 127.0.0.1:%%PORT_0%% ssl;
    %%TLS%%
    root %%DIR%%;
CONF

my $conf = <<"CONF";
mtls_ca partners %%PKI%%/root.crt %%PKI%%/inter.crt;
mtls_crl %%DIR%%/crl/*.crl refresh=1s;
%%MTLS%%
$server location / { mtls_allow any; } }
CONF

$n->run($conf);
$stock->run("$server location / { try_files /index.html =404; } }");


# Swapped links alone: what the names lead to changes, the names do not.

allowed(get($n, '/', cert => $bob), 'swap: before, good');
refused(get($n, '/', cert => $revoked), 'revoked', 'swap: before, bad');

my $k = keepalive($n, cert => $bob);

allowed($k->get('/'), 'swap: a connection');
swap(2, $revoked, $bob);
ok(wait_for(sub { get($n, '/', cert => $bob)->{status} == 403 }, 5),
   'swap: seen');
refused($k->get('/'), 'revoked', 'swap: on the connection, too');
allowed(get($n, '/', cert => $alice), 'swap: nobody else');

swap(3, $revoked);
ok(wait_for(sub { get($n, '/', cert => $bob)->{status} == 200 }, 5),
   'swap: and back');
ok(!-e "$n->{dir}/crl/..v1", 'swap: where the link led to is gone');


# Clients with and without keepalive.  Alice is always good, one is always
# revoked; the device is taken on the list and off it all the time, so that
# each reload meets lists that are new: for it, either is right.

my @client = map { load($n, @$_) }
             [$alice, 1], [$revoked, 1], [$device, 1],
             [$alice, 0], [$revoked, 0], [$device, 0];
my @stock = map { load($stock, @$_) } [$alice, 1], [$alice, 0];

my $failed = 0;

for my $i (1 .. $RELOADS) {
    swap(3 + $i, $revoked, $i % 2 ? $device : ()) if $i % 3 == 0;

    $failed++ if !$n->reload || !$stock->reload;
}

spew("$n->{dir}/stop", '');

my %got = map { $_->{name} => result($_) } @client;
my @lost = map { result($_) } @stock;

is($failed, 0, "load: $RELOADS reloads");

my ($requests, $lost) = (0, 0);

for my $name (sort keys %got) {
    my $r = $got{$name};

    $requests += $r->{requests};
    $lost += $r->{lost};

    cmp_ok($r->{requests}, '>', 5, "load: $name, requests");
    is($r->{wrong}, 0, "load: $name, no wrong verdict") || diag($r->{words});
}

my ($stock_requests, $stock_lost) = (0, 0);

for my $r (@lost) {
    $stock_requests += $r->{requests};
    $stock_lost += $r->{lost};
    is($r->{wrong}, 0, 'load: nginx alone, what is served is right');
}

note("$requests requests, $lost lost; without the module $stock_requests, "
     . "$stock_lost lost");

# as a share of the requests

cmp_ok($lost * $stock_requests, '<=', $stock_lost * $requests,
       'load: no more are lost than without the module')
    || diag("$lost of $requests, without the module $stock_lost of "
            . "$stock_requests: " . join ' ', map { $_->{words} } values %got);


# All is as before, and nothing piles up.

allowed(get($n, '/', cert => $alice), 'after: good');
refused(get($n, '/', cert => $revoked), 'revoked', 'after: bad');

swap(3 + $RELOADS + 1, $revoked, $bob);
ok(wait_for(sub { get($n, '/', cert => $bob)->{status} == 403 }, 5),
   'after: a new list');

my @dir = glob "$n->{dir}/state/" . '[0-9a-f]' x 32;

is(scalar @dir, 1, 'after: one folder');
is(scalar(my @left = glob "$dir[0]/*.tmp"), 0, 'after: nothing is left');
ok(wait_for(sub { keys(%{{$n->children}}) == 3 }, 5),
   'after: two workers and a manager');

done_testing();


# A volume as the kubelet makes it: a folder of its own for each version, which
# the link ..data leads to, and the former one removed.

sub swap {
    my ($version, @revoked) = @_;

    my $crl = "$n->{dir}/crl";
    my $former = readlink "$crl/..data";

    mkdir "$crl/..v$version" or die "..v$version: $!";
    install_crl("$crl/..v$version/inter.crl",
                $inter->crl(revoked => [@revoked]));
    install_crl("$crl/..v$version/root.crl", $root->crl);
    symlink "..v$version", "$crl/..data_tmp" or die "symlink: $!";
    rename "$crl/..data_tmp", "$crl/..data" or die "rename: $!";

    if (defined $former) {
        unlink glob "$crl/$former/*";
        rmdir "$crl/$former" or die "$former: $!";
    }
}


# A process that asks until there is a file "stop": a signal would interrupt a
# request, which would look like a lost one.

sub load {
    my ($m, $cert, $keep) = @_;

    pipe my $in, my $out or die "pipe: $!";

    my $parent = $$;
    my $pid = fork // die "fork: $!";
    my $name = $cert->name . ($keep ? ', keepalive' : '');

    if ($pid) {
        close $out;
        return {name => $name, pid => $pid, in => $in};
    }

    my %r = (requests => 0, lost => 0, wrong => 0, words => '');

    alarm 0;
    @SIG{qw(INT TERM HUP ALRM)} = ('DEFAULT') x 4;
    die_with_parent($parent);

    eval {
        until (-e "$n->{dir}/stop") {
            ask($m, $cert, $keep, \%r);
            sleep 0.01;
        }
    };

    $r{words} .= $@;
    $r{words} =~ s/\s+/ /g;
    syswrite $out, "$r{requests} $r{lost} $r{wrong} $r{words}";
    POSIX::_exit(0);
}


# Some requests on one connection.  One that is not answered because the server
# was just closing an idle connection is no loss: clients send it again.

sub ask {
    my ($m, $cert, $keep, $r) = @_;

    my $c = eval { keepalive($m, cert => $cert) };

    if (!$c) {
        $r->{requests}++;
        $r->{lost}++;
        $r->{words} .= "no connection: $@; ";
        return;
    }

    for my $i (1 .. ($keep ? 20 : 1)) {
        last if $i > 1 && $c->closed(0);

        my $got = $c->get('/', close => !$keep);

        last if $i > 1 && !$got->{status};

        $r->{requests}++;

        if (!$got->{status}) {
            $r->{lost}++;
            $r->{words} .= "no answer: $got->{error}; ";
            last;
        }

        my $words = join ' ', $got->{status},
                    map { $got->header("X-Mtls-$_") // '-' } qw(Action Reason);

        if ($words !~ expected($m, $cert)) {
            $r->{wrong}++;
            $r->{words} .= "$words; ";
        }

        sleep 0.005;
    }

    $c->close;
}


sub expected {
    my ($m, $cert) = @_;

    return qr/^200 - -$/ if !$m->{module};
    return qr/^403 deny revoked$/ if $cert == $revoked;
    return qr/^(?:200 allow ok|403 deny revoked)$/ if $cert == $device;
    return qr/^200 allow ok$/;
}


sub result {
    my ($load) = @_;

    my $line = do { local $/; readline $load->{in} } // '';

    waitpid $load->{pid}, 0;

    my %r;
    @r{qw(requests lost wrong words)} = split / /, $line, 4;

    return \%r;
}
