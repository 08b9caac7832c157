/*
 * The query string of a target: name=value pairs split by '&', percent-decoded once (RFC 3986 2.1).
 *
 *     struct params params;
 *     if (!params_parse(&params, request->query))           ...400, params.error says why
 *     params_take_u64(&params, "limit", 1, 100, &limit)     ...absent leaves limit as it was
 *     if (!params_all_taken(&params))                       ...400, params.error names what is left
 *
 * A '+' is a plus, not a space: this is not a form. Names and values are kept in the structure.
 * Every function that returns false has put a sentence into `error` and the parameter's name into
 * `culprit` ("" when there is none).
 */
#ifndef WB_PARAMS_H
#define WB_PARAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum {
    PARAMS_MAX = 16,
    PARAM_BYTES_MAX = 32, /* of a decoded name or value: our longest is a 19-digit number */
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

/* False for bad percent-encoding, a repeated name, an empty name, or too many or too long ones. */
bool params_parse(struct params *params, struct str query);

/* False when it is there and not a decimal number within low..high. */
bool params_take_u64(struct params *params, const char *name, uint64_t low, uint64_t high, uint64_t *out);

/* Whether a parameter of that name is there. */
bool params_has(const struct params *params, const char *name);

/* False when there is a parameter that nobody took. */
bool params_all_taken(struct params *params);

#endif
