package Mtls::Docs;

# The pages of the documentation, and their examples as configurations.
# Copyright (C) the ngx_mtls_module authors

=head1 NAME

Mtls::Docs - examples of the documentation, ready to run

=head1 SYNOPSIS

    use Mtls::Docs qw(pages page examples docs_pki local_conf);

    for my $name (pages()) {                # 'README.md', 'docs/...'
        for my $e (examples(page($name))) {
            $e->{kind}                      # full, http, server; stock: of
                                            # nginx without the module; or ''
            $e->{heading}                   # the last heading above it
            $e->{conf}                      # as it stands
        }
    }

    my $pki = docs_pki();                   # has the files of /etc/pki
    my $n = Mtls::Test->new(pki => $pki);
    $n->run(local_conf($n, $e->{kind}, $e->{conf}));

An example is a block C<nginx> below a line C<< <!-- conf: KIND --> >>.  What
an example leaves out is put around it; ports, folders and the upstream
127.0.0.1:8080 become those of the test.

=cut

use strict;
use warnings;

use Exporter qw(import);

use Mtls::PKI ();
use Mtls::Util qw(slurp spew);

our @EXPORT_OK = qw(pages page examples docs_pki local_conf);

(my $TOP = __FILE__) =~ s{[^/]+$}{../../..};


sub pages {
    return 'README.md', map { s{^\Q$TOP/}{}r } sort glob "$TOP/docs/*.md";
}


sub page { return slurp("$TOP/" . shift) }


sub examples {
    my $text = shift;

    my ($heading, @all) = ('');

    while ($text =~ /^\#+\ (?<heading>[^\n]*)$
                     | (?:^\ *<!--\ conf:\ (?<kind>\w+)\ -->\n)?
                       ^(?<indent>\ *)```(?<language>\w*)\n
                       (?<conf>.*?)^\ *```$/msgx)
    {
        if (defined $+{heading}) {
            $heading = $+{heading};
            next;
        }

        next if $+{language} ne 'nginx';

        my ($kind, $indent, $conf) = ($+{kind} // '', $+{indent}, $+{conf});

        push @all, {heading => $heading, kind => $kind,
                    conf => $conf =~ s/^$indent//gmr};
    }

    return @all;
}


# The files that examples name, in a folder that stands for /etc/pki.

sub docs_pki {
    my $pki = Mtls::PKI->standard;
    my $dir = $pki->dir;

    mkdir "$dir/$_" for qw(crl crl/partner issuing mesh eidas);

    my %file = (
        'partner-ca.pem' => 'root.crt inter.crt',
        'device-ca.pem' => 'other_root.crt',
        'partner-crl.pem' => 'root.crl inter.crl',
        'issuing/issuing.pem' => 'inter.crt',
        'eidas/DE.pem' => 'root.crt inter.crt',
        'mesh/bundle.pem' => 'other_root.crt',
        'mesh/root-cert.pem' => 'other_root.crt',
        'mesh/partner-bundle.pem' => 'root.crt',
        'mesh/svid.pem' => 'server.crt',
        'mesh/svid_key.pem' => 'server.key',
        (map { ("crl/$_" => $_) } qw(root.crl inter.crl other_root.crl)),
        (map { ("crl/partner/$_" => $_) } qw(root.crl inter.crl)),
    );

    for my $name (keys %file) {
        spew("$dir/$name",
             join '', map { slurp("$dir/$_") } split ' ', $file{$name});
    }

    return $pki;
}


sub local_conf {
    my ($n, $kind, $conf) = @_;

    my $groups = <<'EOC';
mtls_ca partner /etc/pki/partner-ca.pem;
mtls_ca device /etc/pki/device-ca.pem;
mtls_crl /etc/pki/crl/*.crl;
mtls_group accounts { ca partner; subject ou accounts; }
mtls_group contractors { ca any; subject any ou contractors; }
mtls_group insiders { group accounts; not group contractors; }
EOC

    $conf = "$groups server { listen 443 ssl; %%TLS%%\n$conf }\n"
        if $kind eq 'server';

    my ($pki, $dir) = ($n->{pki}->dir, $n->dir);

    # the CRLs of CAs that the example knows

    $conf =~ s{/etc/pki/crl/}{/etc/pki/crl/partner/}g
        if $conf !~ /device-ca\.pem/;

    $conf =~ s{/etc/pki/}{$pki/}g;
    $conf =~ s{/var/(?:log|lib|cache)/nginx/}{$dir/}g;
    $conf =~ s{^\s*load_module [^;]+;}{}m;
    $conf =~ s{\b127\.0\.0\.1:8080\b}{%%UPSTREAM%%}g;
    $conf =~ s{\blisten(\s+)(\d+)}{"listen${1}127.0.0.1:" . $n->port($2)}ge;

    if ($kind ne 'stock' && $conf !~ /mtls_state_path/) {
        $kind eq 'full' ? $conf =~ s/^(http \{)/$1 %%MTLS%%/m
                        : $conf =~ s/^/%%MTLS%%\n/;
    }

    return $conf;
}


1;
