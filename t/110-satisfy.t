#!/usr/bin/perl

# Beside addresses, passwords and auth_request: what may be overruled under
# "satisfy any", what may not, and what an overruled request is worth.
# Copyright (C) the ngx_mtls_module authors

use FindBin;
use lib "$FindBin::Bin/lib";
use Mtls::Test;

my $pki = Mtls::PKI->standard;
my $n = Mtls::Test->new(pki => $pki);

my $quiet_ca = $pki->ca(cn => 'Quiet CA', name => 'quiet');

sub cert { return $pki->cert(issuer => $pki->inter, @_) }

# reason => [who gives it, whether others may overrule it]

my %who = (
    ok         => [$pki->alice, 1],
    no_cert    => [undef, 1],
    no_match   => [cert(cn => 'carol'), 1],
    denied     => [$pki->bob, 1],
    ambiguous  => [cert(subject => [[CN => 'alice'], [CN => 'bob']]), 1],
    bad_svid   => [cert(cn => 'carol',
                        san => [[uri => 'spiffe://prod.example/a/']]), 0],
    untrusted  => [$pki->self, 0],
    wrong_ca   => [$pki->other, 0],
    revoked    => [$pki->revoked, 0],
    revocation_unknown =>
                  [$pki->cert(cn => 'alice', issuer => $quiet_ca), 0],
    error      => [cert(cn => 'alice', mangle => sub {
                      $_[0] =~ s/\x01\x01\xff/\x01\x01\x01/r; }), 0],
);

# each with the way to say yes

my %others = (
    'allow'        => 'allow 127.0.0.1; deny all;',
    'deny'         => 'deny all;',
    'auth_basic'   => 'auth_basic x; auth_basic_user_file %%DIR%%/users;',
    'auth_request' => 'auth_request /yes;',
    'no_request'   => 'auth_request /no;',
);

my $locations = '';

for my $satisfy (qw(all any)) {
    for my $other (keys %others) {
        $locations .= <<"EOF";
            location /$satisfy/$other {
                satisfy $satisfy;
                $others{$other}
                mtls_allow alice svids;
                mtls_deny bob;
                proxy_pass http://%%UPSTREAM%%;
                proxy_set_header X-Identity \$mtls_identity;
                proxy_set_header X-Group \$mtls_identity_group;
            }
EOF
    }
}

$n->file('users', "joe:{PLAIN}secret\n");
my @password = (headers => [Authorization => 'Basic am9lOnNlY3JldA==']);

install_crl($n->dir . '/inter.crl',
            $pki->inter->crl(revoked => [$pki->revoked]));

$n->run(<<"EOF");
mtls_ca partners %%PKI%%/root.crt %%PKI%%/inter.crt;
mtls_ca foreign %%PKI%%/other_root.crt revocation=off;
mtls_ca quiet %%PKI%%/quiet.crt;
mtls_crl %%DIR%%/inter.crl %%PKI%%/root.crl;
%%MTLS%%

