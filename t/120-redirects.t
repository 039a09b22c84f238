#!/usr/bin/perl

# One request, several locations: error pages, internal redirects, subrequests.
# Each location judges anew, and a request that was refused once stays refused.
# Copyright (C) the ngx_mtls_module authors

use FindBin;
use lib "$FindBin::Bin/lib";
use Mtls::Test;

my $pki = Mtls::PKI->standard;
my $n = Mtls::Test->new(pki => $pki);

my ($alice, $bob) = ($pki->alice, $pki->bob);

mkdir $n->dir . '/www';
mkdir $n->dir . '/www/dir';
$n->file('www/dir/index.html', 'index');
$n->file('www/page.html', 'the page');
$n->file('www/ssi.html', '[<!--# echo var="mtls_identity" default="-" -->]'
                         . '<!--# include virtual="/sub/alice" -->');

# The upstream is told what the variables say where it is asked.

$n->run(<<'EOF');
mtls_ca partners %%PKI%%/root.crt;
%%MTLS%%

mtls_group alice { subject cn alice; identity "a:$mtls_subject_cn"; }
mtls_group bob   { subject cn bob; identity "b:$mtls_subject_cn"; }

log_format v '$request_uri $uri $status action=$mtls_action '
             'reason=$mtls_reason identity=$mtls_identity client=$mtls_client '
             'rule=$mtls_rule';
access_log %%DIR%%/v.log v;

proxy_set_header X-Action $mtls_action;
proxy_set_header X-Reason $mtls_reason;
proxy_set_header X-Identity $mtls_identity;
proxy_set_header X-Group $mtls_identity_group;

