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

/*
 * One number for all shards, so that a limit holds to the last connection however many threads accept. It
 * changes once for each connection, not for each request.
 */
static _Atomic uint64_t connections_open;

bool counters_connection_accepted(struct counters *shard, uint64_t limit)
{
    if (atomic_fetch_add(&connections_open, 1) >= limit) {
        atomic_fetch_sub(&connections_open, 1);
        return false;
    }
    counters_add(shard, COUNT_ACCEPTED, 1);
    return true;
}

void counters_connection_closed(struct counters *shard)
{
    counters_add(shard, COUNT_CLOSED, 1);
    atomic_fetch_sub(&connections_open, 1);
}

uint64_t counters_connections_open(void)
{
    return atomic_load(&connections_open);
}
