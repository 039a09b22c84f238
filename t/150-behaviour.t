#!/usr/bin/perl

# Every way through nginx: each cell of the model in Mtls::Behaviour, asked of
# nginx.  One assertion is one cell: status, action, reason, and what the
# upstream is told, at once.
# Copyright (C) the ngx_mtls_module authors

use FindBin;
use lib "$FindBin::Bin/lib";
use Mtls::Test;

use Mtls::Behaviour ();
use Mtls::Behaviour::Early ();
use Mtls::Behaviour::Table ();

my $pki = Mtls::PKI->standard;
my $n = Mtls::Test->new(pki => $pki);

my $BATCH = 20;             # streams at once, requests of one early data

my %cert = (
    none     => undef,
    good     => $pki->alice,
    no_match => $pki->bob,
    revoked  => $pki->cert(cn => 'carol', issuer => $pki->inter),
    early    => $pki->alice,
);

install_crl($n->dir . '/inter.crl',
            $pki->inter->crl(revoked => [$cert{revoked}]));

# Who else is asked: what stands in the location, and what may stand in
# limit_except too.

my $users = 'auth_basic x; auth_basic_user_file %%DIR%%/users;';

my %other = (
    'none'       => ['', ''],
    'allow'      => ['', 'allow 127.0.0.1; deny all;'],
    'no allow'   => ['', 'deny all;'],
    'basic'      => ['', $users],
    'no basic'   => ['', $users],
    'request'    => ['auth_request /yes;', ''],
    'no request' => ['auth_request /no;', ''],
);

# What stands in the location of a way.  OUTER and INNER are "satisfy" and the
# others; ALLOW is the policy, ASK the upstream.

my %way = (
    'plain'             => 'OUTER INNER ALLOW ASK;',
    'no policy'         => 'OUTER INNER ASK;',
    'dry_run'           => 'OUTER INNER mtls dry_run; ALLOW ASK;',
    'limit_except'      => 'OUTER limit_except PUT { INNER ALLOW } ASK;',
    'if'                => 'OUTER INNER ALLOW if ($request_method) { ASK; }',
    'try_files'         => 'OUTER INNER ALLOW try_files /none @off;',
    'try_files judged'  => 'OUTER INNER ALLOW try_files /none /second/any;',
    'error_page'        => 'OUTER INNER ALLOW ASK;
                            error_page 401 403 425 /second/off;',
    'error_page named'  => 'OUTER INNER ALLOW ASK;
                            error_page 401 403 425 @off;',
    'error_page judged' => 'OUTER INNER ALLOW ASK;
                            error_page 401 403 425 /second/any;',
    'accel'             => 'OUTER INNER ALLOW ASK/off;',
    'accel judged'      => 'OUTER INNER ALLOW ASK/any;',
    'accel opened'      => 'OUTER INNER ALLOW ASK/opened;',
    'error_page opened' => 'OUTER INNER ALLOW ASK;
                            error_page 401 403 425 /second/opened;',
    'ssi'               => 'OUTER INNER ALLOW
                            ssi on; rewrite ^ /page.html break;',
    'mirror'            => 'OUTER INNER ALLOW mirror /second/nobody; ASK;',
);

is_deeply([sort keys %way], [sort keys %Mtls::Behaviour::WAY],
          'ways of the model');
is_deeply([sort keys %other], [sort keys %Mtls::Behaviour::OTHER],
          'others of the model');

sub path {
    my ($cell) = @_;

    return '/' . join '/', map { tr/ /-/r } @$cell{qw(way satisfy other)};
}

sub location {
    my ($cell) = @_;

    my ($outer, $inner) = @{$other{$cell->{other}}};

    my %text = (OUTER => "satisfy $cell->{satisfy}; $outer", INNER => $inner,
                ALLOW => 'mtls_allow alices carols;',
                ASK => 'proxy_pass http://127.0.0.1:%%PORT_1%%');
    my $text = $way{$cell->{way}} =~ s/\b(OUTER|INNER|ALLOW|ASK)\b/$text{$1}/gr;

    return 'location = ' . path($cell) . " { $text }\n";
}

