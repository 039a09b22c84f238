#!/usr/bin/perl

# docs/security.md is executed: an answer that was cached for one client is said
# to another, and is not where the identity is in the key; what an upstream hears
# of early data; and what a name can do to a log.

# Copyright (C) the ngx_mtls_module authors

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();

use Mtls::Docs qw(page examples docs_pki local_conf);
use Mtls::Test;

my $pki = docs_pki();
my $inter = $pki->inter;
my ($alice, $bob, $revoked) = ($pki->alice, $pki->bob, $pki->revoked);
my %port = (port => 443);

my ($example) = grep { $_->{heading} eq 'Cached answers' }
                examples(page('docs/security.md'));

cache();
early_data();
logs();

done_testing();


# The example with lists, without and with its key.

sub cache {
    my $n = Mtls::Test->new(pki => $pki);
    my $conf = $example->{conf}
               =~ s{^(\s*mtls_ca .*\n)}
                   {$1 mtls_crl /etc/pki/crl/*.crl refresh=1s;\n}mr;

    my $said = sub {
        my ($cert, $uri) = @_;

        my $r = get($n, $uri, cert => $cert, %port);

        return $r->{status} == 200 ? $r->received('X-Client') : $r->{status};
    };

    $n->run(local_conf($n, 'full', $conf =~ s/^\s*proxy_cache_key .*\n//mr));

    my $vary = '/v?header=Vary:X-Client';

    is($said->($alice, '/a'), 'partner:alice', 'without: her own');
    is($said->($bob, '/a'), 'partner:alice', 'without: hers, to him');
    is($said->($alice, $vary), 'partner:alice', 'without, Vary: her own');
    is($said->($bob, $vary), 'partner:alice', 'without, Vary: hers, to him');
    is($said->($revoked, '/a'), 403, 'without: nothing to who is refused');
    is($said->(undef, '/a'), 403, 'without: nor to nobody');

    ok($n->reload(local_conf($n, 'full', $conf)), 'with: reload');

    for (1, 2) {
        is($said->($alice, '/b'), 'partner:alice', "with: her own, $_");
        is($said->($bob, '/b'), 'partner:bob', "with: his own, $_");
    }

    is(scalar(grep { /"\/b"/ } map { "\"$_->{uri}\"" } $n->upstream_requests),
       2, 'with: each was cached');

    # who is revoked does not even get what was cached for it

    install_crl($pki->dir . '/crl/partner/inter.crl',
                $inter->crl(revoked => [$revoked, $bob]));
    ok(wait_for(sub { $said->($bob, '/b') eq '403' }, 10),
       'with: who is revoked is not served from the cache');
    is($said->($alice, '/b'), 'partner:alice', 'with: the others are');
    $n->stop;
}


sub early_data {
    my $n = Mtls::Test->new(pki => $pki);

    $n->run(<<'EOF');
mtls_ca partner %%PKI%%/partner-ca.pem;
%%MTLS%%

server {
    listen 127.0.0.1:%%PORT_0%% ssl;
    %%TLS%%
    ssl_early_data on;
    mtls_allow any;
    proxy_set_header Early-Data $ssl_early_data;

    location / { proxy_pass http://%%UPSTREAM%%; }
    location /never { mtls_early_data deny; proxy_pass http://%%UPSTREAM%%; }
}
EOF

    my %is = (cert => $alice, tls => '1.3');
    my $r = session($n, %is)->early_data('/');

    is($r->{early}, 1, 'early data: accepted');
    is($r->received('Early-Data'), '1', 'early data: the upstream is told');

    refused(session($n, %is)->early_data('/', method => 'POST', body => 'x'),
            'early_data', 'early data: no POST', 425);
    refused(session($n, %is)->early_data('/never'), 'early_data',
            'early data: no GET where it is denied', 425);

    is(get($n, '/', %is, headers => ['Early-Data' => '1'])
       ->received('Early-Data'), undef, 'early data: the client tells nothing');
    $n->stop;
}


sub logs {
    my $evil = $pki->cert(issuer => $inter, name => 'evil',
                          subject => [[CN => "a\" \n[alert] \\ \e[31m",
                                       'UTF8']]);
    my $shown = 'n:a" %0A[alert] \\ %1B[31m';
    my $n = Mtls::Test->new(pki => $pki);

    my $conf = <<'EOF';
mtls_ca partner %%PKI%%/partner-ca.pem;
mtls_group named { ca partner; identity "n:$mtls_subject_cn"; }
mtls_group other { ca partner; subject cn other; }
%%MTLS%%
log_format json escape=json '{"client":"$mtls_client","trace":"$mtls_trace"}';
log_format text '"$mtls_client"';

server {
    listen 127.0.0.1:%%PORT_0%% ssl;
    %%TLS%%
    access_log %%DIR%%/json.log json;
    access_log %%DIR%%/text.log text;

    location / { mtls_allow other; proxy_pass http://%%UPSTREAM%%; }

    location /named {
        mtls_allow named;
        proxy_pass http://%%UPSTREAM%%;
        proxy_set_header X-Client $mtls_identity;
    }
}
EOF

    $n->run($conf);

    refused(get($n, '/', cert => $evil), 'no_match', 'logs: refused');
    is(get($n, '/named', cert => $evil)->received('X-Client'), $shown,
       'logs: one line in a header');
    wait_for(sub { $n->log_lines('text.log') == 2 }, 5);

    my @line = $n->log_lines('json.log');
    my $json = JSON::PP->new->decode($line[0]);

    is(scalar @line, 2, 'logs: one line for a request');
    is($json->{client}, $shown, 'logs: one value in JSON');
    unlike($json->{trace}, qr/alert/, 'logs: the trace has nothing of it');
    is(($n->log_lines('text.log'))[0],
       '"n:a\x22 %0A[alert] \x5C %1B[31m"', 'logs: quotes are escaped');
    is(scalar(my @said = $n->error_lines(qr/31m/)), 0,
       'logs: the error log has nothing of it');

    # the name of a CA, in a list that is refused

    my $list = $n->dir . '/stranger.crl';

    install_crl($list, $pki->ca(cn => "x\n\"y", name => 'stranger')->crl);
    ok($n->reload($conf =~ s/^(mtls_ca .*\n)/$1mtls_crl $list;\n/mr),
       'logs: the list of a stranger');
    like($n->wait_error(qr/refused CRL file/, 5) || '',
         qr/issuer "CN=x\\0a\\"y" is not known/,
         'logs: the name of its CA is escaped');
    $n->stop;
}
