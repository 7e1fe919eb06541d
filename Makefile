# SPDX-License-Identifier: MIT
#
# make help says what there is. Everything that is built lies in build/ (or in B=...).

VERSION = 0.1.0

B       ?= build
CC      ?= cc
CFLAGS  ?= -O2 -g
PREFIX  ?= /usr
LIBEXEC ?= $(PREFIX)/libexec/fdbroker
LIBDIR  ?= $(PREFIX)/lib
MANDIR  ?= $(PREFIX)/share/man
UNITDIR ?= $(PREFIX)/lib/systemd/system

all: programs library

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
WANT_LINKING = -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,nodlopen -Wl,--as-needed \
	-Wl,--no-copy-dt-needed-entries

ifeq ($(SANITIZE),1)
B              := build/sanitize
WANT_HARDENING := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
WANT_LINKING   := -fsanitize=address,undefined
CFLAGS         := -O1 -g
endif

FLAGS := $(B)/flags-$(notdir $(firstword $(CC))).mk
ifeq ($(filter help clean deps,$(MAKECMDGOALS)),)
include $(FLAGS)
endif

$(FLAGS): Makefile
	@mkdir -p $(@D)
	@try() { echo 'int main(void){return 0;}' | $(CC) -O2 -Werror \
		"$$@" -x c -o $@.try - 2>/dev/null; }; \
	keep() { printf '%s =' $$1; shift; for f; do try $$f && printf ' %s' $$f; done; echo; }; \
	{ keep WARNINGS $(WANT_WARNINGS); keep HARDENING $(WANT_HARDENING); \
	  keep LINKING $(WANT_LINKING); } > $@.new; rm -f $@.try; mv $@.new $@

CPPFLAGS_OURS = -D_GNU_SOURCE -DFDBROKER_VERSION='"$(VERSION)"' -DFDBROKER_LIBEXEC='"$(LIBEXEC)"' -I.
CFLAGS_OURS   = -std=gnu17 $(WARNINGS) $(HARDENING) -fvisibility=hidden -ffile-prefix-map=$(CURDIR)/=

# --- what is built from what: the folder is the process -------------------------------------------

objects = $(patsubst %.c,$(B)/%.o,$(filter-out $(2),$(wildcard $(1)/*.c)))

POLICY   = $(call objects,policy,policy/fdbroker-compile.c)
LIBRARY  = $(call objects,client-lib)
SHARED   = $(call objects,broker)
DAEMON   = $(call objects,broker/daemon)
WORKER   = $(call objects,broker/worker)
LOG      = $(call objects,broker/log)
CLI      = $(call objects,cli)

PROGRAMS = fdbrokerd fdbroker-worker fdbroker-compile fdbroker-log fdbroker

programs: $(addprefix $(B)/,$(PROGRAMS))
library: $(B)/libfdbroker.so $(B)/libfdbroker.a

# Inner archives: a program takes from them only what it names.
$(B)/policy.a: $(POLICY)
$(B)/shared.a: $(SHARED)
$(B)/libfdbroker.a: $(LIBRARY)
$(B)/%.a:
	@rm -f $@
	$(AR) rcsD $@ $^

link = $(CC) $(CFLAGS) $(HARDENING) $(LDFLAGS) $(LINKING) -pie -o $@ $(filter %.o %.a,$^) $(1)

$(B)/fdbrokerd: $(DAEMON) $(B)/shared.a $(B)/policy.a $(B)/libfdbroker.a
	$(call link,-lcap)
$(B)/fdbroker-worker: $(WORKER) $(B)/shared.a $(B)/policy.a $(B)/libfdbroker.a
	$(call link,-lcap -lseccomp)
$(B)/fdbroker-log: $(LOG) $(B)/shared.a $(B)/libfdbroker.a
	$(call link,-lcap -lseccomp)
$(B)/fdbroker-compile: $(B)/policy/fdbroker-compile.o $(B)/policy.a
	$(call link)
$(B)/fdbroker: $(CLI) $(B)/policy.a $(B)/libfdbroker.a
	$(call link,-ljansson)

SONAME = libfdbroker.so.0
$(B)/libfdbroker.so: $(LIBRARY) client-lib/libfdbroker.map
	$(CC) $(CFLAGS) $(HARDENING) $(LDFLAGS) $(LINKING) -shared -Wl,-soname,$(SONAME) \
		-Wl,--version-script=client-lib/libfdbroker.map -o $@ $(LIBRARY)

$(B)/%.o: %.c $(FLAGS)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_OURS) $(CPPFLAGS) $(CFLAGS_OURS) $(CFLAGS) -fPIC -MMD -MP -c -o $@ $<

-include $(shell find $(B) -name '*.d' 2>/dev/null)

# --- tests ----------------------------------------------------------------------------------------
# tests/DIR/test-NAME.c: a cmocka program of its own; tests/DIR/NAME.t: a TAP script.

UNIT_TESTS = $(patsubst %.c,$(B)/%,$(wildcard tests/*/test-*.c))
TEST_TOOLS = $(patsubst %.c,$(B)/%,$(wildcard tests/*/tool-*.c))
SCRIPTS    = $(wildcard tests/*/*.t)

$(B)/tests/%: $(B)/tests/%.o $(B)/shared.a $(B)/policy.a $(B)/libfdbroker.a
	$(call link,-lcmocka -lcap -lseccomp)
.SECONDARY:

tests: $(UNIT_TESTS) $(TEST_TOOLS)

check: all tests
	BUILD=$(abspath $(B)) CMOCKA_MESSAGE_OUTPUT=TAP prove -j2 -e '' $(UNIT_TESTS) $(SCRIPTS)

clean:
	rm -rf build

.PHONY: all programs library tests check clean