my @cells = Mtls::Behaviour::cells();
$cells[$_]{number} = $_ for 0 .. $#cells;

my $locations = join '', map { location($_) }
                grep { $_->{cert} eq 'none' && $_->{http} eq '2' } @cells;

$n->file('users', "joe:{PLAIN}secret\n");
mkdir $n->dir . '/www';
$n->file('www/page.html', '<!--# include virtual="/second/nobody" -->');

# Requests have numbers, which both logs have too.

$n->run(<<"CONF");
mtls_ca partners %%PKI%%/root.crt %%PKI%%/inter.crt;
mtls_crl %%DIR%%/inter.crl %%PKI%%/root.crl;
%%MTLS%%

mtls_group alices { subject cn alice; identity "\$mtls_subject_cn"; }
mtls_group bobs   { subject cn bob; identity "\$mtls_subject_cn"; }
mtls_group carols { subject cn carol; identity "\$mtls_subject_cn"; }

log_format cell '\$http_x_cell \$status \$mtls_action \$mtls_reason';
log_format asked '\$http_x_cell \$http_x_identity';

proxy_set_header X-Identity \$mtls_identity;

server {
    listen 127.0.0.1:%%PORT_0%% ssl http2;
    %%TLS%%
    ssl_early_data on;
    access_log %%DIR%%/cell.log cell;
    root %%DIR%%/www;

$locations
    location = /yes { return 204; }
    location = /no  { return 403; }
    location = /up  { mtls off; try_files /none =204; }

    # second places, the last of them for subrequests, which nobody judges

    location \@off {
        mtls off;
        proxy_pass http://127.0.0.1:%%PORT_1%%;
    }
    location = /second/off {
        mtls off;
        proxy_pass http://127.0.0.1:%%PORT_1%%;
    }
    location = /second/any {
        mtls_allow any;
        proxy_pass http://127.0.0.1:%%PORT_1%%;
    }
    location = /second/opened {
        satisfy any;
        allow all;
        mtls_allow any;
        proxy_pass http://127.0.0.1:%%PORT_1%%;
    }
    location = /second/nobody {
        mtls_allow bobs;
        mtls_deny alices;
        deny all;
        proxy_pass http://127.0.0.1:%%PORT_1%%;
    }
}

# the upstream

server {
    listen 127.0.0.1:%%PORT_1%%;
    mtls off;
    access_log %%DIR%%/asked.log asked;
    add_header X-Accel-Redirect \$accel;
    set \$accel "";

    location = /off { set \$accel /second/off; return 200; }
    location = /any { set \$accel /second/any; return 200; }
    location = /opened { set \$accel /second/opened; return 200; }
    location /      { return 200 asked; }
}
CONF

wait_for(sub { get($n, '/plain/all/none', cert => $cert{good})->{status}
               == 200 }, 10) || die "nobody is let in\n";


# The client.  It says by itself that it is somebody.

sub request {
    my ($cell) = @_;

    my @h = ('X-Cell' => $cell->{number}, 'X-Identity' => 'forged');

    push @h, Authorization => 'Basic am9lOnNlY3JldA=='
        if $cell->{other} eq 'basic';

    return (path($cell), host => 'localhost', headers => \@h,
            $cell->{cert} eq 'early' ? (method => 'POST', body => 'x') : ());
}


# One after the other, on as many connections as it takes.

