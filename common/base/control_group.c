#include "base/control_group.h"

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

FILE *control_group_open(const char *folder, const char *name)
{
    char path[CONTROL_GROUP_PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return fopen(path, "re");
}

/* The path of this process's group in that version's tree, by a line ID:CONTROLLERS:PATH; "": none. */
static void membership_read(const char *proc_self, int version, const char *controller,
                            char path[CONTROL_GROUP_PATH_MAX])
{
    path[0] = '\0';
    FILE *file = control_group_open(proc_self, "cgroup");
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
        bool is_wanted = version == 2 ? controllers[1] == '\0' : list_has(controllers + 1, controller);
        if (is_wanted && strlen(rest + 1) < CONTROL_GROUP_PATH_MAX)
            strcpy(path, rest + 1);
    }
    fclose(file);
}

/* A mount, from a line of mountinfo, proc(5). */
struct mount {
    char inside[CONTROL_GROUP_PATH_MAX]; /* path in the tree at which the mount begins; "/" but in containers */
    char folder[CONTROL_GROUP_PATH_MAX];
    char type[16], options[256];
};

static bool mount_parse(const char *line, struct mount *mount)
{
    const char *after = strstr(line, " - ");
    return after != NULL && sscanf(line, "%*s %*s %*s %511s %511s", mount->inside, mount->folder) == 2 &&
           sscanf(after, " - %15s %*s %255s", mount->type, mount->options) == 2;
}

/* The version of the tree of groups that this mount shows, if the controller may belong to it; else 0. */
static int mount_version(const struct mount *mount, const char *controller)
{
    if (strcmp(mount->type, "cgroup") == 0)
        return list_has(mount->options, controller) ? 1 : 0;
    return strcmp(mount->type, "cgroup2") == 0 ? 2 : 0;
}

static void group_set(struct control_group *group, const struct mount *mount, const char *proc_self,
                      const char *controller)
{
    char path[CONTROL_GROUP_PATH_MAX];
    int version = mount_version(mount, controller);
    membership_read(proc_self, version, controller, path);
    if (path[0] == '\0')
        return;
    size_t inside_len = strcmp(mount->inside, "/") == 0 ? 0 : strlen(mount->inside);
    const char *below = path + inside_len;
    bool is_shown = strncmp(path, mount->inside, inside_len) == 0 && (*below == '/' || *below == '\0');
    if (!is_shown || strcmp(below, "/") == 0)
        below = ""; /* outside what this mount shows, its top is the nearest group */
    int len = snprintf(group->path, sizeof group->path, "%s%s", mount->folder, below);
    group->top_len = strlen(mount->folder);
    group->version = len < (int)sizeof group->path ? version : 0;
}

void control_group_find(struct control_group *group, const char *proc_self, const char *controller)
{
    *group = (struct control_group){0};
    FILE *file = control_group_open(proc_self, "mountinfo");
    if (file == NULL)
        return;
    char line[LINE_MAX_LEN];
    struct mount mount;
    /* A system may have both trees; a controller that is in one of version 1 is in no other. */
    while (group->version != 1 && fgets(line, sizeof line, file) != NULL)
        if (mount_parse(line, &mount) && mount_version(&mount, controller) != 0)
            group_set(group, &mount, proc_self, controller);
    fclose(file);
}

bool control_group_first(const struct control_group *group, char folder[CONTROL_GROUP_PATH_MAX])
{
    strcpy(folder, group->path);
    return group->version != 0;
}

bool control_group_next(const struct control_group *group, char folder[CONTROL_GROUP_PATH_MAX])
{
    char *slash = strrchr(folder, '/');
    if (slash == NULL || (size_t)(slash - folder) < group->top_len)
        return false;
    *slash = '\0';
    return true;
}

void control_group_line(const char *folder, const char *name, char line[CONTROL_GROUP_LINE_MAX])
{
    line[0] = '\0';
    FILE *file = control_group_open(folder, name);
    if (file == NULL)
        return;
    if (fgets(line, CONTROL_GROUP_LINE_MAX, file) == NULL)
        line[0] = '\0';
    fclose(file);
}
