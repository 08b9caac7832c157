/*
 * Moments at which something goes on, in any order, and a descriptor that becomes readable at the earliest of
 * them.
 *
 *     alarms_add(&alarms, &job->alarm, clock_ns() + 5000000);
 *     alarms_set_timer(&alarms);                              before waiting for events, alarms.fd among them
 *     while ((alarm = alarms_take_due(&alarms, clock_ns())) != NULL)
 *         ...its owner goes on...
 *
 * deadline.h is for time-outs: few lengths, which hardly ever pass, to the millisecond. An alarm always passes,
 * and a thread that sleeps (clock_nanosleep(2)) counts nanoseconds, where the timers of an event loop count
 * milliseconds: a request that waits 1 ms would take up to twice as long on a loop, because of its clock and
 * not of how it waits.
 *
 * A pairing heap: Fredman, Sedgewick, Sleator, Tarjan, "The pairing heap", Algorithmica 1, 1986. Adding is
 * O(1), taking O(log n) amortised, and nothing is allocated. No function blocks. Not thread-safe: it belongs to
 * one event loop.
 */
#ifndef WB_ALARMS_H
#define WB_ALARMS_H

#include <stdint.h>

/* Embedded in its owner; it must stay where it is until it is taken. */
struct alarm {
    uint64_t at_ns; /* on the clock of clock_ns() */
    struct alarm *child, *next;
};

struct alarms {
    int fd; /* timerfd_create(2) */
    struct alarm *first;
    uint64_t set_ns; /* what the timer is set for; 0: for nothing */
};

/* 0 or a negative errno. */
__attribute__((warn_unused_result)) int alarms_init(struct alarms *alarms);

void alarms_deinit(struct alarms *alarms);

void alarms_add(struct alarms *alarms, struct alarm *alarm, uint64_t at_ns);

/* The earliest alarm if its time has come, and NULL if not. */
struct alarm *alarms_take_due(struct alarms *alarms, uint64_t now_ns);

/* Makes `fd` readable at the earliest alarm, and not before. A system call if that is another moment than last
 * time. */
void alarms_set_timer(struct alarms *alarms);

#endif
