/*
 * What the files of this server share. It waits in two ways: event loops wait for clients, and threads for the
 * database.
 *
 *     server-libuv/      loops.c, listener.c and connection.c: a request is complete -> job_start()
 *     handover.c         copies the request, and takes responses back to their loops -> connection_respond()
 *     threads.c          which thread runs which task, and how many are awake
 *     task.c             runs the exchange of a request, as server-threaded does
 *     server-threaded/   database.c: one pool for the process; a query blocks its thread
 *     main.c             start and end
 *
 * A task belongs to its loop, then to the queue and a thread, or to the queue of the pool, then to its loop
 * again. Meanwhile its connection does not close, and the loop does not touch it.
 */
#ifndef WB_HYBRID_SERVER_H
#define WB_HYBRID_SERVER_H

#include "../server-libuv/server.h"
#include "../server-threaded/database.h"

enum { TASK_BYTES = 512 /* of a request: more lies on the heap */ };

/* A request that is under way. */
struct task {
    struct job job; /* first: what the loop knows of it */
    enum {
        TASK_NEW,     /* the request is complete */
        TASK_WAITED,  /* it has let time pass */
        TASK_DECIDED, /* the pool has decided on its wish for a connection */
    } state;
    enum step step;              /* handed back: to let time pass, or to send the response */
    struct http_request request; /* until the exchange has started; its slices point into `bytes` */
    char *bytes;                 /* on the heap, or `space` */
    struct task *next;           /* among those handed back */
    char space[TASK_BYTES];
};

/* handover.c */

/* From a thread: gives the task to its loop. It may be gone when this returns. Does not block. */
void task_hand_back(struct task *task);

/* The exchange has started: frees the copy of the request. */
void task_free_request(struct task *task);

/* task.c */

/* Blocks while the database works. Then the task is with its loop, or in the queue of the pool. */
void task_run(struct task *task, struct database *database);

/* For database_start(): the pool has decided on a task that task_run() left in its queue. From any thread. */
void task_wake(struct pool_waiter *waiter);

/* threads.c */

/* False: the reason is logged, and the process has to end. */
bool threads_start(const struct config *config, struct database *database);

/* Blocks until they have ended. No task may be left. */
void threads_stop(void);

/* One of them runs the task. From any thread; does not block. */
void threads_add(struct task *task);

/* Called by one of them: from now on it waits for the database, and another may run. */
void threads_begin_wait(void);
void threads_end_wait(void);

#endif
