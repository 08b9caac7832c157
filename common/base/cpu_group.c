#include "base/cpu_group.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_LEN = 4096 };

/* Whether `name` is one of the words that commas separate in `list`. */
static bool list_has(const char *list, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = list; (at = strstr(at, name)) != NULL; at += len)
        if ((at == list || at[-1] == ',') && (at[len] == ',' || at[len] == '\0'))
            return true;
    return false;
}

/* Opens `folder`/`name`; NULL when it is not there. */
static FILE *open_in(const char *folder, const char *name)
{
    char path[CPU_GROUP_PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return fopen(path, "re");
}

/* The path of this process's group in that version's tree, by a line ID:CONTROLLERS:PATH; "": none. */
static void membership_read(const char *proc_self, int version, char path[CPU_GROUP_PATH_MAX])
{
    path[0] = '\0';
    FILE *file = open_in(proc_self, "cgroup");
    if (file == NULL)
        return;
    char line[LINE_MAX_LEN];
    while (path[0] == '\0' && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *rest = controllers == NULL ? NULL : strchr(controllers + 1, ':');
        if (rest == NULL)
            continue;
        *rest = '\0';
        bool is_wanted = version == 2 ? controllers[1] == '\0' : list_has(controllers + 1, "cpu");
        if (is_wanted && strlen(rest + 1) < CPU_GROUP_PATH_MAX)
            strcpy(path, rest + 1);
    }
    fclose(file);
}

/* A mount, from a line of mountinfo, proc(5). */
struct mount {
    char inside[CPU_GROUP_PATH_MAX]; /* path in the tree at which the mount begins; "/" but in containers */
    char folder[CPU_GROUP_PATH_MAX];
    char type[16], options[256];
};

static bool mount_parse(const char *line, struct mount *mount)
{
    const char *after = strstr(line, " - ");
    return after != NULL && sscanf(line, "%*s %*s %*s %511s %511s", mount->inside, mount->folder) == 2 &&
           sscanf(after, " - %15s %*s %255s", mount->type, mount->options) == 2;
}

/* The version of the tree of groups that this mount shows, if the tree controls CPU time; else 0. */
static int mount_version(const struct mount *mount)
{
    if (strcmp(mount->type, "cgroup") == 0)
        return list_has(mount->options, "cpu") ? 1 : 0;
    return strcmp(mount->type, "cgroup2") == 0 ? 2 : 0;
}

static void group_set(struct cpu_group *group, const struct mount *mount, const char *proc_self)
{
    char path[CPU_GROUP_PATH_MAX];
    membership_read(proc_self, mount_version(mount), path);
    if (path[0] == '\0')
        return;
    size_t inside_len = strcmp(mount->inside, "/") == 0 ? 0 : strlen(mount->inside);
    const char *below = path + inside_len;
    bool is_shown = strncmp(path, mount->inside, inside_len) == 0 && (*below == '/' || *below == '\0');
    if (!is_shown || strcmp(below, "/") == 0)
        below = ""; /* outside what this mount shows, its top is the nearest group */
    int len = snprintf(group->path, sizeof group->path, "%s%s", mount->folder, below);
    group->top_len = strlen(mount->folder);
    group->version = len < (int)sizeof group->path ? mount_version(mount) : 0;
}

void cpu_group_find(struct cpu_group *group, const char *proc_self)
{
    *group = (struct cpu_group){0};
    FILE *file = open_in(proc_self, "mountinfo");
    if (file == NULL)
        return;
    char line[LINE_MAX_LEN];
    struct mount mount;
    /* A system may have both trees; the CPU controller is then in that of version 1. */
    while (group->version != 1 && fgets(line, sizeof line, file) != NULL)
        if (mount_parse(line, &mount) && mount_version(&mount) != 0)
            group_set(group, &mount, proc_self);
    fclose(file);
}

/* One group of the chain from the process's own to the top. */
typedef double visit(const struct cpu_group *group, const char *folder, double so_far);

static double chain_fold(const struct cpu_group *group, visit *visit)
{
    double value = 0;
    char folder[CPU_GROUP_PATH_MAX];
    if (group->version == 0)
        return 0;
    strcpy(folder, group->path);
    for (;;) {
        value = visit(group, folder, value);
        char *slash = strrchr(folder, '/');
        if (slash == NULL || (size_t)(slash - folder) < group->top_len)
            return value;
        *slash = '\0';
    }
}

/* The first line of a file, "" when there is none. */
static void line_read(const char *folder, const char *name, char line[64])
{
    line[0] = '\0';
    FILE *file = open_in(folder, name);
    if (file == NULL)
        return;
    if (fgets(line, 64, file) == NULL)
        line[0] = '\0';
    fclose(file);
}

static double least_limit(const struct cpu_group *group, const char *folder, double so_far)
{
    char quota[64], period[64];
    if (group->version == 2) { /* "max 100000", or "150000 100000" */
        line_read(folder, "cpu.max", quota);
        char *space = strchr(quota, ' ');
        snprintf(period, sizeof period, "%s", space == NULL ? "" : space + 1);
    } else { /* -1 for no limit */
        line_read(folder, "cpu.cfs_quota_us", quota);
        line_read(folder, "cpu.cfs_period_us", period);
    }
    double limit = strtod(period, NULL) > 0 ? strtod(quota, NULL) / strtod(period, NULL) : 0;
    return limit > 0 && (so_far == 0 || limit < so_far) ? limit : so_far;
}

double cpu_group_limit(const struct cpu_group *group)
{
    return chain_fold(group, least_limit);
}

static double add_throttled(const struct cpu_group *group, const char *folder, double so_far)
{
    FILE *file = open_in(folder, "cpu.stat");
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

double cpu_group_throttled_s(const struct cpu_group *group)
{
    return chain_fold(group, add_throttled);
}
