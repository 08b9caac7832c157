#include "base/limits.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Numbers above are no limits: version 1 of control groups writes 9223372036854771712 for none. */
#define NO_LIMIT ((uint64_t)1 << 60)

enum { PATH_LEN_MAX = 256, LINE_LEN_MAX = 256, LITTLE_BYTES = 32 * 1024 * 1024 };

const char *limit_name(enum limit limit)
{
    static const char *const names[] = {
        [LIMIT_UNKNOWN] = "unknown",
        [LIMIT_NOFILE] = "RLIMIT_NOFILE",
        [LIMIT_NR_OPEN] = "fs.nr_open",
        [LIMIT_FILE_MAX] = "fs.file-max",
        [LIMIT_MAX_MAP_COUNT] = "vm.max_map_count",
        [LIMIT_PID_MAX] = "kernel.pid_max",
        [LIMIT_THREADS_MAX] = "kernel.threads-max",
        [LIMIT_NPROC] = "RLIMIT_NPROC",
        [LIMIT_AS] = "RLIMIT_AS",
        [LIMIT_DATA] = "RLIMIT_DATA",
        [LIMIT_GROUP_PIDS] = "cgroup pids.max",
        [LIMIT_GROUP_MEMORY] = "cgroup memory.max",
        [LIMIT_OVERCOMMIT] = "vm.overcommit_memory",
        [LIMIT_MEMORY] = "memory",
        [LIMIT_MAX_CONNECTIONS] = "MAX_CONNECTIONS",
    };
    return names[limit];
}

/* -- reading -------------------------------------------------------------------------------------- */

static FILE *open_in(const char *proc, const char *name)
{
    char path[PATH_LEN_MAX];
    snprintf(path, sizeof path, "%s/%s", proc, name);
    return fopen(path, "re");
}

/* The number in a file after `skip` others; 0 when there is none. */
static uint64_t number_in(const char *proc, const char *name, int skip)
{
    uint64_t number = 0;
    FILE *file = open_in(proc, name);
    if (file == NULL)
        return 0;
    for (; skip >= 0; skip--)
        if (fscanf(file, "%" SCNu64, &number) != 1)
            number = 0;
    fclose(file);
    return number;
}

/* The number behind a line's first words ("VmSize:\t 12 kB"); 0 when there is none, or a word. */
static uint64_t number_after(const char *proc, const char *name, const char *words, int base)
{
    uint64_t number = 0;
    char line[LINE_LEN_MAX];
    size_t len = strlen(words);
    FILE *file = open_in(proc, name);
    if (file == NULL)
        return 0;
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, words, len) == 0) {
            number = strtoull(line + len, NULL, base);
            break;
        }
    fclose(file);
    return number;
}

static uint64_t bytes_after(const char *proc, const char *name, const char *words)
{
    return number_after(proc, name, words, 10) * 1024;
}

/* A soft limit of this process, by its words in /proc/self/limits; 0: unlimited. */
static uint64_t own_limit(const char *proc, const char *words)
{
    return number_after(proc, "self/limits", words, 10);
}

/* -- threads -------------------------------------------------------------------------------------- */

/* All threads of the machine: the fourth field of /proc/loadavg, "0.01 0.02 0.03 2/345 678". */
static uint64_t threads_of_machine(const char *proc)
{
    uint64_t number = 0;
    FILE *file = open_in(proc, "loadavg");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%*s %*s %*s %*u/%" SCNu64, &number) != 1)
        number = 0;
    fclose(file);
    return number;
}

/*
 * Threads of the processes that /proc shows, which are those of this namespace of process numbers; of one user
 * only, unless `user` is -1. A folder `task` has a link for each thread beside its own two, and belongs to the
 * process's user: one call for each process, where its `status` would take an open, a read and a close.
 */
static uint64_t threads_seen(const char *proc, int64_t user)
{
    uint64_t threads = 0;
    const struct dirent *entry;
    DIR *folder = opendir(proc);
    if (folder == NULL)
        return 0;
    while ((entry = readdir(folder)) != NULL) {
        char task[NAME_MAX + sizeof "/task"];
        struct stat about;
        snprintf(task, sizeof task, "%s/task", entry->d_name);
        if (isdigit((unsigned char)entry->d_name[0]) && fstatat(dirfd(folder), task, &about, 0) == 0 &&
            about.st_nlink > 2 && (user < 0 || about.st_uid == user))
            threads += about.st_nlink - 2;
    }
    closedir(folder);
    return threads;
}

