/* Which limit was met, on made-up files of /proc and of control groups. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/limits.h"
#include "made_up_files.h"

/* A process with so many threads. */
static void put_process(int pid, int threads)
{
    char path[64];
    for (int i = 0; i < threads; i++) {
        snprintf(path, sizeof path, "%d/task/%d/comm", pid, pid + i);
        put(path, "made up\n");
    }
}

static void put_status(unsigned user, const char *capabilities, unsigned size_kib)
{
    char text[256];
    snprintf(text, sizeof text,
             "Name:\tserver\nUid:\t%u\t%u\t%u\t%u\nVmSize:\t  %u kB\nVmData:\t  %u kB\nCapEff:\t%s\n", user,
             user, user, user, size_kib, size_kib / 2, capabilities);
    put("self/status", text);
}

static void put_limits(const char *processes, const char *files, const char *space)
{
    char text[512];
    snprintf(text, sizeof text,
             "Limit                     Soft Limit           Hard Limit           Units     \n"
             "Max data size             unlimited            unlimited            bytes     \n"
             "Max processes             %-20s 99999                processes \n"
             "Max open files            %-20s 99999                files     \n"
             "Max address space         %-20s unlimited            bytes     \n",
             processes, files, space);
    put("self/limits", text);
}

/* A machine on which nothing is scarce. */
static int set_up(void **state)
{
    (void)state;
    if (make_root() != 0)
        return 1;
    put("loadavg", "0.01 0.02 0.03 2/345 678\n");
    put("sys/kernel/pid_max", "4194304\n");
    put("sys/kernel/threads-max", "190000\n");
    put("sys/vm/max_map_count", "65530\n");
    put("sys/vm/overcommit_memory", "0\n");
    put("sys/vm/user_reserve_kbytes", "1000\n");
    put("sys/vm/admin_reserve_kbytes", "500\n");
    put("sys/fs/nr_open", "1048576\n");
    put("sys/fs/file-nr", "500\t0\t1000\n");
    put("meminfo", "MemTotal:  1000000 kB\nMemAvailable: 900000 kB\nCommitLimit:  600000 kB\n"
                   "Committed_AS:  300000 kB\n");
    put("self/maps", "a\nb\nc\n");
    put("self/uid_map", "         0          0 4294967295\n");
    put_status(1000, "0000000000000000", 100000);
    put_limits("unlimited", "1024", "unlimited");
    return 0;
}

static struct limit_met find(enum limit_kind kind, int error, uint64_t bytes)
{
    const struct limit_failure failure = {.call = "call", .kind = kind, .error = error, .bytes = bytes};
    return limit_find(&failure, root);
}

static void assert_met(struct limit_met met, const char *name, uint64_t used, uint64_t value)
{
    assert_string_equal(limit_name(met.limit), name);
    assert_int_equal(met.used, used);
    assert_int_equal(met.value, value);
}

static void assert_thread_met(const char *name, uint64_t used, uint64_t value)
{
    assert_met(find(LIMIT_KIND_THREAD, EAGAIN, 131072), name, used, value);
}

static void assert_memory_met(const char *name, uint64_t used, uint64_t value)
{
    assert_met(find(LIMIT_KIND_MEMORY, ENOMEM, 131072), name, used, value);
}

/* "0::/a/b" in a tree of version 2, below root/tree. */
static void put_group(const char *path)
{
    char line[256];
    snprintf(line, sizeof line, "0::%s\n", path);
    put("self/cgroup", line);
    snprintf(line, sizeof line, "31 30 0:28 / %s/tree rw shared:9 - cgroup2 cgroup2 rw\n", root);
    put("self/mountinfo", line);
}

static void put_group_of_version_1(const char *controller, const char *path)
{
    char line[256];
    snprintf(line, sizeof line, "4:%s:%s\n0::/\n", controller, path);
    put("self/cgroup", line);
    snprintf(line, sizeof line, "31 30 0:28 / %s/tree rw - cgroup cgroup rw,%s\n", root, controller);
    put("self/mountinfo", line);
}

static void without_evidence_the_limit_is_unknown(void **state)
{
    (void)state;
    put_group("/");
    assert_thread_met("unknown", 0, 0);
    assert_memory_met("unknown", 0, 0);
}

static void without_files_the_limit_is_unknown(void **state)
{
    (void)state;
    strcat(root, "/none");
    assert_thread_met("unknown", 0, 0);
    assert_memory_met("unknown", 0, 0);
    *strrchr(root, '/') = '\0';
}

static void threads_of_the_machine_are_in_loadavg(void **state)
{
    (void)state;
    put("sys/kernel/threads-max", "346\n");
    assert_thread_met("kernel.threads-max", 345, 346);
    put("sys/kernel/threads-max", "500\n");
    assert_thread_met("unknown", 0, 0);
}

/* Whether the number of links of a folder tells how many others are in it. */
static bool links_are_counted(void)
{
    char path[128];
    struct stat about;
    put_process(77, 3);
    snprintf(path, sizeof path, "%s/77/task", root);
    return stat(path, &about) == 0 && about.st_nlink == 5;
}

