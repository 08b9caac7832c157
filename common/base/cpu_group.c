#include "base/cpu_group.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cpu_group_find(struct control_group *group, const char *proc_self)
{
    control_group_find(group, proc_self, "cpu");
}

/* One group of the chain from the process's own to the top. */
typedef double visit(const struct control_group *group, const char *folder, double so_far);

static double chain_fold(const struct control_group *group, visit *visit)
{
    double value = 0;
    char folder[CONTROL_GROUP_PATH_MAX];
    for (bool more = control_group_first(group, folder); more; more = control_group_next(group, folder))
        value = visit(group, folder, value);
    return value;
}

static double least_limit(const struct control_group *group, const char *folder, double so_far)
{
    char quota[CONTROL_GROUP_LINE_MAX], period[CONTROL_GROUP_LINE_MAX];
    if (group->version == 2) { /* "max 100000", or "150000 100000" */
        control_group_line(folder, "cpu.max", quota);
        char *space = strchr(quota, ' ');
        snprintf(period, sizeof period, "%s", space == NULL ? "" : space + 1);
    } else { /* -1 for no limit */
        control_group_line(folder, "cpu.cfs_quota_us", quota);
        control_group_line(folder, "cpu.cfs_period_us", period);
    }
    double limit = strtod(period, NULL) > 0 ? strtod(quota, NULL) / strtod(period, NULL) : 0;
    return limit > 0 && (so_far == 0 || limit < so_far) ? limit : so_far;
}

double cpu_group_limit(const struct control_group *group)
{
    return chain_fold(group, least_limit);
}

static double add_throttled(const struct control_group *group, const char *folder, double so_far)
{
    FILE *file = control_group_open(folder, "cpu.stat");
    if (file == NULL)
        return so_far;
    char line[128];
    uint64_t value;
    while (fgets(line, sizeof line, file) != NULL) {
        if (group->version == 1 && sscanf(line, "throttled_time %" SCNu64, &value) == 1)
            so_far += (double)value / 1e9;
        if (group->version == 2 && sscanf(line, "throttled_usec %" SCNu64, &value) == 1)
            so_far += (double)value / 1e6;
    }
    fclose(file);
    return so_far;
}

double cpu_group_throttled_s(const struct control_group *group)
{
    return chain_fold(group, add_throttled);
}
