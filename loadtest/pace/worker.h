/*
 * One thread of pace: its share of the connections and of the rate, on an epoll of its own.
 *
 * First it opens all of its connections; when every thread has done that, the load begins: the warm-up, then
 * the window, then the drain. In an open loop a request is due when its schedule says so; while all connections
 * are busy, those that are due wait in order, and none is ever left out. Of the free connections the one is
 * taken that has been free for longest, as where each belongs to another user.
 */
#ifndef PACE_WORKER_H
#define PACE_WORKER_H

#include <pthread.h>
#include <stdatomic.h>

#include "connection.h"
#include "options.h"
#include "requests.h"
#include "schedule.h"
#include "tally.h"
#include "target.h"

/* State that all threads share. */
struct run {
    const struct options *options;
    struct requests *requests;
    struct target target;
    pthread_barrier_t barrier; /* twice: all connections are open; the start is known */
    atomic_ullong start_ns;    /* of the warm-up; 0: do not start */
    atomic_ullong stop_ns;     /* when SIGINT or SIGTERM came; 0: not yet */
    atomic_bool is_dropped;    /* it came again: no drain */
};

struct worker {
    struct run *run;
    unsigned number;
    pthread_t thread;
    unsigned active, others;           /* connections */
    struct connection *connections;    /* the active ones first */
    struct response_content *contents; /* with crud, one for each active connection */
    char *texts;                       /* the same, for requests */
    struct connection **free;          /* a ring of active connections without a request, longest first */
    unsigned free_first, free_count;
    uint64_t free_since_ns; /* since when there is one in it */
    uint64_t looked_ns;     /* the latest look for what is due that left one in it; 0: it left none */
    uint64_t away_from_ns, away_to_ns; /* between two looks, with one in it at the first */
    struct requester requester;
    struct schedule schedule;
    struct schedule arrivals;    /* the same again, which runs ahead and counts the arrivals so far */
    uint64_t due_ns, arrived_ns; /* the next of each */
    uint64_t begun, arrived;     /* requests taken off the schedule; arrivals until now */
    unsigned busy;               /* requests under way, of active connections */
    int schedstat;               /* descriptor of /proc/thread-self/schedstat */
    uint64_t next_tick_ns, cpu_begin_ns, wait_begin_ns;
    bool has_cpu_begin, has_cpu_end;
    struct wire wire;
    struct tally tally;
    char problem[FIRST_ERROR_MAX]; /* why it cannot begin; "" when it can */
};

/* Room for its share. 0 or -ENOMEM, or a negative errno of epoll_create1(2). */
__attribute__((warn_unused_result)) int worker_init(struct worker *worker, struct run *run, unsigned number);

void worker_deinit(struct worker *worker);

/* The thread; `worker` is a struct worker. */
void *worker_run(void *worker);

#endif