static void numbers_of_processes_are_counted_where_they_are_seen(void **state)
{
    (void)state;
    if (!links_are_counted())
        skip();
    put_process(1000, 40);
    put("sys/kernel/pid_max", "340\n"); /* 300 are given out once only */
    assert_thread_met("kernel.pid_max", 43, 340);
    put("sys/kernel/pid_max", "360\n");
    assert_thread_met("unknown", 0, 0);
}

static void threads_of_a_user_are_those_of_its_processes(void **state)
{
    (void)state;
    if (!links_are_counted())
        skip();
    put_status(getuid(), "0000000000000000", 100000);
    put("self/uid_map", "0 100000 65536\n"); /* in a container: the limit binds every user */
    put_process(1000, 40);
    put_limits("44", "1024", "unlimited");
    assert_thread_met("RLIMIT_NPROC", 43, 44);
    put_limits("60", "1024", "unlimited");
    assert_thread_met("unknown", 0, 0);
    put_limits("44", "1024", "unlimited");
    put_status(getuid() + 1, "0000000000000000", 100000);
    assert_thread_met("unknown", 0, 0);
}

static void some_are_not_bound_by_the_number_of_threads_of_a_user(void **state)
{
    (void)state;
    put_limits("1", "1024", "unlimited");
    put_status(0, "0000000000000000", 100000);
    assert_thread_met("unknown", 0, 0);
    put_status(getuid() + 1, "0000000001000000", 100000); /* CAP_SYS_RESOURCE */
    assert_thread_met("unknown", 0, 0);
    put_status(getuid() + 1, "0000000000200000", 100000); /* CAP_SYS_ADMIN */
    assert_thread_met("unknown", 0, 0);
    put("self/uid_map", "0 100000 65536\n"); /* of a container only */
    assert_thread_met("RLIMIT_NPROC", 0, 1);
    put("self/uid_map", "0 0 1\n"); /* the machine's root in a container, under the same name */
    put_status(0, "0000000000000000", 100000);
    assert_thread_met("unknown", 0, 0);
}

static void the_group_around_may_be_the_one_that_is_full(void **state)
{
    (void)state;
    put_group("/a/b");
    put("tree/a/b/pids.max", "max\n");
    put("tree/a/b/pids.current", "20\n");
    put("tree/a/pids.max", "30\n");
    put("tree/a/pids.current", "30\n");
    assert_thread_met("cgroup pids.max", 30, 30);
    put("tree/a/pids.max", "300\n");
    assert_thread_met("unknown", 0, 0);
    put_group_of_version_1("pids", "/a");
    put("tree/a/pids.max", "31\n");
    assert_thread_met("cgroup pids.max", 30, 31);
}

static void mappings_are_lines(void **state)
{
    (void)state;
    put("sys/vm/max_map_count", "5\n");
    assert_thread_met("vm.max_map_count", 3, 5);
    assert_memory_met("vm.max_map_count", 3, 5);
    put("sys/vm/max_map_count", "6\n");
    assert_memory_met("unknown", 0, 0);
}

static void address_space_and_data_count_with_what_was_asked_for(void **state)
{
    (void)state;
    put_limits("unlimited", "1024", "102531072"); /* 128 KiB more than there is, and a byte */
    assert_memory_met("RLIMIT_AS", 102400000, 102531072);
    assert_thread_met("RLIMIT_AS", 102400000, 102531072);
    put_limits("unlimited", "1024", "204800000");
    assert_memory_met("unknown", 0, 0);
    put("self/limits", "Max data size             51200001             unlimited            bytes     \n");
    assert_memory_met("RLIMIT_DATA", 51200000, 51200001);
}

static void what_the_kernel_keeps_of_the_commit_limit_is_in_use(void **state)
{
    (void)state;
    put("meminfo", "MemTotal:  1000000 kB\nMemAvailable: 900000 kB\nCommitLimit:  301600 kB\n"
                   "Committed_AS:  300000 kB\n");
    assert_memory_met("unknown", 0, 0);
    put("sys/vm/overcommit_memory", "2\n");
    assert_memory_met("vm.overcommit_memory", (300000 + 1000 + 500) * 1024, 301600 * 1024);
    put_status(0, "0000000000200000", 3200); /* CAP_SYS_ADMIN; 1/32 is less than the reserve for users */
    assert_memory_met("vm.overcommit_memory", (300000 + 100) * 1024, 301600 * 1024);
    put("meminfo", "MemTotal:  1000000 kB\nMemAvailable: 900000 kB\nCommitLimit:  400000 kB\n"
                   "Committed_AS:  300000 kB\n");
    assert_memory_met("unknown", 0, 0);
}

static void memory_of_the_machine(void **state)
{
    (void)state;
    put("meminfo", "MemTotal:  1000000 kB\nMemAvailable: 9000 kB\n");
    assert_memory_met("memory", 991000 * 1024, 1000000 * 1024);
}

