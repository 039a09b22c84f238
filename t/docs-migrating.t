#!/usr/bin/perl

# docs/migrating.md is executed: what stood before lets pass what the page says
# that it does, and what stands there afterwards does not.

# Copyright (C) the ngx_mtls_module authors

use FindBin;
use lib "$FindBin::Bin/lib";

use Mtls::Docs qw(page examples docs_pki local_conf);
use Mtls::Test;

my $pki = docs_pki();
my ($inter, $dir) = ($pki->inter, $pki->dir);
my ($alice, $bob, $revoked) = ($pki->alice, $pki->bob, $pki->revoked);
my ($device, $self) = ($pki->device, $pki->self);
my %port = (port => 443);

my %example;
push @{$example{$_->{heading}}}, $_ for examples(page('docs/migrating.md'));

# who is not what a search in the printed name finds

my %evil = (
    'a name in another' => $pki->cert(
        issuer => $inter, name => 'mallory',
        subject => [[CN => 'mallory'], [O => 'Evil,CN=admin']]),
    'two names' => $pki->cert(
        issuer => $inter, name => 'two', subject => [[CN => 'mallory'],
                                                     [CN => 'admin']]),
    'a name of two parts' => $pki->cert(
        issuer => $inter, name => 'part',
        subject => [[OU => 'payments'], [OU => 'guests'], [CN => 'part']]),
);

ssl_crl();
map_over_subject();
devices();
apache();
haproxy();
mesh();

done_testing();


# The example of a page, running: before in stock nginx, or after.

sub nginx {
    my ($heading, $which, $change) = @_;

    my ($e) = grep { ($_->{kind} eq 'stock') == ($which eq 'before') }
              @{$example{$heading}};
    my $n = Mtls::Test->new(pki => $pki, workers => 1,
                            module => $which eq 'before' ? 0 : 1);

    local $_ = local_conf($n, $e->{kind}, $e->{conf});
    $change->() if $change;
    $n->run($_);

    return $n;
}


# whom the upstream was told of