/* RLIMIT_NPROC does not bind the machine's first user, nor one with either capability over the machine. */
static bool is_bound_by_nproc(const char *proc, uint64_t user)
{
    enum { CAP_SYS_ADMIN_BIT = 21, CAP_SYS_RESOURCE_BIT = 24 };
    uint64_t inside, outside, count;
    uint64_t capabilities = number_after(proc, "self/status", "CapEff:", 16);
    bool is_first = false, is_machine = false;
    FILE *map = open_in(proc, "self/uid_map");
    if (map == NULL)
        return user != 0;
    while (fscanf(map, "%" SCNu64 " %" SCNu64 " %" SCNu64, &inside, &outside, &count) == 3) {
        is_first |= user >= inside && user - inside < count && outside + user - inside == 0;
        is_machine |= inside == 0 && outside == 0 && count == UINT32_MAX;
    }
    fclose(map);
    return !is_first &&
           !(is_machine && (capabilities & (1u << CAP_SYS_ADMIN_BIT | 1u << CAP_SYS_RESOURCE_BIT)) != 0);
}

static struct limit_met use_of_nproc(const char *proc)
{
    uint64_t user = number_after(proc, "self/status", "Uid:", 10);
    struct limit_met met = {LIMIT_NPROC, 0, own_limit(proc, "Max processes")};
    if (met.value != 0 && !is_bound_by_nproc(proc, user))
        met.value = 0;
    if (met.value != 0)
        met.used = threads_seen(proc, (int64_t)user);
    return met;
}

/* -- memory --------------------------------------------------------------------------------------- */

static uint64_t count_mappings(const char *proc)
{
    uint64_t lines = 0;
    FILE *file = open_in(proc, "self/maps");
    if (file == NULL)
        return 0;
    for (int c; (c = getc_unlocked(file)) != EOF;)
        lines += c == '\n';
    fclose(file);
    return lines;
}

/*
 * Of the commit limit the kernel keeps some for others than this process: a part that grows with it, and some
 * for the administrator (vm.user_reserve_kbytes, vm.admin_reserve_kbytes; __vm_enough_memory() in mm/util.c).
 * For this process that is in use, too.
 */
static struct limit_met use_of_overcommit(const char *proc)
{
    struct limit_met met = {.limit = LIMIT_OVERCOMMIT};
    if (number_in(proc, "sys/vm/overcommit_memory", 0) != 2)
        return met;
    uint64_t for_users = number_in(proc, "sys/vm/user_reserve_kbytes", 0) * 1024;
    uint64_t of_ours = bytes_after(proc, "self/status", "VmSize:") / 32;
    met.value = bytes_after(proc, "meminfo", "CommitLimit:");
    met.used = bytes_after(proc, "meminfo", "Committed_AS:") + (of_ours < for_users ? of_ours : for_users);
    if ((number_after(proc, "self/status", "CapEff:", 16) >> 21 & 1) == 0) /* CAP_SYS_ADMIN */
        met.used += number_in(proc, "sys/vm/admin_reserve_kbytes", 0) * 1024;
    return met;
}

/* -- control groups ------------------------------------------------------------------------------- */

static uint64_t group_number(const char *folder, const char *name)
{
    char line[CONTROL_GROUP_LINE_MAX];
    control_group_line(folder, name, line);
    return strtoull(line, NULL, 10); /* 0 for "max" */
}

static uint64_t left(const struct limit_met *met, uint64_t asked)
{
    uint64_t used = met->used + asked;
    return met->value > used ? met->value - used : 0;
}

/* Of two limits the one of which the smaller part is left; one that does not exist has no value. */
static void take_closer(struct limit_met *closest, uint64_t closest_asked, const struct limit_met *met,
                        uint64_t asked)
{
    if (met->value == 0 || met->value >= NO_LIMIT)
        return;
    double ours = (double)left(met, asked) / (double)met->value;
    if (closest->value == 0 || ours < (double)left(closest, closest_asked) / (double)closest->value)
        *closest = *met;
}

