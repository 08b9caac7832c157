/*
 * The control group (cgroups(7), version 1 or 2) of this process for one controller, and those around it. To
 * read a file of /proc or of a control group does not wait for a device.
 *
 *     char folder[CONTROL_GROUP_PATH_MAX];
 *     for (bool more = control_group_first(group, folder); more; more = control_group_next(group, folder))
 *         control_group_line(folder, "pids.max", line);
 */
#ifndef WB_CONTROL_GROUP_H
#define WB_CONTROL_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { CONTROL_GROUP_PATH_MAX = 512, CONTROL_GROUP_LINE_MAX = 64 };

struct control_group {
    int version;                       /* 1 or 2; 0: there is none that can be seen */
    size_t top_len;                    /* of `path`: where the tree of groups is mounted */
    char path[CONTROL_GROUP_PATH_MAX]; /* folder of the group */
};

/*
 * Finds the group of this process that `controller` ("cpu", "pids", "memory") acts on. `proc_self` is
 * "/proc/self", or a folder with copies of the files `cgroup` and `mountinfo` for tests.
 */
void control_group_find(struct control_group *group, const char *proc_self, const char *controller);

/* The folder of the group itself. False: there is no group that can be seen. */
bool control_group_first(const struct control_group *group, char folder[CONTROL_GROUP_PATH_MAX]);

/* From a folder to that of the group around it. False: it is at the top of what is mounted. */
bool control_group_next(const struct control_group *group, char folder[CONTROL_GROUP_PATH_MAX]);

/* Opens a file of a folder; NULL when it is not there. The caller closes it. */
FILE *control_group_open(const char *folder, const char *name);

/* The beginning of a file's first line, "" when there is none. */
void control_group_line(const char *folder, const char *name, char line[CONTROL_GROUP_LINE_MAX]);

#endif
