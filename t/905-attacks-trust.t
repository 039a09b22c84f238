#!/usr/bin/perl

# What is trusted, under attack: what was published is lost, files say that a
# CA is not for clients, workers are kept from looking, and a file is any thing.
# Copyright (C) the ngx_mtls_module authors

use FindBin;
use lib "$FindBin::Bin/lib";
use Mtls::Test;

use IO::Socket::INET ();

my $pki = Mtls::PKI->standard;
my ($alice, $bob, $root, $inter) = ($pki->alice, $pki->bob, $pki->root,
                                    $pki->inter);

# a CA that is taken away
my $guest = $pki->ca(cn => 'Guest CA');
my $carol = $pki->cert(cn => 'carol', issuer => $guest);


sub trust {
    my ($n, @ca) = @_;

    install_crl($n->dir . '/bundle.pem', map { ref $_ ? slurp($_->crt) : $_ }
                                             @ca);
}


sub becomes {
    my ($n, $want, $name) = @_;

    my $r;

    wait_for(sub {
        $r = get($n, '/', cert => $carol);
        return $r->{status} == $want;
    }, 15);

    is($r->{status}, $want, $name);
}


# The manager has lost all that it published, and cannot compile the file again:
# what the master read at the start must not come back with a new worker.

for (['broken',   sub { trust($_[0], "no certificate\n") }, qr/refused/],
     ['vanished', sub { unlink $_[0]->dir . '/bundle.pem' }, qr/vanished/])
{
    my ($what, $do, $why) = @$_;

    my $n = Mtls::Test->new(pki => $pki);

    trust($n, $root, $guest);
    $n->run(<<'EOC');
mtls_ca partners %%DIR%%/bundle.pem refresh=1s;
%%MTLS%%
server {
    listen 127.0.0.1:%%PORT_0%% ssl;
    %%TLS%%
    location / { mtls_allow any; proxy_pass http://%%UPSTREAM%%; }
}
EOC
    trust($n, $root);
    becomes($n, 400, "$what, lost: the CA is removed");

    $do->($n);
    $n->wait_error(qr/mtls_ca.*$why/, 10);
    $n->mark;

    my ($run) = glob $n->dir . '/state/*';
    rename $run, $n->dir . '/lost';

    ok($n->wait_error(qr/compiled again/, 10), "$what, lost: noticed");
    ok($n->wait_error(qr/none of it is trusted/, 10), "$what, lost: and said");
    ok(wait_for(sub { -e "$run/manifest" }, 10), "$what, lost: published");
    allowed(get($n, '/', cert => $alice), "$what, lost: who serves goes on");
    is(get($n, '/', cert => $carol)->{status}, 400,
       "$what, lost: and without the CA");

    $n->kill_worker;
    is(get($n, '/', cert => $carol)->{status}, 400,
       "$what, lost: a new worker does not bring it back");

    trust($n, $root);
    ok(wait_for(sub { get($n, '/', cert => $alice)->{status} == 200 }, 10),
       "$what, lost: mended");
    is(get($n, '/', cert => $carol)->{status}, 400,
       "$what, lost: mended, and still without the CA");
    $n->stop;
}


# A file comes to say, as OpenSSL does, that a CA is not for clients.

{
    my $n = Mtls::Test->new(pki => $pki);

    trust($n, $root, $guest);
    $n->run(<<'EOC');
mtls_ca partners %%DIR%%/bundle.pem refresh=1s;
%%MTLS%%
server {
    listen 127.0.0.1:%%PORT_0%% ssl;
    %%TLS%%
    location / { mtls_allow any; proxy_pass http://%%UPSTREAM%%; }
}
EOC

    my $k = keepalive($n, cert => $carol);
    my $s = session($n, cert => $carol, tls => '1.2');
    allowed($k->get('/'), 'trust settings: may before');

    my (undef, $aux) = command('openssl', 'x509', '-in', $guest->crt,
                               '-addreject', 'clientAuth', '-trustout');
    trust($n, $root, $aux);
    becomes($n, 400, 'trust settings: a new connection is refused');
    refused($k->get('/'), 'wrong_ca', 'trust settings: an open one, too');

    my $r = $s->get('/');
    is($r->{reused}, 0, 'trust settings: no session is resumed');
    is($r->{status}, 400, 'trust settings: and what follows is refused');

    trust($n, $root, $guest);
    becomes($n, 200, 'trust settings: taken back');


    # what is no file, or no end of it, stops nothing

    my $path = $n->dir . '/bundle.pem';

    trust($n, $root);
    becomes($n, 400, 'removed');

    for (['FIFO',     sub { command('mkfifo', $path) }],
         ['folder',   sub { mkdir $path }],
         ['device',   sub { symlink '/dev/zero', $path }],
         ['circle',   sub { symlink 'bundle.pem', $path }],
         ['terabyte', sub { spew($path, ''); truncate $path, 2 ** 40 }])
    {
        my ($what, $do) = @$_;

        $n->mark;
        -d $path && !-l $path ? rmdir $path : unlink $path;
        $do->();
        ok($n->wait_error(qr/mtls_ca: .*the last good one stays/, 10),
           "$what: said");
        allowed(get($n, '/', cert => $alice), "$what: the last good one stays");
        is(get($n, '/', cert => $carol)->{status}, 400, "$what: no other");
    }

    $n->stop;
}


# The records of a table are damaged behind its head: a new worker does not use
# it, and the manager makes it again.

{
    my $n = Mtls::Test->new(pki => $pki);

    trust($n, $root, $guest);
    $n->run(<<'EOC');
mtls_ca partners %%DIR%%/bundle.pem refresh=1s;
%%MTLS%%
server {
    listen 127.0.0.1:%%PORT_0%% ssl;
    %%TLS%%
    location / { mtls_allow any; proxy_pass http://%%UPSTREAM%%; }
}
EOC
    trust($n, $root);
    becomes($n, 400, 'damaged: the CA is removed');

    for my $table (grep { m{/[0-9a-f]{64}$} } glob $n->dir . '/state/*/*') {
        open my $f, '+<', $table or die "$table: $!\n";
        seek $f, 700, 0;
        print $f "\xff" x 100;
        close $f;
    }

    $n->kill_worker;

    my $r = get($n, '/', cert => $carol);
    isnt($r->{status}, 200, 'damaged: a new worker does not bring it back');
    ok(wait_for(sub { get($n, '/', cert => $alice)->{status} == 200 }, 20),
       'damaged: mended');
    is(get($n, '/', cert => $carol)->{status}, 400,
       'damaged: mended, and without the CA');
    $n->stop;
}


# A worker without a free file descriptor cannot read what was published.  Who
# may no longer come in, and holds connections, must not decide how long.

{
    my $n = Mtls::Test->new(pki => $pki);

    trust($n, $root, $inter, $guest);
    install_crl($n->dir . '/inter.crl', $inter->crl(number => 1));

    $n->run(<<'EOC');
worker_rlimit_nofile 60;
http {
    mtls_ca partners %%DIR%%/bundle.pem refresh=1s revocation=leaf
                     unknown=allow;
    mtls_crl %%DIR%%/inter.crl refresh=1s;
    %%MTLS%%
    client_header_timeout 600s;
    server {
        listen 127.0.0.1:%%PORT_0%% ssl;
        %%TLS%%
        location / { mtls_allow any; empty_gif; }
    }
}
EOC

    my @k = map { keepalive($n, cert => $_) } $carol, $bob;

    allowed($_->get('/'), 'no descriptor: may before') for @k;

    my @held;

    wait_for(sub {
        my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', Timeout => 1,
                                      PeerPort => $n->port(0));
        push @held, $s if $s;
        return @held >= 80;
    }, 10);

    $n->mark;
    trust($n, $root, $inter);
    install_crl($n->dir . '/inter.crl', $inter->crl(number => 2,
                                                    revoked => [$bob]));
    $n->wait_error(qr/loaded CRL file.*number 2/, 10);
    wait_for(sub { $k[0]->get('/'); $n->error_lines(qr/cannot be used/) }, 10);

    select undef, undef, undef, 5.5;

    refused($k[0]->get('/'), 'loading', 'no descriptor: a removed CA', 503);
    refused($k[1]->get('/'), 'loading', 'no descriptor: a revoked one', 503);

    @held = ();

    ok(wait_for(sub { ($k[0]->get('/')->header('X-Mtls-Reason') // '')
                      eq 'wrong_ca' }, 10),
       'no descriptor: known as soon as there is one');
    refused($k[1]->get('/'), 'revoked', 'no descriptor: and the other');
    # accept() of a worker that ends while it could not is nginx's own
    $n->allow(qr/\(24: |accept4?\(\) failed/);
    $n->stop;
}

done_testing;
