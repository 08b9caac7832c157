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

#include "app.h"
#include "exchange.h"
#include "pool.h"

struct database {
    const struct app *app;
    pthread_mutex_t lock; /* over pool and stopping */
    struct pool pool;
    bool stopping;
    pthread_cond_t keeper_wake;
    pthread_t keeper; /* the thread that (re)connects */
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
 * Runs the queries of an exchange that has asked for one, until it replies. Blocks: for a connection
 * of the pool, then for each result. `*draining` makes the reply close the client's connection.
 */
void database_run(struct database *database, struct exchange *x, const atomic_bool *draining);

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