server {
    listen 127.0.0.1:%%PORT_0%% ssl http2;
    %%TLS%%
    root %%DIR%%/www;
    error_page 495 /why;

    # who may here, and is shown it

    location /alice      { mtls_allow alice; proxy_pass http://%%UPSTREAM%%; }
    location /bob        { mtls_allow bob; proxy_pass http://%%UPSTREAM%%; }
    location /any        { mtls_allow any; proxy_pass http://%%UPSTREAM%%; }
    location /off        { mtls off; proxy_pass http://%%UPSTREAM%%; }
    location /dry        { mtls dry_run; mtls_allow any;
                           proxy_pass http://%%UPSTREAM%%; }
    location @any        { mtls_allow any; proxy_pass http://%%UPSTREAM%%; }
    location @off        { mtls off; proxy_pass http://%%UPSTREAM%%; }
    location @alice      { mtls_allow alice; proxy_pass http://%%UPSTREAM%%; }

    location = /why {
        mtls off;
        return 403 "$mtls_action $mtls_reason [$mtls_identity] $mtls_client";
    }

    location = /page.html { mtls off; }

    # error_page

    location /page/return { mtls_allow alice; error_page 403 /why; }
    location /page/file   { mtls_allow alice; error_page 403 /page.html; }
    location /page/200    { mtls_allow alice; error_page 403 =200 /off; }
    location /page/any    { mtls_allow alice; error_page 403 =200 /any; }
    location /page/dry    { mtls_allow alice; error_page 403 =200 /dry; }
    location /page/named  { mtls_allow alice; error_page 403 = @off; }
    location /page/named-any { mtls_allow alice; error_page 403 = @any; }
    location /page/other  { mtls_allow any; deny all; error_page 403 /why; }

    location /page/first {
        mtls_allow any;
        mtls_deny bob; #first
        error_page 403 =200 /page/second;
        recursive_error_pages on;
    }
    location /page/second {
        mtls_allow alice; #second
        error_page 403 /why;
        recursive_error_pages on;
    }

    location /page/method {
        error_page 403 =200 /any;
        proxy_pass http://%%UPSTREAM%%;
        limit_except GET { mtls_allow alice; }
    }

    # internal redirects

    location /try/alice   { mtls_allow any; try_files /no /alice; }
    location /try/named   { mtls_allow any; try_files /no @alice; }
    location /try/off     { mtls_allow bob; try_files /no /off; }
    location /rewrite     { mtls_allow alice; rewrite ^ /bob last; }
    location /break       { mtls_allow alice; rewrite ^ /x break;
                            proxy_pass http://%%UPSTREAM%%; }
    location /dir/        { mtls_allow any; index index.html; }
    location = /dir/index.html { mtls_allow alice; }

    location /accel/ {
        mtls_allow any;
        proxy_pass http://%%UPSTREAM%%/?header=X-Accel-Redirect:/;
    }

    # subrequests

    location /auth {
        mtls_allow alice;
        auth_request /sub/ask;
        proxy_pass http://%%UPSTREAM%%;
    }
    location /auth-any {
        satisfy any;
        mtls_allow alice;
        auth_request /sub/ask;
        proxy_pass http://%%UPSTREAM%%;
    }
    location /auth-off {
        mtls off;
        auth_request /sub/ask;
        proxy_pass http://%%UPSTREAM%%;
    }
    location /mirror {
        mtls_allow alice;
        mirror /sub/mirror;
        proxy_pass http://%%UPSTREAM%%;
    }
    location /ssi {
        mtls_allow any;
        ssi on;
        rewrite ^ /ssi.html break;
    }
    location /sub/ { mtls_allow alice; proxy_pass http://%%UPSTREAM%%; }

    # what is answered before access is checked

    location /return { mtls_allow alice; return 200 "[$mtls_action]"; }
    location /if {
        mtls_allow alice;
        if ($mtls_group_bob) { return 403 "bob, before access"; }
        proxy_pass http://%%UPSTREAM%%;
    }
}
EOF


# What the upstream heard of the last request of a path.

sub upstream {
    my ($path) = @_;

    my ($seen) = grep { $_->{uri} =~ m{^\Q$path\E(?:\?|$)} }
                      reverse $n->upstream_requests;
    my %header = map { lc $_->[0] => $_->[1] } @{($seen // {})->{headers}};

    return $seen ? join ' ', map { $header{"x-$_"} // '-' }
                             qw(action reason identity group)
                 : 'nothing';
}

sub by {
    my ($cert, $path, @arg) = @_;

    $n->mark;
    return get($n, $path, cert => $cert, @arg);
}

sub logged {
    my ($re, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    ok($n->wait_log('v.log', $re), "$name: the log")
        || diag($n->log_lines('v.log'));
}

my $REFUSED = 'action=deny reason=no_match identity=- client=b:bob';


# error_page 403: a location with "mtls off" is shown, and knows why.

my $r = by($bob, '/page/return');
is("$r->{status} $r->{body}", '403 deny no_match [] b:bob',
   'page: off, it prints the reason');
logged(qr{^/page/return /why 403 $REFUSED}, 'page');

$r = by($bob, '/page/file');
is("$r->{status} $r->{body}", '403 the page', 'page: off, a file');

$r = by($bob, '/page/200');
is("$r->{status} " . $r->received('X-Reason'), '200 no_match',
   'page: off, from the upstream');
is(upstream('/off'), 'deny no_match - -', 'page: off, no identity upstream');

$r = by($bob, '/page/named');
is("$r->{status} " . $r->received('X-Reason'), '200 no_match',
   'page: off, named');
is(upstream('/page/named'), 'deny no_match - -',
   'page: off, named, no identity upstream');
logged(qr{^/page/named /page/named 200 $REFUSED}, 'page: off, named');

# ... and one that allows refuses again, whatever it would say of others.

refused(by($bob, '/page/any'), 'no_match', 'page: on, refused still');
is(upstream('/any'), 'nothing', 'page: on, the upstream is not asked');
refused(by($bob, '/page/named-any'), 'no_match', 'page: on, named');
is(upstream('/page/named-any'), 'nothing', 'page: on, named, nor there');
refused(by(undef, '/page/any'), 'no_cert', 'page: on, without a certificate');

$r = by($bob, '/page/dry');
is("$r->{status} " . $r->header('X-Mtls-Action'), '200 deny',
   'page: dry_run shows, but the refusal was none');
is(upstream('/dry'), 'deny no_match - -', 'page: dry_run, no identity');

refused(by($bob, '/page/method', method => 'POST', body => 'x'), 'no_match',
        'page: now a GET, but what was refused was a POST');
allowed(by($bob, '/page/method'), 'page: and a GET is allowed');

$r = by($bob, '/page/first');
like($r->{body}, qr/^deny denied \[\]/, 'page: the first refusal stays');
logged(qr{ reason=denied .* rule=\S+:${\$n->line('#first')}$},
       'page: with its rule');

$r = by($alice, '/page/other');
is("$r->{status} $r->{body}", '403 allow ok [a:alice] a:alice',
   'page: of a refusal that is not ours');


# try_files, X-Accel-Redirect, index: each location judges.

for ('/try/alice', '/try/named', '/accel/alice', '/dir/') {
    allowed(by($alice, $_), "$_: allowed in both");
    refused(by($bob, $_), 'no_match', "$_: allowed first, then refused");
    logged(qr{^$_ \S+ 403 $REFUSED}, $_);
}

is(upstream('/alice'), 'nothing', 'bob did not come through');
$r = by($bob, '/try/off');
is("$r->{status} " . $r->header('X-Mtls-Action'), '200 allow',
   'off behind allowed: it stays allowed');
is(upstream('/off'), 'allow ok b:bob bob', 'and has its identity');
logged(qr{ /off 200 action=allow reason=ok identity=b:bob client=b:bob },
       'off behind allowed');

is(by($alice, '/try/off')->header('X-Mtls-Reason'), 'no_match',
   'off behind refused is not reached');

# rewrite: judged where it ends

refused(by($alice, '/rewrite'), 'no_match', 'rewrite last: where it leads');
allowed(by($bob, '/rewrite'), 'rewrite last: not where it begins');
allowed(by($alice, '/break'), 'rewrite break: where it stays');
refused(by($bob, '/break'), 'no_match', 'rewrite break: where it stays');


# What nginx refused before any phase: who it was is known to its page.

$r = by($pki->self, '/alice');
is("$r->{status} $r->{body}", '400 deny untrusted [] unverified:sha256:'
   . $pki->self->fingerprint, 'page: 495');


# Subrequests are not judged: they read the decision of their main request.

allowed(by($alice, '/auth'), 'auth_request: allowed');
is(upstream('/sub/ask'), 'allow ok a:alice alice',
   'auth_request: after us, so that it knows who it is');

$n->mark;
refused(by($bob, '/auth'), 'no_match', 'auth_request: refused');
is(upstream('/sub/ask'), 'nothing', 'auth_request: and not asked');

$r = by($bob, '/auth-any');
is("$r->{status} " . $r->header('X-Mtls-Action'), '200 deny',
   'auth_request, satisfy any: it overrules');
is(upstream('/sub/ask'), 'deny no_match - -',
   'auth_request, satisfy any: but has no identity');
is(upstream('/auth-any'), 'deny no_match - -', 'nor has what it lets through');

is(by($bob, '/auth-off')->{status}, 200, 'auth_request: of a location off');
is(upstream('/sub/ask'), '- - - -', 'auth_request: reads nothing there');

allowed(by($alice, '/mirror'), 'mirror: allowed');
ok(wait_for(sub { upstream('/sub/mirror') eq 'allow ok a:alice alice' }, 2),
   'mirror: knows who it is');
refused(by($bob, '/mirror'), 'no_match', 'mirror: refused');
is(upstream('/sub/mirror'), 'nothing', 'mirror: and not mirrored');

$r = by($bob, '/ssi');
like($r->{body}, qr/^\[b:bob\]\{/, 'SSI: an include of a location for others');
is(upstream('/sub/alice'), 'allow ok b:bob bob',
   'SSI: it reads the decision on the page');


# "return" and "if" answer before access is checked: they know the groups, and
# no decision.

is(by($bob, '/return')->{body}, '[]', 'return: answers to everybody');
is(by(undef, '/return')->{status}, 200, 'return: also without a certificate');
logged(qr{^/return /return 200 action=- reason=- identity=-}, 'return');

is(by($bob, '/if')->{body}, 'bob, before access', 'if: knows a group');
allowed(by($alice, '/if'), 'if: others are judged afterwards');


# All in all: no upstream was ever told an identity together with a refusal.

delete $n->{mark};
my @told = map { +{ map { lc $_->[0] => $_->[1] } @{$_->{headers}} } }
               $n->upstream_requests;

is(grep({ ($_->{'x-action'} // '') ne 'allow'
          && ($_->{'x-identity'} // $_->{'x-group'}) } @told), 0,
   'no identity without "allow"');
ok(grep({ $_->{'x-identity'} } @told) > 10, 'and there were some');

done_testing;