static struct limit_met use_of_group_pids(const char *proc)
{
    char proc_self[PATH_LEN_MAX], folder[CONTROL_GROUP_PATH_MAX];
    struct limit_met closest = {.limit = LIMIT_GROUP_PIDS};
    struct control_group group;
    snprintf(proc_self, sizeof proc_self, "%s/self", proc);
    control_group_find(&group, proc_self, "pids");
    for (bool more = control_group_first(&group, folder); more; more = control_group_next(&group, folder)) {
        const struct limit_met met = {LIMIT_GROUP_PIDS, group_number(folder, "pids.current"),
                                      group_number(folder, "pids.max")};
        take_closer(&closest, 0, &met, 0);
    }
    return closest;
}

/* Memory that the kernel gives back before a group meets its limit: files that were not used for long. */
static uint64_t reclaimable(const struct control_group *group, const char *folder)
{
    return number_after(folder, "memory.stat", group->version == 1 ? "total_inactive_file" : "inactive_file",
                        10);
}

struct limit_met limit_group_memory(const struct control_group *group)
{
    static const char *const files[][3] = {
        {"memory.max", "memory.limit_in_bytes", "memory.kmem.limit_in_bytes"},
        {"memory.current", "memory.usage_in_bytes", "memory.kmem.usage_in_bytes"},
    };
    char folder[CONTROL_GROUP_PATH_MAX];
    struct limit_met closest = {.limit = LIMIT_GROUP_MEMORY};
    int first = group->version == 2 ? 0 : 1, last = group->version == 2 ? 0 : 2;
    for (bool more = control_group_first(group, folder); more; more = control_group_next(group, folder))
        for (int i = first; i <= last; i++) {
            struct limit_met met = {LIMIT_GROUP_MEMORY, 0, group_number(folder, files[0][i])};
            if (met.value == 0 || met.value >= NO_LIMIT)
                continue;
            met.used = group_number(folder, files[1][i]);
            if (i < 2 && left(&met, LITTLE_BYTES) < met.value / 4) {
                uint64_t files_only = reclaimable(group, folder);
                met.used -= files_only < met.used ? files_only : met.used;
            }
            take_closer(&closest, 0, &met, 0);
        }
    return closest;
}

static struct limit_met use_of_group_memory(const char *proc)
{
    char proc_self[PATH_LEN_MAX];
    struct control_group group;
    snprintf(proc_self, sizeof proc_self, "%s/self", proc);
    control_group_find(&group, proc_self, "memory");
    return limit_group_memory(&group);
}

/* -- which one ------------------------------------------------------------------------------------ */

/* The kernel keeps the number of entries as the size of the folder (Linux 6.2); before, they are counted. */
static uint64_t count_descriptors(const char *proc)
{
    char path[PATH_LEN_MAX];
    struct statfs where;
    struct stat about;
    uint64_t count = 0;
    snprintf(path, sizeof path, "%s/self/fd", proc);
    if (statfs(path, &where) == 0 && where.f_type == PROC_SUPER_MAGIC && stat(path, &about) == 0 &&
        about.st_size > 0)
        return (uint64_t)about.st_size;
    DIR *folder = opendir(path);
    if (folder == NULL)
        return 0;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += isdigit((unsigned char)entry->d_name[0]) && atoi(entry->d_name) != dirfd(folder);
    closedir(folder);
    return count;
}

/* By a call and not from /proc/self/limits, for which a descriptor would have to be free. */
static uint64_t limit_of_descriptors(void)
{
    struct rlimit limit = {0};
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur == RLIM_INFINITY ? 0 : limit.rlim_cur;
}

