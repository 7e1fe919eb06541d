# SPDX-License-Identifier: MIT
#
# make help says what there is. Everything that is built lies in build/ (or in B=...).

VERSION = 0.1.0

B       ?= build
CC      ?= cc
CFLAGS  ?= -O2 -g
PREFIX      ?= /usr
BINDIR      ?= $(PREFIX)/bin
SBINDIR     ?= $(PREFIX)/sbin
LIBEXEC     ?= $(PREFIX)/libexec/fdbroker
LIBDIR      ?= $(PREFIX)/lib
MANDIR      ?= $(PREFIX)/share/man
UNITDIR     ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
POLICYDIR   ?= /etc/fdbroker/policy.d
COMPLETIONS ?= $(PREFIX)/share/bash-completion/completions

all: programs library

# V=1 shows the whole commands.
ifeq ($(V),1)
run = $(2)
else
run = @echo "  $(1)	$@"; $(2)
endif

# --- flags ---------------------------------------------------------------------------------------
# Each flag is tried once with the compiler at hand; what it does not know is left out.

WANT_WARNINGS = -Wall -Wextra -Wformat=2 -Wshadow -Wpointer-arith -Wstrict-prototypes \
	-Wmissing-prototypes -Wmissing-declarations -Wundef -Wvla -Wwrite-strings -Wnull-dereference \
	-Wimplicit-fallthrough -Wconversion -Wno-sign-conversion -Wtrampolines -Wlogical-op \
	-Wduplicated-cond -Wduplicated-branches -Walloca -Wno-missing-field-initializers \
	-Werror=implicit -Werror=incompatible-pointer-types -Werror=int-conversion
WANT_HARDENING = -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong \
	-fstack-clash-protection -fcf-protection=full -ftrivial-auto-var-init=zero \
	-fno-delete-null-pointer-checks -fno-strict-overflow -fno-strict-aliasing \
	-fzero-call-used-regs=used-gpr
WANT_LINKING = -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed \
	-Wl,--no-copy-dt-needed-entries

ifeq ($(SANITIZE),1)
B              := build/sanitize
WANT_HARDENING := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
WANT_LINKING   := -fsanitize=address,undefined
CFLAGS         := -O1 -g
endif

FLAGS := $(B)/flags-$(notdir $(firstword $(CC))).mk
ifeq ($(filter help clean deps format uninstall,$(MAKECMDGOALS)),)
include $(FLAGS)
endif

# The first thing that is made, and so also where it shows that something is missing.
INSTALLING = $(filter demo check fuzz bench bench-quick bench-layers lint,$(MAKECMDGOALS))
$(FLAGS): Makefile tests/deps.sh
	@tests/deps.sh $(if $(INSTALLING),install,check) $(filter lint,$(MAKECMDGOALS))
	@mkdir -p $(@D)
	@try() { echo 'int main(void){return 0;}' | $(CC) -O2 -Werror "$$@" -x c -o $@.try - 2>/dev/null; }; \
	keep() { printf '%s =' $$1; shift; for f; do try $$f && printf ' %s' $$f; done; echo; }; \
	{ keep WARNINGS $(WANT_WARNINGS); keep HARDENING $(WANT_HARDENING); \
	  keep LINKING $(WANT_LINKING); } > $@.new; rm -f $@.try; mv $@.new $@

CPPFLAGS_OURS = -D_GNU_SOURCE -DFDBROKER_VERSION='"$(VERSION)"' -I.
CFLAGS_OURS   = -std=gnu17 $(WARNINGS) $(HARDENING) -fvisibility=hidden -ffunction-sections -fdata-sections \
	-ffile-prefix-map=$(CURDIR)/=

# Where the helpers will be is compiled in; a change of it makes what knows it anew.
$(B)/libexec: FORCE
	@mkdir -p $(B); echo '$(LIBEXEC)' | cmp -s - $@ || echo '$(LIBEXEC)' > $@
$(B)/broker/daemon/spawn.o: $(B)/libexec
$(B)/broker/daemon/spawn.o: CPPFLAGS_OURS += -DFDBROKER_LIBEXEC='"$(LIBEXEC)"'
FORCE:

