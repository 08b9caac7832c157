/*
 * What the files of this server share. It waits in coroutines: a worker is a thread with an event loop,
 * its own listening socket, its own database connections and the clients that it accepted, and each of
 * these is served by a coroutine whose code reads like a thread's. Nothing below is shared between
 * workers, so nothing is locked.
 *
 *     main.c        start, signals, drain; how a coroutine waits for its loop
 *     listener.c    a client waits            -> connection_open()
 *     connection.c  serves one client, from its first byte to its last
 *     database.c    the pool: making connections, waiting for one, and waiting for results
 *     pipeline.c    waiting for results with DB_PIPELINE=1, where requests share connections (link.h)
 *     co/           the coroutines
 */
#ifndef WB_SERVER_H
#define WB_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include "base/alarms.h"
#include "base/must.h"
#include "base/owner_of.h"
#include "co/co.h"
#include "db/pool.h"
#include "handler/exchange.h"
#include "server/app.h"
#include "server/drain.h"
#include "server/listen.h"
#include "server/timeouts.h"

/* One client. */
struct connection {
    struct worker *worker;
    struct co *co; /* that serves it, for co_gdb.py; NULL while nothing of a request has arrived */
    struct watch *watch;
    struct http_codec codec;
    enum timeout reading; /* what the deadline of the read is armed for; TIMEOUT_NONE: not for reading */
    LIST_ENTRY(connection) entry;
};

/* The database connections of one worker. */
struct database {
    struct worker *worker;
    struct pool pool;
    struct link *links;          /* one for each slot of the pool, by its index */
    STAILQ_HEAD(, link) to_send; /* pipelines with queries that have not been sent */
};

/* An exchange's hold on the database: one connection for all its queries. Zeroed but for `database`. */
struct session {
    struct database *database;
    struct pool_slot *slot;        /* NULL until the first query, and after a failure */
    enum exchange_failure failure; /* after a NULL result */
    PGresult *result;              /* of a pipeline: the session's own */
};

struct worker {
    const struct app *app;
    struct counters *counters;
    struct drain *drain; /* of the process */
    uv_thread_t thread;
    uv_loop_t loop;
    uv_async_t order;    /* sent by the main thread after it has set one of these: */
    atomic_bool listens; /* `acceptor` is there: accept clients */
    atomic_bool drains;  /* begin the drain */
    bool draining;
    struct acceptor acceptor;
    struct watch *listener; /* NULL while nothing is accepted */
    struct database database;
    LIST_HEAD(, connection) connections;

    struct co_stacks stacks;      /* STACK_KIB */
    struct co_stacks deep_stacks; /* for connecting to the database */
    struct co_list ready, later;  /* coroutines that can go on now, and in the next turn of the loop */
    uv_prepare_t before_poll;
    uv_idle_t turn;    /* active while `later` is not empty */
    uv_timer_t timer;  /* at the earliest deadline, or earlier */
    uv_timer_t shrink; /* active while there are stacks to spare */
    struct timeouts timeouts;
    struct alarms alarms;              /* of coroutines that wait for time to pass */
    uv_poll_t alarm;                   /* watches alarms.fd */
    char read_buffer[HTTP_READ_BYTES]; /* of all clients: no coroutine yields between reading and feeding */
};

/* -- main.c: how a coroutine waits ---------------------------------------------------------------- */

/*
 * A descriptor that a coroutine waits for:
 *
 *     struct watch *watch = watch_open(worker, fd);
 *     watch_arm(watch, TIMEOUT_QUERY);
 *     error = watch_wait(watch, UV_READABLE);      other coroutines run until fd is readable
 *     watch_close(watch);
 *
 * What libuv is told to look for stays as it is between two waits for the same, since each change costs an
 * epoll_ctl(2): a client's socket is watched for reading all the time. An event while no coroutine waits
 * can be given to a callback, say one that makes a coroutine: so a client that is silent needs none. Without a
 * callback (a pipelined request, or the end of file, during a query), watching stops until the next wait; epoll
 * is level-triggered, so nothing is lost.
 */
struct watch {
    struct worker *worker;
    int fd;
    void *owner; /* the caller's */
    /* Each may be NULL, is called when no coroutine waits, and may close the watch: */
    void (*on_unwaited)(struct watch *); /* it is ready */
    void (*on_overdue)(struct watch *);  /* its deadline has passed */

