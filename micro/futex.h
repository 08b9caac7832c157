/* Turns between two threads by futex(2): the one that gives its turn to the other wakes it, and then waits. */
#ifndef WB_MICRO_FUTEX_H
#define WB_MICRO_FUTEX_H

#include <linux/futex.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline void futex_wake(atomic_uint *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* Until woken, if the word is `value`. May return early. */
static inline void futex_wait(atomic_uint *word, unsigned value)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

/* It is the turn of thread `to`, 0 or 1. */
static inline void turn_give(atomic_uint *turn, unsigned to)
{
    atomic_store(turn, to);
    futex_wake(turn);
}

/* Until it is the turn of thread `own`. */
static inline void turn_await(atomic_uint *turn, unsigned own)
{
    while (atomic_load(turn) != own)
        futex_wait(turn, !own);
}

#endif