sub http1 {
    my ($cert, @cell) = @_;

    my $k;

    for my $cell (@cell) {
        $k //= keepalive($n, cert => $cert);

        my $r = $cell->{r} = $k->get(request($cell));

        if (!$r->{status} || lc($r->header('Connection') // '') eq 'close') {
            $k->close;
            undef $k;
        }
    }
}


sub http2 {
    my ($cert, @cell) = @_;

    my $h = h2($n, cert => $cert);

    while (my @some = splice @cell, 0, $BATCH) {
        $_->{id} = $h->start(request($_)) for @some;
        $_->{r} = $h->finish($_->{id}) for @some;
    }
}


# Several requests in the early data of one connection, whose handshake goes on
# until nginx has logged all of them.

sub early {
    my ($http, @cell) = @_;

    my $alpn = $http eq '2' ? 'h2' : undef;
    my $session = early_session($alpn);

    while (my @some = splice @cell, 0, $BATCH) {
        my $e = Mtls::Behaviour::Early->new($n, $session, $alpn);
        my $h = $alpn ? Mtls::H2->new($e) : undef;

        for my $cell (@some) {
            my @request = request($cell);

            $alpn ? $cell->{id} = $h->start(@request)
                  : $e->write(Mtls::Connection::request(@request));
        }

        my %is_here = map { $_->{number} => 1 } @some;

        $e->send(sub {
            return wait_for(sub {
                return @some == grep { /^(\d+) / && $is_here{$1} }
                                     $n->log_lines('cell.log');
            }, 30);
        });

        for my $cell (@some) {
            $cell->{r} = $alpn ? $h->finish($cell->{id})
                               : Mtls::Connection::response($e, 'POST');
        }

        $e->close;
    }
}


sub early_session {
    my ($alpn) = @_;

    my $k = keepalive($n, cert => $cert{early}, tls => '1.3',
                      $alpn ? (alpn => [$alpn]) : ());

    ($alpn ? Mtls::H2->new($k) : $k)->get('/up');

    return $k->ended;
}


for my $http (qw(1.1 2)) {
    for my $cert (@Mtls::Behaviour::CERTIFICATE) {
        my @cell = grep { $_->{http} eq $http && $_->{cert} eq $cert } @cells;

        $cert eq 'early' ? early($http, @cell)
        : $http eq '2'   ? http2($cert{$cert}, @cell)
        :                  http1($cert{$cert}, @cell);
    }
}


# What the logs say, and the upstream's what it was told; mirrors come late.

my (%asked, %logged);

wait_for(sub {
    %logged = map { /^(\d+) (.+)$/ } $n->log_lines('cell.log');
    %asked = ();

    for ($n->log_lines('asked.log')) {
        my ($number, $identity) = split / /;
        push @{$asked{$number}}, $identity eq '-' ? 'nobody' : $identity;
    }

    return !grep { !$logged{$_->{number}} || told($_) ne expected_told($_) }
                 @cells;
}, 5);

sub told {
    my ($cell) = @_;

    return join(',', @{$asked{$cell->{number}} || []}) || '-';
}

sub expected_told {
    return (split / /, Mtls::Behaviour::expected($_[0]))[-1];
}


# The cells.  The access log has to say what the answer said.

for my $cell (@cells) {
    my $r = $cell->{r};
    my $log = $logged{$cell->{number}} // 'nothing';
    my $seen = join ' ', $r->{status}, map { $r->header("X-Mtls-$_") // '-' }
                                           qw(Action Reason);

    $seen .= " (and in the log: $log)" if $log ne $seen;

    is($seen . ' ' . told($cell), Mtls::Behaviour::expected($cell),
       Mtls::Behaviour::name($cell));
}


# What the model leaves out because nginx does not take it.

for my $no (@Mtls::Behaviour::IMPOSSIBLE) {
    for my $what (@{$no->{not}}) {
        my ($name) = $what =~ /^(\w+)/;
        my $inside = sprintf $no->{place}, $what;

        $n->config_refused("mtls_ca partners %%PKI%%/root.crt; %%MTLS%%
                            server { listen 127.0.0.1:%%PORT_0%% ssl; %%TLS%%
                                     location / { $inside } }",
                           qr/"$name" directive is not allowed here/,
                           "impossible: $name in $no->{words}");
    }
}


# The page of the documentation.

my $page = slurp("$FindBin::Bin/../docs/behaviour.md");

is(Mtls::Behaviour::Table::inside($page), Mtls::Behaviour::Table::text(),
   'docs/behaviour.md has the tables that t/tools/behaviour prints');

done_testing;
