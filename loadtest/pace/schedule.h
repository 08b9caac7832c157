/*
 * When requests are due, whatever became of those before them: users do not stop arriving because a server
 * stalls. Constant: at equal distances. Poisson: the distances are exponentially distributed, as where many
 * users decide independently of each other; the sum of several such schedules is one again.
 *
 * No function blocks. Not thread-safe.
 */
#ifndef PACE_SCHEDULE_H
#define PACE_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

struct schedule {
    uint64_t start_ns;
    double distance_ns; /* mean */
    bool is_poisson;
    double at_ns;            /* of the latest arrival, from start_ns */
    uint64_t arrivals;       /* so far */
    double offset;           /* constant: of the first arrival, in distances */
    unsigned short state[3]; /* of erand48(3) */
};

/*
 * `rate` is in requests per second, above 0. Thread `part` of `parts` has this rate for itself: constant
 * arrivals of all threads lie evenly between each other, and random ones are different. Times are those of
 * clock_ns().
 */
void schedule_init(struct schedule *schedule, uint64_t start_ns, double rate, bool is_poisson, uint64_t seed,
                   unsigned part, unsigned parts);

/* The moment of the next arrival. */
uint64_t schedule_next(struct schedule *schedule);

#endif
