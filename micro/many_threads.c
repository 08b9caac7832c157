/* Starts threads that all wait, up to a number or until a limit stops them, and says which limit that was and
   what a thread costs in memory. */

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const char USAGE[] =
    "Starts COUNT threads (1 to 4000000) that all wait, and ends. Prints how many there were, the limit\n"
    "that stopped them, and the memory of one: its share of what grew on the machine, in bytes.\n"
    "\n"
    "    many_threads [--csv] [--stack KIB] COUNT\n"
    "\n"
    "  --csv        one line: wanted,stack_kib,threads,errno,limit,limit_value,limit_used,resident_b,\n"
    "               kernel_stack_b,page_tables_b,slab_b,machine_b; machine_b is what MemAvailable has lost:\n"
    "               all of these, and whatever else there is\n"
    "  --stack KIB  of a thread, 16 to 1048576 (default 16)\n"
    "\n"
    "Exit status: 0 when there were COUNT threads, 3 when a limit stopped them, 2 for a usage error.\n";

/* Process ids below this are not given out again once the numbers have come round (kernel/pid.c). */
enum { RESERVED_PIDS = 300 };

struct memory {
    long long resident, kernel_stack, page_tables, slab, available; /* bytes */
};

/* The limit that stopped the threads. Without a name: none did. */
struct limit {
    char name[PATH_MAX];
    long long value, used; /* -1: not known */
};

struct result {
    size_t stack; /* bytes */
    int wanted, threads, error;
    struct limit limit;
    struct memory each; /* of a thread */
};

static _Atomic int waiting;

/* They go with the process: to join 100,000 threads took an emulated machine minutes, for the munmap of each
 * stack. */
static void *wait_for_ever(void *unused)
{
    atomic_fetch_add(&waiting, 1);
    for (;;)
        pause();
    return unused;
}

/* The first number in a file after `key`; -1 when there is none. */
static long long number_in(const char *path, const char *key)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return -1;

    char line[512];
    long long number = -1;
    while (number < 0 && fgets(line, sizeof line, file)) {
        const char *at = strstr(line, key);
        if (!at || sscanf(at + strlen(key), "%lld", &number) != 1)
            number = -1;
    }
    fclose(file);
    return number;
}

static long long lines_of(const char *path)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return -1;
    long long lines = 0;
    for (int c = getc(file); c != EOF; c = getc(file))
        lines += c == '\n';
    fclose(file);
    return lines;
}

/* Not VmRSS: until Linux 6.2 each thread keeps up to 64 pages that it has touched to itself. */
static struct memory memory_now(void)
{
    return (struct memory){
        .resident = number_in("/proc/self/smaps_rollup", "Rss:") * 1024,
        .kernel_stack = number_in("/proc/meminfo", "KernelStack:") * 1024,
        .page_tables = number_in("/proc/meminfo", "PageTables:") * 1024,
        .slab = number_in("/proc/meminfo", "Slab:") * 1024,
        .available = number_in("/proc/meminfo", "MemAvailable:") * 1024,
    };
}

/* ---- Which limit it was. pthread_create says EAGAIN for each of them, so each is held against what is used.
 */

static bool set(struct limit *limit, const char *name, long long value, long long used)
{
    snprintf(limit->name, sizeof limit->name, "%s", name);
    limit->value = value;
    limit->used = used;
    return true;
}

/* A stack is a mapping and its guard page another, so that one may be left. */
static bool is_map_count(struct limit *limit)
{
    long long maximum = number_in("/proc/sys/vm/max_map_count", ""), used = lines_of("/proc/self/maps");
    return maximum >= 0 && used + 2 >= maximum && set(limit, "vm.max_map_count", maximum, used);
}

/* With vm.overcommit_memory=2 a stack counts in full although it is hardly touched. */
static bool is_commit_limit(struct limit *limit, long long stack)
{
    long long maximum = number_in("/proc/meminfo", "CommitLimit:") * 1024;
    long long used = number_in("/proc/meminfo", "Committed_AS:") * 1024;
    return number_in("/proc/sys/vm/overcommit_memory", "") == 2 && used + 2 * stack >= maximum &&
           set(limit, "vm.overcommit_memory", maximum, used);
}

/* pids.max of this process's control group, or of one above it. */
static bool is_control_group(struct limit *limit)
{
    char group[PATH_MAX / 4] = "", path[PATH_MAX];
    FILE *file = fopen("/proc/self/cgroup", "re");
    bool found = false;
    while (file && !found && fgets(group, sizeof group, file))
        found = strncmp(group, "0::/", 4) == 0;
    if (file)
        fclose(file);
    if (!found)
        return false;

    group[strcspn(group, "\n")] = '\0';
    for (char *end = group + strlen(group); end > group + 2; end = strrchr(group, '/')) {
        *end = '\0';
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/pids.max", group + 3);
        long long maximum = number_in(path, "");
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/pids.current", group + 3);
        long long used = number_in(path, "");
        snprintf(path, sizeof path, "pids.max of the control group %s", group + 3);
        if (maximum >= 0 && used >= maximum)
            return set(limit, path, maximum, used);
    }
    return false;
}

