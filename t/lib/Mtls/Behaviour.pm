package Mtls::Behaviour;

# A model of what a request is answered, by whatever way it goes through nginx.
# Copyright (C) the ngx_mtls_module authors

=head1 NAME

Mtls::Behaviour - status, action, reason and identity of every cell

=head1 SYNOPSIS

    for my $cell (Mtls::Behaviour::cells()) {
        # {way, satisfy, other, cert, http}: names of the tables below
        my $name = Mtls::Behaviour::name($cell);
        my $text = Mtls::Behaviour::expected($cell);
    }

The text is C<status action reason asked>.  C<asked> has, for each time that
the upstream is asked, joined by commas, the identity that it is told, or
C<nobody>; where it is not asked at all it is C<-> (as is an empty action).

The rules are the tables: C<%CERTIFICATE>, C<%REASON>, C<%ANSWER>, C<%TOGETHER>,
C<@OTHER> and C<@WAY>.  C<expected> only walks them.  They say what shall be,
and are written down from the rules of the documentation; nothing in them was
recorded from a run.  t/150-behaviour.t asks nginx about each cell, and
t/tools/behaviour prints the tables of docs/behaviour.md.

=cut

use strict;
use warnings;

# 1. Who asks: the first step of the judgement that fails is the reason.  All
#    but the last have a name, and would be allowed if that alone counted.

our @CERTIFICATE = qw(none good no_match revoked early);

our %CERTIFICATE = (
    none     => {words => 'no certificate', reason => 'no_cert'},
    good     => {words => 'allowed', reason => 'ok', name => 'alice'},
    no_match => {words => 'of no group here', reason => 'no_match',
                 name => 'bob'},
    revoked  => {words => 'revoked', reason => 'revoked', name => 'carol'},
    early    => {words => 'POST in early data', reason => 'early_data',
                 name => 'alice'},
);


# 2. Reasons: what they are worth, and the status if we refuse.  "final" is
#    authentication that failed: nobody may overrule that.  "soft" says no more
#    than that somebody is not meant here.

our %REASON = (
    ok         => {kind => 'ok'},
    no_cert    => {kind => 'no_cert',  status => 403},       # soft
    no_match   => {kind => 'no_match', status => 403},       # soft
    revoked    => {kind => 'final',    status => 403},
    early_data => {kind => 'final',    status => 425},       # RFC 8470
);


# 3. What we answer at a place, and the action.
#
#    yes     we vouch for this request (NGX_OK)
#    silent  we have nothing to say (NGX_DECLINED)
#    no      we refuse, but others may overrule us
#    never   we refuse, and that is the end
#
#    Only a rule that allows says yes: where no policy is in force, in a dry
#    run and under "off" others decide as if we were not there.  "no policy"
#    does not care about groups (the reason is then "ok") nor about requests
#    without a certificate (no action), but authentication is final there too.

our %ANSWER = (
    allow     => {ok       => ['yes',    'allow'],
                  no_cert  => ['no',     'deny'],
                  no_match => ['no',     'deny'],
                  final    => ['never',  'deny']},

    any       => {ok       => ['yes',    'allow'],
                  no_cert  => ['no',     'deny'],
                  no_match => ['yes',    'allow', 'ok'],
                  final    => ['never',  'deny']},

    no_policy => {ok       => ['silent', 'allow'],
                  no_cert  => ['silent', ''],
                  no_match => ['silent', 'allow', 'ok'],
                  final    => ['never',  'deny']},

    dry_run   => {ok       => ['silent', 'allow'],
                  no_cert  => ['silent', 'would_deny'],
                  no_match => ['silent', 'would_deny'],
                  final    => ['silent', 'would_deny']},

    off       => undef,             # silent; what was recorded stays
);


# 4. Who is asked besides us, whether they say yes, and their status if not.

our @OTHER = (
    {name => 'none',       says => 'none'},
    {name => 'allow',      says => 'yes', by => 'allow'},
    {name => 'basic',      says => 'yes', by => 'auth_basic'},
    {name => 'request',    says => 'yes', by => 'auth_request'},
    {name => 'no allow',   says => 'no',  by => 'allow',        status => 403},
    {name => 'no basic',   says => 'no',  by => 'auth_basic',   status => 401},
    {name => 'no request', says => 'no',  by => 'auth_request', status => 403},
);

our %OTHER = map { $_->{name} => $_ } @OTHER;


# 5. Both together: "passes", or whose refusal it is.  We are asked first, so
#    that under "satisfy all" a refusal is ours wherever we refuse; under
#    "satisfy any" nginx prefers theirs (401, which asks for a password, to
#    403: and the rest are 403 as ours).

our %TOGETHER = (
    #          others: none         yes          no
    all => {
        yes    => {none => 'passes', yes => 'passes', no => 'theirs'},
        silent => {none => 'passes', yes => 'passes', no => 'theirs'},
        no     => {none => 'ours',   yes => 'ours',   no => 'ours'},
        never  => {none => 'ours',   yes => 'ours',   no => 'ours'},
    },
    any => {
        yes    => {none => 'passes', yes => 'passes', no => 'passes'},
        silent => {none => 'passes', yes => 'passes', no => 'theirs'},
        no     => {none => 'ours',   yes => 'passes', no => 'theirs'},
        never  => {none => 'ours',   yes => 'ours',   no => 'ours'},
    },
);


# 6. Ways through nginx.  The request enters at "place", where "satisfy" and
#    the others stand.  From there it may go on to a second place, where we are
#    alone, or which is "opened" (satisfy any; allow all): "then" if it passed,
#    "page" if it was refused (by anybody).
#    "asks": how often the upstream is asked by a request that passed at the
#    first place, and by what comes then.  Subrequests (SSI, mirror) are never
#    judged, and are told what their main request is.

