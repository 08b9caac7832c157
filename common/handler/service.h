/* The process as its handlers see it: the same for all exchanges of the process. */
#ifndef WB_SERVICE_H
#define WB_SERVICE_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* The server layer fills the structure before the first exchange; handlers only read it. */
struct service {
    const char *model;        /* "threaded", "libuv", "coro" */
    unsigned db_pool;         /* database connections of the whole process */
    unsigned pipeline_depth;  /* requests that may share a database connection; 1 without DB_PIPELINE */
    unsigned workers;         /* event loops; 0 for the threaded server */
    unsigned max_connections; /* client connections that the settings and the system's limits allow */
    size_t max_body_bytes;    /* of a request; a payload that grows by PATCH has the same limit */
    uint64_t n, m, w, d, t;   /* defaults of GET /work */
    uint64_t seed;            /* where ids start if a request has no seed: random, chosen once per process */
    time_t start_time;        /* for people */
    uint64_t start_ms;        /* on clock_ms(), for durations */
    char boot_id[37];         /* the kernel's, proc(5): tells one machine from another; "" if unknown */
};

#endif