static void memory_of_a_group_counts_without_the_files_that_can_go(void **state)
{
    (void)state;
    put_group("/a");
    put("tree/a/memory.max", "104857600\n");
    put("tree/a/memory.current", "104000000\n");
    put("tree/a/memory.stat", "anon 5\ninactive_file 2000\n");
    assert_memory_met("cgroup memory.max", 103998000, 104857600);
    put("tree/a/memory.stat", "anon 5\ninactive_file 60000000\n");
    assert_memory_met("unknown", 0, 0);
    put("tree/a/memory.max", "max\n");
    assert_int_equal(limit_use(LIMIT_GROUP_MEMORY, root).value, 0);
}

static void memory_of_a_group_of_version_1(void **state)
{
    (void)state;
    put_group_of_version_1("memory", "/a");
    put("tree/memory.limit_in_bytes", "9223372036854771712\n");
    put("tree/memory.usage_in_bytes", "104000000\n");
    put("tree/a/memory.limit_in_bytes", "9223372036854771712\n");
    put("tree/a/memory.kmem.limit_in_bytes", "9223372036854771712\n");
    assert_int_equal(limit_use(LIMIT_GROUP_MEMORY, root).value, 0);
    put("tree/a/memory.limit_in_bytes", "104857600\n");
    put("tree/a/memory.usage_in_bytes", "104000000\n");
    put("tree/a/memory.stat", "inactive_file 7\ntotal_inactive_file 1000\n");
    assert_memory_met("cgroup memory.max", 103999000, 104857600);
    put("tree/a/memory.kmem.limit_in_bytes", "1000\n");
    put("tree/a/memory.kmem.usage_in_bytes", "1000\n");
    assert_memory_met("cgroup memory.max", 1000, 1000);
}

static void of_two_limits_the_closer_one_is_named(void **state)
{
    (void)state;
    put("sys/kernel/threads-max", "349\n");
    put("sys/vm/max_map_count", "5\n");
    assert_thread_met("vm.max_map_count", 3, 5);
    put("sys/kernel/threads-max", "346\n");
    assert_thread_met("kernel.threads-max", 345, 346);
}

static void descriptors_of_the_process_and_of_the_machine(void **state)
{
    (void)state;
    struct rlimit before, limit;
    getrlimit(RLIMIT_NOFILE, &before);
    limit = (struct rlimit){500, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    put("self/fd/0", "");
    put("self/fd/1", "");
    put("self/fd/12", "");
    assert_met(find(LIMIT_KIND_DESCRIPTOR, EMFILE, 0), "RLIMIT_NOFILE", 3, 500);
    put("sys/fs/nr_open", "400\n");
    assert_met(find(LIMIT_KIND_DESCRIPTOR, EMFILE, 0), "fs.nr_open", 3, 400);
    assert_met(find(LIMIT_KIND_DESCRIPTOR, ENFILE, 0), "fs.file-max", 500, 1000);
    setrlimit(RLIMIT_NOFILE, &before);
}

static void a_limit_that_is_known_is_not_searched_for(void **state)
{
    (void)state;
    const struct limit_failure failure = {.call = "accept4", .met.limit = LIMIT_MAX_MAP_COUNT};
    const struct limit_failure found = {.call = "accept4", .met = {LIMIT_NOFILE, 3, 4}};
    assert_met(limit_find(&failure, root), "vm.max_map_count", 3, 65530);
    assert_met(limit_find(&found, root), "RLIMIT_NOFILE", 3, 4);
}

/* No file is made up. */
static void this_process_has_what_it_has(void **state)
{
    (void)state;
    struct limit_met files = limit_use(LIMIT_NOFILE, "/proc"), maps = limit_use(LIMIT_MAX_MAP_COUNT, "/proc");
    int more = dup(0);
    assert_int_equal(limit_use(LIMIT_NOFILE, "/proc").used, files.used + 1);
    close(more);
    assert_true(files.used >= 3 && files.value > files.used);
    assert_true(maps.used > 10 && maps.value > maps.used);
    assert_true(limit_use(LIMIT_PID_MAX, "/proc").used >= 1);
    assert_true(limit_use(LIMIT_THREADS_MAX, "/proc").used >= 1);
    assert_true(limit_use(LIMIT_MEMORY, "/proc").used > 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, remove_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_evidence_the_limit_is_unknown),
        TEST(without_files_the_limit_is_unknown),
        TEST(threads_of_the_machine_are_in_loadavg),
        TEST(numbers_of_processes_are_counted_where_they_are_seen),
        TEST(threads_of_a_user_are_those_of_its_processes),
        TEST(some_are_not_bound_by_the_number_of_threads_of_a_user),
        TEST(the_group_around_may_be_the_one_that_is_full),
        TEST(mappings_are_lines),
        TEST(address_space_and_data_count_with_what_was_asked_for),
        TEST(what_the_kernel_keeps_of_the_commit_limit_is_in_use),
        TEST(memory_of_the_machine),
        TEST(memory_of_a_group_counts_without_the_files_that_can_go),
        TEST(memory_of_a_group_of_version_1),
        TEST(of_two_limits_the_closer_one_is_named),
        TEST(descriptors_of_the_process_and_of_the_machine),
        TEST(a_limit_that_is_known_is_not_searched_for),
        TEST(this_process_has_what_it_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
