/* What all exchanges of a process share, and the start-up that is the same in all three servers. */
#ifndef WB_APP_H
#define WB_APP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/counters.h"
#include "db/pg.h"
#include "handler/service.h"
#include "http/codec.h"
#include "server/config.h"

/* What no user needs to set, and what must be the same in all three servers. */
enum {
    APP_CONNECT_MS = 5000, /* for the database to accept a connection */
    APP_LINGER_MS = 2000,  /* for a client to close after our last response */
    /* And what it may still send until then: with 1 MiB, one that sent 8 MiB before it read lost its 413. */
    APP_LINGER_BYTES = 64 * 1024 * 1024,
    /*
     * In a drain, in place of IDLE_TIMEOUT and of the linger. A client that sends one request after another
     * has its next on the way: closed at once, 50 of 50 such clients (n=0) lost one.
     */
    APP_LAST_CALL_MS = 200,
    APP_REQUESTS_PER_TURN = 32, /* of one client's pipeline, before an event loop's other clients go on */
};

struct app {
    struct service service; /* what handlers see; max_connections after the limits of the system */
    struct config config;
    struct http_limits limits;
    struct pg_target database;
    const char *connection_limit; /* which of them it is, for the log line: "RLIMIT_NOFILE 1024" */
};

/*
 * Configuration, log, SIGPIPE ignored, descriptors raised to the hard limit, connection limit
 * worked out. Ends the process with a sentence when something is wrong (2 for a bad setting).
 */
void app_init(struct app *app, const char *model, int argc, char **argv);

/*
 * Lowers app->service.max_connections to `limit` when that is less, and remembers `why` (static or living as
 * long as the process) for the line that is logged when it is met.
 */
void app_limit_connections(struct app *app, unsigned limit, const char *why);

/*
 * A non-blocking listening socket on HOST:PORT, or -1 with the reason logged ("port 8080 is in use:
 * ..."). With `shared`, several sockets of this process may listen there (SO_REUSEPORT); whether
 * another process already does is found out all the same.
 */
int app_listen(const struct app *app, bool shared);

/* TCP_NODELAY, the same in all servers. */
void app_prepare_client(int fd);

/*
 * Bytes that the kernel holds because the client has not taken them (SIOCOUTQ, tcp(7)). A socket is
 * writable again only once a third of its buffer is free, megabytes at times: a slow reader can be
 * taking bytes all the while, so WRITE_TIMEOUT looks here before it gives up.
 */
int app_untaken(int fd);

/* "threaded: listening on 127.0.0.1:8080 (pool 16, up to 9000 connections: RLIMIT_NOFILE 20000)" */
void app_log_ready(const struct app *app);

/*
 * One line, at most once in a second, that a limit is met and new connections get a 503. `why` names
 * the limit ("RLIMIT_NPROC"); NULL for app->connection_limit.
 */
void app_log_limit(const struct app *app, const char *why);

#endif
