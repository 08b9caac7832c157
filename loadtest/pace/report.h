/* The result of a run, whether it is sound, and its forms: JSON, a table, HdrHistogram's text. */
#ifndef PACE_REPORT_H
#define PACE_REPORT_H

#include <stdbool.h>

#include "crud.h"
#include "options.h"
#include "tally.h"
#include "target.h"

enum { UNSOUND_MAX = 3, UNSOUND_LEN = 400 };

struct report {
    const struct options *options;
    const struct target *target;
    struct tally *tally; /* of all threads */
    double connect_s;
    /* of all threads, with crud */
    uint64_t issued[OPERATIONS], answered[OPERATIONS], wrong;
    const char *first_wrong;
    unsigned unsound_count; /* 0: sound */
    char unsound[UNSOUND_MAX][UNSOUND_LEN];
};

/* Finds out whether the result is sound. */
void report_judge(struct report *report);

/* Writes the files that the options name, and the table unless standard output has the JSON. 0; or -1 after a
 * sentence on standard error. */
int report_write(const struct report *report);

#endif
