#include "schedule.h"

#include <math.h>
#include <stdlib.h>

/* Neighbouring seeds are to give unlike sequences: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number
 * Generators", OOPSLA 2014 (splitmix64). */
static uint64_t mixed(uint64_t seed)
{
    seed += UINT64_C(0x9e3779b97f4a7c15);
    seed = (seed ^ seed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    seed = (seed ^ seed >> 27) * UINT64_C(0x94d049bb133111eb);
    return seed ^ seed >> 31;
}

void schedule_init(struct schedule *schedule, uint64_t start_ns, double rate, bool is_poisson, uint64_t seed,
                   unsigned part, unsigned parts)
{
    uint64_t bits = mixed(seed ^ mixed(part));
    *schedule = (struct schedule){
        .start_ns = start_ns,
        .distance_ns = 1e9 / rate,
        .is_poisson = is_poisson,
        .offset = (double)part / parts,
        .state = {(unsigned short)bits, (unsigned short)(bits >> 16), (unsigned short)(bits >> 32)},
    };
}

uint64_t schedule_next(struct schedule *schedule)
{
    if (schedule->is_poisson)
        schedule->at_ns -= log1p(-erand48(schedule->state)) * schedule->distance_ns;
    else /* a product, since a sum would drift */
        schedule->at_ns = ((double)schedule->arrivals + schedule->offset) * schedule->distance_ns;
    schedule->arrivals++;
    return schedule->start_ns + (uint64_t)schedule->at_ns;
}
