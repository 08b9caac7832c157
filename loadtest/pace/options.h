/* The command line of pace, checked. `pace --help` says what each option means. */
#ifndef PACE_OPTIONS_H
#define PACE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum { OPERATIONS = 6 }; /* of the items: read, list, create, replace, patch, delete */

struct options {
    char *host, *port; /* a name or an address, without brackets; digits */
    char **paths;      /* at least one, unless has_crud */
    unsigned path_count;
    double rate; /* requests per second in total; 0: closed loop */
    bool is_poisson;
    unsigned connections, threads;
    double seconds, warmup_s, drain_s, timeout_s; /* timeout_s 0: none */
    unsigned requests_per_connection;             /* 0: without end */
    unsigned idle, slow;
    unsigned expected_status;
    int64_t expected_len; /* of a body; -1: that of the first response to the same path */
    double late_ms;       /* a request that is sent so much later than it could have been counts as late */
    uint64_t seed;
    bool has_crud;
    unsigned mix[OPERATIONS], rows;
    char *injected; /* path, or `error` or `short` with crud; NULL: none */
    unsigned injected_every;
    unsigned burn_us;
    char *json, *hdr; /* files; NULL: none */
};

/* Reads the command line. With --help, or after a mistake (one sentence on standard error), the process ends,
 * with status 0 or 2. Its memory is needed until the end. */
void options_read(struct options *options, int count, char **words);

#endif
