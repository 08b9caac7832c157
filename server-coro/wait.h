/*
 * How a coroutine waits: the one place where this server and its event loop meet.
 *
 *     struct watch *watch = watch_open(worker, fd);
 *     watch_arm(watch, TIMEOUT_QUERY);
 *     error = watch_wait(watch, UV_READABLE);      other coroutines run until fd is readable
 *     watch_close(watch);
 *
 * A callback of libuv never resumes the coroutine that it is about on the spot. It puts it on the
 * worker's list of those that can go on, and ends with wait_run_ready(), which is the only place
 * where coroutines are resumed: no coroutine ever runs on top of another.
 */
#ifndef WB_WAIT_H
#define WB_WAIT_H

#include <stdbool.h>
#include <uv.h>

#include "base/deadline.h"
#include "co/co.h"

struct worker;

/* Each has a list of its own, so that every entry of a list ends as long after it was armed. */
enum timeout {
    TIMEOUT_IDLE,      /* IDLE_TIMEOUT */
    TIMEOUT_LAST_CALL, /* instead, in a drain */
    TIMEOUT_HEAD,      /* HEADER_TIMEOUT, for the head and then for the body */
    TIMEOUT_WRITE,     /* WRITE_TIMEOUT */
    TIMEOUT_LINGER,    /* for a client to close after the last response */
    TIMEOUT_QUERY,     /* QUERY_TIMEOUT */
    TIMEOUT_CONNECT,   /* for the database to go on with a connection that is being made */
    TIMEOUT_RETRY,     /* before asking again for what was not to be had */
    TIMEOUTS
};

/*
 * A descriptor that a coroutine waits for. What libuv is told to look for stays as it is between two
 * waits for the same, since each change costs an epoll_ctl(2): a client's socket is watched for
 * reading all the time. Should it be readable while nobody waits (a pipelined request, or the end of
 * file, during a query), watching stops until the next wait; epoll is level-triggered, so that nothing
 * is lost.
 */
struct watch {
    struct worker *worker;
    int fd;
    void *owner;                         /* the caller's */
    void (*on_unwaited)(struct watch *); /* instead: it is ready and nobody waits. May close the watch. */

    /* private to wait.c */
    uv_poll_t poll;
    int armed;     /* UV_READABLE and the like: what libuv looks for */
    struct co *co; /* who waits; NULL for nobody */
    int result;    /* for who waits */
    struct deadline deadline;
};

/* Watches nothing yet. The descriptor stays the caller's. NULL without memory. */
struct watch *watch_open(struct worker *worker, int fd);

/* Stops at once, so that the descriptor may be closed; the memory goes when libuv is done with it. */
void watch_close(struct watch *watch);

/*
 * The waits from now on, together, end after this time-out. A deadline that passes while nobody waits is
 * forgotten, so none has to be disarmed.
 */
void watch_arm(struct watch *watch, enum timeout timeout);

/*
 * Yields until the descriptor is ready for one of `events` (0: for the deadline alone). 0 or -ETIMEDOUT;
 * -ECANCELED after watch_cancel(). An error of the descriptor counts as ready: what is tried next
 * will say it.
 */
__attribute__((warn_unused_result)) coroutine_fn int watch_wait(struct watch *watch, int events);

/* Who waits gets -ECANCELED. Nothing happens if nobody does. */
void watch_cancel(struct watch *watch);

/* Watches for reading without anybody waiting: on_unwaited() will be called. */
void watch_unwaited(struct watch *watch);

/* Yields until every descriptor that is ready by now has had its turn. */
coroutine_fn void wait_turn(struct worker *worker);

/* Makes a coroutine that runs before the present callback ends. False if no stack is to be had. */
__attribute__((warn_unused_result)) bool wait_spawn(struct worker *worker, struct co_stacks *stacks,
                                                    void (*entry)(void *), void *arg);

/* Lets `co` go on before the present callback ends. */
void wait_wake(struct worker *worker, struct co *co);

/* Every callback of libuv ends with this. Not from a coroutine. */
void wait_run_ready(struct worker *worker);

/* The database has something to do at `at_ms` (uv_now()): the timer fires then at the latest. */
void wait_timer_by(struct worker *worker, uint64_t at_ms);

void wait_init(struct worker *worker);

/* Closes the handles of this file, so that the loop can end. No coroutine may wait any more. */
void wait_stop(struct worker *worker);

#endif
