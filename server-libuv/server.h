/*
 * What the files of this server share. It waits in callbacks: a worker is a thread with an event
 * loop, its own listening socket, its own database connections and the clients that it accepted.
 * Nothing below is shared between workers, so nothing is locked.
 *
 *     main.c        the name of the server
 *     loops.c       start, signals, drain; the loop's timer
 *     listener.c    a client waits            -> connection_open()
 *     connection.c  a request is complete     -> job_start()
 *     database.c    the response is made      -> connection_respond()
 *     pipeline.c    the same with DB_PIPELINE=1, where requests share connections (link.h)
 *     connection.c  the response is sent      -> the next request
 *
 * All of it runs on the worker's own thread, between two polls of its loop. libuv never calls back
 * from inside a call, and neither do these files: a request that is given the connection of another is
 * queued, and runs when the present callback has ended (jobs_run_woken).
 *
 * server-hybrid is linked with loops.c, listener.c and connection.c, and hands requests to threads in place of
 * database.c.
 */
#ifndef WB_SERVER_H
#define WB_SERVER_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include "base/alarms.h"
#include "base/must.h"
#include "base/owner_of.h"
#include "handler/exchange.h"
#include "server/app.h"
#include "server/drain.h"
#include "server/listen.h"
#include "server/timeouts.h"

enum {
    JOBS_KEPT = 256, /* of the jobs that are free, for each loop */
};

/* The result of a function that would wait if it could. */
enum progress {
    PROGRESS_DONE,  /* it is done, and the caller goes on */
    PROGRESS_LATER, /* a callback will go on (or close the connection), and the caller returns */
};

enum connection_state {
    CONNECTION_NEW,
    CONNECTION_READING,   /* waits for (the rest of) a request */
    CONNECTION_HANDLING,  /* the exchange is under way, perhaps on the database */
    CONNECTION_SENDING,   /* the socket did not take all of the response at once */
    CONNECTION_YIELDING,  /* more requests are there; other connections go first */
    CONNECTION_LINGERING, /* our side is closed; waiting for the client to close its own */
    CONNECTION_CLOSING,   /* until libuv gives the handle back */
};

/* One client. Made when it is accepted, freed by the close callback of its handle. */
struct connection {
    struct worker *worker;
    uv_tcp_t tcp;
    enum connection_state state;
    enum timeout timeout; /* what `deadline` is armed for */
    bool reading_paused;  /* too much is pipelined */
    bool client_is_done;  /* it has sent FIN: nothing more will come */
    struct http_codec codec;
    struct job *job;  /* the request that is being responded to; NULL between requests */
    size_t discarded; /* bytes read and not looked at, since the last response was made */
    struct deadline deadline;
    LIST_ENTRY(connection) entry;
    STAILQ_ENTRY(connection) later;
};

/* A request that is under way: an idle client has none. */
struct job {
    struct exchange exchange;
    struct connection *connection;
    struct pool_waiter waiter;
    uint64_t ticket;          /* of the query that is under way in a pipeline */
    struct deadline deadline; /* of that query */
    struct alarm alarm;       /* at STEP_WAIT */
    uint64_t sent;            /* bytes of the response that the socket has taken */
    size_t chunk;             /* bytes handed to the uv_write under way */
    size_t pending;           /* of those, not yet taken when the write deadline was armed */
    union {
        uv_write_t write;
        uv_shutdown_t shutdown;
    };
    STAILQ_ENTRY(job) entry; /* among the free or the woken */
};

STAILQ_HEAD(job_list, job);
STAILQ_HEAD(connection_queue, connection);

struct listener {
    struct acceptor acceptor;
    uv_poll_t poll;
    uv_timer_t retry; /* after a descriptor or memory was not to be had */
};

struct worker {
    const struct app *app;
    struct counters *counters;
    struct drain *drain; /* of the process */
    uv_thread_t thread;
    uv_loop_t loop;
    uv_async_t order;    /* sent by the main thread after it has set one of these: */
    atomic_bool listens; /* listener.acceptor is there: accept clients */
    atomic_bool drains;  /* begin the drain */
    uv_prepare_t before_poll;
    uv_idle_t no_sleep; /* active while `yielding` is not empty */
    uv_timer_t timer;   /* at the earliest deadline, or earlier */
    struct timeouts timeouts;
    struct alarms alarms; /* of jobs that let time pass */
    uv_poll_t alarm;      /* watches alarms.fd */
    bool draining;
    struct listener listener;
    struct database *database; /* of this worker alone: link.h */
    LIST_HEAD(, connection) connections;
    struct connection_queue yielding;
    struct job_list free_jobs;
    unsigned free_job_count;
    char read_buffer[HTTP_READ_BYTES]; /* for all connections: the codec copies what it keeps */
};

/* loops.c */

/*
 * Starts the workers, serves until a drain has ended, and ends them; the exit status. Leaves the process at
 * once where other threads go on. From the main thread, which waits for the signals.
 */
int loops_run(const struct app *app, struct drain *drain, const sigset_t *signals);

/* A connection has been closed: ends the loop if that was the last one of a drain. */
void worker_connection_closed(struct worker *worker);

/* listener.c */

/* Accepts clients with worker->listener.acceptor. */
void listener_start(struct worker *worker);

/* Accepts what is in the backlog, then closes the socket. */
void listener_drain(struct worker *worker);

/* connection.c */

/* Serves the client at `fd`, which is the connection's from now on. -ENOMEM leaves it to the caller. */
__attribute__((warn_unused_result)) int connection_open(struct worker *worker, int fd);

/* The exchange of a job that was PROGRESS_LATER has its response. */
void connection_respond(struct connection *connection);

/* The present request, or the next one, is its last; the connection is closed soon if there is none. */
void connection_drain(struct connection *connection);

/* Goes on with those that let others go first; each may yield again. */
void connections_resume_yielding(struct worker *worker);

/* Goes on with the requests that have let enough time pass. */
void connections_resume_waiting(struct worker *worker);

/* Acts on the deadlines that have passed. */
void connections_check_time(struct worker *worker);

/* database.c: what a loop does for its requests */

extern const size_t job_bytes; /* of what begins with a struct job */

/* 0 or a negative errno. Connects nothing yet. */
__attribute__((warn_unused_result)) int jobs_init(struct worker *worker, unsigned index);

/*
 * The exchange of a new job has its request. PROGRESS_DONE: its response is made; PROGRESS_LATER:
 * connection_respond() will be called, and not from here.
 */
__attribute__((warn_unused_result)) enum progress job_start(struct job *job);

/* The same, once x.wait_ms have passed after STEP_WAIT. */
__attribute__((warn_unused_result)) enum progress job_waited(struct job *job);

/* A drain has begun: the response under way closes its connection. */
void job_drain(struct job *job);

/* Runs the requests that were given a connection or turned away. Every callback that may cause this ends so. */
void jobs_run_woken(struct worker *worker);

/* The callbacks of this turn have run: sends the queries that they have added to pipelines. */
void jobs_before_poll(struct worker *worker);

/* When jobs_check_time() will next have something to do, on clock_ms(). */
uint64_t jobs_next_ms(const struct worker *worker);

/* Connects what is due, turns away what has waited too long, and acts on deadlines that have passed. */
void jobs_check_time(struct worker *worker);

/* Closes every handle; nothing may be under way. jobs_deinit() follows when the loop has ended. */
void jobs_stop(struct worker *worker);
void jobs_deinit(struct worker *worker);

#endif
