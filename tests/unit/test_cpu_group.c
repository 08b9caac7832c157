/* The control group of this process, on copies of the kernel's files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cpu_group.h"
#include "made_up_files.h"

/* `inside` is where the mount begins in the tree. */
static void mount(const char *folder, const char *inside, const char *type_and_options)
{
    char line[512];
    snprintf(line, sizeof line, "22 1 0:5 / /proc rw - proc proc rw\n31 30 0:28 %s %s/%s rw shared:9 - %s\n",
             inside, root, folder, type_and_options);
    put("mountinfo", line);
}

static struct control_group find(void)
{
    struct control_group group;
    cpu_group_find(&group, root);
    return group;
}

static int set_up(void **state)
{
    (void)state;
    return make_root();
}

static void the_tightest_limit_of_the_chain_counts_in_version_2(void **state)
{
    (void)state;
    put("cgroup", "0::/a.slice/b.service\n");
    mount("tree", "/", "cgroup2 cgroup2 rw");
    put("tree/cpu.stat", "usage_usec 9\n");
    put("tree/a.slice/cpu.max", "150000 100000\n");
    put("tree/a.slice/cpu.stat", "nr_throttled 3\nthrottled_usec 2500000\n");
    put("tree/a.slice/b.service/cpu.max", "max 100000\n");
    put("tree/a.slice/b.service/cpu.stat", "throttled_usec 500000\n");
    struct control_group group = find();
    assert_int_equal(group.version, 2);
    assert_true(cpu_group_limit(&group) == 1.5);
    assert_true(cpu_group_throttled_s(&group) == 3.0);
    put("tree/a.slice/b.service/cpu.max", "50000 100000\n");
    assert_true(cpu_group_limit(&group) == 0.5);
}

static void a_container_of_version_1_sees_its_own_part_of_the_tree(void **state)
{
    (void)state;
    put("cgroup", "9:name=systemd:/docker/1\n2:cpuset:/docker/1\n1:cpuacct,cpu:/docker/1/deep\n0::/other\n");
    mount("tree", "/docker/1", "cgroup cgroup rw,cpuacct,cpu");
    put("tree/cpu.cfs_quota_us", "50000\n");
    put("tree/cpu.cfs_period_us", "100000\n");
    put("tree/cpu.stat", "nr_periods 86\nnr_throttled 74\nthrottled_time 1500000000\n");
    put("tree/deep/cpu.cfs_quota_us", "-1\n");
    put("tree/deep/cpu.cfs_period_us", "100000\n");
    struct control_group group = find();
    assert_int_equal(group.version, 1);
    assert_true(cpu_group_limit(&group) == 0.5);
    assert_true(cpu_group_throttled_s(&group) == 1.5);
}

/* "/docker/1" is not above "/docker/12". */
static void a_group_outside_of_the_mount_is_that_at_its_top(void **state)
{
    (void)state;
    put("cgroup", "0::/docker/12\n");
    mount("tree", "/docker/1", "cgroup2 cgroup2 rw");
    struct control_group group = find();
    assert_int_equal(group.version, 2);
    assert_string_equal(group.path + strlen(root), "/tree");
}

static void version_1_wins_where_both_are_mounted(void **state)
{
    (void)state;
    put("cgroup", "1:cpu:/x\n0::/y\n");
    char line[512];
    snprintf(line, sizeof line,
             "40 30 0:37 / %s/unified rw - cgroup2 cgroup2 rw\n31 30 0:28 / %s/cpu rw - cgroup cgroup rw,cpu\n"
             "33 30 0:30 / %s/cpuset rw - cgroup cgroup rw,cpuset\n",
             root, root, root);
    put("mountinfo", line);
    struct control_group group = find();
    assert_int_equal(group.version, 1);
    assert_string_equal(group.path + strlen(root), "/cpu/x");
}

static void without_groups_there_is_no_limit(void **state)
{
    (void)state;
    struct control_group group = find();
    assert_int_equal(group.version, 0);
    assert_true(cpu_group_limit(&group) == 0 && cpu_group_throttled_s(&group) == 0);
    put("cgroup", "garbage\n\n:\n");
    put("mountinfo", "garbage - \n - cgroup2\n");
    group = find();
    assert_int_equal(group.version, 0);
    put("cgroup", "0::/gone\n"); /* it says nothing: gVisor, or a file that cannot be read */
    mount("tree", "/", "cgroup2 cgroup2 rw");
    group = find();
    assert_true(cpu_group_limit(&group) == 0 && cpu_group_throttled_s(&group) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_tightest_limit_of_the_chain_counts_in_version_2, set_up,
                                        remove_root),
        cmocka_unit_test_setup_teardown(a_container_of_version_1_sees_its_own_part_of_the_tree, set_up,
                                        remove_root),
        cmocka_unit_test_setup_teardown(a_group_outside_of_the_mount_is_that_at_its_top, set_up, remove_root),
        cmocka_unit_test_setup_teardown(version_1_wins_where_both_are_mounted, set_up, remove_root),
        cmocka_unit_test_setup_teardown(without_groups_there_is_no_limit, set_up, remove_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