struct limit_met limit_use(enum limit limit, const char *proc)
{
    uint64_t total;
    switch (limit) {
    case LIMIT_NOFILE:
        return (struct limit_met){limit, count_descriptors(proc), limit_of_descriptors()};
    case LIMIT_NR_OPEN:
        return (struct limit_met){limit, count_descriptors(proc), number_in(proc, "sys/fs/nr_open", 0)};
    case LIMIT_FILE_MAX:
        return (struct limit_met){limit, number_in(proc, "sys/fs/file-nr", 0),
                                  number_in(proc, "sys/fs/file-nr", 2)};
    case LIMIT_MAX_MAP_COUNT:
        return (struct limit_met){limit, count_mappings(proc), number_in(proc, "sys/vm/max_map_count", 0)};
    case LIMIT_PID_MAX:
        return (struct limit_met){limit, threads_seen(proc, -1), number_in(proc, "sys/kernel/pid_max", 0)};
    case LIMIT_THREADS_MAX:
        return (struct limit_met){limit, threads_of_machine(proc),
                                  number_in(proc, "sys/kernel/threads-max", 0)};
    case LIMIT_NPROC:
        return use_of_nproc(proc);
    case LIMIT_AS:
        return (struct limit_met){limit, bytes_after(proc, "self/status", "VmSize:"),
                                  own_limit(proc, "Max address space")};
    case LIMIT_DATA:
        return (struct limit_met){limit, bytes_after(proc, "self/status", "VmData:"),
                                  own_limit(proc, "Max data size")};
    case LIMIT_GROUP_PIDS:
        return use_of_group_pids(proc);
    case LIMIT_GROUP_MEMORY:
        return use_of_group_memory(proc);
    case LIMIT_OVERCOMMIT:
        return use_of_overcommit(proc);
    case LIMIT_MEMORY:
        total = bytes_after(proc, "meminfo", "MemTotal:");
        return (struct limit_met){limit, total - bytes_after(proc, "meminfo", "MemAvailable:"), total};
    case LIMIT_UNKNOWN:
    case LIMIT_MAX_CONNECTIONS:
        break;
    }
    return (struct limit_met){.limit = limit};
}

/* How much of a limit a call needs, in its units. */
static uint64_t asked_of(enum limit limit, const struct limit_failure *failure)
{
    switch (limit) {
    case LIMIT_MAX_MAP_COUNT:
        return 2; /* a stack and its guard */
    case LIMIT_PID_MAX:
        return 300; /* numbers that are given out once only (RESERVED_PIDS in kernel/pid.c) */
    case LIMIT_AS:
    case LIMIT_DATA:
    case LIMIT_OVERCOMMIT:
    case LIMIT_MEMORY:
        return failure->bytes;
    default:
        return 1;
    }
}

/* The one that is closest of those that are used up; where two are equal, the first. */
static struct limit_met closest_of(const struct limit_failure *failure, const enum limit *limits, size_t count,
                                   const char *proc)
{
    struct limit_met closest = {0};
    uint64_t closest_asked = 0;
    for (size_t i = 0; i < count; i++) {
        struct limit_met met = limit_use(limits[i], proc);
        uint64_t asked = asked_of(limits[i], failure);
        if (left(&met, asked) > met.value / 64)
            continue;
        take_closer(&closest, closest_asked, &met, asked);
        if (closest.limit == met.limit)
            closest_asked = asked;
    }
    return closest;
}

/* Both stop it with EMFILE, the lower one first. fs.nr_open may be lowered below a limit that was set before.
 */
static struct limit_met find_descriptors(int error, const char *proc)
{
    if (error != EMFILE)
        return limit_use(LIMIT_FILE_MAX, proc);
    struct limit_met process = limit_use(LIMIT_NOFILE, proc), machine = limit_use(LIMIT_NR_OPEN, proc);
    bool is_lower = machine.value != 0 && (process.value == 0 || machine.value < process.value);
    return is_lower ? machine : process;
}

struct limit_met limit_find(const struct limit_failure *failure, const char *proc)
{
    /* In this order: what is exact first. */
    static const enum limit limits[] = {
        LIMIT_GROUP_PIDS,    LIMIT_NPROC, LIMIT_THREADS_MAX, LIMIT_PID_MAX, /* of threads */
        LIMIT_MAX_MAP_COUNT, LIMIT_AS,    LIMIT_DATA,        LIMIT_OVERCOMMIT, LIMIT_GROUP_MEMORY, LIMIT_MEMORY,
    };
    enum { OF_THREADS = 4, ALL = sizeof limits / sizeof *limits };
    if (failure->met.value != 0)
        return failure->met;
    if (failure->met.limit != LIMIT_UNKNOWN)
        return limit_use(failure->met.limit, proc);
    switch (failure->kind) {
    case LIMIT_KIND_DESCRIPTOR:
        return find_descriptors(failure->error, proc);
    case LIMIT_KIND_MEMORY:
        return closest_of(failure, limits + OF_THREADS, ALL - OF_THREADS, proc);
    case LIMIT_KIND_THREAD:
        return closest_of(failure, limits, ALL, proc);
    }
    return (struct limit_met){0};
}
