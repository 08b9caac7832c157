/*
 * The control group (cgroups(7), version 1 or 2) that decides about this process's CPU time: what it limits,
 * and for how long it has stopped the process. To read a file of /proc or of a control group does not wait for
 * a device.
 */
#ifndef WB_CPU_GROUP_H
#define WB_CPU_GROUP_H

#include <stdbool.h>
#include <stddef.h>

enum { CPU_GROUP_PATH_MAX = 512 };

struct cpu_group {
    int version;                   /* 1 or 2; 0: there is none that can be seen */
    size_t top_len;                /* of `path`: where the tree of groups is mounted */
    char path[CPU_GROUP_PATH_MAX]; /* folder of the group */
};

/*
 * Finds the group of this process. `proc_self` is "/proc/self", or a folder with copies of the files `cgroup`
 * and `mountinfo` for tests. Where there is no group that can be seen, the functions below report no limit.
 */
void cpu_group_find(struct cpu_group *group, const char *proc_self);

/*
 * The CPUs' worth of time that the group and those around it allow (`cpu.max`, `cpu.cfs_quota_us`;
 * Documentation/ scheduler/sched-bwc.rst of the kernel); 0 for no limit.
 */
double cpu_group_limit(const struct cpu_group *group);

/* Seconds so far, summed over CPUs, for which those limits kept what is in the groups from running. */
double cpu_group_throttled_s(const struct cpu_group *group);

#endif
