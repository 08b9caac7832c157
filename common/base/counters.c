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
