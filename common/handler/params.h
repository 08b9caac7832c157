/*
 * The query string of a target: name=value pairs separated by '&', percent-decoded once (RFC 3986 2.1).
 *
 *     struct params params;
 *     if (!params_parse(&params, request->query))           ...400
 *     if (!params_take_u64(&params, "limit", 1, 100, &limit)) ...400
 *     if (!params_all_taken(&params))                       ...400
 *
 * A '+' is a plus, not a space: the query string is not a form. The structure holds copies of names and
 * values. A function that returns false has put a sentence into `error`, and into `culprit` the name of the
 * parameter to blame ("" if there is none).
 */
#ifndef WB_PARAMS_H
#define WB_PARAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum {
    PARAMS_MAX = 16,
    PARAM_BYTES_MAX = 32, /* of a decoded name or value; the longest valid one has 19 digits */
};

struct param {
    char name[PARAM_BYTES_MAX + 1];
    char value[PARAM_BYTES_MAX + 1];
    bool taken;
};

struct params {
    unsigned count;
    char culprit[PARAM_BYTES_MAX + 1];
    char error[160];
    struct param all[PARAMS_MAX];
};

/* False for bad percent-encoding, a control character, a repeated or empty name, too many or too long ones. */
bool params_parse(struct params *params, struct str query);

/* False if the parameter is not a decimal number from low to high. If it is absent, *out stays as it is. */
bool params_take_u64(struct params *params, const char *name, uint64_t low, uint64_t high, uint64_t *out);

/* False if there is a parameter that was not taken. */
bool params_all_taken(struct params *params);

#endif
