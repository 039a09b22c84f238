#!/usr/bin/perl

# docs/spiffe.md is executed: its configurations, by the workloads that it
# speaks of, and what it says of them.

# Copyright (C) the ngx_mtls_module authors

use FindBin;
use lib "$FindBin::Bin/lib";

use Mtls::Docs qw(page examples docs_pki local_conf);
use Mtls::Test;

my $text = page('docs/spiffe.md');
my $pki = docs_pki();
my $count = 0;

# the files of the page, by CAs of the trust domains that it names

my %ca = map { $_ => $pki->ca(cn => "$_ CA") }
         qw(prod.example partner.example cluster.local next);

my %example = map { $_->{heading} => $_ } examples($text);

bundle('bundle', 'prod.example');
bundle('partner-bundle', 'partner.example');
bundle('root-cert', 'cluster.local');

one_page();
accounts();
domains();
istio();
traces();

done_testing();


sub bundle {
    my ($name, @ca) = @_;

    install_crl($pki->dir . "/mesh/$name.pem",
                map { slurp($ca{$_}->crt) } @ca);
}


# a workload of a trust domain, by its CA or another one

sub workload {
    my ($id, $ca) = @_;

    my ($domain) = $id =~ m{^([^/]+)};

    return $pki->cert(issuer => $ca{$ca // $domain}, cn => 'x',
                      name => 'workload' . ++$count,
                      eku => [qw(serverAuth clientAuth)],
                      san => [[uri => "spiffe://$id"]]);
}


sub nginx {
    my ($heading) = @_;

    my $e = $example{$heading} || die "no example \"$heading\"\n";
    my $n = Mtls::Test->new(pki => $pki, workers => 2);

    $n->run(local_conf($n, $e->{kind}, $e->{conf}));

    my ($port) = $e->{conf} =~ /\blisten\s+(\d+)/;

    return ($n, port => $port);
}


sub one_page {
    my ($n, %at) = nginx('In one page');

    my $pay = workload('prod.example/ns/payments/sa/api');
    my $r = get($n, '/', cert => $pay, %at);

    allowed($r, 'one page: a workload of the namespace');
    is($r->received('X-Workload'), 'spiffe:/ns/payments/sa/api',
       'one page: the upstream hears who');
    refused(get($n, '/metrics', cert => $pay, %at), 'no_match',
            'one page: not where another one may');
    allowed(get($n, '/metrics', %at,
                cert => workload('prod.example/ns/monitoring/sa/prometheus')),
            'one page: which may');
    refused(get($n, '/', cert => workload('prod.example/ns/pay/sa/api'), %at),
            'no_match', 'one page: not of another namespace');
    refused(get($n, '/', cert => workload('prod.example/ns/payments/'), %at),
            'bad_svid', 'one page: what breaks the rules');
    like($n->wait_log('mesh.log', qr/bad_svid/, 5),
         qr/"trace":"payments=undefined .*segment of the path is empty/,
         'one page: the log says which');

    # within the time that the page says, without a reload, on what exists

    my $new = workload('prod.example/ns/payments/sa/api', 'next');
    my $h2 = keepalive($n, cert => $pay, %at);

    allowed($h2->get('/'), 'one page: a connection');
    is(get($n, '/', cert => $new, %at)->{status}, 400,
       'one page: the next CA is not known');

    my $start = time;

    bundle('bundle', 'next');
    ok(wait_for(sub { get($n, '/', cert => $new, %at)->{status} == 200 }, 15),
       'one page: the bundle is replaced, and the next CA counts');
    cmp_ok(time - $start, '<=', 10, 'one page: soon');
    refused($h2->get('/'), 'wrong_ca', 'one page: the old one does not');
    bundle('bundle', 'prod.example');

    # one ticket

    is(tickets($n, $at{port}), 1, 'one page: one ticket for a handshake');
    $n->stop;
}


# how many TLS 1.3 gives

sub tickets {
    my ($n, $port) = @_;

    my $out = `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | timeout 10 openssl \\
                 s_client -connect 127.0.0.1:${\$n->port($port)} -tls1_3 \\
                 -ign_eof 2>&1`;

    return scalar(() = $out =~ /New Session Ticket arrived/g);
}


sub accounts {
    my ($n, %at) = nginx('Namespaces and service accounts');

    my $r = get($n, '/', cert => workload('prod.example/ns/shop/sa/web'), %at);

    allowed($r, 'accounts: a service account');
    is($r->received('X-Workload'), 'k8s:shop/web', 'accounts: by name');
    refused(get($n, '/', cert => workload("prod.example/$_"), %at), 'no_match',
            "accounts: not $_")
        for qw(ns/kube-system/sa/x ns/istio-system/sa/y ns/shop/web shop);
    $n->stop;

    # the table: pattern, and which of these it matches

    my @id = map { "prod.example/ns/$_" }
             qw(payments/sa/api payments/sa/web shop/sa/prometheus
                payments/job/x/y);
    my %matches = (
        'ns/payments/sa/api' => '1000', 'ns/payments/sa/*' => '1100',
        'ns/*/sa/prometheus' => '0010', 'ns/payments/**' => '1101',
        '**' => '1111',
    );
    my @pattern = $text =~ m{^\| `spiffe://prod\.example/(\S+)` \|}mg;

    is_deeply([sort @pattern], [sort keys %matches], 'table: its patterns');

    my $m = Mtls::Test->new(pki => $pki);

    $m->run(join "\n", 'mtls_ca mesh %%PKI%%/mesh/bundle.pem;',
            (map { "mtls_group g$_ "
                   . "{ spiffe spiffe://prod.example/$pattern[$_]; }" }
                 0 .. $#pattern),
            '%%MTLS%% server { listen 127.0.0.1:%%PORT_0%% ssl; %%TLS%%',
            (map { "location /g$_ { mtls_allow g$_; try_files /no =204; }" }
                 0 .. $#pattern), '}');

    for my $i (0 .. $#pattern) {
        is(join('', map { get($m, "/g$i", cert => workload($_))->{status} == 204
                          ? 1 : 0 } @id),
           $matches{$pattern[$i]}, "table: $pattern[$i]");
    }

    $m->stop;
}


sub domains {
    my ($n, %at) = nginx('Several trust domains');

    my $own = workload('prod.example/ns/orders/sa/x');
    my $theirs = workload('partner.example/edge/a');

    for (['prod.example', $own, 'own:/ns/orders/sa/x', '/'],
         ['partner.example', $theirs, 'partner:/edge/a'])
    {
        my ($what, $cert, $who, $also) = @$_;
        my $r = get($n, '/orders/', cert => $cert, %at);

        allowed($r, "domains: $what");
        is($r->received('X-Workload'), $who, "domains: $what by name");

        $r = get($n, '/', cert => $cert, %at);
        $also ? allowed($r, "domains: $what elsewhere")
              : refused($r, 'no_match', "domains: $what not elsewhere");
    }

    refused(get($n, '/orders/', %at, cert => workload(@$_)), 'wrong_ca',
            "domains: @$_")
        for ['prod.example/ns/orders/sa/x', 'partner.example'],
            ['partner.example/edge/a', 'prod.example'],
            ['prod.example/ns/orders/', 'partner.example'];
    $n->stop;
}


sub istio {
    my ($n, %at) = nginx('Istio');

    allowed(get($n, '/', %at,
                cert => workload('cluster.local/ns/shop/sa/checkout')),
            'Istio: a workload');
    refused(get($n, '/', %at, cert => workload('cluster.local/ns/shop/sa/x')),
            'no_match', 'Istio: not another one');
    $n->stop;
}


# The trace that the page shows is one of ours.

sub traces {
    my ($shown) = $text =~ /^    (payments=undefined .*)$/m;
    my ($e) = $example{'In one page'};

    my $line = 1 + (() = ($e->{conf} =~ /\A(.*?)^ +spiffe /ms)[0] =~ /\n/g);

    is($shown, "payments=undefined (nginx.conf:$line spiffe "
               . 'spiffe://prod.example/ns/payments/**: '
               . 'a segment of the path is empty)', 'the trace that is shown');
}
