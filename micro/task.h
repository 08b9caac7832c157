/* Tasks for programs that make threads and coroutines in numbers, with the stacks of the servers. */
#ifndef WB_MICRO_TASK_H
#define WB_MICRO_TASK_H

#include <uv.h>

#include "bench.h"
#include "handler/exchange.h"

enum { TASK_STACK_BYTES = 128 * 1024 }; /* the default of STACK_KIB */

/* State that a server of callbacks keeps for a request, in place of a stack. */
struct task_state {
    uv_poll_t poll;
    struct exchange exchange;
};

/* A thread with such a stack. 0 or a positive errno. */
static inline int task_thread(pthread_t *thread, void *(*entry)(void *), void *arg)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, TASK_STACK_BYTES);
    int error = pthread_create(thread, &attributes, entry, arg);
    pthread_attr_destroy(&attributes);
    return error;
}

#endif
