# Every command of waitbench. `make help` lists them.
#
#   BUILD=DIR   where objects and programs go (build)
#   CC=clang    another compiler
#   SANITIZE=address,undefined | thread

BUILD ?= build
CC ?= cc

# Debian 13 has a library with a .pc file; Debian 12's node-llhttp ships the C sources.
LLHTTP_PC := $(shell pkg-config --exists libllhttp 2>/dev/null && echo libllhttp)
PACKAGES  := libpq libuv jansson $(LLHTTP_PC)

CFLAGS   ?= -O2 -g
WARNINGS := -Wall -Wextra -Werror
ALL_CFLAGS = -std=gnu17 $(WARNINGS) -D_GNU_SOURCE -MMD -MP -Icommon $(CFLAGS) \
    $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer) $(shell pkg-config --cflags $(PACKAGES))
ALL_LIBS = $(if $(SANITIZE),-fsanitize=$(SANITIZE)) $(shell pkg-config --libs $(PACKAGES)) -lpthread

ifeq ($(LLHTTP_PC),)
LLHTTP_DIR := /usr/share/llhttp
LLHTTP_OBJECTS := $(patsubst %,$(BUILD)/llhttp/%.o,api http llhttp)
ALL_CFLAGS += -isystem /usr/share/include/llhttp
endif

MODELS := threaded libuv coro
PROGRAMS := $(MODELS:%=$(BUILD)/server-%)
COMMON_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard common/*.c))

all: $(PROGRAMS)

$(BUILD)/common.a: $(COMMON_OBJECTS) $(LLHTTP_OBJECTS)
	@rm -f $@
	$(AR) rcs $@ $^

define SERVER
$(BUILD)/server-$(1): $(patsubst %,$(BUILD)/%.o,$(basename $(wildcard server-$(1)/*.c server-$(1)/*.S))) $(BUILD)/common.a
	$$(CC) $$(CFLAGS) $$(LDFLAGS) -o $$@ $$^ $$(ALL_LIBS)
endef
$(foreach model,$(MODELS),$(eval $(call SERVER,$(model))))

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(BUILD)/%.o: %.S
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

# Debian's own sources, compiled strict: 8.1.0 is loose unless told (PITFALLS).
$(BUILD)/llhttp/%.o: $(LLHTTP_DIR)/%.c
	@mkdir -p $(@D)
	$(CC) -O2 -g -DLLHTTP_STRICT_MODE=1 -isystem /usr/share/include/llhttp -c -o $@ $<

clean:
	rm -rf $(BUILD)

.PHONY: all clean
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
