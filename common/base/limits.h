/*
 * Which limit of the system stopped a call: named by evidence, since the kernel says EAGAIN or ENOMEM for many
 * limits alike. A limit is named when what is in use of it, with what the call asked for, has come to its value
 * or within 1/64 of it (others give some back before it is read); of several, the one of which least is left.
 * If there is none, the limit is unknown, and nothing is guessed.
 *
 * To find out takes time (a line for each mapping of the process, a call for each process of the machine: up to
 * some 30 ms), so ask after a failure, and not after each. It reads files of /proc and of control groups, which
 * does not wait for a device.
 *
 * What cannot be seen from here: processes of the same user in another container, which RLIMIT_NPROC counts
 * too, and the limits of what is around a container.
 */
#ifndef WB_LIMITS_H
#define WB_LIMITS_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/control_group.h"

enum limit {
    LIMIT_UNKNOWN,
    LIMIT_NOFILE,
    LIMIT_NR_OPEN,
    LIMIT_FILE_MAX,
    LIMIT_MAX_MAP_COUNT,
    LIMIT_PID_MAX,
    LIMIT_THREADS_MAX,
    LIMIT_NPROC,
    LIMIT_AS,
    LIMIT_DATA,
    LIMIT_GROUP_PIDS,
    LIMIT_GROUP_MEMORY,
    LIMIT_OVERCOMMIT,
    LIMIT_MEMORY,
    LIMIT_MAX_CONNECTIONS, /* a setting: limit_use() knows nothing of it */
};

/* The resource that a failed call asked for. */
enum limit_kind { LIMIT_KIND_DESCRIPTOR, LIMIT_KIND_MEMORY, LIMIT_KIND_THREAD };

/* Of memory: bytes. */
struct limit_met {
    enum limit limit;
    uint64_t used;
    uint64_t value; /* 0: there is no such limit */
};

struct limit_failure {
    const char *call; /* "pthread_create" */
    enum limit_kind kind;
    int error;            /* errno, positive; 0: it was not tried, since it would fail soon */
    uint64_t bytes;       /* of memory that it asked for: a thread's stack */
    struct limit_met met; /* what is known already: nothing (LIMIT_UNKNOWN), the limit (value 0), or all */
};

/* For a call that got no memory. */
static inline struct limit_failure limit_no_memory(const char *call, uint64_t bytes)
{
    return (struct limit_failure){.call = call, .kind = LIMIT_KIND_MEMORY, .error = ENOMEM, .bytes = bytes};
}

/* "vm.max_map_count", "cgroup pids.max": as the log names it. */
const char *limit_name(enum limit limit);

/*
 * Finds what is not known. `proc` is "/proc", or a folder with copies of its files for tests. It opens files:
 * after EMFILE or ENFILE, close one first.
 */
struct limit_met limit_find(const struct limit_failure *failure, const char *proc);

/* How much of one limit is in use. */
struct limit_met limit_use(enum limit limit, const char *proc);

/*
 * The limit of memory, among those of a group and the groups around it, of which least is left; value 0: none
 * has one. Bytes of files that were not used for long do not count, since the kernel drops these first; to read
 * their number takes longer than the rest, so that is done only when little is left with them.
 */
struct limit_met limit_group_memory(const struct control_group *group);

#endif