mtls_group alice { ca partners; subject cn alice; identity alice; }
mtls_group bob   { ca partners; subject cn bob; }
mtls_group svids { ca partners; spiffe spiffe://prod.example/a; }

log_format v '\$uri \$status action=\$mtls_action reason=\$mtls_reason';
access_log %%DIR%%/v.log v;
ssl_early_data on;

server {
    listen 127.0.0.1:%%PORT_0%% ssl http2;
    %%TLS%%
}

server {
    listen 127.0.0.1:%%PORT_0%% ssl http2;
    server_name b.example.com;
    %%CERT%%
    ssl_client_certificate %%PKI%%/root.crt;
    ssl_verify_client optional_no_ca;
    ssl_verify_depth 4;
    mtls_trust partners quiet;

    $locations

    location = /yes { return 204; }
    location = /no  { return 403; }

    # those who are let in under "satisfy any" by nobody else

    location /closed {
        satisfy any;
        deny all;
        proxy_set_header X-Identity \$mtls_identity;

        location /closed/off {
            mtls off;
            mtls_allow alice;
            proxy_pass http://%%UPSTREAM%%;
        }
        location /closed/dry {
            mtls dry_run;
            mtls_allow alice;
            proxy_pass http://%%UPSTREAM%%;
        }
        location /closed/any {
            mtls_allow any;
            proxy_pass http://%%UPSTREAM%%;
        }
        location /closed/no-policy {
            proxy_pass http://%%UPSTREAM%%;
        }
    }

    location /open/no-policy {
        satisfy any;
        allow all;
        proxy_pass http://%%UPSTREAM%%;
        proxy_set_header X-Identity \$mtls_identity;
    }

    location /open/early {
        satisfy any;
        allow all;
        mtls_allow alice;
        mtls_early_data deny;
        proxy_pass http://%%UPSTREAM%%;
    }

    location /open/page {
        satisfy any;
        allow all;
        mtls_allow alice;
        error_page 403 /page;
    }

    location = /page { mtls off; return 403 "page: \$mtls_reason"; }

    # refused by a dry run first, and then allowed

    location /dry-first {
        mtls dry_run;
        mtls_allow bob;
        try_files /no /closed/any;
    }

    # overruled first, then where nobody else may say yes

    location /overruled {
        satisfy any;
        allow all;
        mtls_allow bob;
        proxy_pass http://%%UPSTREAM%%/?header=X-Accel-Redirect:/closed/any;
    }
}
EOF

sub ask {
    my ($path, $reason, @arg) = @_;

    return get($n, $path, host => 'b.example.com', cert => $who{$reason}[0],
               sni => $reason eq 'wrong_ca' ? undef : 'b.example.com', @arg);
}

sub outcome {
    my ($r) = @_;

    return join ' ', $r->{status}, map { $r->header("X-Mtls-$_") // '-' }
                                       qw(Action Reason);
}

wait_for(sub { outcome(ask('/all/allow', 'ok')) eq '200 allow ok' }, 5);


# Every reason at every place.  Our word comes first: under "satisfy all"
# others can only refuse, under "satisfy any" they can overrule what says no
# more than that this certificate is not meant here.

my @cases = (
    # who else is asked, what with, its status (200: yes)
    ['allow',        [],         200],
    ['deny',         [],         403],
    ['auth_basic',   \@password, 200],
    ['auth_basic',   [],         401],
    ['auth_request', [],         200],
    ['no_request',   [],         403],
);

for my $case (@cases) {
    my ($other, $with, $status) = @$case;
    my $yes = ($status == 200);

    for my $satisfy (qw(all any)) {
        my (%got, %expected);

        for my $reason (sort keys %who) {
            my $r = ask("/$satisfy/$other", $reason, @$with);

            $got{$reason} = outcome($r);

            my $final = $satisfy eq 'all' || !$who{$reason}[1];

            $expected{$reason} =
                $reason eq 'ok' ? ($satisfy eq 'all' && !$yes ? $status : 200)
                                  . ' allow ok'
                                : ($final ? 403 : $status) . " deny $reason";

            next if $r->{status} != 200;

            # the upstream knows those whom we allowed, and nobody else

            for (qw(X-Identity X-Group)) {
                my $name = $r->received($_);
                my $is = $reason eq 'ok' ? 'alice' : undef;

                $got{$reason} .= " $_ " . ($name // '-');
                $expected{$reason} .= " $_ " . ($is // '-');
            }
        }

        is_deeply(\%got, \%expected,
                  "satisfy $satisfy, $other" . ($yes ? ' yes' : ' no'));
    }
}


# An overruled request stays refused in the log.

$n->mark;
my $r = ask('/any/allow', 'no_match');
is($r->{status}, 200, 'overruled');
is($r->received('X-Identity'), undef, 'overruled: no identity');
ok($n->wait_log('v.log', qr/ 200 action=deny reason=no_match$/),
   'overruled: the log says so');

is(ask('/any/auth_basic', 'no_match')->header('WWW-Authenticate'),
   'Basic realm="x"', 'not overruled: a password is asked for');
is(ask('/any/auth_basic', 'revoked')->header('WWW-Authenticate'), undef,
   'final: no password is asked for');


# Early data is final too.

my $s = session($n, cert => $pki->alice, tls => '1.3', host => 'b.example.com',
                sni => 'b.example.com');
refused($s->early_data('/open/early'), 'early_data', 'early data: final', 425);
is(outcome(ask('/open/early', 'no_match')), '200 deny no_match',
   'and what is soft is not');


# A final refusal ends the request properly.

my $k = keepalive($n, cert => $pki->self, sni => 'b.example.com');
my @at = (host => 'b.example.com');

refused($k->get('/any/allow', @at, method => 'POST', body => 'x' x 10_000),
        'untrusted', 'final: with a body');
refused($k->get('/any/allow', @at), 'untrusted', 'final: the next request');

is(ask('/open/page', 'revoked')->{body}, 'page: revoked', 'final: its page');
is(h2($n, cert => $pki->self, sni => 'b.example.com')
       ->get('/open/page', @at)->{body},
   'page: untrusted', 'final: its page, HTTP/2');


# Neither off nor a dry run nor the lack of a policy opens anything.

for (['off', '403 - -'], ['dry', '403 allow ok'], ['no-policy', '403 allow ok'])
{
    my ($place, $expected) = @$_;

    is(outcome(ask("/closed/$place", 'ok')), $expected,
       "satisfy any, deny all: $place does not open");
}

is(outcome(ask('/closed/any', 'ok')), '200 allow ok',
   'satisfy any, deny all: mtls_allow does');
is(outcome(ask('/closed/off', 'no_cert')), '403 - -',
   'off, without a certificate');
is(outcome(ask('/closed/dry', 'no_match')), '403 would_deny no_match',
   'a dry run of a refusal');

refused(ask('/open/no-policy', 'revoked'), 'revoked',
        'no policy: authentication is final');
$r = ask('/open/no-policy', 'no_cert');
is(outcome($r), '200 - no_cert', 'no policy: nobody need be known');
is(ask('/open/no-policy', 'ok')->received('X-Identity'), 'alice',
   'no policy: who is known is named');


# Over redirects: a dry run takes nothing away from who is allowed later, and
# who was overruled is not allowed.

$r = ask('/dry-first', 'ok');
is(outcome($r), '200 would_deny no_match', 'a dry run first, allowed then');
is($r->received('X-Identity'), undef, 'which forwards nothing all the same');
is(outcome(ask('/overruled', 'ok')), '403 deny no_match',
   'overruled first, and no more then');

done_testing;