# --- what is built from what: the folder is the process -------------------------------------------

objects = $(patsubst %.c,$(B)/%.o,$(wildcard $(1)/*.c))

POLICY   = $(call objects,policy)
LIBRARY  = $(call objects,client-lib)
SHARED   = $(call objects,broker)
DAEMON   = $(call objects,broker/daemon)
WORKER   = $(call objects,broker/worker)
COMPILE  = $(call objects,broker/compile)
LOG      = $(call objects,broker/log)
CLI      = $(call objects,cli)

PROGRAMS = fdbrokerd fdbroker-worker fdbroker-compile fdbroker-log fdbroker

programs: $(addprefix $(B)/,$(PROGRAMS))
library: $(B)/libfdbroker.so $(B)/libfdbroker.a

# Inner archives: a program takes from them only what it names.
$(B)/policy.a: $(POLICY)
$(B)/shared.a: $(SHARED)
$(B)/client.a: $(LIBRARY)
# For the tests: what a worker does, without its main().
$(B)/worker.a: $(filter-out %/main.o,$(WORKER))
$(B)/%.a:
	@rm -f $@
	$(call run,AR,$(AR) rcsD $@ $^)

link = $(CC) $(CFLAGS) $(HARDENING) $(LDFLAGS) $(LINKING) -Wl,--gc-sections -pie -o $@ $(filter %.o,$^) $(filter %.a,$^) $(1)

$(B)/fdbrokerd: $(DAEMON) $(B)/shared.a $(B)/policy.a $(B)/client.a
	$(call run,LINK,$(call link,-lcap -lseccomp))
$(B)/fdbroker-worker: $(WORKER) $(B)/shared.a $(B)/policy.a $(B)/client.a
	$(call run,LINK,$(call link,-lcap -lseccomp))
$(B)/fdbroker-log: $(LOG) $(B)/shared.a $(B)/client.a
	$(call run,LINK,$(call link,-lcap -lseccomp))
$(B)/fdbroker-compile: $(COMPILE) $(B)/shared.a $(B)/policy.a
	$(call run,LINK,$(call link,-lcap -lseccomp))
$(B)/fdbroker: $(CLI) $(B)/policy.a $(B)/client.a
	$(call run,LINK,$(call link,-ljansson))

# The static library: what the library's files call each other by is no name of the program's.
$(B)/libfdbroker.a: $(LIBRARY)
	@rm -f $@
	$(call run,AR,$(CC) -r -nostdlib -o $(B)/libfdbroker.o $^ && \
		objcopy --localize-hidden $(B)/libfdbroker.o && $(AR) rcsD $@ $(B)/libfdbroker.o)

comma := ,
SONAME = libfdbroker.so.0
$(B)/libfdbroker.so: $(LIBRARY) client-lib/libfdbroker.map
	$(call run,LINK,$(CC) $(CFLAGS) $(HARDENING) $(LDFLAGS) $(LINKING) -shared -Wl$(comma)-z$(comma)nodelete -Wl$(comma)-soname$(comma)$(SONAME) \
		-Wl$(comma)--version-script=client-lib/libfdbroker.map -o $@ $(LIBRARY))

$(B)/%.o: %.c $(FLAGS)
	@mkdir -p $(@D)
	$(call run,CC,$(CC) $(CPPFLAGS_OURS) $(CPPFLAGS) $(CFLAGS_OURS) $(CFLAGS) -fPIC -MMD -MP -c -o $@ $<)

-include $(shell find $(B) -name '*.d' 2>/dev/null)

# --- tests ----------------------------------------------------------------------------------------
# tests/DIR/test-NAME.c: a cmocka program of its own; tests/DIR/NAME.t: a TAP script; tool-NAME.c: for those.

UNIT_TESTS = $(patsubst %.c,$(B)/%,$(wildcard tests/*/test-*.c))
TEST_TOOLS = $(patsubst %.c,$(B)/%,$(wildcard tests/*/tool-*.c tests/bench/bench-*.c))
FUZZERS    = $(patsubst %.c,$(B)/%,$(wildcard tests/fuzz/fuzz-*.c))
SCRIPTS    = $(wildcard tests/*/*.t)
RUN        = HARNESS_RULESFILE=tests/order.yml BUILD=$(abspath $(B)) FUZZERS=$(abspath $(SANITIZED))/tests/fuzz CMOCKA_MESSAGE_OUTPUT=TAP

# What several programs of tests/attack/ share, or one that is in parts.
SCENES     = $(filter-out $(B)/tests/attack/test-% $(B)/tests/attack/tool-%,$(call objects,tests/attack))

$(B)/tests.a: $(SCENES) $(call objects,tests)
$(B)/tests/%: $(B)/tests/%.o $(B)/tests.a $(B)/worker.a $(B)/shared.a $(B)/policy.a $(B)/client.a
	$(call run,LINK,$(call link,-lcmocka -lcap -lseccomp))
$(FUZZERS): $(B)/tests/fuzz/fuzz.o
.SECONDARY:

# What the tests need and the build does not.
$(B)/have-tests: tests/deps.sh
	@tests/deps.sh $(if $(INSTALLING),install,check) check && mkdir -p $(@D) && touch $@
$(UNIT_TESTS:=.o) $(SCENES) $(call objects,tests): | $(B)/have-tests

tests: $(UNIT_TESTS) $(TEST_TOOLS) $(FUZZERS)

check: all tests fuzzers
	@$(RUN) prove -j2 -o -e '' $(UNIT_TESTS) $(SCRIPTS)

# Fuzzers always have the sanitizers; what they are run beside need not.
SANITIZED = $(B)$(if $(filter 1,$(SANITIZE)),,/sanitize)
fuzzers: $(B)/have-tests
	@$(if $(filter 1,$(SANITIZE)),$(MAKE) $(FUZZERS),$(MAKE) SANITIZE=1 B=$(SANITIZED) fuzzers)

# Programs that compare with something simpler, and how much of it each seed is.
FUZZ_SECONDS ?= 60
SEEDED = test-naive@FDBROKER_FUZZ_POLICIES=2000 $(if $(wildcard tests/policy/test-review.c),test-review@FDBROKER_FUZZ_ROUNDS=2000)

fuzz: fuzzers tests
	@mkdir -p $(B)/fuzz; failed=0; \
	for name in grammar image; do \
		$(SANITIZED)/tests/fuzz/fuzz-$$name --seconds $(FUZZ_SECONDS) --directory $(B)/fuzz || failed=1; \
	done; \
	for run in $(SEEDED); do \
		tests/fuzz/fuzz-seeds.sh $(FUZZ_SECONDS) $(B)/fuzz $(B)/tests/policy/$${run%%@*} $${run#*@} || failed=1; \
	done; exit $$failed

demo: programs $(B)/tests/system/tool-confined
	@$(RUN) tests/demo.sh

bench-quick: programs $(B)/tests/bench/bench-quick
	@$(B)/tests/bench/bench-quick $(B)

bench-layers: $(B)/tests/bench/bench-layers
	@$(B)/tests/bench/bench-layers

bench: bench-quick bench-layers $(B)/tests/bench/bench-policy
	@$(B)/tests/bench/bench-policy

# --- lint -----------------------------------------------------------------------------------------

SOURCES = $(wildcard policy/*.[ch] client-lib/*.[ch] broker/*.[ch] broker/*/*.[ch] cli/*.[ch] tests/*.[ch] tests/*/*.[ch])
SHELL_SOURCES = $(wildcard tests/*.sh tests/*/*.sh tests/*/*.t .ci/run)
MAN = $(wildcard broker/*/*.[0-9] client-lib/*.[0-9] policy/*.[0-9] cli/*.[0-9])

lint: all
	clang-format --dry-run -Werror $(SOURCES)
	shellcheck -S warning -x -e SC1091,SC2154 $(SHELL_SOURCES)
	for page in $(MAN); do mandoc -Tlint -W warning $$page || exit 1; done
	tests/lint/includes.sh
	tests/lint/functions.sh
	tests/lint/calls.sh $(B)
	$(MAKE) B=$(B)/warnings-gcc CC=gcc CPPFLAGS=-Werror all tests
	$(MAKE) B=$(B)/warnings-clang CC=clang CPPFLAGS=-Werror all tests

format:
	clang-format -i $(SOURCES)

# --- install --------------------------------------------------------------------------------------

INSTALLED = $(SBINDIR)/fdbrokerd $(BINDIR)/fdbroker $(addprefix $(LIBEXEC)/,fdbroker-worker fdbroker-compile fdbroker-log) \
	$(LIBDIR)/libfdbroker.so.$(VERSION) $(LIBDIR)/$(SONAME) $(LIBDIR)/libfdbroker.so $(LIBDIR)/libfdbroker.a \
	$(LIBDIR)/pkgconfig/fdbroker.pc $(PREFIX)/include/fdbroker.h \
	$(addprefix $(UNITDIR)/,fdbroker.socket fdbroker.service) $(SYSUSERSDIR)/fdbroker.conf $(COMPLETIONS)/fdbroker \
	$(foreach page,$(MAN),$(MANDIR)/man$(subst .,,$(suffix $(page)))/$(notdir $(page)))

put = install -D -m $(1) $(2) $(DESTDIR)$(3)
install: all
	install -d $(DESTDIR)$(POLICYDIR)
	$(call put,755,$(B)/fdbrokerd,$(SBINDIR)/fdbrokerd)
	$(call put,755,$(B)/fdbroker,$(BINDIR)/fdbroker)
	for helper in worker compile log; do $(call put,755,$(B)/fdbroker-$$helper,$(LIBEXEC)/fdbroker-$$helper) || exit 1; done
	$(call put,755,$(B)/libfdbroker.so,$(LIBDIR)/libfdbroker.so.$(VERSION))
	ln -sf libfdbroker.so.$(VERSION) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libfdbroker.so
	$(call put,644,$(B)/libfdbroker.a,$(LIBDIR)/libfdbroker.a)
	$(call put,644,client-lib/fdbroker.h,$(PREFIX)/include/fdbroker.h)
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@VERSION@|$(VERSION)|' client-lib/fdbroker.pc.in > $(B)/fdbroker.pc
	$(call put,644,$(B)/fdbroker.pc,$(LIBDIR)/pkgconfig/fdbroker.pc)
	$(call put,644,systemd/fdbroker.socket,$(UNITDIR)/fdbroker.socket)
	sed -e 's|/usr/sbin|$(SBINDIR)|' -e 's|/usr/bin|$(BINDIR)|' systemd/fdbroker.service > $(B)/fdbroker.service
	$(call put,644,$(B)/fdbroker.service,$(UNITDIR)/fdbroker.service)
	$(call put,644,systemd/fdbroker.sysusers,$(SYSUSERSDIR)/fdbroker.conf)
	$(call put,644,cli/completion.bash,$(COMPLETIONS)/fdbroker)
	for page in $(MAN); do $(call put,644,$$page,$(MANDIR)/man$${page##*.}/$${page##*/}) || exit 1; done

uninstall:
	rm -f $(addprefix $(DESTDIR),$(INSTALLED))
	-rmdir $(DESTDIR)$(LIBEXEC)

# --- the rest -------------------------------------------------------------------------------------

deps:
	@tests/deps.sh install check

clean:
	rm -rf build

help:
	@echo "make              build everything into build/"
	@echo "make demo         show what it is for, on a real broker in a temporary directory"
	@echo "make check        run the tests (as root: all of them); SANITIZE=1 with ASan and UBSan"
	@echo "make bench        bench-quick, bench-layers, and what the policy costs"
	@echo "make fuzz         random input for the policy, FUZZ_SECONDS=60 for each fuzzer; what fails is kept in build/fuzz/"
	@echo "make bench-quick  open(2), the least that a broker can cost, and this one"
	@echo "make bench-layers what each layer that confines a worker costs an open"
	@echo "make lint         formatting, warnings with gcc and clang, who includes and calls what"
	@echo "make format       let clang-format put the sources in order"
	@echo "make deps         install what the build and the tests need (Debian, root)"
	@echo "make install      DESTDIR=, PREFIX=/usr; make uninstall takes it away again"
	@echo "make clean        remove build/"

.PHONY: all programs library tests check fuzzers fuzz demo bench bench-quick bench-layers lint format install uninstall deps clean help FORCE
