# ngx_mtls_module, for GNU make: `make help` lists the targets.
#
# Copyright (C) the ngx_mtls_module authors

# Where to build; nginx's binary; its development tree or its sources.
OBJS ?= objs
NGINX_BIN ?= $(firstword \
    $(wildcard $(addsuffix /nginx,$(subst :, ,$(PATH)))) /usr/sbin/nginx)
NGINX_SRC ?= /usr/share/nginx/src

ifeq ($(origin CC),default)
CC = gcc
endif

CFLAGS ?= -O2 -g
CPPFLAGS ?= -D_FORTIFY_SOURCE=2
LDFLAGS ?= -Wl,-z,relro -Wl,-z,now
JOBS ?= $(shell nproc)
PROVE ?= prove
SUITES ?= trixie testing

# A warning is no error with a compiler that nobody tried yet.
WARN = -Wall -Wextra -Wunused-parameter -Wno-error
STRICT = -Wall -Wextra -Wunused-parameter -Werror

# Leaks are for valgrind: nginx itself leaves some at its exit.  And nginx and
# every module have a ngx_modules of their own.
ASAN = -fsanitize=address -fno-omit-frame-pointer
UBSAN = -fsanitize=undefined -fno-sanitize-recover=all
FUZZ = -fsanitize=fuzzer-no-link $(ASAN) $(UBSAN)
ASAN_ENV = ASAN_OPTIONS=detect_leaks=0:detect_odr_violation=0 \
    UBSAN_OPTIONS=print_stacktrace=1
PRELOAD = $(shell gcc -print-file-name=libasan.so):$(shell \
    gcc -print-file-name=libubsan.so)

# Debian packages.  A NGINX_BIN or NGINX_SRC that is given needs none.
BUILD_PACKAGES = gcc libc6-dev libpcre2-dev libssl-dev make \
    $(if $(filter file,$(origin NGINX_BIN)),nginx) \
    $(if $(filter file,$(origin NGINX_SRC)),nginx-dev)
UNIT_PACKAGES = $(BUILD_PACKAGES) libcmocka-dev perl
CHECK_PACKAGES = $(BUILD_PACKAGES) clang
DEMO_PACKAGES = $(BUILD_PACKAGES) curl libio-socket-ssl-perl \
    libnet-ssleay-perl openssl perl
TEST_PACKAGES = $(CHECK_PACKAGES) $(DEMO_PACKAGES) $(UNIT_PACKAGES) \
    nghttp2-client python3 xmlsec1
BENCH_PACKAGES = $(DEMO_PACKAGES) libcmocka-dev valgrind

MODULE = ngx_http_mtls_module.so

# What the tests read: nginx's binary, the module, what to preload into nginx.
TEST_ENV = MTLS_NGINX='$(NGINX_BIN)' MTLS_MODULE='$(abspath $(1))/$(MODULE)' \
    MTLS_PRELOAD='$(2)'

# Our own make is serial; what it calls uses all cores.
SUBMAKE = $(MAKE) -s --no-print-directory \
    $(if $(findstring -j,$(MAKEFLAGS)),,-j$(JOBS))

need = @build-aux/need $(sort $(1))

# $(call configure,FOLDER,COMPILER,WARNINGS,COMPILER OPTIONS,LINKER OPTIONS)
configure = @NGINX_BIN='$(NGINX_BIN)' CC='$(2)' WARN='$(3)' \
    NO_DEBUG='$(NO_DEBUG)' build-aux/configure '$(1)' '$(NGINX_SRC)' \
    --add-dynamic-module='$(CURDIR)' \
    --with-cc-opt='$(4)' --with-ld-opt='$(5)'

# the headers that nginx's configure makes, without the module: all that unit
# tests want of it, and the same whatever of the module compiles
configure_headers = @NGINX_BIN='$(NGINX_BIN)' CC=gcc \
    build-aux/configure '$(OBJS)/headers' '$(NGINX_SRC)'

# $(call build,FOLDER,GOALS): by nginx's makefile
build = +@flock '$(1)/.lock' $(SUBMAKE) -C '$(1)/tree' \
    -f '$(abspath $(1))/Makefile' $(2)

# $(call programs,KIND,SANITIZER): the unit tests
programs = +@$(SUBMAKE) -f t/unit/Makefile OBJS='$(OBJS)' KIND=$(1) CC='$(CC)' \
    WARN='$(STRICT)' SANITIZE='$(2)' T='$(T)'


## all: build the module (the default)
.PHONY: all
all:
	$(call need,$(BUILD_PACKAGES))
	$(call configure,$(OBJS),$(CC),$(WARN),$(CFLAGS) $(CPPFLAGS),$(LDFLAGS))
	$(call build,$(OBJS),modules)
	@NGINX_BIN='$(NGINX_BIN)' build-aux/built '$(OBJS)/$(MODULE)' \
	    '$(NGINX_SRC)'

## install: put it into nginx's modules-path; DESTDIR=, ENABLE=1
.PHONY: install
install: all
	@NGINX_BIN='$(NGINX_BIN)' build-aux/install '$(OBJS)/$(MODULE)' \
	    '$(DESTDIR)' '$(ENABLE)'

## demo: a PKI, nginx and clients that are let in and refused
.PHONY: demo
demo: all
	$(call need,$(DEMO_PACKAGES))
	@$(call TEST_ENV,$(OBJS)) t/demo/run

