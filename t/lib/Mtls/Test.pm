package Mtls::Test;

# Starts, reloads and stops nginx for a test, and judges its logs at the end.
# Copyright (C) the ngx_mtls_module authors

=head1 NAME

Mtls::Test - nginx under test

=head1 SYNOPSIS

    use FindBin; use lib "$FindBin::Bin/lib";
    use Mtls::Test;             # strict, warnings, Test::More, Mtls::Client

    my $pki = Mtls::PKI->standard;
    my $n = Mtls::Test->new(pki => $pki);

    $n->run(<<'EOF');
    mtls_ca partners %%PKI%%/root.crt;
    %%MTLS%%
    server {
        listen 127.0.0.1:%%PORT_0%% ssl;
        %%TLS%%
        location / { mtls_allow any; return 200 $mtls_reason; }
    }
    EOF

    allowed(get($n, '/', cert => $pki->alice), 'alice may');
    refused(get($n, '/', cert => $pki->revoked), 'revoked', 'not any more');

    done_testing;

=head2 Assertions

    allowed($response, 'name')              status 2xx, action allow, reason ok
    refused($response, $reason, 'name')     status 403, action deny, the reason
    refused($response, $reason, 'name', 425)

They read the headers X-Mtls-Action and X-Mtls-Reason, which come with
%%MTLS%% (and X-Mtls-Identity); an add_header at an inner level ends that.

=head2 Configurations

