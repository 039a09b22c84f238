#!/usr/bin/perl

# The documentation is true as far as a machine can tell: every directive and
# variable of the code is there and no other, contexts agree, examples pass
# nginx -t, links lead somewhere, and the house has the rooms that it shows.

# Copyright (C) the ngx_mtls_module authors

use FindBin;
use lib "$FindBin::Bin/lib";

use Mtls::Docs qw(pages page docs_pki local_conf);
use Mtls::Test;

my $top = "$FindBin::Bin/..";
my @pages = pages();
my %page = map { $_ => page($_) } @pages;

my %code = map { s{.*/}{}r => slurp($_) } glob "$top/ngx_mtls_module/*.[ch]";
my ($front) = map { $code{$_} } grep { /^ngx_http_mtls_module\.c$/ } keys %code;

directives();
variables();
attributes();
reasons();
mentions();
files();
links();
examples();

done_testing;


# docs/directives.md has a "### NAME" for each, with its contexts.

sub directives {
    my %context = (
        NGX_HTTP_MAIN_CONF => 'http', NGX_HTTP_SRV_CONF => 'server',
        NGX_HTTP_LOC_CONF => 'location', NGX_HTTP_LMT_CONF => 'limit_except',
    );

    my %in_code;

    while ($front =~ /\{\s*ngx_string\("(mtls\w*)"\),\s*([\w|\s]+?),/g) {
        my ($name, $flags) = ($1, $2);
        next if $flags !~ /_CONF/;
        $in_code{$name} = join ', ', grep { defined }
                          map { $context{$_} } split /[|\s]+/, $flags;
    }

    my $text = $page{'docs/directives.md'};
    my %in_docs;

    while ($text =~ /^### (mtls\w*)\n(.*?)(?=^##|\z)/msg) {
        my ($name, $section) = ($1, $2);

        like($section, qr/^\*\*Syntax:\*\* `\Q$name\E /m, "$name: syntax");
        like($section, qr/^\*\*Default:\*\* /m, "$name: default");
        ($in_docs{$name}) = $section =~ /^\*\*Context:\*\* (.*)$/m;
        like($text, qr/^.*\[\Q$name\E\]\(#\Q$name\E\)/m, "$name: in the index");
    }

    is_deeply([sort keys %in_docs], [sort keys %in_code],
              'directives of the code and of the docs');
    is($in_docs{$_} // '', $in_code{$_}, "$_: contexts")
        for sort keys %in_code;
}


# docs/variables.md has each in the first column of a table; a part in capitals
# stands for what a family leaves open.

sub variables {
    my (%in_docs, %san);

    for (split /\n/, $page{'docs/variables.md'}) {
        my ($cell, $text) = /^\| (`\$.*?) \| (.*) \|$/ or next;

        for my $name ($cell =~ /`\$(mtls_\w+)`/g) {
            if ($name eq 'mtls_san_TYPE') {
                $in_docs{"mtls_san_$_"} = 1 for $text =~ /`(\w+)`/g;

            } else {
                $in_docs{$name =~ s/_[A-Z].*/_/r} = 1;
            }
        }
    }

    delete @in_docs{qw(mtls_san_ mtls_eku_ mtls_policies_ mtls_psd2_roles_
                       mtls_qc_compliant_ mtls_qc_pds_)};

    is_deeply([sort keys %in_docs], [variables_of_code()],
              'variables of the code and of the docs');
}


# Names, and with "_" at their ends the beginnings of names, from the tables
# and the tests of the code.

sub variables_of_code {
    my $attribute = $code{'ngx_mtls_attribute.c'};
    my @name = $code{'ngx_http_mtls_variables.c'}
               =~ /\{\s*ngx_string\("mtls_(\w+)"\)/g;

    for my $table (qw(facts multis)) {
        my ($rows) = $attribute =~ /ngx_mtls_attribute_$table\[\] = (.*?\n\};)/s;
        push @name, $rows =~ /ngx_string\("(\w+)"\)/g;
    }

    push @name, $attribute =~ /_prefix\(name, "(\w+_)"/g;
    push @name, 'group_' if $code{'ngx_http_mtls_variables.c'} =~ /"group_"/;

    return sort map { "mtls_$_" } @name;
}


# The attributes of group lines are those of the first column of their table.

sub attributes {
    my ($rows) = $code{'ngx_mtls_attribute.c'}
                 =~ /ngx_mtls_attribute_lines\[\] = (.*?\n\};)/s;
    my ($table) = $page{'docs/directives.md'}
                  =~ /^\| attribute \|.*?\n(.*?)\n\n/ms;

    my @have = map { s/ .*//r } map { /`([^`]+)`/g }
               $table =~ /^\| (`.*?) \|/mg;

    is_deeply([sort @have], [sort $rows =~ /ngx_string\("(\w+)"\)/g],
              'attributes of group lines');
}


# Tokens of ngx_mtls_reason_name(), each with a row.

sub reasons {
    my ($all) = $code{'ngx_mtls_decision.h'}
                =~ /typedef enum \{\s*(NGX_MTLS_REASON_.*?)\}/s;
    my @want = grep { $_ ne 'none' }
               map { lc } $all =~ /NGX_MTLS_REASON_(\w+)/g;

    my ($table) = $page{'docs/variables.md'} =~ /^### Reasons\n(.*?)^## /ms;
    my @have;

    for ($table =~ /^\| (`.*?) \|/mg) {
        push @have, $1 while /`(\w+)`/g;
    }

    is_deeply([sort @have], [sort @want], 'reasons');
}


# Whatever page speaks of a directive or variable speaks of one that exists.

sub mentions {
    my %directive = map { $_ => 1 } $front =~ /ngx_string\("(mtls\w*)"\)/g;
    my @variable = variables_of_code();

    for my $name (@pages) {
        my $text = $page{$name};
        my @bad = grep { !$directive{$_} }
                  $text =~ /(?<![\$\w\/#.])(mtls(?:_[a-z]+)+)(?![\w.])/g;

        is("@bad", '', "$name: names only directives that exist");

        my @unknown = grep {
            my $v = s/^mtls_san_TYPE/mtls_san_dns/r =~ s/_[0-9N]+$//r;
            !grep { /_$/ ? index($v, $_) == 0 : $v eq $_ } @variable;
        } $text =~ /\$(mtls_\w+)/g;

        is("@unknown", '', "$name: names only variables that exist");
    }
}


# The list of files in docs/architecture.md is that of the folder.

sub files {
    my %listed = map { $_ => 1 }
                 $page{'docs/architecture.md'} =~ /`(ngx_\w+\.c)`/g;

    is_deeply([sort keys %listed], [sort grep { /\.c$/ } keys %code],
              'files of the house');
}


# Relative links, their anchors too.

sub links {
    for my $name (@pages) {
        my ($dir) = $name =~ m{^(.*/)?[^/]+$};
        $dir //= '';

        my $text = $page{$name} =~ s/^```.*?^```$//gmsr;

        while ($text =~ /\]\(([^)\s]+)\)/g) {
            my $link = $1;
            next if $link =~ /^[a-z]+:/;

            my ($file, $anchor) = $link =~ /^([^#]*)(?:#(.*))?$/;
            my $target = $file eq '' ? $name : $dir . $file;
            $target =~ s{[^/]+/\.\./}{};

            ok(-e "$top/$target", "$name: $link") || next;
            next if !defined $anchor;

            my $has = $page{$target} // slurp("$top/$target");
            ok(grep({ $_ eq $anchor } anchors($has)), "$name: $link is there");
        }
    }
}


sub anchors {
    my $text = shift =~ s/^```.*?^```$//gmsr;

    return map { lc(s/[^\w\- ]//gr) =~ s/ /-/gr } $text =~ /^#+ (.*)$/mg;
}


# Every example is a configuration, or becomes one by what stands before it:
# <!-- conf: full -->, http or server; stock is for nginx without the module.

sub examples {
    my $pki = docs_pki();
    my %nginx = (
        ours  => Mtls::Test->new(pki => $pki),
        stock => Mtls::Test->new(pki => $pki, module => 0),
    );
    my $count = 0;

    for my $name (@pages) {
        my $i = 0;

        for my $e (Mtls::Docs::examples($page{$name})) {
            my $kind = $e->{kind};
            my $what = "$name: example " . ++$i;

            like($kind, qr/^(full|http|server|stock)$/,
                 "$what: its kind is said") || next;

            my $n = $nginx{$kind} || $nginx{ours};
            my ($code, $err) = $n->test_config(local_conf($n, $kind,
                                                          $e->{conf}));
            my @warn = grep { /\[warn\]/ && !/could build optimal/ }
                       split /\n/, $err;

            ok($code == 0 && !@warn, "$what: nginx -t") || diag($err);
            $count++;
        }
    }

    cmp_ok($count, '>=', 10, 'examples were found');
}