/* The kernel exempts root. The threads of the user's other processes count, too, but are seldom many. */
static bool is_user_limit(struct limit *limit, long long threads)
{
    struct rlimit mine;
    return getuid() != 0 && getrlimit(RLIMIT_NPROC, &mine) == 0 && mine.rlim_cur != RLIM_INFINITY &&
           (long long)mine.rlim_cur - threads < 100 + (long long)mine.rlim_cur / 100 &&
           set(limit, "RLIMIT_NPROC", (long long)mine.rlim_cur, threads);
}

static struct limit limit_met(long long threads, long long stack)
{
    struct limit limit = {.value = -1, .used = -1};
    long long tasks = number_in("/proc/loadavg", "/");
    long long threads_max = number_in("/proc/sys/kernel/threads-max", "");
    long long pid_max = number_in("/proc/sys/kernel/pid_max", "");

    if (is_map_count(&limit) || is_commit_limit(&limit, stack) || is_control_group(&limit) ||
        is_user_limit(&limit, threads))
        return limit;
    /* Tasks of the machine. It may have lost some since. */
    if (tasks + 2 >= threads_max)
        set(&limit, "kernel.threads-max", threads_max, tasks);
    else if (tasks + RESERVED_PIDS >= pid_max)
        set(&limit, "kernel.pid_max", pid_max, tasks);
    else
        set(&limit, "unknown", -1, tasks);
    return limit;
}

/* ---- The command */

/* Starts up to `count` threads and waits until they wait. How many; in *error what stopped the next, or 0. */
static int start_threads(int count, size_t stack, int *error)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    *error = pthread_attr_setstacksize(&attributes, stack);

    pthread_t thread;
    int started = 0;
    while (started < count && *error == 0) {
        *error = pthread_create(&thread, &attributes, wait_for_ever, NULL);
        started += *error == 0;
    }
    pthread_attr_destroy(&attributes);
    while (atomic_load(&waiting) < started)
        usleep(1000);
    return started;
}

static void print_csv(const struct result *result)
{
    printf("%d,%zu,%d,%s,%s,%lld,%lld,%lld,%lld,%lld,%lld,%lld\n", result->wanted, result->stack / 1024,
           result->threads, result->error ? strerrorname_np(result->error) : "", result->limit.name,
           result->limit.value, result->limit.used, result->each.resident, result->each.kernel_stack,
           result->each.page_tables, result->each.slab, result->each.available);
}

static void print(const struct result *result)
{
    printf("%d threads of %d wait\n", result->threads, result->wanted);
    if (result->limit.value >= 0)
        printf("stopped by %s: it is %lld, and %lld are used (%s)\n", result->limit.name, result->limit.value,
               result->limit.used, strerrorname_np(result->error));
    else if (result->error)
        printf("stopped by a limit that is not known here (%s)\n", strerrorname_np(result->error));
    printf("memory of a thread, in bytes: %lld resident, %lld kernel stack, %lld page tables, %lld slab; "
           "%lld of the machine's\n",
           result->each.resident, result->each.kernel_stack, result->each.page_tables, result->each.slab,
           result->each.available);
}

static struct memory per_thread(struct memory before, struct memory after, int threads)
{
    int by = threads > 0 ? threads : 1;
    return (struct memory){
        .resident = (after.resident - before.resident) / by,
        .kernel_stack = (after.kernel_stack - before.kernel_stack) / by,
        .page_tables = (after.page_tables - before.page_tables) / by,
        .slab = (after.slab - before.slab) / by,
        .available = (before.available - after.available) / by,
    };
}

static int run(int count, size_t stack, bool csv)
{
    struct result result = {.wanted = count, .stack = stack, .limit = {.value = -1, .used = -1}};
    struct memory before = memory_now();
    result.threads = start_threads(count, stack, &result.error);
    result.each = per_thread(before, memory_now(), result.threads);
    if (result.error)
        result.limit = limit_met(result.threads, (long long)stack);
    (csv ? print_csv : print)(&result);
    return result.error ? 3 : 0;
}

/* The number that is all of `text`, from low to high; otherwise -1. */
static long number(const char *text, long low, long high)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    return *text && !*end && errno == 0 && value >= low && value <= high ? value : -1;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"csv", no_argument, NULL, 'c'},
                                            {"stack", required_argument, NULL, 's'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    bool csv = false;
    long stack = 16;
    for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (option == 'h')
            return fputs(USAGE, stdout) < 0;
        if (option == 'c')
            csv = true;
        else if (option == '?' || (stack = number(optarg, 16, 1048576)) < 0)
            return fputs(USAGE, stderr), 2;
    }
    long count = optind + 1 == argc ? number(argv[optind], 1, 4000000) : -1;
    if (count < 0)
        return fputs(USAGE, stderr), 2;
    return run((int)count, (size_t)stack * 1024, csv);
}
