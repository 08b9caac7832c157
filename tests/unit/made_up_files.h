/* A temporary folder with files that play those of the kernel. */
#ifndef WB_MADE_UP_FILES_H
#define WB_MADE_UP_FILES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[64];

/* Below `root`, with the folders that it needs. */
static inline void put(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* In memory where that can be: there, as in /proc, the links of a folder tell how many others are in it. */
static inline int make_root(void)
{
    strcpy(root, access("/dev/shm", W_OK) == 0 ? "/dev/shm/wb-unit-XXXXXX" : "/tmp/wb-unit-XXXXXX");
    return mkdtemp(root) == NULL;
}

static inline int remove_root(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

#endif
