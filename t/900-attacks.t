#!/usr/bin/perl

# Attacks, one by one: those that once worked, and those that never did.
# Copyright (C) the ngx_mtls_module authors

use FindBin;
use lib "$FindBin::Bin/lib";
use Mtls::Test;
use Mtls::DER qw(:all);

use Digest::SHA qw(hmac_sha256);
use Math::BigInt;
use POSIX qw(mkfifo);

my $pki = Mtls::PKI->standard;
my ($root, $inter, $alice) = ($pki->root, $pki->inter, $pki->alice);


# A reload that drops the module, or refuses a configuration that loads it,
# must not leave OpenSSL with callbacks into memory that is no longer mapped.

{
    my $n = Mtls::Test->new(pki => $pki);

    my $plain = <<'EOF';
# %%MODULES%%
events { }
http {
    server { listen 127.0.0.1:%%PORT_0%% ssl; %%TLS%% location / { empty_gif; } }
}
EOF

    my $judged = <<'EOF';
mtls_ca partners %%PKI%%/root.crt;
%%MTLS%%
server {
    listen 127.0.0.1:%%PORT_0%% ssl; %%TLS%%
    location / { mtls_allow any; empty_gif; }
}
EOF

    my $serves = sub {
        my $name = shift;

        is(join(' ', map { get($n, '/', cert => $alice)->{status} } 1 .. 3),
           '200 200 200', $name);
    };

    $n->run($plain);
    $n->allow(qr/unknown group "nobody"/);

    ok(!$n->reload($judged =~ s/any/nobody/r), 'refused with the module');
    ok($n->reload($plain), 'then without');
    $serves->('a module of a refused configuration is gone');

    ok($n->reload($judged), 'loaded by a reload');
    allowed(get($n, '/', cert => $alice), 'and judging');

    ok($n->reload($plain), 'dropped by a reload');
    $serves->('a module that was dropped is gone');

    ok($n->reload($judged), 'and back');
    allowed(get($n, '/', cert => $alice), 'judging again');
    refused(get($n, '/'), 'no_cert', 'refusing again');

    $n->stop;
}


# Names: what cannot be read must not slip through mtls_deny, and no two
# certificates may come out as one client.

