/*
 * The control group that decides about this process's CPU time: what it limits, and for how long it has stopped
 * the process.
 */
#ifndef WB_CPU_GROUP_H
#define WB_CPU_GROUP_H

#include "base/control_group.h"

/*
 * Finds the group of this process; `proc_self` as control_group_find() has it. Where there is no group that can
 * be seen, the functions below report no limit.
 */
void cpu_group_find(struct control_group *group, const char *proc_self);

/*
 * The CPUs' worth of time that the group and those around it allow (`cpu.max`, `cpu.cfs_quota_us`;
 * Documentation/ scheduler/sched-bwc.rst of the kernel); 0 for no limit.
 */
double cpu_group_limit(const struct control_group *group);

/* Seconds so far, summed over CPUs, for which those limits kept what is in the groups from running. */
double cpu_group_throttled_s(const struct control_group *group);

#endif
