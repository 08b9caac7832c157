# Every command of waitbench; `make help` lists them. The load test's settings (N=20 DURATION=5 ...)
# go before or behind `make bench` alike.
#
#   BUILD=DIR      where objects and programs go (build)
#   CC=clang       another compiler; CFLAGS are -O2 -g, the same for all three servers
#   SANITIZE=...   address,undefined or thread, say; into a BUILD of its own
#   DEPS=skip      install nothing: say what is missing, and the command that installs it
#   V=1            show every compiler command

BUILD ?= build
CC = cc
CFLAGS = -O2 -g
FUZZ_SECONDS ?= 60

MODELS   := threaded libuv coro
PROGRAMS := $(MODELS:%=$(BUILD)/server-%)
PYTHON   := /usr/bin/python3

all: $(PROGRAMS) ## build the three servers: build/server-threaded, -libuv and -coro

# ---- What is needed, from Debian's packages, and where the compiler finds it. Make remakes this file
# ---- first and reads itself again, so that nothing below is evaluated before the packages are there.

PACKAGES_FOR = $(sort build $(foreach goal,$(MAKECMDGOALS),$(PACKAGES_FOR_$(goal))))
PACKAGES_FOR_bench    := bench
PACKAGES_FOR_compare  := bench
PACKAGES_FOR_selftest := bench
PACKAGES_FOR_test     := bench test
PACKAGES_FOR_sanitize := bench test
PACKAGES_FOR_fuzz     := lint
PACKAGES_FOR_lint     := bench test lint

ifneq ($(filter-out up clean help deps,$(or $(MAKECMDGOALS),all)),)
include $(BUILD)/packages.mk
endif

$(BUILD)/packages.mk: .ci/deps
	@.ci/deps $(PACKAGES_FOR)
	@mkdir -p $(@D)
	@.ci/deps --flags >$@.new && mv $@.new $@

# ---- Building

Q := $(if $(V),,@)
say = $(if $(V),,@echo '  $(1)  $(patsubst $(BUILD)/%,%,$@)')
WARNINGS   := -Wall -Wextra -Werror
INSTRUMENT  = $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer)
ALL_CFLAGS  = -std=gnu17 -D_GNU_SOURCE $(WARNINGS) -MMD -MP -Icommon $(CFLAGS) $(INSTRUMENT) $(PACKAGES_CFLAGS) \
    $(DEFINES)

