package Mtls::Behaviour::Table;

# The model of Mtls::Behaviour as tables that a human can read.
# Copyright (C) the ngx_mtls_module authors

=head1 NAME

Mtls::Behaviour::Table - the printed part of docs/behaviour.md

=head1 SYNOPSIS

    print Mtls::Behaviour::Table::text();
    my $text = Mtls::Behaviour::Table::inside($page);       # what it has now
    $page = Mtls::Behaviour::Table::renewed($page);

Ways that give the same table share one, and rows that say the same are one.
Where a further table is much like the first, only the rows are there that
differ from it.

=cut

use strict;
use warnings;

use Mtls::Behaviour ();

my $BEGIN = "<!-- printed by t/tools/behaviour -->\n";
my $END = "<!-- end of what is printed -->\n";

my @CERTIFICATE = @Mtls::Behaviour::CERTIFICATE;


sub inside {
    my ($page) = @_;

    return $page =~ /\Q$BEGIN\E(.*)\Q$END\E/s ? $1 : '';
}


sub renewed {
    my ($page) = @_;

    $page =~ s/\Q$BEGIN\E.*\Q$END\E/$BEGIN . text() . $END/se
        || die "no place for the tables\n";

    return $page;
}


sub text {
    my (@group, %group);

    for my $way (@Mtls::Behaviour::WAY) {
        my $key = join "\n", map { join '|', @$_ } rows($way, sub { 1 });

        push @group, $group{$key} = [] if !$group{$key};
        push @{$group{$key}}, $way;
    }

    return "\n" . join('', map { section($_, $group[0][0]) } @group)
           . "### What nginx does not allow\n\n" . impossible() . "\n";
}


sub section {
    my ($group, $plain) = @_;

    my ($way, @more) = @$group;

    my $text = '### ' . $way->{words} =~ tr/`//dr . "\n\n";

    $text .= "And the same:\n\n"
             . join('', map { '- ' . lcfirst($_->{words}) . "\n" } @more) . "\n"
        if @more;

    my $differs = sub {
        my ($satisfy, $other) = @_;

        return grep { seen($way, $satisfy, $other, $_)
                      ne seen($plain, $satisfy, $other, $_) } @CERTIFICATE;
    };

    my @places = map { my $other = $_; map { [$_, $other] } qw(all any) }
                 @Mtls::Behaviour::OTHER;
    my $few = $way != $plain
              && 2 * grep({ $differs->(@$_) } @places) < @places;

    $text .= "All else is as in a plain location.\n\n" if $few;

    return $text . table($way, rows($way, $few ? $differs : sub { 1 })) . "\n";
}


sub table {
    my ($way, @rows) = @_;

    unshift @rows,
        ['`satisfy`', 'besides',
         map { $Mtls::Behaviour::CERTIFICATE{$_}{words} } @CERTIFICATE],
        [('---') x (2 + @CERTIFICATE)],
        ['', '*action, reason*', map { decision($way, $_) } @CERTIFICATE];

    return join '', map { '| ' . join(' | ', @$_) . " |\n" } @rows;
}


# Rows of equal cells as one.

sub rows {
    my ($way, $wanted) = @_;

    my (@row, %row);

    for my $satisfy (qw(all any)) {
        for my $other (@Mtls::Behaviour::OTHER) {
            next if !$wanted->($satisfy, $other);

            my @cell = map { seen($way, $satisfy, $other, $_) } @CERTIFICATE;
            my $key = join '|', @cell;

            push @row, $row{$key} = {cell => \@cell} if !$row{$key};
            push @{$row{$key}{$satisfy}}, $other;
        }
    }

    my @line = map { lines($_) } @row;

    return map { my $satisfy = $_; grep { $_->[0] eq $satisfy } @line }
           '`all`, `any`', '`all`', '`any`';
}


# One line where both kinds of "satisfy" have the same others, else two.

sub lines {
    my ($row) = @_;

    my ($all, $any) = map { $row->{$_} ? others(@{$row->{$_}}) : undef }
                          qw(all any);
    my @cell = @{$row->{cell}};

    return ['`all`, `any`', $all, @cell] if ($all // '') eq ($any // '');

    return (defined $all ? ['`all`', $all, @cell] : (),
            defined $any ? ['`any`', $any, @cell] : ());
}


sub others {
    my @other = @_;

    return 'whatever' if @other == @Mtls::Behaviour::OTHER;

    my @text = map { $_->{says} eq 'none' ? 'nothing' : () } @other;

    for my $says (qw(yes no)) {
        my @all = grep { $_->{says} eq $says } @Mtls::Behaviour::OTHER;
        my @some = grep { $_->{says} eq $says } @other;
        my $verb = $says eq 'yes' ? 'passes' : 'refuses';

        next if !@some;
        push @text, (@some == @all ? 'any of them'
                                   : join ' or ', map { "`$_->{by}`" } @some)
                    . " $verb";
    }

    return join '; ', @text;
}


# Status, and what the upstream is told if it is asked.

sub seen {
    my ($way, $satisfy, $other, $cert) = @_;

    my ($status, undef, undef, $asked) = cell($way, $satisfy, $other, $cert);
    my %told = map { $_ => 1 } split /,/, $asked eq '-' ? '' : $asked;

    return join ' ', $status, map { $_ eq 'nobody' ? '(nobody)' : "**$_**" }
                                  sort keys %told;
}


# Of one certificate: the same in all cells of a way.

sub decision {
    my ($way, $cert) = @_;

    my %decision;

    for my $satisfy (qw(all any)) {
        for my $other (@Mtls::Behaviour::OTHER) {
            my (undef, $action, $reason) = cell($way, $satisfy, $other, $cert);
            $decision{join ' ', map { "`$_`" } grep { $_ ne '-' }
                                $action, $reason} = 1;
        }
    }

    die "$way->{name}, $cert: not one decision\n" if keys %decision != 1;

    return keys %decision;
}


# HTTP/1.1 and HTTP/2 are one table.

sub cell {
    my ($way, $satisfy, $other, $cert) = @_;

    my %text = map {
        Mtls::Behaviour::expected({
            way => $way->{name}, satisfy => $satisfy,
            other => $other->{name}, cert => $cert, http => $_}) => 1
    } qw(1.1 2);

    die "$way->{name}: HTTP/2 differs\n" if keys %text != 1;

    return split / /, (keys %text)[0];
}


sub impossible {
    return join '', map {
        my @name = map { '`' . s/ .*//r . '`' } @{$_->{not}};
        my $last = pop @name;

        "- In $_->{words}: " . join(', ', @name) . " and $last.\n";
    } @Mtls::Behaviour::IMPOSSIBLE;
}


1;
