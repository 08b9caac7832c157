/*
 * What the files of this server share. It waits in coroutines: a worker is a thread with an event loop,
 * its own listening socket, its own database connections and the clients that it accepted, and each of
 * these is served by a coroutine whose code reads like a thread's. Nothing below is shared between
 * workers, so nothing is locked.
 *
 *     main.c        start, workers, signals, drain
 *     listener.c    accepts clients
 *     connection.c  serves one client
 *     database.c    the pool, and waiting for a connection and for results
 *     wait.c        what it is to wait
 *     co*           coroutines
 */
#ifndef WB_SERVER_H
#define WB_SERVER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>
#include <uv.h>

#include "base/counters.h"
#include "base/deadline.h"
#include "co/co.h"
#include "db/pool.h"
#include "handler/exchange.h"
#include "http/codec.h"
#include "server/app.h"
#include "wait.h"

/* The structure of `type` that has `member` at `pointer`. */
#define owner_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

/* One client; lives on the stack of the coroutine that serves it. */
struct connection {
    struct worker *worker;
    struct co *co; /* that serves it: for co_gdb.py */
    struct watch *watch;
    struct http_codec codec;
    enum { READING_NOTHING, READING_HEAD, READING_BODY } reading; /* what the armed deadline is for */
    bool idle;                                                    /* waits for a request */
    LIST_ENTRY(connection) entry;
};

/* What the event loop knows of a slot of the pool. */
struct link {
    struct database *database;
    struct pool_slot *slot;
    struct watch *watch; /* NULL while there is no socket */
};

/* The database connections of one worker. */
struct database {
    struct worker *worker;
    struct pool pool;
    struct link *links; /* one for each slot, by its index */
    enum {
        DATABASE_UNTRIED, /* the first connection is being made, alone */
        DATABASE_REFUSED, /* it could not be made */
        DATABASE_PROVEN,  /* it was made; the others follow on the worker's thread */
        DATABASE_RUNNING,
        DATABASE_STOPPING,
    } state;
    bool failing; /* the last attempt failed, and that has been logged */
};

/* An exchange's hold on the database: one connection for all its queries. Zeroed but for `database`. */
struct session {
    struct database *database;
    struct pool_slot *slot;        /* NULL until the first query, and after a failure */
    enum exchange_failure failure; /* after a NULL result */
};

struct worker {
    struct app *app;
    struct counters *counters;
    pthread_t thread;
    uv_loop_t loop;
    uv_async_t drain; /* sent by the main thread */
    bool draining;
    LIST_HEAD(, connection) connections;
    struct co_stacks stacks;      /* STACK_KIB */
    struct co_stacks deep_stacks; /* for connecting to the database */

    /* listener.c */
    int listen_fd;
    int spare_fd;           /* given up to accept, and so refuse, when descriptors run out */
    struct watch *listener; /* NULL when it no longer accepts */

    struct database database;

    /* wait.c */
    struct co_list ready, later;
    uv_idle_t turn;    /* active while somebody is in `later` */
    uv_timer_t timer;  /* at the earliest deadline, or before */
    uint64_t timer_ms; /* when that is; UINT64_MAX when it is not armed */
    struct deadline_list timeouts[TIMEOUTS];

    char read_buffer[HTTP_READ_BYTES]; /* of all clients: nobody yields between reading and feeding */
};

/* main.c */

/* Ends the loop when it drains and nobody is left. */
void worker_end_if_done(struct worker *worker);

/* listener.c */

/* Starts accepting from worker->listen_fd. 0 or -ENOMEM. Ends by itself in a drain. */
__attribute__((warn_unused_result)) int listener_start(struct worker *worker);

/* connection.c */

/* Serves the client at `fd`, which is the connection's from now on. -ENOMEM leaves it to the caller. */
__attribute__((warn_unused_result)) int connection_open(struct worker *worker, int fd);

/* The present request is its last; if there is none, the next one that comes at once. */
void connection_drain(struct connection *connection);

/* database.c */

/* Connects the first of `size` connections, running the loop meanwhile. False: the reason is logged. */
__attribute__((warn_unused_result)) bool database_start(struct database *database, struct worker *worker,
                                                        unsigned size);

/*
 * Yields until the query is answered. The result belongs to the session and is valid until its next
 * query. NULL: there is none, session->failure says why.
 */
__attribute__((warn_unused_result)) coroutine_fn const PGresult *database_query(struct session *session,
                                                                                const struct query *query);

/* Gives the session's connection to whoever waits for one. Does not yield. */
void database_release(struct session *session);

/* Connects the other connections, now and whenever one is lost. */
void database_run(struct database *database);

/* Connects what is due, turns away who has waited too long. When next, on the clock of uv_now(). */
uint64_t database_check_time(struct database *database);

/* Nobody needs it any more: watches nothing, connects nothing. */
void database_stop(struct database *database);

/* After the loop has ended. */
void database_deinit(struct database *database);

#endif
