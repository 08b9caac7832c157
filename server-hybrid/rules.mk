# Its loops are those of server-libuv, and its database connections those of server-threaded.
$(BUILD)/server-hybrid: $(call objects,$(addprefix server-libuv/,loops.c listener.c connection.c) \
    $(addprefix server-threaded/,database.c pipeline.c))
