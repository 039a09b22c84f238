#!/usr/bin/perl

# docs/operations.md has a row for each line that the code logs at warn and
# above, at its level, and none that the code does not have.

# Copyright (C) the ngx_mtls_module authors

use FindBin;
use lib "$FindBin::Bin/lib";

use Mtls::Docs qw(page);
use Mtls::Test;

my $top = "$FindBin::Bin/..";
my $text = page('docs/operations.md');
my %code = map { s{.*/}{}r => slurp($_) } glob "$top/ngx_mtls_module/*.[ch]";

my $STRING = qr/"(?:[^"\\]|\\.)*"/;
my $STRINGS = qr/$STRING(?:[\s\\]*$STRING)*/;

my @format = formats();

cmp_ok(scalar @format, '>', 50, 'lines were found in the code');

rows();
quotes();
causes();

done_testing();


# What is logged, as it is in the code: level, text, and what finds it.

sub formats {
    my @all;

    for my $file (sort keys %code) {
        my $c = $code{$file};

        while ($c =~ /\bngx_(?:log|ssl)_error\(\s*(\w+),[^,"]+,[^,"]+,
                      \s*($STRINGS)/gx)
        {
            my ($level, $literals) = ($1, $2);
            my $format = joined($literals);

            $level = lc $level =~ s/^NGX_LOG_//r;

            push @all, {file => $file, format => $format,
                        regex => regex($format),
                        level => {err => 'error'}->{$level} // $level,
                        literal => length($format =~ s/%\*?\w+//gr)};
        }
    }

    return @all;
}


sub joined {
    return join '', map { s/^"|"$//gr =~ s/\\(.)/$1/gr }
                    shift =~ /$STRING/g;
}


sub regex {
    my $r = join '.*', map { quotemeta } split /%\*?(?:[0-9.]*)[a-zA-Z]+/,
                                         shift, -1;

    return qr/^$r$/s;
}


# The format that says most of what a text is.

sub best {
    my ($text, $level) = @_;

    my ($best) = sort { $b->{literal} <=> $a->{literal} }
                 grep { $text =~ $_->{regex}
                        && (!$level || $_->{level} eq $level
                            || $_->{level} eq 'level') } @format;

    return $best;
}


sub rows {
    my ($part) = $text =~ /^## Log lines\n(.*?)^### Causes/ms;
    my %seen;

    while ($part =~ /^\| `(.*?)` \| (\w+) \|/mg) {
        my ($line, $level) = ($1, $2);

        next if ok(!$seen{"$level $line"}++, "once: $line") == 0;

        my $f = best($line, $level);

        ok($f, "in the code, at $level: $line") || next;
        $_->{row} = 1 for grep { $_->{format} eq $f->{format} } @format;
    }

    for my $f (grep { $_->{level} !~ /^(?:notice|info|debug)$/ } @format) {
        ok($f->{row}, "$f->{file} in the table: $f->{format}");
    }
}


# What the other chapters quote; what processes end on is nginx's own to say.

sub quotes {
    my ($part) = $text =~ /^## What happens when.*?\n(.*?)^## Log lines/ms;
    my @log = $part =~ /^\*Log:\*(.*?)^\*Do:/msg;
    my %line = map { s/\s+/ /gr => 1 }
               grep { !/^\(/ && !/^(?:worker|cache manager) process/ }
               map { /`([^`]*…[^`]*)`/g } @log;

    $line{$_ =~ s/\s+/ /gr} = 1 for $part =~ /`(mtls(?:_crl|_ca)?: [^`]*)`/g;

    cmp_ok(scalar keys %line, '>', 10, 'lines are quoted');
    ok(best($_), "quoted as it is in the code: $_") for sort keys %line;
}


# Causes are parts of what a refused file is told.

sub causes {
    my ($part) = $text =~ /^### Causes.*?\n(.*?)^## /ms;
    my @said = map { joined($_) } map { /$STRINGS/g } values %code;

    while ($part =~ /^\| (`.*?`) \|/mg) {
        for my $cause ($1 =~ /`(.*?)`/g) {
            my $r = join '\S+( \S+)?', map { quotemeta } split /…/, $cause, -1;

            ok(grep({ /$r/ } @said), "a cause: $cause");
        }
    }
}
