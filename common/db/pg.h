/*
 * One connection to PostgreSQL as a step machine over non-blocking libpq. It never waits: it says
 * what it waits for, and the server waits in its own way and calls pg_step() again.
 *
 *     event = pg_connect_start(pg, target, addresses)   or   event = pg_send(pg, &query)
 *     PG_WANT_READ    wait until pg_socket(pg) is readable, then event = pg_step(pg)
 *     PG_WANT_WRITE   wait until it is readable or writable, then event = pg_step(pg)
 *     PG_DONE         connected and prepared, or pg->result is complete
 *     PG_FAILED       the connection is unusable: pg->error says why; pg_close() it
 *
 * When the wait takes too long, event = pg_timed_out(pg) in place of pg_step().
 *
 * While connecting, the socket may change between two steps, since libpq changes it and since a host
 * may have several addresses, which are tried one after another: stop and close any watcher before
 * each call until PG_DONE, and make a new one on pg_socket(). Once connected, the socket stays.
 * After PG_FAILED stop the watcher before pg_close().
 *
 * An SQL error is a result (PQresultStatus of pg->result), not a failure, unless the session ends
 * with it or its prepared statements are of no use any more. A failed connection may or may not have
 * run the query: a query is never sent again.
 *
 * https://www.postgresql.org/docs/current/libpq-connect.html (PQconnectPoll), libpq-async.html
 */
#ifndef WB_PG_H
#define WB_PG_H

#include <libpq-fe.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/counters.h"
#include "db/pg_target.h"
#include "db/query.h"

enum { PG_CONNECT_MS = 5000 /* for the database to accept a connection at one of its addresses */ };

enum pg_event { PG_WANT_READ, PG_WANT_WRITE, PG_DONE, PG_FAILED };

struct pg {
    /* public, read-only */
    PGresult *result;         /* after PG_DONE of a query; owned by pg until the next call */
    uint64_t connect_by_ms;   /* while connecting: call pg_timed_out() then (clock_ms()) */
    char error[256];          /* one line, no newline */
    char sqlstate[6];         /* of the failure; "" when the server gave none */
    bool timed_out;           /* pg_timed_out() was the failure of a query */
    atomic_bool is_read_only; /* the session cannot write */
    atomic_bool is_stale;     /* a statement of the session cannot be run any more: make the connection anew */
    struct pg_pipeline *pipeline; /* NULL: one query at a time. See pg_pipeline.h */

    /* private */
    PGconn *conn;
    int socket;
    struct counters *counters;
    const struct pg_target *target;
    const struct addrinfo *next_address; /* NULL when there is no other */
    uint64_t sent_ns;
    uint8_t state;
};

/* *pg must stay where it is as long as it has a connection. */
void pg_init(struct pg *pg, struct counters *counters);

/*
 * `addresses` is what target->host resolved to (getaddrinfo(3) with pg_address_hints); it and `target`
 * must stay until the connection is made or has failed. NULL when target->host is "". Resolves no name
 * (it may read libpq's own files: ~/.pgpass, certificates). Each address has PG_CONNECT_MS of its own;
 * libpq's connect_timeout has no effect here.
 */
enum pg_event pg_connect_start(struct pg *pg, const struct pg_target *target, const struct addrinfo *addresses);

/*
 * Only when connected and with no query under way. Clears the result before. The query is copied:
 * it and its text may go as soon as this returns.
 */
enum pg_event pg_send(struct pg *pg, const struct query *query);

/*
 * Goes on with what is under way. Also for an idle connection that has become readable, which is
 * how a restarted database shows: PG_WANT_READ while the session lives, else PG_FAILED.
 */
enum pg_event pg_step(struct pg *pg);

/* The result of a query, which is the caller's from now on: PQclear() it. NULL after an earlier call. */
PGresult *pg_take_result(struct pg *pg);

/*
 * The wait has taken too long. Of a query: PG_FAILED. While connecting: goes on with the next address,
 * PG_FAILED after the last one.
 */
enum pg_event pg_timed_out(struct pg *pg);

/*
 * The caller gives up for a reason of its own, such as no address to connect to. PG_FAILED with that
 * reason in pg->error; pg_close() it like any other failure.
 */
__attribute__((format(printf, 2, 3))) enum pg_event pg_give_up(struct pg *pg, const char *format, ...);

/*
 * The descriptor to wait for, which pg_close() closes. -1 when there is none. It is a dup(2) of libpq's own,
 * which libpq closes in the very call that finds the session broken: by the time its watcher is stopped,
 * that number may be a socket of another thread.
 */
int pg_socket(const struct pg *pg);

/* Frees the connection, tells the server good-bye without waiting. May be called in any state. */
void pg_close(struct pg *pg);

#endif