our @WAY = (
    {name => 'plain',              place => 'allow',     asks => 1,
     words => 'A plain location'},
    {name => 'limit_except',       place => 'allow',     asks => 1,
     words => 'The methods of a `limit_except`'},
    {name => 'if',                 place => 'allow',     asks => 1,
     words => 'An `if` with its own `proxy_pass`'},
    {name => 'ssi',                place => 'allow',     asks => 1,
     words => 'A page with SSI, what it includes'},
    {name => 'mirror',             place => 'allow',     asks => 2,
     words => 'A location with `mirror`, both requests'},
    {name => 'try_files',          place => 'allow',     asks => 0,
     then => 'off',  words => '`try_files` to a location with `mtls off`'},
    {name => 'accel',              place => 'allow',     asks => 1,
     then => 'off',
     words => '`X-Accel-Redirect` to a location with `mtls off`'},
    {name => 'try_files judged',   place => 'allow',     asks => 0,
     then => 'any',  words => '`try_files` to a location that judges'},
    {name => 'accel judged',       place => 'allow',     asks => 1,
     then => 'any',  words => '`X-Accel-Redirect` to a location that judges'},
    {name => 'accel opened',       place => 'allow',     asks => 1,
     then => 'any',  opened => 1,
     words => '`X-Accel-Redirect` to `satisfy any` that others open'},
    {name => 'error_page',         place => 'allow',     asks => 1,
     page => 'off',  words => '`error_page` to a URI with `mtls off`'},
    {name => 'error_page named',   place => 'allow',     asks => 1,
     page => 'off',
     words => '`error_page` to a named location with `mtls off`'},
    {name => 'error_page judged',  place => 'allow',     asks => 1,
     page => 'any',  words => '`error_page` to a location that judges'},
    {name => 'error_page opened',  place => 'allow',     asks => 1,
     page => 'any',  opened => 1,
     words => '`error_page` to `satisfy any` that others open'},
    {name => 'no policy',          place => 'no_policy', asks => 1,
     words => 'A location without a policy'},
    {name => 'dry_run',            place => 'dry_run',   asks => 1,
     words => 'A location with `mtls dry_run`'},
);

our %WAY = map { $_->{name} => $_ } @WAY;


# 7. One record for each request.  A refusal that was ours stays, whatever is
#    decided later; and who was refused, or overruled, is not allowed at
#    another place that judges.  We name somebody only if the record says that
#    we allowed: also on the page of another's refusal.


# 8. What nginx itself makes impossible: directives, and where they stand.  In
#    place of these cells the directive stands in the location around.

our @IMPOSSIBLE = (
    {place => 'if ($request_method) { %s }', words => '`if`',
     not => ['mtls_allow any;', 'satisfy any;', 'allow all;',
             'auth_basic off;', 'auth_request off;', 'mirror off;',
             'try_files /none =204;', 'limit_except GET { allow all; }']},

    {place => 'limit_except GET { %s }', words => '`limit_except`',
     not => ['satisfy any;', 'auth_request off;', 'error_page 403 /page;',
             'ssi on;', 'mirror off;', 'try_files /none =204;']},
);


sub expected {
    my ($cell) = @_;

    my $way = $WAY{$cell->{way}};
    my %record = (action => '', reason => '');

    my $refused = visit(\%record, $way->{place}, $cell->{cert},
                        $cell->{satisfy}, $OTHER{$cell->{other}});

    my @asked = $refused ? () : (told(\%record, $cell)) x $way->{asks};
    my $next = $refused ? $way->{page} : $way->{then};

    if ($next) {
        my $again = visit(\%record, $next, $cell->{cert},
                          $way->{opened} ? ('any', $OTHER{allow})
                                         : ('all', $OTHER{none}));

        push @asked, told(\%record, $cell) if !$again;
        $refused = $again if $again;
    }

    return join ' ', $refused || 200,
           map { $_ eq '' ? '-' : $_ } @record{qw(action reason)},
                                       join(',', @asked);
}


# Nothing if the request passes, else the status.

sub visit {
    my ($record, $place, $cert, $satisfy, $other) = @_;

    my $reason = $CERTIFICATE{$cert}{reason};
    my ($answer, $action, $instead) = answer($place, $REASON{$reason}{kind});

    if ($place eq 'off') {
        # neither judged nor recorded

    } elsif ($record->{action} eq 'deny') {
        ($answer) = answer('allow', $REASON{$reason}{kind});

    } else {
        @$record{qw(action reason)} = ($action, $instead // $reason);
    }

    my $who = $TOGETHER{$satisfy}{$answer}{$other->{says}};

    return $who eq 'ours' ? $REASON{$reason}{status}
           : $who eq 'theirs' ? $other->{status} : undef;
}


sub answer {
    my ($place, $kind) = @_;

    return @{($ANSWER{$place} // return 'silent')->{$kind}};
}


sub told {
    my ($record, $cell) = @_;

    return $record->{action} eq 'allow' ? $CERTIFICATE{$cell->{cert}}{name}
                                        : 'nobody';
}


sub cells {
    my @cell;

    for my $http (qw(1.1 2)) {
        for my $way (@WAY) {
            for my $satisfy (qw(all any)) {
                for my $other (@OTHER) {
                    push @cell, map {
                        +{way => $way->{name}, satisfy => $satisfy,
                          other => $other->{name}, cert => $_, http => $http}
                    } @CERTIFICATE;
                }
            }
        }
    }

    return @cell;
}


sub name {
    my ($cell) = @_;

    return "HTTP/$cell->{http}, $cell->{way}, satisfy $cell->{satisfy},"
           . " $cell->{other}: $cell->{cert}";
}


1;
