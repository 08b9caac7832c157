# Programs that micro/vm runs in its virtual machine.

$(BUILD)/micro/many_threads: $(BUILD)/obj/micro/many_threads.o
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(CFLAGS) $(INSTRUMENT) $(LDFLAGS) -o $@ $^

-include $(BUILD)/obj/micro/many_threads.d