    /* private to main.c */
    uv_poll_t poll;
    int armed;     /* UV_READABLE and the like: what libuv looks for */
    struct co *co; /* the coroutine that waits; NULL for none */
    int result;    /* for that coroutine */
    struct deadline deadline;
};

/* Watches nothing yet. The descriptor stays the caller's. NULL without memory. */
struct watch *watch_open(struct worker *worker, int fd);

/* Stops at once, so that the descriptor may be closed; the memory goes when libuv is done with it. */
void watch_close(struct watch *watch);

/*
 * The waits from now on, together, end after this time-out. A deadline that passes while no coroutine waits,
 * and without on_overdue, is forgotten, so none has to be disarmed.
 */
void watch_arm(struct watch *watch, enum timeout timeout);

/* The same, to end at a moment of clock_ms(). */
void watch_arm_at(struct watch *watch, enum timeout timeout, uint64_t at_ms);

/*
 * Yields until the descriptor is ready for one of `events` (0: for the deadline alone). 0 or -ETIMEDOUT;
 * -ECANCELED after watch_cancel(). An error of the descriptor counts as ready: what is tried next
 * will report it.
 */
__attribute__((warn_unused_result)) coroutine_fn int watch_wait(struct watch *watch, int events);

/* The coroutine that waits gets -ECANCELED. Nothing happens if none does. */
void watch_cancel(struct watch *watch);

/* Watches for reading while no coroutine waits: on_unwaited() will be called. */
void watch_unwaited(struct watch *watch);

/* Yields until every descriptor that is ready by now has had its turn. */
coroutine_fn void wait_turn(struct worker *worker);

/* Yields until at least `ms` milliseconds have passed. */
coroutine_fn void wait_for(struct worker *worker, uint64_t ms);

/* Makes a coroutine that runs before the present callback ends. False if no stack is to be had. */
__attribute__((warn_unused_result)) bool wait_spawn(struct worker *worker, struct co_stacks *stacks,
                                                    void (*entry)(void *), void *arg);

/* Lets `co` go on before the present callback ends. */
void wait_wake(struct worker *worker, struct co *co);

/*
 * Every callback of libuv ends with this. A callback never resumes a coroutine on the spot: it puts it on the
 * worker's list of those that can go on, and only here are they resumed. So no coroutine ever runs on top of
 * another. Not from a coroutine.
 */
void wait_run_ready(struct worker *worker);

/* -- main.c: workers ------------------------------------------------------------------------------ */

/* Ends the loop when it drains and nothing is left. */
void worker_end_if_done(struct worker *worker);

/* -- listener.c ----------------------------------------------------------------------------------- */

/* Accepts clients with worker->acceptor. -ENOMEM: it does not. */
__attribute__((warn_unused_result)) int listener_start(struct worker *worker);

/* -- connection.c --------------------------------------------------------------------------------- */

/* Serves the client at `fd`, which is the connection's from now on. -ENOMEM leaves it to the caller. */
__attribute__((warn_unused_result)) int connection_open(struct worker *worker, int fd);

/* The present request, or the next one, is its last; the connection is closed soon if there is none. */
void connection_drain(struct connection *connection);

/* -- database.c ----------------------------------------------------------------------------------- */

/* 0 or -ENOMEM. Connects nothing yet. */
__attribute__((warn_unused_result)) int database_init(struct database *database, struct worker *worker,
                                                      unsigned index);

/*
 * Yields until the result is there. It belongs to the session and is valid until its next query. NULL:
 * there is none, session->failure says why.
 */
__attribute__((warn_unused_result)) coroutine_fn const PGresult *database_query(struct session *session,
                                                                                const struct query *query);

/* Gives the session's connection to the request that has waited longest. Does not yield. */
void database_release(struct session *session);

/* Before the loop polls: sends the queries that coroutines have added to pipelines. */
void database_send(struct database *database);

/* A query of a pipeline has taken too long: its deadline has passed. */
void database_query_timed_out(struct deadline *deadline);

/* Connects what is due and turns away what has waited too long. */
void database_check_time(struct database *database);

/* Nothing is under way any more: watches nothing, connects nothing. */
void database_stop(struct database *database);

/* After the loop has ended. */
void database_deinit(struct database *database);

#endif
