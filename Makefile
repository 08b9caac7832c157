# Every command of waitbench; `make help` lists them. The load test's settings (N=20 DURATION=5 ...)
# go before or after `make bench` alike.
#
#   BUILD=DIR      where objects and programs go (build)
#   CC=clang       another compiler; CFLAGS are -O2 -g, the same for all servers
#   SANITIZE=...   address,undefined or thread, say; into a BUILD of its own
#   DEPS=skip      install nothing: say what is missing, and the command that installs it
#   V=1            show every compiler command

BUILD ?= build
CC = cc
CFLAGS = -O2 -g
FUZZ_SECONDS ?= 60

# servers.csv, or the file that SERVER_LIST names, lists the servers and what to make for each. A server in C is
# a folder server-NAME with a main.c and needs no rule of its own; any other that has to be built brings a rule in
# server-NAME/rules.mk. The image of the servers holds sources in C and not .ci/servers, which reads the list: there
# `all` is the servers in C.
C_SERVERS := $(patsubst server-%/main.c,%,$(wildcard server-*/main.c))
ifneq ($(wildcard .ci/servers),)
PROGRAMS := $(sort $(subst $$BUILD,$(BUILD),$(shell SERVER_LIST='$(SERVER_LIST)' .ci/servers build)))
ifneq ($(.SHELLSTATUS),0)
$(error the list of servers cannot be read)
endif
else
PROGRAMS := $(C_SERVERS:%=$(BUILD)/server-%)
endif

all: $(PROGRAMS) ## build the servers that servers.csv lists: build/server-NAME

# Servers that are measured beside those, most of them in other languages. They may want packages that nothing else
# does, so only this goal installs those.
PEERS := $(if $(wildcard .ci/servers),$(shell SERVER_LIST='$(SERVER_LIST)' .ci/servers name peer))
peers: FORCE ## install what the peers need, and build them: make peers PEERS="go node"
	@peers/prepare $(PEERS)

# ---- What is needed, from Debian's packages. The goals of INSTALLING install it; every other goal, and any goal
# ---- under `make -n`, goes on or names what is missing and the command that installs it.

INSTALLING      := deps bench compare selftest yardstick generators where limits saturation micro vm limits-vm test perf-guard sanitize fuzz lint
SETS_bench      := bench
SETS_compare    := bench
SETS_selftest   := bench
SETS_yardstick  := bench more
SETS_generators := bench more
SETS_where      := bench where
SETS_limits     := bench
SETS_saturation := bench
SETS_vm         := vm
SETS_limits-vm  := bench vm
SETS_micro      := micro
SETS_micro-programs := micro
SETS_unit-tests := unit
SETS_test       := bench unit test micro
SETS_perf-guard := bench test guard
SETS_sanitize   := bench unit test
SETS_coverage   := bench unit test coverage
SETS_fuzzers    := fuzz
SETS_fuzz       := fuzz
SETS_lint       := bench unit test lint
SETS_deps       := bench unit test guard where micro vm lint fuzz coverage more

# Make's options of one letter are the first word of MAKEFLAGS: -n prints, -q asks, -t touches.
OPTIONS := $(filter-out --%,$(firstword -$(MAKEFLAGS)))
DRY     := $(strip $(foreach option,n q t,$(findstring $(option),$(OPTIONS))))
GOALS   := $(or $(MAKECMDGOALS),all)
CHECK   := $(if $(DRY),--check,$(if $(filter $(INSTALLING),$(GOALS)),,--check))
SETS    := $(sort $(if $(CHECK),,build) $(foreach goal,$(GOALS),$(SETS_$(goal))))

# Where the compiler finds the libraries. Make remakes this file first and, if it has changed, reads itself
# again, so that nothing below is evaluated before the packages are there.
ifneq ($(filter-out up clean help format,$(GOALS)),)
include $(BUILD)/packages.mk
endif

