#!/usr/bin/perl

# What the makefile promises: no warning by any compiler, a module that nginx
# loads, nothing rebuilt without need, an install that touches nothing else.

# Copyright (C) the ngx_mtls_module authors

use warnings;
use strict;

use File::Find;
use File::Spec;
use File::Temp;
use FindBin;
use Test::More;

chdir "$FindBin::Bin/.." or die "chdir: $!\n";

my $objs = $ENV{OBJS} || 'objs';
my $nginx = $ENV{MTLS_NGINX} || '/usr/sbin/nginx';
my $module = "$objs/ngx_http_mtls_module.so";

# compilers: a warning is an error there, and all else is silent

for my $check ('check-gcc', 'check-clang', 'check-nodebug') {
    my ($rc, $out) = make($check);

    ok($rc == 0 && $out eq '', "$check builds the module without a word")
        or diag($out);
}

# build

my ($rc, $out) = make('all');

is($rc, 0, 'make') or diag($out);
like($out, qr{^\Q$module\E for nginx [\d.]+$}, 'make says what it built');

my $mtime = mtime($module);

($rc, $out) = make();

is($mtime, mtime($module), 'make again builds nothing');

my $dir = File::Temp->newdir();
my $conf = spew("$dir/nginx.conf", 'load_module '
    . File::Spec->rel2abs($module) . ";\npid $dir/nginx.pid;\n"
    . "error_log stderr;\nevents { }\n");

like(run($nginx, '-t', '-c', $conf), qr/test is successful/,
    'nginx loads the module');

# what the .so asks of others: the libraries of its own, nothing of nginx's

my $needed = run('readelf', '-d', $module);

like($needed, qr/NEEDED.*libpcre2-8/, 'linked with PCRE2');
unlike($needed, qr/NEEDED.*lib(ssl|crypto)/, "OpenSSL is nginx's own");

# one namespace for all modules of a process

my @foreign = grep { !/^(ngx_(http_)?mtls_|ngx_module(s$|_names$|_order$))/ }
    map { / [A-Z] (\w+)/ ? $1 : () }
    split(/\n/, run('nm', '-D', '--defined-only', $module));

is("@foreign", '', 'no symbol without our prefix');

# install

my $dest = File::Temp->newdir();

($rc, $out) = make('install', "DESTDIR=$dest");

is($rc, 0, 'make install') or diag($out);
like($out, qr{^ +load_module \S*ngx_http_mtls_module\.so;$}m,
    'install prints the line that loads it');
is(join(' ', files($dest)), "$1",
    'install puts the module into modules-path, and nothing else')
    if $out =~ /^installed \Q$dest\E(\S+),/m;

($rc, $out) = make('install', "DESTDIR=$dest", 'ENABLE=1');

is($rc, 0, 'make install ENABLE=1');
ok(scalar(grep { m{/modules-enabled/50-mod-http-mtls\.conf$} } files($dest)),
    'ENABLE=1 enables it');
like($out, qr{^installed \S+, enabled by \S+/50-mod-http-mtls\.conf$}m,
    'ENABLE=1 says by what');
unlike($out, qr/load_module|load it/,
    'ENABLE=1 does not ask for it a second time');

# help

my $makefile = slurp('Makefile');

($rc, $out) = make('help');

for my $target (qw/ all install demo test unit valgrind check-compilers asan
    matrix bench clean help /)
{
    like($out, qr/^  make \Q$target\E  +\S/m, "make help tells of $target");
    like($makefile, qr/^\Q$target\E:/m, "there is a target $target");
}

done_testing();


sub make {
    my $out = run('make', '--no-print-directory', "OBJS=$objs", @_);
    my $rc = $?;

    # make itself, where another make runs this
    $out =~ s/^make\[\d+\]: warning: jobserver unavailable.*\n//mg;

    return ($rc, $out);
}


sub run {
    my (@cmd) = @_;

    my $pid = open(my $fh, '-|') // die "fork: $!\n";

    if ($pid == 0) {
        open(STDERR, '>&', \*STDOUT);
        exec(@cmd) or print "$cmd[0]: $!\n";
        exit 127;
    }

    local $/;
    my $out = <$fh> // '';
    close($fh);

    return $out;
}


sub files {
    my ($dir) = @_;
    my @files;

    find(sub {
        push @files, substr($File::Find::name, length $dir) if !-d;
    }, "$dir");

    return sort @files;
}


sub mtime {
    return (stat($_[0]))[9] // 'no file';
}


sub slurp {
    open(my $fh, '<', $_[0]) or die "$_[0]: $!\n";
    local $/;
    return <$fh>;
}


sub spew {
    my ($file, $text) = @_;

    open(my $fh, '>', $file) or die "$file: $!\n";
    print $fh $text;
    close($fh);

    return $file;
}
