/*
 * From the start of a server to its end, as a step machine: when it listens, what a signal means, how long
 * a drain may take, and the exit status. The main thread of each server waits for signals and asks:
 *
 *     drain_block_signals(&signals);
 *     drain_init(&drain, app, parts);
 *     ...start the parts...
 *     signal = sigtimedwait(&signals, NULL, drain_timeout(&drain, &timeout));
 *     switch (drain_step(&drain, signal)) {
 *     case DRAIN_WAIT:      wait on
 *     case DRAIN_LISTEN:    the database is up: listen and accept
 *     case DRAIN_BEGIN:     accept what waits in the backlog, then close the listening sockets; the present
 *                           request of each connection is its last
 *     case DRAIN_LAST_CALL: close the connections on which no request has come
 *     case DRAIN_END:       every part has ended: free everything and exit
 *     case DRAIN_LEAVE:     exit at once, with _exit(2), since other threads still use everything
 *     }
 *     ...exit with drain.status...
 *
 * A part is a thread that starts and ends on its own: an event loop, say. Nothing here waits.
 */
#ifndef WB_DRAIN_H
#define WB_DRAIN_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#include "server/app.h"

enum drain_step { DRAIN_WAIT, DRAIN_LISTEN, DRAIN_BEGIN, DRAIN_LAST_CALL, DRAIN_END, DRAIN_LEAVE };

struct drain {
    /* public, read-only */
    int status; /* for exit(3) */

    /* private */
    const struct app *app;
    pthread_t main_thread;
    enum { DRAIN_STARTING, DRAIN_SERVING, DRAIN_CALLING, DRAIN_ENDING } phase;
    atomic_uint starting; /* parts that have no database connection yet */
    atomic_uint running;  /* parts that have not ended */
    uint64_t last_call_ends_ms, ends_ms;
};

/*
 * Blocks SIGTERM, SIGINT and SIGUSR1 in this thread and in every thread made later, and puts them in
 * *signals: only the main thread takes them, by waiting.
 */
void drain_block_signals(sigset_t *signals);

/* From the main thread. */
void drain_init(struct drain *drain, const struct app *app, unsigned parts);

/* A part has its first database connection. From any thread; wakes the main thread with SIGUSR1. */
void drain_part_is_up(struct drain *drain);

/* A part has closed its last connection. The same. */
void drain_part_has_ended(struct drain *drain);

/*
 * What to do now. `signal` is what has come; 0 or less when time has passed without one. Writes the log
 * lines of a drain.
 */
enum drain_step drain_step(struct drain *drain, int signal);

/* How long to wait for a signal before drain_step() is asked without one; NULL: without an end. */
const struct timespec *drain_timeout(const struct drain *drain, struct timespec *timeout);

/* The same in milliseconds, for poll(2): -1 without an end. */
int drain_timeout_ms(const struct drain *drain);

#endif