## test: everything: compilers, unit tests, t/ against nginx
.PHONY: test
test:
	$(call need,$(TEST_PACKAGES))
	+@$(SUBMAKE) all unit-programs fuzz-programs
	+-@$(SUBMAKE) check-compilers
	@$(call TEST_ENV,$(OBJS)) OBJS='$(OBJS)' $(PROVE) -j2 -It/lib -r t

## unit: unit tests under ASan and UBSan; T="der name": these
.PHONY: unit
unit: unit-programs
	@OBJS='$(OBJS)' T='$(T)' $(PROVE) t/unit.t

.PHONY: unit-programs
unit-programs:
	$(call need,$(UNIT_PACKAGES))
	$(configure_headers)
	$(call programs,unit,$(ASAN) $(UBSAN))

## fuzz: what reads clients' octets, by libFuzzer; FUZZ_SECONDS=30
.PHONY: fuzz
fuzz: fuzz-programs
	@OBJS='$(OBJS)' $(PROVE) -v t/fuzz.t

# the sanitizers of clang stop at what they find, as those of gcc do
.PHONY: fuzz-programs
fuzz-programs:
	$(call need,$(UNIT_PACKAGES) clang)
	$(configure_headers)
	+@$(SUBMAKE) -f t/fuzz/Makefile OBJS='$(OBJS)' KIND=fuzz CC=clang \
	    WARN='$(STRICT)' SANITIZE='$(FUZZ)'

## valgrind: unit tests under valgrind
.PHONY: valgrind
valgrind:
	$(call need,$(UNIT_PACKAGES) valgrind)
	$(configure_headers)
	$(call programs,valgrind)
	@OBJS='$(OBJS)' T='$(T)' KIND=valgrind $(PROVE) t/unit.t

## check-compilers: no warning by gcc, by clang, without nginx's debug
.PHONY: check-compilers
check-compilers:
	$(call need,$(CHECK_PACKAGES))
	+@$(SUBMAKE) check-gcc check-clang check-nodebug

.PHONY: check-gcc check-clang check-nodebug
check-gcc check-clang check-nodebug: COMPILER = gcc
check-clang: COMPILER = clang
check-nodebug: NO_DEBUG = 1

check-gcc check-clang check-nodebug:
	$(call configure,$(OBJS)/$@,$(COMPILER),$(STRICT),$(CFLAGS) \
	    $(CPPFLAGS),$(LDFLAGS))
	$(call build,$(OBJS)/$@,modules)

## asan: t/ with the module under ASan and UBSan in nginx
.PHONY: asan
asan:
	$(call need,$(TEST_PACKAGES))
	$(call configure,$(OBJS)/asan,gcc,$(WARN),-O1 -g $(ASAN) \
	    $(UBSAN),$(ASAN) $(UBSAN))
	$(call build,$(OBJS)/asan,modules)
	@$(call TEST_ENV,$(OBJS)/asan,$(PRELOAD)) $(ASAN_ENV) \
	    $(PROVE) -j2 -It/lib $(NGINX_TESTS)

## asan-full: t/ with all of nginx under ASan, each allocation apart
.PHONY: asan-full
asan-full:
	$(call need,$(TEST_PACKAGES) zlib1g-dev)
	@build-aux/nginx-source '$(OBJS)/nginx' '$(NGINX_SRC)'
	@$(MAKE) --no-print-directory asan-nginx NGINX_SRC='$(OBJS)/nginx'
	@$(MAKE) --no-print-directory asan-nginx-test \
	    NGINX_BIN='$(abspath $(OBJS))/asan-full/nginx'

.PHONY: asan-nginx asan-nginx-test
asan-nginx:
	$(call configure,$(OBJS)/asan-full,gcc,$(WARN),-O1 -g -Wno-error \
	    $(ASAN) -DNGX_DEBUG_PALLOC=1,$(ASAN))
	$(call build,$(OBJS)/asan-full,binary modules)

asan-nginx-test:
	@$(call TEST_ENV,$(OBJS)/asan-full) $(ASAN_ENV) \
	    $(PROVE) -j2 -It/lib $(NGINX_TESTS)

# the tests that start nginx: all but those of programs and of this file
NGINX_TESTS = $(filter-out t/build.t t/fuzz.t t/unit.t,\
    $(shell find t -name '*.t'))

## matrix: make test on Debian's releases; SUITES="trixie testing"
.PHONY: matrix
matrix:
	@build-aux/matrix '$(OBJS)/matrix' $(SUITES)

# what make bench gives to its programs, of which each is run
BENCH_ENV = $(call TEST_ENV,$(OBJS)) OBJS='$(OBJS)' CC='$(CC)' \
    NGINX_BIN='$(NGINX_BIN)' NGINX_SRC='$(NGINX_SRC)'

## bench: instructions, CRLs of a million, 1,000 servers, with bars
.PHONY: bench
bench: all
	$(call need,$(BENCH_PACKAGES))
	@missed=0; for bench in crl servers run; do \
	    $(BENCH_ENV) t/bench/$$bench || missed=1; echo; done; \
	    exit $$missed

## clean: remove what was built
.PHONY: clean
clean:
	@rm -rf '$(OBJS)'

## help: this list
.PHONY: help
help:
	@sed -n 's/^## //p' $(firstword $(MAKEFILE_LIST)) \
	    | while IFS=: read -r name text; do \
	        printf '  make %-16s%s\n' "$$name" "$$text"; done
	@echo 'Variables: NGINX_SRC=FOLDER, nginx sources or development tree;'
	@echo '  NGINX_BIN=FILE, the binary; NGINX_CONF_FLAGS="...", its configure'
	@echo '  options; OBJS=FOLDER, where to build; CC, CFLAGS, LDFLAGS.'
