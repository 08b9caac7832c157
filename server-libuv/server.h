/*
 * What the files of this server share. It waits in callbacks: a worker is a thread with an event
 * loop, its own listening socket, its own database connections and the clients that it accepted.
 * Nothing below is shared between workers, so nothing is locked.
 *
 *     listener.c    a connection waits        -> connection_open()
 *     connection.c  a request is complete     -> database_query()
 *     database.c    the response can be made     -> connection_respond()
 *     connection.c  the response is sent         -> the next request
 *
 * All of it runs on the worker's own thread, between two polls of its loop. libuv never calls back
 * from inside a call, and neither do these files: who gets a database connection because another gave
 * it back is queued and runs when the present callback has ended (database_run_woken).
 */
#ifndef WB_SERVER_H
#define WB_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include "base/counters.h"
#include "base/deadline.h"
#include "db/pool.h"
#include "handler/exchange.h"
#include "http/codec.h"
#include "server/app.h"

enum {
    JOBS_KEPT = 256, /* of the jobs that are free, for each loop */
};

/* The structure of `type` that has `member` at `pointer`. */
#define owner_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

enum connection_state {
    CONNECTION_NEW,
    CONNECTION_IDLE,      /* between two requests */
    CONNECTION_HEAD,      /* part of a request's head is there */
    CONNECTION_BODY,      /* the head is there, the body is not */
    CONNECTION_HANDLING,  /* the exchange is under way, perhaps on the database */
    CONNECTION_SENDING,   /* the socket did not take all of the response at once */
    CONNECTION_YIELDING,  /* more requests are there; other connections go first */
    CONNECTION_LINGERING, /* our side is closed; waiting for the client to close its own */
    CONNECTION_CLOSING,   /* until libuv gives the handle back */
    CONNECTION_STATES
};

/* One client. Made when it is accepted, freed by the close callback of its handle. */
struct connection {
    struct worker *worker;
    uv_tcp_t tcp;
    enum connection_state state;
    bool reading_paused; /* too much is pipelined */
    bool client_is_done; /* it has sent FIN: nothing more will come */
    struct http_codec codec;
    struct job *job;          /* the request being answered; NULL between requests */
    size_t discarded;         /* bytes read and not looked at, since the last response was made */
    struct deadline deadline; /* in the list of the state */
    LIST_ENTRY(connection) entry;
    STAILQ_ENTRY(connection) later;
};

/* A request being answered: only as many as there are requests under way, so an idle client has none. */
struct job {
    struct exchange exchange;
    struct connection *connection;
    struct pool_waiter waiter;
    uint64_t sent;  /* bytes of the response that the socket has taken */
    size_t chunk;   /* bytes handed to the uv_write under way */
    size_t pending; /* of those, not yet taken when the write deadline was armed */
    union {
        uv_write_t write;
        uv_shutdown_t shutdown;
    };
    STAILQ_ENTRY(job) entry; /* among the free or the woken */
};

STAILQ_HEAD(job_list, job);
STAILQ_HEAD(connection_queue, connection);

struct listener {
    uv_poll_t poll;
    uv_timer_t retry; /* after a descriptor or memory was not to be had */
    int fd;
    int spare_fd; /* given up to accept and refuse a client when there is no other */
};

/* The database connections of one worker. */
struct database {
    struct worker *worker;
    struct pool pool;
    struct link *links;    /* one for each slot of the pool, by its index */
    struct job_list woken; /* got a connection or were turned away, and have not run since */
    struct deadline_list queries, attempts;
    bool was_tried, was_up; /* since the start: to connect, and with success */
    bool failing;           /* the last attempt failed, and that has been logged */
    bool stopped;
};

struct worker {
    const struct app *app;
    struct counters *counters;
    unsigned index;
    uv_thread_t thread;
    uv_loop_t loop;
    uv_async_t drain; /* sent by the main thread */
    uv_prepare_t before_poll;
    uv_idle_t no_sleep; /* active while `yielding` is not empty */
    uv_timer_t timer;   /* at the earliest deadline, or earlier */
    uint64_t timer_ms;  /* when that is; UINT64_MAX when it is not armed */
    bool draining;
    struct listener listener;
    struct database database;
    LIST_HEAD(, connection) connections;
    struct connection_queue yielding;
    struct deadline_list timeouts[CONNECTION_STATES]; /* of length 0 where a state has none */
    struct job_list free_jobs;
    unsigned free_job_count;
    char read_buffer[HTTP_READ_BYTES]; /* for all connections: the codec copies what it keeps */
};

/* main.c */

/* The first database connection is up: clients are accepted from now on. */
void worker_database_is_up(struct worker *worker);

/* The database cannot be reached at the start: says why and ends the process with 1. */
_Noreturn void worker_start_failed(const struct worker *worker, const struct pg *pg);

/* A connection is gone: ends the loop if that was the last one of a drain. */
void worker_connection_closed(struct worker *worker);

/* Aborts with a sentence when a call failed that cannot fail unless this program is wrong. */
void must(int error, const char *what);

/* listener.c */

/* Takes over `fd`. 0 or a negative errno; it accepts nothing until listener_start(). */
__attribute__((warn_unused_result)) int listener_init(struct worker *worker, int fd);
void listener_start(struct worker *worker);
/* Accepts what is in the backlog, then closes the socket. */
void listener_drain(struct worker *worker);

/* connection.c */

/* Serves the client at `fd`, which is the connection's from now on. -ENOMEM leaves it to the caller. */
__attribute__((warn_unused_result)) int connection_open(struct worker *worker, int fd);
/* The exchange of a connection that database_query() left waiting has its response. */
void connection_respond(struct connection *connection);
/* The response under way, or the next one, is its last; it is closed soon if there is none. */
void connection_drain(struct connection *connection);
/* Goes on with those that let others go first; each may yield again. */
void connections_resume_yielding(struct worker *worker);
/* Acts on the deadlines that have passed. */
void connections_check_time(struct worker *worker);

/* database.c */

/* 0 or -ENOMEM. Connects nothing yet. */
__attribute__((warn_unused_result)) int database_init(struct database *database, struct worker *worker,
                                                      unsigned size);
/*
 * Runs the queries of an exchange that is at STEP_QUERY. True: its response is there already. False:
 * connection_respond() will be called, never from inside this call.
 */
__attribute__((warn_unused_result)) bool database_query(struct job *job);
/* Runs those who were given a connection or turned away. Every callback that may cause this ends with it. */
void database_run_woken(struct database *database);
/* Connects what is due to be connected, and acts on deadlines that have passed. */
void database_check_time(struct database *database);
/* When database_check_time() will have something to do, on the clock of uv_now(); UINT64_MAX: never. */
uint64_t database_next_ms(const struct database *database);
/* Closes every handle; nothing may be under way. database_deinit() follows when the loop has ended. */
void database_stop(struct database *database);
void database_deinit(struct database *database);

#endif
