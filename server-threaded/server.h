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

#include "database.h"
#include "server/listen.h"
#include "server/timeouts.h"

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

#endif
