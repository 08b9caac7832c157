/*
 * What a process has done so far. Every server counts the same events at the same places.
 *
 * Counters are split into shards, each on cache lines of its own, so that cores do not fight over
 * them: an event loop has one shard, and threads share a few. Adding is one relaxed atomic add;
 * reading sums the shards, so a reader may see an event a moment late but never twice.
 */
#ifndef WB_COUNTERS_H
#define WB_COUNTERS_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum counter {
    COUNT_ACCEPTED, /* connections taken from the listening socket and served */
    COUNT_REFUSED,  /* connections that got a 503 because a limit was met */
    COUNT_CLOSED,   /* accepted connections that are gone */
    COUNT_REQUESTS, /* requests that were given a response, whatever its status */
    COUNT_RESPONSES_2XX,
    COUNT_RESPONSES_3XX,
    COUNT_RESPONSES_4XX,
    COUNT_RESPONSES_5XX,
    COUNT_QUERIES,       /* queries whose result has come, errors included */
    COUNT_QUERY_NS,      /* from handing a query to libpq until its result was complete */
    COUNT_POOL_WAITS,    /* checkouts that found no idle connection */
    COUNT_POOL_WAIT_NS,  /* what those waited */
    COUNT_POOL_TIMEOUTS, /* waits that ended in a 503 */
    COUNT_DB_CONNECTS,   /* database connections made */
    COUNT_DB_LOST,       /* database connections lost */
    COUNT_SEEDS,         /* requests that named no seed: the next one to give out */
    COUNTER_MAX
};

struct counters {
    alignas(64) _Atomic uint64_t value[COUNTER_MAX];
};

enum { COUNTER_SHARDS = 16 };

/* The shard of worker or connection number `index`; any number will do. Never NULL. */
struct counters *counters_shard(unsigned index);

static inline void counters_add(struct counters *shard, enum counter counter, uint64_t amount)
{
    atomic_fetch_add_explicit(&shard->value[counter], amount, memory_order_relaxed);
}

/* The sum over all shards. */
uint64_t counters_total(enum counter counter);

/* Counts a connection as accepted and open; false, and nothing is counted, if `limit` are open already. */
bool counters_connection_accepted(struct counters *shard, uint64_t limit);

/* An accepted connection is gone. */
void counters_connection_closed(struct counters *shard);

/* Connections that are accepted and not closed: never more than the limit, never below zero. */
uint64_t counters_connections_open(void);

#endif