$(BUILD)/packages.mk: FORCE
	@$(if $(CHECK),,.ci/deps $(SETS) &&) flags=$$(CC='$(CC)' .ci/deps --flags $(SETS)) && mkdir -p $(@D) && \
	    { echo "$$flags" | cmp -s - $@ || echo "$$flags" >$@; }

# ---- Building

Q := $(if $(V),,@)
say = $(if $(V),,@echo '  $(1)  $(patsubst $(BUILD)/%,%,$@)')
WARNINGS   := -Wall -Wextra -Werror
INSTRUMENT  = $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer)
ALL_CFLAGS  = -std=gnu17 -D_GNU_SOURCE $(WARNINGS) -MMD -MP -Icommon $(CFLAGS) $(INSTRUMENT) $(PACKAGES_CFLAGS) \
    $(DEFINES)

objects = $(patsubst %,$(BUILD)/obj/%.o,$(basename $(wildcard $(1))))
server_objects = $(call objects,$(foreach kind,c S,server-$(1)/*.$(kind) server-$(1)/*/*.$(kind)))
COMMON  := $(call objects,common/*/*.c common/*/*/*.c)
CO      := $(call objects,server-coro/co/*.c server-coro/co/*.S)
SERVERS := $(foreach server,$(C_SERVERS),$(call server_objects,$(server)))

$(BUILD)/common.a: $(COMMON) $(LLHTTP_SOURCES:%=$(BUILD)/obj/llhttp/%.o)
	$(call say,AR)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

define SERVER
$(BUILD)/server-$(1): $$(call server_objects,$(1)) $$(BUILD)/common.a
	$$(call say,LD)
	$$(Q)$$(CC) $$(CFLAGS) $$(INSTRUMENT) $$(LDFLAGS) -o $$@ $$(filter %.o,$$^) $$(filter %.a,$$^) $$(PACKAGES_LIBS)
endef
$(foreach server,$(C_SERVERS),$(eval $(call SERVER,$(server))))

include $(wildcard server-*/rules.mk peers/*/rules.mk loadtest/pace/rules.mk micro/rules.mk micro/vm.mk)

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
	$(Q)$(CC) $(CFLAGS) $(INSTRUMENT) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %/pace.a,$^) $(filter-out %/pace.a,$(filter %.a,$^)) $(PACKAGES_LIBS) -lm -lcmocka
$(BUILD)/obj/tests/unit/%.o: private DEFINES = -Iserver-coro
# Those of the load generator pace test parts of it.
$(filter $(BUILD)/tests/unit/test_pace_%,$(UNIT_TESTS)): $(BUILD)/pace.a
# It makes each allocation fail in turn; the linker's --wrap works under ASan, too.
$(BUILD)/tests/unit/test_item_memory: private LDFLAGS += -Wl,--wrap=malloc,--wrap=realloc,--wrap=free

$(BUILD)/co.a: $(CO)
	$(call say,AR)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

# A fuzzer is one libFuzzer program a file; clang's alone, and the objects want `fuzzer-no-link`.
FUZZERS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/fuzz/fuzz_*.c))
$(BUILD)/tests/fuzz/fuzz_pace_response: $(BUILD)/pace.a
$(FUZZERS): $(BUILD)/%: $(BUILD)/obj/%.o $(BUILD)/common.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(CFLAGS) -fsanitize=fuzzer,address,undefined -o $@ $(filter %.o,$^) $(filter %/pace.a,$^) $(filter-out %/pace.a,$(filter %.a,$^)) $(PACKAGES_LIBS) -lm

-include $(patsubst %.o,%.d,$(COMMON) $(SERVERS) $(call objects,tests/unit/*.c tests/fuzz/*.c))

# Programs that the load test's own tests start.
TEST_PROGRAMS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/loadtest/*.c))
$(TEST_PROGRAMS): $(BUILD)/%: $(BUILD)/obj/%.o $(BUILD)/common.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(CFLAGS) $(INSTRUMENT) $(LDFLAGS) -o $@ $^ $(PACKAGES_LIBS)
-include $(TEST_PROGRAMS:$(BUILD)/%=$(BUILD)/obj/%.d)

unit-tests: $(UNIT_TESTS) ## build the unit tests
test-programs: $(TEST_PROGRAMS)
fuzzers: $(FUZZERS)

# Assertions are on in every build. Two warnings follow the flow of values, which -Og does too little of: at -O2
# they are errors, here they would be wrong.
UNOPTIMIZED := WARNINGS='-Wall -Wextra -Wno-format-truncation -Wno-maybe-uninitialized'
debug: ## the servers with -Og, full debugging information and frame pointers, in build/debug
	$(MAKE) BUILD=$(BUILD)/debug CFLAGS='-Og -g3 -fno-omit-frame-pointer' $(UNOPTIMIZED) all compile_commands.json

# For clangd and clang-tidy: one entry for each C source, with the flags that it is compiled with here.
compile_commands.json: FORCE ## how each C file is compiled, for editors (make debug writes it, too)
	@printf '%s\n' $(wildcard common/*/*.c common/*/*/*.c server-*/*.c server-*/*/*.c tests/unit/*.c tests/fuzz/*.c micro/*.c) | \
	    directory='$(CURDIR)' compiler='$(CC) $(filter-out -MMD -MP,$(ALL_CFLAGS)) -Iserver-coro -DWB_VERSION=\"\" -DWB_FLAGS=\"\"' awk ' \
	        function json(text) {gsub(/[\\"]/, "\\\\&", text); return "\"" text "\""} \
	        {printf "%s{\"directory\": %s, \"file\": %s, \"command\": %s}", NR == 1 ? "[\n" : ",\n", \
	            json(ENVIRON["directory"]), json($$0), json(ENVIRON["compiler"] " -c " $$0)} \
	        END {print "\n]"}' >$@

# ---- Running

bench: all $(BUILD)/pace ## answer the question: private PostgreSQL, the servers, a table (loadtest/run --help: N M C ...)
	loadtest/run

# Its status 1 says that a difference was found, which is no error of make.
compare: ## hold two results folders against each other: make compare A=results/... B=results/... (ANYWAY=1: whatever differs)
	@loadtest/compare $(if $(filter-out 0,$(ANYWAY)),--anyway) '$(A)' '$(B)' || [ $$? = 1 ]

selftest: all ## prove the load test: a server against itself, planted differences and faults
	loadtest/selftest

yardstick: all ## how far the servers are from pgbench and nginx, in one run
	loadtest/yardstick

generators: all $(BUILD)/pace ## pace beside wrk and h2load in a closed loop: throughput, and CPU of the generator (OUT=results/...)
	BUILD='$(BUILD)' loadtest/generators-compared $(if $(OUT),--out '$(OUT)')

where: all ## where the time of a request goes, by part: microseconds, instructions, system calls (OUT=results/...)
	BUILD='$(BUILD)' loadtest/where $(if $(OUT),--out '$(OUT)')

limits: all ## which limit stops each server, and which comes next (OUT=results/...; RAISE=1 as root: raise them one by one)
	BUILD='$(BUILD)' loadtest/limits $(if $(OUT),--out '$(OUT)') $(if $(filter-out 0,$(RAISE)),--raise)

saturation: all ## how many waiting requests keep a server busy, and what 100 to 19,000 of them cost (OUT=results/...)
	BUILD='$(BUILD)' loadtest/saturation $(if $(OUT),--out '$(OUT)')

vm: $(BUILD)/micro/many_threads ## what micro/vm needs: qemu, and Debian's kernel in build/vm
	BUILD='$(BUILD)' micro/vm --fetch

limits-vm: all $(BUILD)/micro/many_threads ## what stops threads where limits can be raised, in a virtual machine
	BUILD='$(BUILD)' micro/vm-limits

micro: micro-programs ## what a switch, a task and its memory cost in each model: thread, coroutine, callback (OUT=results/...)
	BUILD='$(BUILD)' micro/run $(if $(OUT),--out '$(OUT)')

up: ## the servers and their database in containers: docker compose up -d after a look at what it needs
	loadtest/up

# ---- Testing

test: all unit-tests micro-programs test-programs ## units, then every server over HTTP with a private PostgreSQL, then the load test's own
	BUILD=$(BUILD) tests/run unit http loadtest

perf-guard: all ## instructions and system calls per request against tests/perf-guard.csv (RECORD=1: write it anew)
	CC='$(CC)' BUILD='$(BUILD)' db/local run tests/perf-guard $(if $(filter-out 0,$(RECORD)),--record)

# Each build has a folder of its own. halt_on_error: what a sanitizer says fails the test it happens in.
# report_thread_leaks=0: a server that is told to leave at once waits for no thread.
sanitize: ## the suite and pace under ASan and UBSan (all servers), then under TSan
	$(MAKE) BUILD=$(BUILD)/asan SANITIZE=address,undefined all unit-tests test-programs
	$(MAKE) BUILD=$(BUILD)/tsan SANITIZE=thread all test-programs
	BUILD=$(BUILD)/asan HTTP_PROCESSES=1 UBSAN_OPTIONS=print_stacktrace=1 tests/run unit http
	BUILD=$(BUILD)/asan PYTEST_ADDOPTS='-k test_pace_' tests/run loadtest
	BUILD=$(BUILD)/tsan TSAN_OPTIONS=halt_on_error=1:report_thread_leaks=0:suppressions=tests/tsan.supp HTTP_PROCESSES=1 tests/run http
	BUILD=$(BUILD)/tsan TSAN_OPTIONS=halt_on_error=1 PYTEST_ADDOPTS='-k "test_pace_ends or among_threads"' tests/run loadtest

fuzz: ## each fuzzer for FUZZ_SECONDS (60); what crashes is left in build/fuzz and named
	$(MAKE) BUILD=$(BUILD)/fuzz CC=clang SANITIZE=fuzzer-no-link,address,undefined fuzzers
	BUILD=$(BUILD)/fuzz tests/fuzz/run $(FUZZ_SECONDS)

lint: ## formatting, clang-tidy, cppcheck, shellcheck, black, mypy, pyflakes, yamllint
	CC='$(CC)' BUILD=$(BUILD) .ci/lint '$(filter-out -MMD -MP,$(ALL_CFLAGS))'

format: ## format C (clang-format 14) and Python (black 23), as Debian 12 has them
	.ci/lint --format

# Every counter is added to atomically, and every process adds to the same files: what ran before is removed.
# Without optimisation of any kind threads would need more than their stacks.
coverage: ## which lines the unit and HTTP tests reach: a table and build/coverage/index.html
	$(MAKE) BUILD=$(BUILD)/coverage CFLAGS='-Og -g --coverage -fprofile-update=atomic' $(UNOPTIMIZED) all unit-tests
	find $(BUILD)/coverage -name '*.gcda' -delete
	status=0; BUILD=$(BUILD)/coverage timeout --foreground 30m tests/run unit http || status=$$?; \
	    gcovr --root . --object-directory $(BUILD)/coverage --filter common/ --filter 'server-[^/]*/' \
	        --html-details $(BUILD)/coverage/index.html --html-title waitbench --print-summary --txt - && exit $$status

# ---- The rest

deps: ## install what all of this needs, from Debian's packages
	@echo 'All packages are installed.'

clean: ## remove what was built
	rm -rf $(BUILD)

help: ## this list
	@awk -F ':.*## ' '/^[a-z_.-]+:.*## / {printf "make %-22s %s\n", $$1, $$2}' Makefile

FORCE:
.PHONY: all unit-tests test-programs fuzzers debug bench compare selftest yardstick generators where limits saturation micro vm limits-vm up test perf-guard sanitize fuzz lint format \
    coverage deps clean help FORCE