The text is a whole configuration or, where it has no C<http {> block, the
inside of that.  Line numbers in messages are those of the text: what the
harness adds goes into its first line (pid, logs, temporary paths, user root,
one worker, events, load_module, C<access_log %%DIR%%/all.log>).

    %%PORT_0%% ...  a free port, the same one in all configurations
    %%DIR%%         the temporary folder     %%PKI%%  that of the PKI
    %%CERT%%        ssl_certificate, its key, ssl_protocols TLSv1.2 TLSv1.3
    %%TLS%%         %%CERT%%, ssl_verify_client optional, depth 4, and
                    ssl_client_certificate %%PKI%%/root.crt
    %%MTLS%%        mtls_state_path %%DIR%%/state, and the response headers
                    X-Mtls-Action, X-Mtls-Reason and X-Mtls-Identity
    %%UPSTREAM%%    address:port of a server that answers with what it
                    received, see Mtls::Upstream
    %%MODULES%%     load_module, if it shall stand somewhere else

C<listen ... http2> is for any nginx: one that wants C<http2 on> gets that.

    $n->file('list.txt', $text)     writes %%DIR%%/list.txt, expanded; the path
    $n->line('mtls_allow x')        the number of the first line that has this

=head2 nginx

    Mtls::Test->new(pki => $pki, workers => 2, user => 'nobody', debug => 1,
                    module => 0)    # do not load the module
    $n->run($text)      starts; dies with nginx's words if it does not start
    $n->run             with the configuration of before
    $n->reload($text)   true when new workers serve and old ones no longer;
                        false if nginx refuses the configuration
    $n->stop            gracefully
    $n->master_pid  $n->worker_pids  $n->manager_pid
    $n->kill_worker     KILLs one and waits for the next
    $n->dir  $n->port(0)  $n->version       1.026003 of nginx 1.26.3
    $n->upstream_requests           what the upstream received so far: a list

    my ($code, $stderr) = $n->test_config($text);       # nginx -t
    $n->config_ok($text, 'name');                       # and no warning
    $n->config_warns($text, qr/.../, 'name');
    $n->config_refused($text, qr/.../, 'name');

=head2 Logs

    $n->log_lines('all.log')                    lines, without their ends
    $n->wait_log('all.log', qr/.../, $seconds)  the first line that matches
    $n->error_lines(qr/.../)                    of error.log
    $n->wait_error(qr/.../, $seconds)
    $n->mark            these look only at what comes from now on
    $n->allow(qr/.../)  [alert] and [emerg] lines that are part of the test;
                        of a certificate with a broken signature nginx itself
                        says "ignoring stale global SSL error"

At the end (done_testing) nginx is stopped and one more assertion fails if the
error log has [alert], [emerg], a sanitizer's report, or a process that exited
on a signal.

    wait_for(sub { ... }, $seconds)     polls, gives what the code gave
    slurp($path)  spew($path, @text)  install_crl($path, $crl)

=head2 Environment

MTLS_NGINX (/usr/sbin/nginx), MTLS_MODULE (objs/ngx_http_mtls_module.so at the
top of the tree, loaded if it exists), MTLS_PRELOAD (LD_PRELOAD of nginx),
MTLS_DEBUG=1 (debug log), MTLS_KEEP=1 (keeps the folder and names it),
MTLS_TIMEOUT (seconds for a test file, 300).

=cut

use strict;
use warnings;

use Cwd ();
use File::Temp ();
use IO::Socket::INET ();
use JSON::PP ();
use POSIX ();
use Test::More ();
use Time::HiRes ();

use Mtls::Client;
use Mtls::PKI ();
use Mtls::Upstream ();
use Mtls::Util qw(slurp spew command http2_on wait_for die_with_parent);

my @ALL;                    # every instance, to be stopped at the end
my $PID = $$;

(my $TOP = Cwd::abs_path(__FILE__)) =~ s{/t/lib/Mtls/Test\.pm$}{};

my $NGINX = $ENV{MTLS_NGINX} || '/usr/sbin/nginx';


# Gives the caller strict, warnings, and the functions of the synopsis.

sub import {
    my $class = shift;

    my $to = caller;

    strict->import;
    warnings->import;
    Test::More->builder->exported_to($to);

    no strict 'refs';

    for my $name (@Test::More::EXPORT) {
        next if $name !~ /^\w+$/ || $name eq 'done_testing';
        *{"${to}::$name"} = \&{"Test::More::$name"};
    }

    *{"${to}::TODO"} = \${"${to}::TODO"};
    *{"${to}::$_"} = \&{"Mtls::Client::$_"} for @Mtls::Client::EXPORT;
    *{"${to}::$_"} = \&$_
        for qw(done_testing allowed refused wait_for slurp spew command);
    *{"${to}::install_crl"} = \&Mtls::PKI::install_crl;

    $SIG{$_} = \&interrupted for qw(INT TERM HUP ALRM);
    $SIG{PIPE} = 'IGNORE';
    alarm($ENV{MTLS_TIMEOUT} || 300);
}


sub interrupted {
    die "stopped by SIG$_[0]\n";
}


# The last line of a test: stops nginx, judges the logs, ends the plan.

sub done_testing {
    for my $n (@ALL) {
        local $Test::Builder::Level = $Test::Builder::Level + 1;

        $n->stop;
        $n->{judged} = 1;

        my @bad = $n->bad_lines;
        Test::More::ok(!@bad, 'no alert, sanitizer report or crash in the log')
            || Test::More::diag(join "\n", @bad);
    }

    Test::More::done_testing(@_);
}


sub allowed {
    my ($r, $name) = @_;

    return judged($r, qr/^2\d\d$/, 'allow', 'ok', $name);
}


sub refused {
    my ($r, $reason, $name, $status) = @_;

    $status //= 403;

    return judged($r, qr/^$status$/, 'deny', $reason, $name);
}


sub judged {
    my ($r, $status, $action, $reason, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 2;

    my $got = join ' ', map { $r->header("X-Mtls-$_") // '-' }
                        qw(Action Reason);

    return Test::More::ok($r->{status} =~ $status
                          && $got eq "$action $reason", $name)
           || Test::More::diag("status $r->{status}, $got, expected $status,"
                               . " $action $reason"
                               . ($r->{error} ? "; $r->{error}" : ''));
}


END {
    if ($$ == $PID) {
        my $status = $?;

        alarm 0;

        for my $n (@ALL) {
            $n->stop;

            if (!$n->{judged}) {
                my @bad = $n->bad_lines;
                Test::More::diag(join "\n", @bad) if @bad;
                $status ||= 1 if @bad;
            }

            $n->explain if $status;
            print STDERR "# kept: $n->{dir}\n" if $ENV{MTLS_KEEP};
        }

        $? = $status;
    }
}


sub new {
    my ($class, %arg) = @_;

    my $dir = File::Temp::tempdir('mtls-test-XXXXXXXX', TMPDIR => 1,
                                  CLEANUP => !$ENV{MTLS_KEEP});
    chmod 0755, $dir;
    mkdir "$dir/$_" for qw(temp);

    my $module = $ENV{MTLS_MODULE} || "$TOP/objs/ngx_http_mtls_module.so";

    die "MTLS_MODULE: no file $module\n" if $ENV{MTLS_MODULE} && !-e $module;

    if (defined $arg{module} && !$arg{module} || !-e $module) {
        $module = undef;
    }

    my $self = bless {
        workers => 1, user => 'root', debug => $ENV{MTLS_DEBUG}, %arg,
        dir => $dir, module => $module, ports => [], held => [], files => {},
        mark => {}, allow => [],
    }, $class;

    push @ALL, $self;

    return $self;
}


sub dir { $_[0]{dir} }


# A port by its index in %%PORT_n%%, or a port as it is.  The kernel gives it;
# the socket stays bound here, so that it gives it to nobody else, and nginx
# can listen all the same since both say SO_REUSEADDR.

sub port {
    my ($self, $i) = @_;

    $i //= 0;
    return $i if $i >= 1024;

    if (!$self->{ports}[$i]) {
        my $s = IO::Socket::INET->new(
            LocalAddr => '127.0.0.1', LocalPort => 0, ReuseAddr => 1,
            Proto => 'tcp') || die "no free port: $!\n";

        $self->{held}[$i] = $s;
        $self->{ports}[$i] = $s->sockport;
    }

    return $self->{ports}[$i];
}


# The configuration of the next run; $n->file for any other file.

sub write {
    my ($self, $text) = @_;

    $self->{text} = $text;
    spew("$self->{dir}/nginx.conf", $self->complete($text));
}


sub file {
    my ($self, $name, $text) = @_;

    $self->{files}{$name} = $text;
    spew("$self->{dir}/$name", $self->expand($text));

    return "$self->{dir}/$name";
}


sub line {
    my ($self, $what) = @_;

    my @line = split /\n/, $self->{text};
    my ($i) = grep { index($line[$_], $what) >= 0 } 0 .. $#line;

    return defined $i ? $i + 1 : undef;
}


sub expand {
    my ($self, $text) = @_;

    my $pki = $self->{pki} ? $self->{pki}->dir : '/no-pki';

    my $cert = "ssl_certificate $pki/server.crt; "
               . "ssl_certificate_key $pki/server.key; "
               . 'ssl_protocols TLSv1.2 TLSv1.3;';
    my $tls = "$cert ssl_verify_client optional; ssl_verify_depth 4; "
              . "ssl_client_certificate $pki/root.crt;";

    my %value = (
        DIR => $self->{dir}, PKI => $pki, CERT => $cert, TLS => $tls,
        MTLS => "mtls_state_path $self->{dir}/state;"
                . join('', map { " add_header X-Mtls-\u$_ \$mtls_$_ always;" }
                           qw(action reason identity)),
        MODULES => $self->load_module,
    );

    $text = http2_on($text) if $self->version >= 1.025001;
    $text =~ s/%%PORT_(\d+)%%/$self->port($1)/ge;
    $text =~ s/%%UPSTREAM%%/$self->upstream/ge;
    $text =~ s/%%([A-Z]+)%%/$value{$1} \/\/ die "unknown %%$1%%\n"/ge;

    return $text;
}


sub load_module {
    my $self = shift;

    return $self->{module} ? "load_module $self->{module};" : '';
}


# The text with all that nginx needs to stay inside our folder.

sub complete {
    my ($self, $text, $log) = @_;

    my $dir = $self->{dir};
    my $level = $self->{debug} ? 'debug' : 'info';

    $log //= 'error.log';

    my $main = "daemon off; error_log $dir/$log $level; ";

    $main .= "pid $dir/nginx.pid; " if $log eq 'error.log';
    $main .= "pid $dir/test.pid; " if $log ne 'error.log';
    $main .= "user $self->{user}; " if $> == 0 && $text !~ /^\s*user\s/m;
    $main .= "worker_processes $self->{workers}; "
        if $text !~ /^\s*worker_processes\s/m;
    $main .= 'events { worker_connections 256; } '
        if $text !~ /^\s*events\s*\{/m;
    $main = $self->load_module . " $main" if $text !~ /%%MODULES%%/;

    my $http = "access_log $dir/all.log; ";

    $http .= "${_}_temp_path $dir/temp/$_; "
        for grep { $self->has($_) } qw(client_body proxy fastcgi uwsgi scgi);

    if ($text =~ /^\s*http\s*\{/m) {
        $text =~ s/^(\s*http\s*\{)/$1 $http/m;

    } else {
        $main .= "http { $http";
        $text .= "}\n";
    }

    return $self->expand($main . $text);
}


sub has {
    my ($self, $module) = @_;

    return $self->built !~ /--without-http_${module}_module/;
}


# What nginx -V says, and the version in it: 1.026003 of nginx 1.26.3.

sub built {
    my $self = shift;

    return $self->{built} //= (command($NGINX, '-V'))[2];
}


sub version {
    my $self = shift;

    my @part = $self->built =~ m{/(\d+)\.(\d+)\.(\d+)};

    return sprintf '%d.%03d%03d', @part;
}


sub command_line {
    my ($self, $conf, $log) = @_;

    return ($NGINX, '-p', "$self->{dir}/", '-c', "$self->{dir}/$conf",
            '-e', "$self->{dir}/$log");
}


# What nginx sees of our environment: no inherited sockets, the sanitizers.

sub environment {
    delete $ENV{NGINX};

    $ENV{LD_PRELOAD} = $ENV{MTLS_PRELOAD} if $ENV{MTLS_PRELOAD};
    $ENV{ASAN_OPTIONS} //= 'detect_leaks=0';
    $ENV{UBSAN_OPTIONS} //= 'print_stacktrace=1';
}


sub run {
    my ($self, $text) = @_;

    $self->write($text) if defined $text;

    for my $try (1 .. 3) {
        my $error = $self->start // return $self;

        if ($try == 3 || $error !~ /Address already in use/) {
            $self->allow(qr/./);
            die "nginx does not start:\n$error\n";
        }

        # somebody else took a port: all of them anew

        $self->allow(qr/Address already in use|still could not bind/);
        $self->{ports} = [];
        $self->{held} = [];
        $self->write($self->{text});
        $self->file($_, $self->{files}{$_}) for keys %{$self->{files}};
    }
}


# One try; nothing if nginx runs, else its words.

sub start {
    my $self = shift;

    die "nginx runs already\n" if $self->{pid};

    my $parent = $$;
    my $pid = fork // die "fork: $!\n";

    if (!$pid) {
        alarm 0;
        @SIG{qw(INT TERM HUP ALRM PIPE)} = ('DEFAULT') x 5;
        die_with_parent($parent);
        environment();
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', "$self->{dir}/stderr";
        open STDERR, '>&', \*STDOUT;
        my @cmd = $self->command_line('nginx.conf', 'error.log');
        { no warnings; exec { $cmd[0] } @cmd; }
        POSIX::_exit(127);
    }

    $self->{pid} = $pid;

    my $up = wait_for(sub {
        return -1 if waitpid($pid, POSIX::WNOHANG()) == $pid;
        return $self->worker_pids >= $self->{workers};
    }, 20);

    return if $up && $up > 0;

    if (!$up) {
        $self->stop;
        return 'no worker after 20 s';
    }

    delete $self->{pid};

    return slurp("$self->{dir}/stderr");
}


sub master_pid { $_[0]{pid} }


# The master's children: pid => title.

sub children {
    my $self = shift;

    my %child;
    my $master = $self->{pid} || return;

    for my $stat (glob '/proc/[0-9]*/stat') {
        open my $f, '<', $stat or next;
        my $line = <$f> // next;
        my ($pid, $ppid) = $line =~ /^(\d+) \(.*\) \S (\d+)/ or next;
        next if $ppid != $master;

        open my $t, '<', "/proc/$pid/cmdline" or next;
        my $title = <$t> // next;
        $child{$pid} = $title =~ s/\0.*//sr;
    }

    return %child;
}


# Workers that serve, not those that are shutting down.

sub worker_pids {
    my $self = shift;

    my %child = $self->children;

    my @pid = sort { $a <=> $b }
              grep { $child{$_} =~ /worker process *$/ } keys %child;

    return @pid;
}


# nginx's cache manager process, where the module does its background work.

sub manager_pid {
    my $self = shift;

    my %child = $self->children;

    return (sort { $b <=> $a }
            grep { $child{$_} =~ /cache manager process/ } keys %child)[0];
}


sub reload {
    my ($self, $text) = @_;

    $self->write($text) if defined $text;

    my %old = map { $_ => 1 } $self->worker_pids;
    my $seen = -s "$self->{dir}/error.log";

    kill 'HUP', $self->{pid};

    my $done = wait_for(sub {
        my @now = $self->worker_pids;

        return 1 if !grep({ $old{$_} } @now) && @now >= $self->{workers};
        return -1 if substr(slurp("$self->{dir}/error.log"), $seen)
                     =~ /\[emerg\]/;
        return;
    }, 20);

    return $done && $done > 0;
}


# Graceful, then less so; one that must be killed is a failure.

sub stop {
    my $self = shift;

    local ($?, $!, $@);

    if (my $pid = $self->{pid}) {
        Mtls::Connection::close_all($self);

        for my $step (['QUIT', 4], ['TERM', 5], ['KILL', 5]) {
            my ($signal, $seconds) = @$step;

            kill $signal, $pid;
            $self->{stuck} = 1 if $signal eq 'KILL';

            last if wait_for(sub {
                return waitpid($pid, POSIX::WNOHANG()) == $pid;
            }, $seconds);
        }

        delete $self->{pid};
    }

    if (my $upstream = delete $self->{upstream}) {
        $upstream->stop;
    }
}


sub kill_worker {
    my $self = shift;

    my ($pid) = $self->worker_pids;

    $self->allow(qr/process $pid exited on signal 9/);
    kill 'KILL', $pid;

    return wait_for(sub {
        my @now = $self->worker_pids;
        return @now >= $self->{workers} && !grep { $_ == $pid } @now;
    }, 10);
}


# nginx -t: its exit code and its words.

sub test_config {
    my ($self, $text) = @_;

    my $conf = defined $text ? $self->complete($text, 'test.log')
                             : slurp("$self->{dir}/nginx.conf");

    spew("$self->{dir}/test.conf", $conf);

    local %ENV = %ENV;
    environment();

    my ($code, undef, $err) =
        command($self->command_line('test.conf', 'test.log'), '-t');

    return ($code, $err);
}


sub config_ok {
    my ($self, $text, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my ($code, $err) = $self->test_config($text);

    return Test::More::ok($code == 0 && $err !~ /\[warn\]/, $name)
           || Test::More::diag($err);
}


sub config_warns {
    my ($self, $text, $warning, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my ($code, $err) = $self->test_config($text);
    my @warn = grep { /\[warn\]/ } split /\n/, $err;

    return Test::More::ok($code == 0 && grep({ $_ =~ $warning } @warn), $name)
           || Test::More::diag("expected $warning\n$err");
}


sub config_refused {
    my ($self, $text, $error, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my ($code, $err) = $self->test_config($text);
    my @emerg = grep { /\[emerg\]/ } split /\n/, $err;

    return Test::More::ok($code == 1 && grep({ $_ =~ $error } @emerg), $name)
           || Test::More::diag("exit code $code, expected $error\n$err");
}


sub mark {
    my $self = shift;

    for my $path (glob "$self->{dir}/*.log") {
        $self->{mark}{$path =~ s{.*/}{}r} = -s $path;
    }
}


sub log_lines {
    my ($self, $name) = @_;

    my $path = "$self->{dir}/$name";
    return if !-e $path;

    return split /\n/, substr slurp($path), $self->{mark}{$name} // 0;
}


sub wait_log {
    my ($self, $name, $re, $seconds) = @_;

    return wait_for(sub {
        my ($line) = grep { $_ =~ $re } $self->log_lines($name);
        return $line;
    }, $seconds);
}


sub error_lines {
    my ($self, $re) = @_;

    return grep { $_ =~ $re } $self->log_lines('error.log');
}


sub wait_error {
    my ($self, $re, $seconds) = @_;

    return $self->wait_log('error.log', $re, $seconds);
}


sub allow {
    my ($self, $re) = @_;

    push @{$self->{allow}}, $re;
}


sub bad_lines {
    my $self = shift;

    my @bad = $self->{stuck} ? ('nginx had to be killed') : ();

    for my $file (qw(error.log stderr)) {
        my $path = "$self->{dir}/$file";
        next if !-e $path;

        for my $line (split /\n/, slurp($path)) {
            next if $line !~ /\[(?:alert|emerg)\]|Sanitizer|runtime\ error:
                              |exited\ on\ signal/x;
            next if grep { $line =~ $_ } @{$self->{allow}};

            push @bad, $line;
        }
    }

    return @bad;
}


# After a failure: the end of the error log.

sub explain {
    my $self = shift;

    my $path = "$self->{dir}/error.log";
    return if !-e $path;

    my @line = grep { !/\[debug\]|\[notice\]/ } split /\n/, slurp($path);
    splice @line, 0, -20 if @line > 20;

    Test::More::diag("error.log:\n" . join "\n", @line) if @line;
}


sub upstream {
    my $self = shift;

    $self->{upstream} ||= Mtls::Upstream->new("$self->{dir}/upstream.log");

    return "127.0.0.1:$self->{upstream}{port}";
}


sub upstream_requests {
    my $self = shift;

    return map { JSON::PP->new->utf8->decode($_) }
           $self->log_lines('upstream.log');
}


1;
