/*
 * The threaded server: a thread per connection that blocks wherever it has to wait.
 *
 *     main.c        start, signals, drain; its thread is the one that accepts
 *     listener.c    takes connections and gives each a thread
 *     connection.c  one client, from its first byte to its last
 *     database.c    the shared pool, waiting for a connection and for an answer
 */
#ifndef WB_THREADED_SERVER_H
#define WB_THREADED_SERVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "db/pool.h"
#include "handler/exchange.h"
#include "server/app.h"

struct database {
    const struct app *app;
    pthread_mutex_t lock; /* over all but app and keeper */
    struct pool pool;
    bool stopping;
    bool failing; /* the last attempt to connect failed, and that has been logged */
    pthread_cond_t keeper_wake;
    pthread_t keeper; /* the thread that (re)connects */
};

/* An exchange's hold on the database: one connection for all its queries. Zeroed but for `database`. */
struct session {
    struct database *database;
    struct pool_slot *slot;        /* NULL until the first query, and after a failure */
    enum exchange_failure failure; /* after a NULL result */
};

/* One client connection, owned by its thread. */
struct client {
    struct server *server;
    struct counters *counters;
    int fd;
    atomic_bool idle; /* between two requests: a drain may wake its read */
    struct client *prev, *next;
};

struct server {
    struct app app;
    struct database database;
    atomic_bool draining;

    pthread_attr_t thread_attr;
    unsigned next_shard;
    int spare_fd; /* closed to have a descriptor for saying 503 when there is no other */

    pthread_mutex_t clients_lock; /* over clients */
    struct client clients;        /* head of a circular list */
    pthread_cond_t clients_gone;
};

/*
 * Blocks until the first connection is made, then starts the thread that makes the others and
 * replaces lost ones. False, with the reason and what to do about it logged, if it cannot be made.
 */
bool database_start(struct database *database, const struct app *app);

/* Closes all connections. No request may be under way. */
void database_stop(struct database *database);

/*
 * Blocks until the query is answered. The result belongs to the session and is valid until its next
 * query. NULL: there is none, session->failure says why.
 */
__attribute__((warn_unused_result)) const PGresult *database_query(struct session *session,
                                                                   const struct query *query);

/* Gives the session's connection to whoever waits for one. Does not block. */
void database_release(struct session *session);

/* Takes all connections that wait in the listening socket's queue. Does not block. */
void listener_accept(struct server *server, int listener);

/* The thread of a client: serves it until either side ends. Frees it. */
void *connection_serve(void *client);

/*
 * For a drain, after its last call: ends the read of each client that is between two requests. Who
 * gets there later finds `draining` set.
 */
void connections_wake_idle(struct server *server);

#endif
