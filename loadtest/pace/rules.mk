# pace, the load generator with an open loop (Makefile includes this). Its objects are an archive, for unit tests and
# fuzzers.

PACE := $(call objects,loadtest/pace/*.c)

$(BUILD)/pace.a: $(filter-out %/main.o,$(PACE))
	$(call say,AR)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(BUILD)/pace: $(BUILD)/obj/loadtest/pace/main.o $(BUILD)/pace.a $(BUILD)/common.a
	$(call say,LD)
	$(Q)$(CC) $(CFLAGS) $(INSTRUMENT) $(LDFLAGS) -o $@ $^ $(PACKAGES_LIBS) -lm

all: $(BUILD)/pace

-include $(PACE:.o=.d)
