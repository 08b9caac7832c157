#include "base/counters.h"

static struct counters shards[COUNTER_SHARDS];

struct counters *counters_shard(unsigned index)
{
    return &shards[index % COUNTER_SHARDS];
}

uint64_t counters_total(enum counter counter)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < COUNTER_SHARDS; i++)
        total += atomic_load_explicit(&shards[i].value[counter], memory_order_relaxed);
    return total;
}

uint64_t counters_connections_open(void)
{
    /*
     * Closed first: a connection that ends between the two sums then counts as open. In the other order,
     * a connection that begins and ends in between would count as closed alone. The orders are relaxed, so
     * another core may still show a close before its accept.
     */
    uint64_t closed = counters_total(COUNT_CLOSED), accepted = counters_total(COUNT_ACCEPTED);
    return accepted > closed ? accepted - closed : 0;
}
