/* The start of a process and its settings, the same in all three servers. */
#ifndef WB_APP_H
#define WB_APP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/counters.h"
#include "base/limits.h"
#include "db/pool.h"
#include "handler/service.h"
#include "http/codec.h"
#include "server/config.h"

/* Constants that no user needs to set, and that must be the same in all three servers. */
enum {
    /* Bytes that a client may still send after our last response: with 1 MiB, one that sent 8 MiB before it
     * read lost its 413. */
    APP_LINGER_BYTES = 64 * 1024 * 1024,
    APP_PIPELINE_DEPTH = 256,   /* requests that share a database connection at most, with DB_PIPELINE */
    APP_REQUESTS_PER_TURN = 32, /* of one client's pipeline, before an event loop's other clients go on */
};

struct app {
    struct service service; /* what handlers see; max_connections after the limits of the system */
    struct config config;
    struct http_limits limits;
    struct pg_target database;
    enum limit connection_limit; /* the limit that max_connections comes from, for the log */
};

/*
 * Configuration, log, SIGPIPE ignored, descriptors raised to the hard limit, connection limit
 * worked out. Ends the process with a sentence when something is wrong (2 for a bad setting).
 */
void app_init(struct app *app, const char *model, int argc, char **argv);

/*
 * Lowers app->service.max_connections to `count` when that is less, and remembers the limit that it comes from
 * for the line that is logged when it is met.
 */
void app_limit_connections(struct app *app, size_t count, enum limit limit);

/*
 * How many more mappings clients may have: what vm.max_map_count leaves, seen from now, but for a quarter (at
 * most 4096), which is for everything else: malloc's big blocks and arenas, threads, libraries that load later.
 */
size_t app_mappings_left(void);

/*
 * The pool of one worker, which has its share of DB_POOL: where 16 connections meet 3 workers, 6, 5 and 5.
 * `worker` -1: one pool for the whole process.
 */
struct pool_settings app_pool_settings(const struct app *app, int worker, struct counters *counters);

/*
 * The database cannot be reached at the start: logs why and what to do, and ends the process with 1. Returns
 * only if another thread is doing so already.
 */
void app_cannot_start(const struct app *app, const struct pg *pg);

/*
 * Bytes that the kernel holds because the client has not taken them (SIOCOUTQ, tcp(7)). A socket is
 * writable again only once a third of its buffer is free, megabytes at times: a slow reader can be
 * taking bytes all the while, so WRITE_TIMEOUT looks here before it gives up.
 */
int app_untaken(int fd);

#endif
