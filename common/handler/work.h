/* GET /work: T ms of waiting, N single-row queries one after another, W of them updates, and M bytes back. */
#ifndef WB_WORK_H
#define WB_WORK_H

#include <stdint.h>

#include "handler/step.h"

struct exchange;

enum {
    WORLD_ROWS = 100000,
    WORK_N_MAX = 1000,
    WORK_M_MIN = 64,
    WORK_M_MAX = 16 * 1024 * 1024,
    WORK_D_MAX = 10000,
    WORK_T_MAX = 60000,
};

struct work {
    uint64_t n, m, w, d; /* queries, bytes, updates among the queries, milliseconds per query */
    uint64_t t;          /* milliseconds to wait, without the database */
    uint64_t seed;
    uint64_t done; /* queries that have a result */
    int64_t sum;
};

/* The id (1..WORLD_ROWS) of query number `index` (from 0) under a seed; see API.md. */
int32_t work_id(uint64_t seed, uint64_t index);

enum step work_start(struct exchange *x);

#endif
