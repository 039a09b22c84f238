#!/usr/bin/perl

# docs/operations.md is executed: its configurations, its commands, and what it
# says of a dry run.

# Copyright (C) the ngx_mtls_module authors

use FindBin;
use lib "$FindBin::Bin/lib";

use Mtls::Docs qw(page examples docs_pki local_conf);
use Mtls::Test;

my $text = page('docs/operations.md');
my $pki = docs_pki();
my ($inter, $dir) = ($pki->inter, $pki->dir);
my ($alice, $bob, $revoked) = ($pki->alice, $pki->bob, $pki->revoked);
my @example = examples($text);
my @shell = $text =~ /^ *```sh\n(.*?)^ *```$/msg;

my $n = Mtls::Test->new(pki => $pki, workers => 2);
my %port = (port => 443);

dry_run();
one_place();
publish();
look();
next_update();

done_testing();


# The configuration of the week, and the command that counts.

sub dry_run {
    $n->run(local_conf($n, $example[0]{kind}, $example[0]{conf}));

    # a dry run does not wait for the lists

    my $asked = 0;

    wait_for(sub {
        $asked++;
        return (get($n, '/', cert => $alice, %port)->header('X-Mtls-Action')
                // '') eq 'allow';
    }, 10);

    wait_for(sub { $n->log_lines('mtls.log') == $asked }, 5);
    spew("$n->{dir}/mtls.log", '');

    my @all = ([$alice, 'allow', 'ok'], [$bob, 'would_deny', 'no_match'],
               [$revoked, 'would_deny', 'revoked'],
               [undef, 'would_deny', 'no_cert']);

    for (@all) {
        my ($cert, $action, $reason) = @$_;
        my $r = get($n, '/', cert => $cert, %port);

        is($r->{status}, 200, "dry run, $reason: nobody is refused");
        is($r->header('X-Mtls-Action'), $action, "dry run, $reason: action");
        is($r->header('X-Mtls-Reason'), $reason, "dry run, $reason: reason");
        is($r->header('X-Mtls-Identity') // '',
           $action eq 'allow' ? 'partner:alice' : '',
           "dry run, $reason: identity");
    }

    is(get($n, '/', cert => $pki->self, %port)->{status}, 400,
       'dry run: nginx itself refuses');
    get($n, '/', cert => $bob, %port);

    $n->wait_log('mtls.log', qr/"no_match".*\n?/, 5);
    wait_for(sub { $n->log_lines('mtls.log') == 6 }, 5);

    my ($code, $out) = shell($shell[0]);

    is($code, 0, 'dry run: the command counts');
    like($out, qr/^\s*2 "action":"would_deny","reason":"no_match"\n/,
         'dry run: the most frequent one first');
    like($out, qr/^\s*1 "action":"$_->[1]","reason":"$_->[2]"$/m,
         "dry run: $_->[2] is counted") for grep { $_->[2] ne 'no_match' } @all;
    like($out, qr/^\s*1 "action":"deny","reason":"untrusted"$/m,
         'dry run: so are the refusals of nginx itself');

    my ($line) = grep { /no_match/ } $n->log_lines('mtls.log');
    my $json = JSON::PP->new->decode($line);

    like($json->{trace}, qr/payments/, 'dry run: the trace has the group');
    is($json->{status}, 200, 'dry run: and the line is JSON');
}


# "mtls on" in one location, before what http has.

sub one_place {
    ok($n->reload(local_conf($n, $example[1]{kind}, $example[1]{conf})),
       'one place: reload');

    refused(get($n, '/payments/', cert => $bob, %port), 'no_match',
            'one place: refused there');

    my $r = get($n, '/', cert => $bob, %port);
    isnt($r->{status}, 403, 'one place: and nowhere else');
}


# A list is put beside and renamed.

sub publish {
    $n->reload(local_conf($n, 'full', $example[0]{conf} =~ s/dry_run/on/r
                                      =~ s/(\.crl);/$1 refresh=1s;/r));
    allowed(get($n, '/', cert => $alice, %port), 'publish: before');

    # the file of the example has a name of its own

    unlink "$dir/crl/partner/inter.crl";
    spew("$dir/new.crl", $inter->crl(revoked => [$alice])->content);

    my ($code) = shell($shell[1] =~ s/new\.crl/$dir\/new.crl/r);

    is($code, 0, 'publish: the commands succeed');
    ok(wait_for(sub { get($n, '/', cert => $alice, %port)->{status} == 403 },
                10), 'publish: the new list is in force');
    is(scalar(my @left = glob "$dir/crl/partner/.*.tmp"), 0,
       'publish: nothing is left');
}


# openssl as it is told.

sub look {
    my ($code, $out, $err) = shell($shell[2] =~ s/\bnew\.crl/$dir\/new.crl/gr);

    is($code, 0, 'a look at a list: the commands succeed');
    like($out, qr/crlNumber=.*nextUpdate=/s, 'a look at a list: its dates');
    like("$out$err", qr/verify OK/, 'a look at a list: its signature');
}


sub next_update {
    my ($code, $out) = shell($shell[3]);

    isnt($code, 0, 'nextUpdate: an hour is not enough');
    like($out, qr/\.crl: nextUpdate=/, 'nextUpdate: it says which');

    for my $name (map { s{.*/}{}r } glob "$dir/crl/partner/*.crl") {
        install_crl("$dir/crl/partner/$name",
                    $inter->crl(next => 2 * 24 * 60 * 60));
    }

    ($code, $out) = shell($shell[3]);
    is("$code $out", '0 ', 'nextUpdate: two days are');

    spew("$dir/crl/partner/broken.crl", 'broken');
    isnt((shell($shell[3]))[0], 0, 'nextUpdate: nor is a broken list good');
}


# What a reader would type, with the folders of the test.

sub shell {
    my $script = shift;

    $script =~ s{/var/log/nginx/}{$n->{dir}/}g;
    $script =~ s{/etc/pki/crl/}{$dir/crl/partner/}g;
    $script =~ s{/etc/pki/}{$dir/}g;

    return command('sh', '-c', $script);
}