objects = $(patsubst %,$(BUILD)/obj/%.o,$(basename $(wildcard $(1))))
COMMON  := $(call objects,common/*/*.c common/*/*/*.c)
CO      := $(call objects,server-coro/co/*.c server-coro/co/*.S)
SERVERS := $(foreach model,$(MODELS),$(call objects,server-$(model)/*.c server-$(model)/co/*.c server-$(model)/co/*.S))

$(BUILD)/common.a: $(COMMON) $(LLHTTP_SOURCES:%=$(BUILD)/obj/llhttp/%.o)
	$(call say,AR)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

define SERVER
$(BUILD)/server-$(1): $$(call objects,server-$(1)/*.c server-$(1)/co/*.c server-$(1)/co/*.S) $$(BUILD)/common.a
	$$(call say,LD)
	$$(Q)$$(CC) $$(CFLAGS) $$(INSTRUMENT) $$(LDFLAGS) -o $$@ $$^ $$(PACKAGES_LIBS)
endef
$(foreach model,$(MODELS),$(eval $(call SERVER,$(model))))

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(BUILD)/obj/%.o: %.S $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

# Debian 12's node-llhttp ships C sources. Strict: 8.1.0 is loose unless told.
$(BUILD)/obj/llhttp/%.o: $(LLHTTP_DIR)/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CFLAGS) $(INSTRUMENT) -DLLHTTP_STRICT_MODE=1 $(PACKAGES_CFLAGS) -c -o $@ $<

# Other flags or another compiler rebuild everything; another revision, version.c alone.
VERSION ?= $(shell git describe --always --dirty 2>/dev/null || echo unknown)
$(BUILD)/obj/common/base/version.o: private DEFINES = \
    -DWB_VERSION='"$(VERSION)"' -DWB_FLAGS='"$(strip $(CFLAGS) $(INSTRUMENT))"'
$(BUILD)/obj/common/base/version.o: $(BUILD)/version

$(BUILD)/flags: NOTE = $(CC) $(ALL_CFLAGS)
$(BUILD)/version: NOTE = $(VERSION)
$(BUILD)/flags $(BUILD)/version: FORCE
	@mkdir -p $(@D)
	@echo '$(NOTE)' | cmp -s - $@ || echo '$(NOTE)' >$@

# A unit test is one cmocka program a file. From the archives it takes what it needs.
UNIT_TESTS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/test_*.c))
$(UNIT_TESTS): $(BUILD)/%: $(BUILD)/obj/%.o $(BUILD)/co.a $(BUILD)/common.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(CFLAGS) $(INSTRUMENT) $(LDFLAGS) -o $@ $^ $(PACKAGES_LIBS) -lcmocka
$(call objects,tests/unit/*.c): | have-test
$(BUILD)/obj/tests/unit/%.o: private DEFINES = -Iserver-coro
# It makes each allocation fail in turn; the linker's --wrap works under ASan, too.
$(BUILD)/tests/unit/test_item_memory: private LDFLAGS += -Wl,--wrap=malloc,--wrap=realloc,--wrap=free

$(BUILD)/co.a: $(CO)
	$(call say,AR)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

# A fuzzer is one libFuzzer program a file; clang's alone, and the objects want `fuzzer-no-link`.
FUZZERS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/fuzz/fuzz_*.c))
$(FUZZERS): $(BUILD)/%: $(BUILD)/obj/%.o $(BUILD)/common.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(CFLAGS) -fsanitize=fuzzer,address,undefined -o $@ $^ $(PACKAGES_LIBS)

-include $(patsubst %.o,%.d,$(COMMON) $(SERVERS) $(call objects,tests/unit/*.c tests/fuzz/*.c))

unit-tests: $(UNIT_TESTS)
fuzzers: $(FUZZERS)

# ---- Running

bench: all have-bench ## answer the question: private PostgreSQL, three servers, a table (loadtest/run --help: N M C ...)
	loadtest/run

compare: have-bench ## hold two results folders against each other: make compare A=results/... B=results/...
	loadtest/compare '$(A)' '$(B)'

selftest: all have-bench ## prove the load test: a server against itself, planted differences and faults
	loadtest/selftest

yardstick: all have-bench ## how far the servers are from pgbench and nginx, in one run
	loadtest/yardstick

up: ## the servers and their database in containers: docker compose up -d after a look at what it needs
	loadtest/up

# ---- Testing

test: all unit-tests have-bench-test ## units, then every server over HTTP with a private PostgreSQL, then the load test's own
	BUILD=$(BUILD) tests/run unit http loadtest

# Each build has a folder of its own. halt_on_error: what a sanitizer says fails the test it happens in.
# report_thread_leaks=0: a server that is told to leave at once waits for no thread.
sanitize: have-bench-test ## the suite under ASan and UBSan (all servers), then under TSan
	$(MAKE) BUILD=$(BUILD)/asan SANITIZE=address,undefined all unit-tests
	$(MAKE) BUILD=$(BUILD)/tsan SANITIZE=thread all
	BUILD=$(BUILD)/asan UBSAN_OPTIONS=print_stacktrace=1 tests/run unit http
	BUILD=$(BUILD)/tsan TSAN_OPTIONS=halt_on_error=1:report_thread_leaks=0:suppressions=tests/tsan.supp tests/run http

fuzz: have-fuzz ## each fuzzer for FUZZ_SECONDS (60); what crashes is left in build/fuzz and named
	$(MAKE) BUILD=$(BUILD)/fuzz CC=clang SANITIZE=fuzzer-no-link,address,undefined fuzzers
	BUILD=$(BUILD)/fuzz tests/fuzz/run $(FUZZ_SECONDS)

lint: have-build-bench-test-lint ## formatting, clang-tidy, cppcheck, shellcheck, pyflakes, yamllint
	.ci/lint '$(ALL_CFLAGS)'

# ---- The rest

deps: have-build-bench-test-lint-fuzz-more ## install what all of this needs, from Debian's packages

have-%:
	@.ci/deps $(subst -, ,$*)

clean: ## remove what was built
	rm -rf $(BUILD)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile

FORCE:
.PHONY: all unit-tests fuzzers bench compare selftest yardstick up test sanitize fuzz lint deps clean help FORCE