{
    my $n = Mtls::Test->new(pki => $pki);

    my $mint = sub {
        my ($name, %arg) = @_;
        return $pki->cert(name => $name, issuer => $inter, %arg);
    };

    # "@" is not a character of PrintableString

    my $evil = $mint->('evil', cn => 'evil@corp');
    my $hidden = $mint->('hidden', subject => [[CN => 'evil@corp', 'Printable']]);
    my $dirname = $mint->('dirname', cn => 'dirname',
                          san => [[dirname => [[CN => 'evil@corp', 'Printable']]]]);

    # the other signature of ECDSA over the same certificate: (r, n - s)

    my $victim = $mint->('victim', cn => 'victim');
    my $twin = $mint->('twin', cn => 'victim', key => $victim);
    my @part = der_children($victim->der);
    my ($r, $s) = der_children(substr $part[2][1], 1);

    $s = Math::BigInt->from_hex('ffffffff00000000ffffffffffffffff'
                                . 'bce6faada7179e84f3b9cac2fc632551')
         - Math::BigInt->from_hex(unpack 'H*', $s->[1]);
    $s = $s->to_hex;
    $s = pack 'H*', length($s) % 2 ? "0$s" : $s;

    $twin->{der} = seq($part[0][2], $part[1][2], bitstring(
        seq($r->[2], integer(\($s =~ /^[\x80-\xff]/ ? "\0$s" : $s)))));

    spew($twin->pem, pem('CERTIFICATE', $twin->der), slurp($inter->crt));

    my $conf = <<'EOF';
mtls_ca partners %%PKI%%/root.crt;

mtls_group by_print { fingerprint PRINT; }
mtls_group by_spki  { spki SPKI; }
mtls_group not_it   { ca partners; not fingerprint PRINT; }

mtls_group evil_dn  { subject_dn "CN=evil@corp"; }
mtls_group evil_dir { dirname "CN=evil@corp"; }
mtls_group not_evil { not subject_dn "CN=evil@corp"; }
mtls_group by_hex   { subject_dn "CN=#13096576696c40636f7270"; }
mtls_group admin    { subject cn ~.*; identity "u:$mtls_subject_cn"; }
%%MTLS%%

proxy_set_header X-Id $mtls_identity;
proxy_set_header X-Cn $mtls_subject_cn;

server {
    listen 127.0.0.1:%%PORT_0%% ssl; %%TLS%%

    location /        { mtls_allow admin; proxy_pass http://%%UPSTREAM%%; }
    location /dn      { mtls_allow any; mtls_deny evil_dn; empty_gif; }
    location /dir     { mtls_allow any; mtls_deny evil_dir; empty_gif; }
    location /not     { mtls_allow not_evil; empty_gif; }
    location /hex     { mtls_allow by_hex; empty_gif; }
    location /spki    { mtls_allow any; mtls_deny by_spki; empty_gif; }
    location /print   { mtls_allow by_print; empty_gif; }
}
EOF

    $conf =~ s/PRINT/$victim->fingerprint/eg;
    $conf =~ s/SPKI/$victim->spki_sha256/e;

    $n->config_warns($conf, qr/"fingerprint" in group "not_it" denies.*:5$/m,
                     'a fingerprint is nothing to deny by');
    $n->run($conf);

    refused(get($n, '/spki', cert => $twin), 'denied',
            'a certificate with its other signature is denied by its key');
    refused(get($n, '/print', cert => $twin), 'no_match',
            'and not allowed by the fingerprint of the first');
    allowed(get($n, '/print', cert => $victim), 'which is');

    refused(get($n, '/dn', cert => $evil), 'denied', 'a whole name is denied');
    refused(get($n, '/dn', cert => $hidden), 'ambiguous',
            'also with a string that cannot be read');
    refused(get($n, '/not', cert => $hidden), 'ambiguous', 'and by "not"');
    refused(get($n, '/dir', cert => $dirname), 'ambiguous', 'and in a SAN');
    allowed(get($n, '/hex', cert => $hidden), 'it can be named by its octets');
    allowed(get($n, '/dn', cert => $alice), 'others are not concerned');

    my %id;

    for my $cn ('admin', 'admin ', ' admin', "admin\t", "admin\r\nX: 1",
                'admin%20', 'admin%', "admin\x7f", 'Admin')
    {
        my $name = 'cn' . keys %id;
        my $r = get($n, '/', cert => $mint->($name, cn => $cn));

        # a header's value without the white space at its ends

        my $id = $r->received('X-Id') // '';
        $id =~ s/^[ \t]+|[ \t]+$//g;

        $id{$id}++;
    }

    is(join(' | ', grep { $id{$_} > 1 } sort keys %id), '',
       'no two names are one name upstream');
    ok(!$id{''} && !grep({ /[\0-\x1f\x7f]/ } keys %id), 'and each is one line');

    refused(get($n, '/', cert => $mint->('nul', cn => "admin\0x")), 'ambiguous',
            'a NUL does not end a name');
    refused(get($n, '/', cert => $mint->('two', subject => [[CN => 'admin'],
                                                            [CN => 'x']])),
            'ambiguous', 'two names are none');

    $n->stop;
}


# CRLs: each of these CAs has revoked its client.  Then its file is replaced by
# what would let the client in again, if it were believed.

{
    my $n = Mtls::Test->new(pki => $pki);
    my $dir = $n->dir . '/crl';
    my (%ca, %client);

    mkdir $dir or die;

    my $mallory = $pki->cert(name => 'mallory', cn => 'mallory CA', ku => [],
                             issuer => $inter);
    my $outsider = $pki->ca(name => 'outsider', cn => 'outsider CA',
                            issuer => $pki->other_root);    # but of that name
    my $cousin = $pki->ca(name => 'cousin', cn => 'cousin CA', issuer => $inter);
    my $rekeyed = $pki->ca(name => 'rekeyed', cn => 'rekeyed CA',
                           issuer => $root);                # its former key

    my %forge = (
        mallory   => sub { shift->crl(signer => $mallory)->content
                           . slurp($mallory->crt) },
        outsider  => sub { shift->crl(signer => $outsider)->content
                           . slurp($outsider->crt) },
        cousin    => sub { shift->crl(signer => $cousin)->content
                           . slurp($cousin->crt) },
        rekeyed   => sub { shift->crl(signer => $rekeyed)->content
                           . slurp($rekeyed->crt) },
        sibling   => sub { my $ca = shift;
                           $ca->crl(key => $inter, aki => 0)->content },
        parent    => sub { my $ca = shift;
                           $ca->crl(key => $root, aki => 0)->content },
        older     => sub { shift->crl(number => 4)->content },
        sametime  => sub { shift->crl(number => 5, this => -7200)->content },
        nonumber  => sub { shift->crl(number => undef, this => -7200)->content },
        negative  => sub { shift->crl(number => '-0x1')->content },
        longer    => sub { shift->crl(number => '0x01' . '00' x 20)->content },
        padded    => sub { shift->crl(number => \"\0\0\x7f")->content },
        broken    => sub { shift->crl(break => 'signature')->content },
        half      => sub { my $c = shift->crl->content;
                           substr $c, 0, length($c) / 2 },
        trailing  => sub { shift->crl(break => 'trailing')->content },
        inner     => sub { shift->crl(break => 'inner_alg')->content },
        delta     => sub { shift->crl(delta => 5)->content },
        indirect  => sub { shift->crl(ext => [['2.5.29.28', 1,
                                       seq(implicit(4, "\xff"))]])->content },
        attribute => sub { shift->crl(ext => [['2.5.29.28', 1,
                                       seq(implicit(5, "\xff"),
                                           implicit(1, "\xff"))]])->content },
        critical  => sub { shift->crl(ext => [['1.2.3', 1, "\5\0"]])->content },
        twice     => sub { my $e = ['2.5.29.20', 0, integer(99)];
                           shift->crl(ext => [$e])->content },
        version   => sub { shift->crl(version => 3)->content },
        emptylist => sub { shift->crl(empty_list => 1)->content },
        empty     => sub { '' },
        fifo      => undef, folder => undef, dangling => undef,
        device    => undef, loop => undef, gone => undef, locked => undef);

    for my $name (sort keys %forge) {
        $ca{$name} = $pki->ca(name => "$name-ca", issuer => $root,
                              cn => "$name CA");
        $client{$name} = $pki->cert(name => "$name-client", cn => $name,
                                    issuer => $ca{$name});
        install_crl("$dir/$name.crl",
                    $ca{$name}->crl(revoked => [$client{$name}], number => 5));
    }

    install_crl("$dir/root.crl", $root->crl(revoked => [$rekeyed]));
    install_crl("$dir/inter.crl", $inter->crl);

    # a CA that signs its lists with a key for lists, as it may

    my $lister = $pki->ca(name => 'lister-ca', cn => 'lister CA', issuer => $root);
    my $listed = $pki->cert(name => 'listed', cn => 'listed', issuer => $lister);
    my $unlisted = $pki->cert(name => 'unlisted', cn => 'unlisted',
                              issuer => $lister);
    my $lists = $pki->cert(name => 'lists', cn => 'lister CA', issuer => $root,
                           ku => ['cRLSign'], eku => []);

    spew("$dir/lister.crl",
         $lister->crl(signer => $lists, revoked => [$listed])->content,
         slurp($lists->crt));

    # a list whose file has another name each day

    my $dated = $pki->ca(name => 'dated-ca', issuer => $root, cn => 'dated CA');
    my $held = $pki->cert(name => 'held', cn => 'held', issuer => $dated);

    mkdir $n->dir . '/dated' or die;

    my $day = sub {
        my ($day, %arg) = @_;
        install_crl($n->dir . "/dated/$day.crl", $dated->crl(%arg));
    };

    my $gone = sub { unlink $n->dir . "/dated/$_[0].crl" or die };

    $day->(1, number => 1, revoked => [$held]);

    # certificates beside a list that all have issued each other: there is no end
    # of ways through them

    my $maze = $pki->ca(name => 'maze', cn => 'maze CA', ski => 0, aki => 0);

    spew("$dir/maze.new", $maze->crl->content,
         map { slurp($pki->ca(name => "maze$_", cn => 'maze CA', ski => 0,
                              aki => 0, issuer => $maze, key => $maze)->crt) }
             1 .. 250);

    my $files = join ' ', map { '%%PKI%%/' . "$_-ca.crt" } sort keys %forge;

    $n->run(<<"EOF");
mtls_ca partners %%PKI%%/root.crt %%PKI%%/inter.crt %%PKI%%/dated-ca.crt
                 %%PKI%%/lister-ca.crt $files;
mtls_ca others   %%PKI%%/other_root.crt %%PKI%%/outsider.crt;
mtls_crl %%DIR%%/crl/*.crl refresh=1s;
mtls_crl %%DIR%%/dated/*.crl refresh=1s;
%%MTLS%%

server {
    listen 127.0.0.1:%%PORT_0%% ssl; %%TLS%%
    location / { mtls_allow any; mtls_revocation chain unknown=allow; empty_gif; }
    location /strict { mtls_allow any; empty_gif; }
}
EOF

    my $in = sub {
        join ' ', grep {
            my $r = get($n, '/', cert => $client{$_});
            ($r->header('X-Mtls-Reason') // '') ne 'revoked';
        } sort keys %client;
    };

    is($in->(), '', 'every client is revoked');
    allowed(get($n, '/', cert => $alice), 'but not alice');
    refused(get($n, '/', cert => $listed), 'revoked', 'a key for lists');
    allowed(get($n, '/strict', cert => $unlisted), 'vouches, too');

    $n->mark;

    for my $name (grep { $forge{$_} } sort keys %forge) {
        spew("$dir/$name.new", $forge{$name}->($ca{$name}));
        rename "$dir/$name.new", "$dir/$name.crl" or die;
    }

    unlink map { "$dir/$_.crl" } qw(fifo folder dangling device loop gone);
    mkfifo("$dir/fifo.crl", 0644) or die;
    mkdir "$dir/folder.crl" or die;
    symlink 'nowhere', "$dir/dangling.crl" or die;
    symlink '/dev/zero', "$dir/device.crl" or die;
    symlink 'loop.crl', "$dir/loop.crl" or die;
    chmod 0, "$dir/locked.crl";

    $day->(2, number => 3);

    rename "$dir/maze.new", "$dir/maze.crl" or die;

    # the last one in the order of the manager's work

    install_crl("$dir/zz.crl", $inter->crl(revoked => [$alice]));
    ok($n->wait_error(qr/zz.crl": 1 entries/, 8), 'no file stops the others');
    wait_for(sub { get($n, '/', cert => $alice)->{status} == 403 }, 5);

    # whoever reaches an anchor, by whatever way, may take the place of a list
    # that was in the file, but his says nothing of these clients

    is($in->(), 'cousin outsider rekeyed', 'every client is still revoked');

    for my $name (qw(cousin outsider rekeyed)) {
        refused(get($n, '/strict', cert => $client{$name}), 'revocation_unknown',
                "the list of another CA of that name does not count: $name");
    }

    my %said;
    $said{$_}++ for map { m{/crl/(\w+)\.crl"} ? $1 : () }
                    $n->error_lines(qr/refused|vanished/);

    is(join(' ', grep { !$said{$_} && !/^(?:locked|cousin|outsider|rekeyed)$/ } sort keys %forge), '',
       'and each forgery is in the log');

    refused(get($n, '/strict', cert => $held), 'revoked',
            'one of two lists of a CA names a client');

    # an older list than that of today takes no place, a later one does

    $n->mark;
    $day->(3, number => 2, revoked => [$held]);
    $n->wait_error(qr{/3\.crl": 1 entries}, 8);
    $gone->(1);
    ok($n->wait_error(qr{/1\.crl", which has vanished, is superseded by}, 8),
       'what is superseded and gone does not stay for ever');

    $gone->(2);
    ok($n->wait_error(qr{/2\.crl" has vanished .*the last good one stays}, 8),
       'the latest stays');
    refused(get($n, '/strict', cert => $held), 'revoked', 'and an older one counts');

    $gone->(3);
    ok($n->wait_error(qr{/3\.crl", which has vanished, is superseded by}, 8),
       'until it is gone');
    wait_for(sub { get($n, '/strict', cert => $held)->{status} == 200 }, 5);
    allowed(get($n, '/strict', cert => $held), 'the latest counts alone');

    $n->stop;
}


# Sessions: whoever has a ticket key can put anything into a ticket but our MAC.

{
    my $n = Mtls::Test->new(pki => $pki);
    my ($bob, $other) = ($pki->bob, $pki->other);

    my $key = join '', map { chr rand 256 } 1 .. 80;
    spew($n->dir . '/ticket.key', $key);

    my $aes = sub {
        my ($how, $iv, $data) = @_;

        spew($n->dir . '/aes', $data);

        my ($code, $out) = command(qw(openssl enc -aes-256-cbc), $how,
                                   '-K', unpack('H*', substr $key, 48),
                                   '-iv', unpack('H*', $iv),
                                   '-in', $n->dir . '/aes');

        return $code ? die "openssl enc" : $out;
    };

    # the client's session with a ticket in which "edit" has changed the fields
    # of the server's: { tag => whole element }

    my $forge = sub {
        my ($session, $edit) = @_;

        my @mine = der_children($session->{der});
        my ($ticket) = map { (der_read($_->[1]))[1] }
                       grep { $_->[0] == 0xaa } @mine;
        my ($name, $iv, $data) = unpack 'a16 a16 a*', substr $ticket, 0, -32;

        my @field = der_children($aes->('-d', $iv, $data));
        my %field = map { $_->[0] => $_->[2] } splice @field, 5;

        $edit->(\%field);

        $data = seq(map({ $_->[2] } @field),
                    map { $field{$_} } sort { $a <=> $b } keys %field);
        $data = $name . $iv . $aes->('-e', $iv, $data);
        $data .= hmac_sha256($data, substr $key, 16, 32);

        my $der = seq(map { $_->[0] == 0xaa ? explicit(10, octets($data))
                                            : $_->[2] } @mine);

        return bless { %$session, der => $der }, ref $session;
    };

    my $conf = <<'EOF';
mtls_ca partners %%PKI%%/root.crt;
%%MTLS%%

mtls_group bob { subject cn bob; identity "b:$mtls_subject_cn"; }

ssl_session_ticket_key %%DIR%%/ticket.key;
ssl_session_timeout TIMEOUT;

server {
    listen 127.0.0.1:%%PORT_0%% ssl; %%TLS%%
    location / { mtls_allow any; empty_gif; }
    location /bob { mtls_allow bob; empty_gif; }
}

# a default server that is nginx's own, and one that is not

server {
    listen 127.0.0.1:%%PORT_1%% ssl; %%CERT%%
    server_name localhost;
    ssl_verify_client optional;
    ssl_client_certificate %%PKI%%/cas.pem;
    mtls off;
    location / { add_header X-Verify "$ssl_client_verify $ssl_client_s_dn";
                 empty_gif; }
}

server {
    listen 127.0.0.1:%%PORT_1%% ssl; %%TLS%%
    server_name judged;
    location / { mtls_allow any; empty_gif; }
    location /bob { mtls_allow bob; empty_gif; }
    location /open { empty_gif; }
}

# no verification here: nobody has a certificate

server {
    listen 127.0.0.1:%%PORT_2%% ssl; %%CERT%%
    server_name localhost;
    location / { empty_gif; }
}
EOF

    $n->run($conf =~ s/TIMEOUT/1h/r);

    my (@old, $record);

    for my $tls ('1.2', '1.3') {
        my $s = session($n, cert => $alice, tls => $tls);
        my $b = session($n, cert => $bob, tls => $tls);
        my $as = sub {
            my $cert = shift;
            return explicit(3, $cert->der);
        };

        push @old, $s;
        is($s->kind, "TLS $tls ticket", "TLS $tls: a ticket");
        is($s->get('/', cert => undef)->{reused}, 1, "$tls: it is good");

        my $same = $forge->($s, sub { });
        allowed($same->get('/', cert => undef), "$tls: and so is our copy");

        $forge->($b, sub { $record = shift->{0xb2} });

        for my $try (
            ['another certificate', sub { shift->{0xa3} = $as->($bob) }],
            ['without a record', sub { my $f = shift; delete $f->{0xb2};
                                       $f->{0xa3} = $as->($bob) }],
            ['an empty record', sub { my $f = shift;
                                      $f->{0xb2} = explicit(18, octets(''));
                                      $f->{0xa3} = $as->($bob) }],
            ['a record of zeroes', sub {
                 my $f = shift;
                 $f->{0xb2} =~ s/(.{66})\z/"\0" x 66/se;
                 $f->{0xa3} = $as->($bob) }],
            ['a foreign certificate', sub { shift->{0xa3} = $as->($other) }],
            ["another one's record", sub { shift->{0xb2} = $record }],
            ['no certificate', sub { delete shift->{0xa3} }])
        {
            my ($name, $edit) = @$try;
            my $f = $forge->($s, $edit);

            refused($f->get('/bob', cert => undef), 'no_cert',
                    "TLS $tls: $name");
        }

        # a server without a record's server: what nginx believes is nginx's

        my $f = $forge->($s, sub { my $f = shift; delete $f->{0xb2};
                                   $f->{0xa3} = $as->($other) });

        for my $sni ('localhost', 'judged') {
            my $r = $f->get('/bob', cert => undef, port => 1, sni => $sni,
                            host => 'judged');

            ok($r->{status} == 403
               && $r->header('X-Mtls-Reason') =~ /^(?:wrong_ca|no_cert)$/
               || $r->{status} == 421,
               "TLS $tls: by a server that is off, SNI $sni")
                or diag("$r->{status} " . ($r->header('X-Mtls-Reason') // '-'));
        }

        is($s->get('/', cert => undef, port => 2)->{status}, 200,
           "TLS $tls: to a server that asks nobody");
    }

    # a new start has a new key, whatever the tickets say

    $n->stop;
    $n->run($conf =~ s/TIMEOUT/1s/r);

    refused($_->get('/', cert => undef), 'no_cert', 'a session of before')
        for @old;

    # the clock of a session is set back with each use, that of the record not

    my $s = session($n, cert => $alice, tls => '1.3');

    sleep 2;

    refused($forge->($s, sub {
                my $f = shift;
                $f->{0xa1} = explicit(1, integer(time));
                $f->{0xa2} = explicit(2, integer(100_000));
            })->get('/', cert => undef),
            'no_cert', 'a session whose time was set');

    $n->stop;
}


# Requests: other servers of a connection, ways around the access phase, and
# headers that a client adds itself.

{
    my $n = Mtls::Test->new(pki => $pki);
    my ($bob, $other, $revoked) = ($pki->bob, $pki->other, $pki->revoked);

    my $slash = $pki->cert(name => 'slash', cn => 'alice/admin', issuer => $inter);
    my $lines = $pki->cert(name => 'lines', cn => "x\r\nX-Client: a:alice",
                           issuer => $inter);

    install_crl($n->dir . '/inter.crl', $inter->crl(revoked => [$revoked]));
    install_crl($n->dir . '/root.crl', $root->crl);

    $n->run(<<'EOF');
mtls_ca partners %%PKI%%/root.crt %%PKI%%/inter.crt;
mtls_ca others   %%PKI%%/other_root.crt revocation=off;
mtls_crl %%DIR%%/inter.crl %%DIR%%/root.crl;
%%MTLS%%

mtls_group alice { ca partners; subject cn alice; identity "a:$mtls_subject_cn"; }
mtls_group all   { ca partners; subject cn ~.+; identity "p:$mtls_subject_cn/$mtls_subject_ou"; }
mtls_group named { ca partners; subject cn ~.+; identity "n:$mtls_subject_cn"; }

proxy_set_header X-Client $mtls_identity;
proxy_set_header X-Group  $mtls_groups;
log_format line '[$mtls_client]';

server {
    listen 127.0.0.1:%%PORT_0%% ssl http2; %%TLS%%
    server_name localhost;
    mtls_trust partners;

    location /       { mtls_allow any; proxy_pass http://%%UPSTREAM%%; }
    location /alice  { mtls_allow alice; proxy_pass http://%%UPSTREAM%%; }
    location /open   { proxy_pass http://%%UPSTREAM%%; }
    location /dry    { mtls dry_run; mtls_allow alice; proxy_pass http://%%UPSTREAM%%; }
    location /off    { mtls off; proxy_pass http://%%UPSTREAM%%; }
    location /any    { satisfy any; allow 127.0.0.1; mtls_allow alice;
                       proxy_pass http://%%UPSTREAM%%; }
    location /read   { mtls_allow any;
                       limit_except GET { mtls_allow alice; }
                       proxy_pass http://%%UPSTREAM%%; }
    location /log    { mtls_allow named; access_log %%DIR%%/line.log line; empty_gif; }

    location /early  {
        # what the rewrite phase knows, kept for later
        set $group $mtls_group_alice;
        set $who "$mtls_identity";
        mtls_allow any;
        proxy_set_header X-Client $who;
        proxy_set_header X-Group $group;
        proxy_pass http://%%UPSTREAM%%;
    }
}

server {
    listen 127.0.0.1:%%PORT_0%% ssl http2; %%TLS%%
    server_name others.example;
    mtls_trust others;
    location / { mtls_allow any; proxy_pass http://%%UPSTREAM%%; }
}

server {
    listen 127.0.0.1:%%PORT_0%% ssl http2; %%CERT%%
    server_name off.example;
    mtls off;
    location / { proxy_pass http://%%UPSTREAM%%; }
}
EOF

    # one connection without SNI, as many names as servers

    my $h = h2($n, cert => $alice, sni => undef);
    my @r = map { $h->get('/', host => $_) }
                qw(localhost others.example off.example LOCALHOST
                   others.example. nobody.example localhost);

    is(join(' ', map { ($_->{status} // '') . ':'
                       . ($_->header('X-Mtls-Reason') // '') } @r),
       '200:ok 403:wrong_ca 200: 200:ok 403:wrong_ca 200:ok 200:ok',
       'each stream is judged by its server');

    # what the client says of itself never gets through

    my @forged = map { ($_ => 'a:alice') }
                     qw(X-Client x-client X-CLIENT X_Client X-Client);

    for my $try (['/open', undef], ['/dry', $bob], ['/dry', undef],
                 ['/off', $alice], ['/any', $bob], ['/any', undef],
                 ['/open', $bob])
    {
        my ($uri, $cert) = @$try;
        my $name = "$uri, " . ($cert ? $cert->name : 'nobody');
        my $r = get($n, $uri, cert => $cert, headers => [@forged]);
        my @got = grep { $_->[0] =~ /^x.client$/i } @{$r->json->{headers}};
        my $want = $name eq '/open, bob' ? 'p:bob/readers' : '';

        is(join(' ', map { $_->[1] } @got), $want, "$name: header");
    }

    refused(get($n, '/any', cert => $revoked), 'revoked',
            'an address excuses no revocation');
    refused(get($n, '/open', cert => $revoked), 'revoked', 'nor does no policy');
    is(get($n, '/dry', cert => $revoked)->received('X-Group') // '', '',
       'a dry run puts a revoked certificate into no group');

    for my $method (qw(POST PUT DELETE OPTIONS PROPFIND BREW)) {
        refused(get($n, '/read', cert => $bob, method => $method), 'no_match',
                "limit_except: $method");
    }

    is(get($n, '/read', cert => $bob, method => 'HEAD')->{status}, 200,
       'limit_except: HEAD is a GET');

    # each place judges, and what one gave the next does not inherit

    refused(get($n, '/?header=X-Accel-Redirect:/alice', cert => $bob),
            'no_match', 'an upstream leads to no place that is closed');
    allowed(get($n, '/?header=X-Accel-Redirect:/alice', cert => $alice),
            'but where one may go');

    my $r = get($n, '/early', cert => $alice);
    is(($r->received('X-Client') // '') . '|' . ($r->received('X-Group') // ''),
       '|1', 'before access there are groups, but no name');

    # a name with a line feed is one line in headers and logs

    $r = get($n, '/', cert => $lines);
    is(join('|', map { $_->[1] } grep { lc $_->[0] eq 'x-client' }
                 @{$r->json->{headers}}),
       'n:x%0D%0AX-Client: a:alice', 'a name of two lines is one header');
    allowed(get($n, '/log', cert => $lines), 'and one line');
    $n->wait_log('line.log', qr/./, 5);
    is(join('|', $n->log_lines('line.log')), '[n:x%0D%0AX-Client: a:alice]',
       'of the log');

    is(get($n, '/', cert => $slash)->received('X-Client') // '', 'n:alice/admin',
       'a name with the separator of a template');

    # requests that are two for one side

    my $smuggle = "POST /open HTTP/1.1\r\nHost: localhost\r\n"
                . "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n"
                . "0\r\n\r\nGET /alice HTTP/1.1\r\nHost: localhost\r\n\r\n";
    my $k = keepalive($n, cert => $bob);
    $k->write($smuggle);
    @r = map { $k->response } 1 .. 2;
    ok(!grep({ $_->{status} == 200 && $_->{body} =~ m{"/alice"} } @r),
       'a request behind a request is judged too');

    refused(get($n, '//alice', cert => $bob), 'no_match', 'two slashes');
    refused(get($n, '/x/../alice', cert => $bob), 'no_match', 'dots');
    refused(get($n, '/%61lice', cert => $bob), 'no_match', 'an escape');

    $n->stop;
}


# Another module of the access phase, loaded after ours, that is satisfied with
# everybody.

SKIP: {
    my $n = Mtls::Test->new(pki => $pki);
    my ($objs) = ($ENV{MTLS_MODULE} // "$FindBin::Bin/../objs/x") =~ m{(.*)/};
    my $source = $n->file('yes.c', <<'EOF');
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

static ngx_int_t
yes(ngx_http_request_t *r)
{
    return r->args.len ? NGX_DECLINED : NGX_OK;
}

static ngx_int_t
init(ngx_conf_t *cf)
{
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    *(ngx_http_handler_pt *) ngx_array_push(
                   &cmcf->phases[NGX_HTTP_ACCESS_PHASE].handlers) = yes;
    return NGX_OK;
}

static ngx_http_module_t  context = {
    NULL, init, NULL, NULL, NULL, NULL, NULL, NULL
};

static ngx_module_t  ngx_http_yes_module = {
    NGX_MODULE_V1, &context, NULL, NGX_HTTP_MODULE,
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NGX_MODULE_V1_PADDING
};

ngx_module_t  *ngx_modules[] = { &ngx_http_yes_module, NULL };
char  *ngx_module_names[] = { "ngx_http_yes_module", NULL };
char  *ngx_module_order[] = { NULL };
EOF

    my ($code, undef, $err) = command(
        $ENV{CC} || 'cc', '-shared', '-fPIC', '-o', $n->dir . '/yes.so',
        "-I$objs", map({ "-I$objs/tree/src/$_" }
                       qw(core event event/modules os/unix http http/modules
                          http/v2)), $source);

    if ($code) {
        $n->stop;
        skip "no sources of nginx beside the module", 4;
    }

    install_crl($n->dir . '/inter.crl', $inter->crl(revoked => [$pki->revoked]));
    install_crl($n->dir . '/root.crl', $root->crl);

    $n->run(<<'EOF');
%%MODULES%%
load_module %%DIR%%/yes.so;
events { }
http {
    mtls_ca partners %%PKI%%/root.crt %%PKI%%/inter.crt;
    mtls_crl %%DIR%%/inter.crl %%DIR%%/root.crl;
    %%MTLS%%

    server {
        listen 127.0.0.1:%%PORT_0%% ssl; %%TLS%%
        satisfy any;
        mtls_allow any;
        location / { empty_gif; }
    }
}
EOF

    refused(get($n, '/', cert => $pki->revoked), 'revoked',
            'a module that is loaded later does not excuse a revocation');
    is(get($n, '/')->{status}, 200, 'but a certificate that is not there');
    refused(get($n, '/?x'), 'no_cert', 'if it is satisfied');
    allowed(get($n, '/?x', cert => $alice), 'one of the two is enough');

    $n->stop;
}


done_testing;
