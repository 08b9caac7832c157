/*
 * Memory that new clients may not take: it is for the clients that are inside, and for what comes with their
 * requests. Where memory is limited, a server that takes every client dies of it: at the limit of a control
 * group the kernel kills the process, and where nothing can be mapped any more (vm.overcommit_memory=2,
 * RLIMIT_AS, vm.max_map_count), malloc fails in the middle of a request, and libuv aborts when it cannot
 * enlarge its table of descriptors. So a new client gets a 503 while less than the headroom is left.
 *
 * Of each memory limit of the control groups around the process, the headroom is the larger of HEADROOM_BYTES
 * and 1/16 of the limit. Between two looks HEADROOM_CLIENTS come in, each of which may take some 60 KiB (a
 * thread's two stacks and its task, a socket): 1 MiB. The rest is for responses and bodies under way
 * (MAX_BODY_BYTES is 1 MiB). Of what the process may map, it is HEADROOM_BYTES: the table of descriptors of a
 * loop for a million of them.
 *
 * A client that is inside may have half of what is kept in control groups for a stack of a coroutine: 4,000
 * silent clients of server-coro, which hold none, sent a request each at once and took 40 MiB. The other half
 * is for what is under way already; nothing keeps that from asking for more.
 *
 * It looks at the first client and then once per HEADROOM_CLIENTS or HEADROOM_MS, whichever comes first. Where
 * the process began without a memory limit, it reads no file again.
 */
#ifndef WB_HEADROOM_H
#define WB_HEADROOM_H

#include "base/limits.h"

enum { HEADROOM_BYTES = 8 * 1024 * 1024, HEADROOM_CLIENTS = 16, HEADROOM_MS = 10 };

/* For one thread that accepts. Private to headroom.c. */
struct headroom {
    struct control_group memory; /* version 0: no limit */
    uint64_t next_ms;
    unsigned clients;              /* that may come in before the next look */
    struct limit_failure short_of; /* call NULL: nothing */
    bool is_half_gone;             /* of what is kept in control groups */
};

/* `proc_self` is "/proc/self", or a folder with copies of its files for tests. */
void headroom_init(struct headroom *headroom, const char *proc_self);

/* NULL: a client may come in at this time of clock_ms(). Else what is short, valid until the next call. */
const struct limit_failure *headroom_short_of(struct headroom *headroom, uint64_t now_ms);

/* The same for a client that is inside and needs a stack. */
const struct limit_failure *headroom_short_inside(struct headroom *headroom, uint64_t now_ms);

#endif
