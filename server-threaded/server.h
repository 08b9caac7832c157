/*
 * What the files of this server share. It waits in threads: a thread per connection, which blocks
 * wherever it has to wait, and one pool of database connections under a mutex.
 *
 *     main.c        start, signals, drain; its thread is the one that accepts
 *     listener.c    a client waits            -> a connection and its thread
 *     connection.c  serves one client, from its first byte to its last
 *     database.c    the pool: making connections, waiting for one, and waiting for results
 *     pipeline.c    waiting for results with DB_PIPELINE=1, where requests share connections
 */
#ifndef WB_SERVER_H
#define WB_SERVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "db/pool.h"
#include "handler/exchange.h"
#include "server/app.h"
#include "server/drain.h"
#include "server/listen.h"
#include "server/timeouts.h"

/* The database connections. */
struct database {
    const struct app *app;
    pthread_mutex_t lock; /* over the pool and `is_resolving` */
    struct pool pool;
    pthread_cond_t keeper_wake;
    pthread_t keeper;           /* the thread that (re)connects */
    bool is_resolving;          /* the keeper is inside the resolver, which nothing can interrupt */
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

/* One client, owned by its thread. */
struct connection {
    struct server *server;
    struct counters *counters;
    int fd;
    enum timeout reading; /* what SO_RCVTIMEO is set for */
    uint64_t read_by_ms;  /* when the head or the body has to be there */
    atomic_bool idle;     /* between two requests: the end of the last call may end its read */
    LIST_ENTRY(connection) entry;
};

struct server {
    struct app app;
    struct database database;
    struct drain drain;
    atomic_bool draining;

    struct acceptor acceptor;
    pthread_attr_t thread_attr;
    unsigned next_shard;

    pthread_mutex_t connections_lock; /* over connections */
    LIST_HEAD(, connection) connections;
};

/* listener.c */

/* Accepts the clients that wait. Does not block. False: try again after TIMEOUT_RETRY, not before. */
bool listener_accept(struct server *server);

/* Accepts all that are in the backlog, then closes the listening socket. Does not block. */
void listener_drain(struct server *server);

/* connection.c */

/* The thread of a connection: serves the client until either side ends, then frees the connection. */
void *connection_main(void *connection);

/* After the last call: ends the read of each connection that is between two requests. */
void connections_end_idle(struct server *server);

/* database.c */

/*
 * Starts the thread that connects. It calls drain_part_is_up() once, or ends the process when the
 * first connection cannot be made. False: the reason is logged.
 */
bool database_start(struct database *database, struct server *server);

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
