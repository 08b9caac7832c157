/*
 * Database connections for threads that block: one pool under a mutex, a thread that makes the connections, and
 * queries whose caller waits until the result is there.
 *
 * server-hybrid uses it too. Its threads block for results but not for a connection, which `wake` tells them
 * of.
 */
#ifndef WB_DATABASE_H
#define WB_DATABASE_H

#include <pthread.h>
#include <stdbool.h>

#include "db/pool.h"
#include "handler/exchange.h"
#include "server/app.h"
#include "server/drain.h"
#include "server/timeouts.h"

struct database {
    const struct app *app;
    struct drain *drain;
    void (*wake)(struct pool_waiter *waiter); /* the pool has decided; under the lock at times */
    pthread_mutex_t lock;                     /* over the pool, `is_resolving` and `keeper_until_ns` */
    struct pool pool;
    pthread_cond_t keeper_wake;
    pthread_t keeper;           /* the thread that (re)connects */
    bool is_resolving;          /* the keeper is inside the resolver, which nothing can interrupt */
    uint64_t keeper_until_ns;   /* when the keeper looks at the pool by itself */
    int stop_fd;                /* eventfd(2): readable once the keeper is to end */
    struct pipeline *pipelines; /* one for each slot of the pool, by its index; NULL without DB_PIPELINE */
};

/* An exchange's hold on the database: one connection for all its queries. Zeroed but for `database`. */
struct session {
    struct database *database;
    struct pool_slot *slot;        /* NULL until the first query, and after a failure */
    enum exchange_failure failure; /* after a NULL result */
    PGresult *result;              /* of a pipeline: the session's own */
    unsigned slot_losses;          /* slot->losses when the session was given its place */
};

/*
 * Starts the thread that connects. It calls drain_part_is_up() once, or ends the process when the
 * first connection cannot be made. `wake` is called for a waiter that database_ask() left in the pool's queue,
 * by any thread; NULL where nobody calls database_ask(). False: the reason is logged.
 */
bool database_start(struct database *database, const struct app *app, struct drain *drain,
                    void (*wake)(struct pool_waiter *waiter));

/* Closes all connections. No request may be under way. False: the keeper cannot be ended; exit without it. */
bool database_stop(struct database *database);

/*
 * Blocks until the result is there. It belongs to the session and is valid until its next query. NULL:
 * there is none, session->failure says why.
 */
__attribute__((warn_unused_result)) const PGresult *database_query(struct session *session,
                                                                   const struct query *query);

/* Gives the session's connection to the request that has waited longest. Does not block. */
void database_release(struct session *session);

/*
 * A connection for the session, without waiting for one. POOL_QUEUED: `waiter` is the pool's, and the thread
 * that `wake` told may have it already; database_decided() follows. Otherwise session->slot is set, or
 * session->failure.
 */
__attribute__((warn_unused_result)) enum pool_outcome database_ask(struct session *session,
                                                                   struct pool_waiter *waiter);

/* The same, for a waiter that `wake` was called for. */
__attribute__((warn_unused_result)) enum pool_outcome database_decided(struct session *session,
                                                                       struct pool_waiter *waiter);

/* For pipeline.c: blocks. False with session->failure set when there is no connection to be had. */
__attribute__((warn_unused_result)) bool database_checkout(struct session *session);

/* For pipeline.c: the connection cannot be used any more, and no request has it. Takes the lock. */
void database_lose(struct database *database, struct pool_slot *slot);

/*
 * A request needs its place no more, which it was given when the connection had been lost `losses` times. Takes
 * the lock.
 */
void database_give_back(struct database *database, struct pool_slot *slot, unsigned losses);

/* pipeline.c */

/* A thread for each slot of the pool. NULL without memory, a descriptor or a thread: the process has to end. */
struct pipeline *pipelines_start(struct database *database);

/* Blocks until the threads have ended. No request may be under way. */
void pipelines_stop(struct database *database);

/* As database_query(), for a session that has a place in a pipeline. */
const PGresult *pipeline_query(struct session *session, const struct query *query);

/* Under database->lock: the connection is up. Call it before any request gets a place. */
void pipeline_connected(struct database *database, const struct pool_slot *slot);

/* Under database->lock: the connection, which its last user gives back, is to be made anew. */
void pipeline_make_anew(struct database *database, const struct pool_slot *slot);

#endif
