/*
 * One connection to PostgreSQL as a step machine over non-blocking libpq. It never waits: it says
 * what it waits for, and the server waits in its own way and calls pg_step() again.
 *
 *     event = pg_connect_start(pg, target, address)   or   event = pg_send(pg, &query)
 *     PG_WANT_READ    wait until pg_socket(pg) is readable, then event = pg_step(pg)
 *     PG_WANT_WRITE   wait until it is readable or writable, then event = pg_step(pg)
 *     PG_DONE         connected and prepared, or pg->result is complete
 *     PG_FAILED       the connection is unusable: pg->error says why; pg_close() it
 *
 * While connecting, libpq may change its socket between two steps: stop and close any watcher before
 * each pg_step() until PG_DONE, and make a new one on pg_socket(). Once connected, the socket stays.
 * After PG_FAILED stop the watcher before pg_close().
 *
 * An SQL error is a result (PQresultStatus of pg->result), not a failure, unless the session ends
 * with it or its prepared statements are of no use any more. A failed connection may or may not have
 * run the query: it is never sent again.
 *
 * https://www.postgresql.org/docs/current/libpq-connect.html (PQconnectPoll), libpq-async.html
 */
#ifndef WB_PG_H
#define WB_PG_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/counters.h"
#include "db/query.h"

/* Where the database is: the parts of DATABASE_URL (or PG*) that connecting needs. */
struct pg_target {
    const char *url;     /* as configured; "" for PG* alone */
    const char *model;   /* becomes application_name */
    const char *prepare; /* SQL that a new connection runs before it is ready; NULL: none. Set by the caller */
    char host[256];      /* a name to resolve before each connect; "" when it is a number or a socket */
    char where[320];     /* for messages: "127.0.0.1:5432/app", never a password */
};

enum pg_event { PG_WANT_READ, PG_WANT_WRITE, PG_DONE, PG_FAILED };

/* What made a connection fail, as far as it changes what to tell the user. */
enum pg_cause {
    PG_CAUSE_NETWORK, /* refused, reset, unreachable, timed out */
    PG_CAUSE_REFUSED, /* the server answered and said no: password, database, too many connections */
    PG_CAUSE_SCHEMA,  /* connected, but a table or column is missing */
    PG_CAUSE_MEMORY,
};

struct pg {
    /* public, read-only */
    PGresult *result;    /* after PG_DONE of a query; owned by pg until the next call */
    enum pg_cause cause; /* after PG_FAILED */
    char error[256];     /* one line, no newline */

    /* private */
    PGconn *conn;
    int socket;
    struct counters *counters;
    const char *prepare; /* target->prepare, while it connects */
    uint64_t sent_ns;
    uint8_t state;
    char sqlstate[6]; /* of the failure; "" when the server gave none */
};

/* Finds out target->host and ->where, and sets ->prepare to NULL. False with a sentence in `error` if the URL
 * is malformed. */
bool pg_target_init(struct pg_target *target, const char *url, const char *model, char error[256]);

/* *pg must stay where it is as long as it has a connection. */
void pg_init(struct pg *pg, struct counters *counters);

/*
 * `address`: numeric, what target->host resolved to; NULL when target->host is "". Resolves no name
 * (it may read libpq's own files: ~/.pgpass, certificates). PG_WANT_WRITE or PG_FAILED. The deadline
 * is the caller's: connect_timeout has no effect here.
 */
enum pg_event pg_connect_start(struct pg *pg, const struct pg_target *target, const char *address);

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

/*
 * The caller gives up for a reason of its own: its deadline has passed, or there is no address to
 * connect to. PG_FAILED with that reason in pg->error; pg_close() it like any other failure.
 */
__attribute__((format(printf, 2, 3))) enum pg_event pg_give_up(struct pg *pg, const char *format, ...);

/*
 * To wait for; pg_close() closes it. -1 when there is none. It is a dup(2) of libpq's own, which libpq closes
 * in the very call that finds the session broken: by the time its watcher is stopped, that number may be a
 * socket of another thread.
 */
int pg_socket(const struct pg *pg);

/* Frees the connection, tells the server good-bye without waiting. May be called in any state. */
void pg_close(struct pg *pg);

/* The readable sentence that tells a user what to do about a failed first connection. */
const char *pg_advice(const struct pg *pg);

#endif