sub client { return shift->received('X-Client') // '' }


sub ssl_crl {
    my $crl = "$dir/partner-crl.pem";
    my $lists = slurp($crl);
    my $more = sub {
        spew("$crl.new", slurp("$dir/root.crl"),
             $inter->crl(revoked => [$revoked, @_])->content);
        rename "$crl.new", $crl;
    };

    # before

    my $n = nginx('nginx: ssl_crl', 'before');

    is(get($n, '/', cert => $revoked, %port)->{status}, 400,
       'ssl_crl, before: revoked, a full handshake');

    my $s = session($n, cert => $alice, tls => '1.2', ticket => 0, %port);

    $more->($alice);
    is(get($n, '/', cert => $alice, %port)->{status}, 200,
       'ssl_crl, before: a new list alone changes nothing');

    $n->reload;
    is(get($n, '/', cert => $alice, %port)->{status}, 400,
       'ssl_crl, before: it counts after a reload');

    my $r = $s->get('/');

    is($r->{reused}, 1, 'ssl_crl, before: the session of the revoked one');
    is($r->{status}, 200, 'ssl_crl, before: is let in');
    is($r->received('X-Verify'), 'SUCCESS', 'ssl_crl, before: by "SUCCESS"');

    $n->stop;
    spew($crl, $lists);

    # after

    $n = nginx('nginx: ssl_crl', 'after',
               sub { s/grace=2h/grace=2h refresh=1s/ });

    refused(get($n, '/', cert => $revoked, %port), 'revoked',
            'ssl_crl, after: revoked');
    is(get($n, '/', cert => $self, %port)->{status}, 400,
       'ssl_crl, after: what does not verify is nginx\'s 400');
    is(get($n, '/', cert => $pki->expired, %port)->{status}, 400,
       'ssl_crl, after: so is what has expired');
    is(get($n, '/', %port)->{status}, 400,
       'ssl_crl, after: so is nobody');

    $s = session($n, cert => $alice, tls => '1.2', ticket => 0, %port);
    my $k = keepalive($n, cert => $alice, %port);

    allowed($k->get('/'), 'ssl_crl, after: good');
    is($s->get('/')->received('X-Verify'), 'allow', 'ssl_crl, after: told so');

    $more->($alice);
    ok(wait_for(sub { $k->get('/')->{status} != 200 }, 10),
       'ssl_crl, after: a new list counts without a reload');

    $r = $s->get('/');
    is($r->{reused}, 1, 'ssl_crl, after: the session of the revoked one');
    refused($r, 'revoked', 'ssl_crl, after: is refused');

    $n->stop;
    spew($crl, $lists);
}


sub map_over_subject {
    my $n = nginx('nginx: map over the subject', 'before');

    my $r = get($n, '/payments/', cert => $alice, %port);
    is($r->{status} . client($r), '200alice', 'map, before: alice');
    is(get($n, '/payments/', cert => $bob, %port)->{status}, 403,
       'map, before: not bob');

    for my $name ('a name in another', 'two names') {
        $r = get($n, '/payments/', cert => $evil{$name}, %port);
        is($r->{status} . client($r), '200admin', "map, before: $name");
    }

    $n->stop;
    $n = nginx('nginx: map over the subject', 'after');

    $r = get($n, '/payments/', cert => $alice, %port);
    allowed($r, 'map, after: alice');
    is(client($r), 'alice', 'map, after: by name');
    refused(get($n, '/payments/', cert => $bob, %port), 'no_match',
            'map, after: not bob');
    refused(get($n, '/payments/', cert => $evil{'a name in another'}, %port),
            'no_match', 'map, after: a name in another');
    refused(get($n, '/payments/', cert => $evil{'two names'}, %port),
            'ambiguous', 'map, after: two names');
    refused(get($n, '/payments/', %port), 'no_cert', 'map, after: nobody');
    refused(get($n, '/elsewhere', %port), 'no_cert',
            'map, after: nowhere else either');
    $n->stop;
}


sub devices {
    my $n = nginx('njs', 'after');

    my $r = get($n, '/telemetry', cert => $device, %port);
    allowed($r, 'njs, after: a device');
    is(client($r), 'device:pump/00000017', 'njs, after: by name');
    refused(get($n, '/telemetry', cert => $alice, %port), 'no_match',
            'njs, after: nobody else');
    $n->stop;
}


sub apache {
    my $n = nginx('Apache', 'after');

    my $r = get($n, '/payments/', cert => $alice, %port);
    allowed($r, 'Apache, after: alice');
    is(client($r), 'alice', 'Apache, after: by name');
    refused(get($n, '/payments/', cert => $bob, %port), 'no_match',
            'Apache, after: not bob');
    refused(get($n, '/accounts/', cert => $revoked, %port), 'revoked',
            'Apache, after: revoked');
    refused(get($n, '/payments/', cert => $evil{'a name of two parts'}, %port),
            'ambiguous', 'Apache, after: two units');
    refused(get($n, '/accounts/', %port), 'no_cert', 'Apache, after: nobody');
    $n->stop;
}


sub haproxy {
    my $n = nginx('HAProxy', 'after');

    my $r = get($n, '/payments/', cert => $alice, %port);
    allowed($r, 'HAProxy, after: alice');
    is(client($r), 'alice', 'HAProxy, after: by name');

    $r = get($n, '/', cert => $bob, %port);
    allowed($r, 'HAProxy, after: bob, where no rule is');
    is(client($r), 'bob', 'HAProxy, after: by name, too');

    refused(get($n, '/payments/', cert => $bob, %port), 'no_match',
            'HAProxy, after: not where one is');
    refused(get($n, '/', cert => $revoked, %port), 'revoked',
            'HAProxy, after: revoked, where no rule is');

    $r = get($n, '/', %port, headers => ['X-Client' => 'admin']);
    is($r->{status} . client($r), '200',
       'HAProxy, after: nobody, who says to be admin');
    $n->stop;
}


sub mesh {
    my %cert = map {
        ($_ => $pki->cert(issuer => $inter, name => 'mesh-' . s{/}{-}gr,
                          cn => 'x',
                          san => [[uri => "spiffe://cluster.local/ns/$_"]]))
    } 'pay/sa/api', 'pay/sa/api/x', 'other/sa/api';

    my $n = nginx('Envoy and Istio', 'after');

    allowed(get($n, '/pay/', cert => $cert{'pay/sa/api'}, %port),
            'mesh, after: a service account');
    refused(get($n, '/pay/', cert => $cert{$_}, %port), 'no_match',
            "mesh, after: not $_") for 'pay/sa/api/x', 'other/sa/api';
    $n->stop;
}
