# The programs of micro/: each is one file, C or C++ (Makefile includes this). many_threads is for micro/vm, and needs
# no C++ (vm.mk).

CXX = g++
MICRO_PROGRAMS := $(patsubst %.c,$(BUILD)/%,$(filter-out micro/many_threads.c,$(wildcard micro/*.c))) \
    $(patsubst %.cc,$(BUILD)/%,$(wildcard micro/*.cc))
MICRO_OBJECTS  := $(MICRO_PROGRAMS:$(BUILD)/%=$(BUILD)/obj/%.o)

$(BUILD)/obj/micro/%.o: private DEFINES = -Iserver-coro
$(BUILD)/obj/micro/%.o: micro/%.cc $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CXX)
	$(Q)$(CXX) $(patsubst -std=%,-std=gnu++20,$(ALL_CFLAGS)) -c -o $@ $<

$(MICRO_PROGRAMS): $(BUILD)/%: $(BUILD)/obj/%.o $(BUILD)/co.a $(BUILD)/common.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CXX) $(CFLAGS) $(INSTRUMENT) $(LDFLAGS) -o $@ $^ $(PACKAGES_LIBS)

-include $(MICRO_OBJECTS:.o=.d)

micro-programs: $(MICRO_PROGRAMS)
.PHONY: micro-programs
