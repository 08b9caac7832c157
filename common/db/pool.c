#include "db/pool.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"

#define MS UINT64_C(1000000)

static const uint64_t RETRY_FIRST_NS = 50 * MS;
static const uint64_t RETRY_MAX_NS = 1000 * MS;
static const uint64_t SUSPECT_AFTER_NS = 1000 * MS;

int pool_init(struct pool *pool, unsigned size, unsigned timeout_s, struct counters *counters)
{
    struct pool_slot *slots = calloc(size, sizeof *slots);
    if (slots == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < size; i++) {
        pg_init(&slots[i].pg, counters);
        slots[i].index = i;
    }
    *pool = (struct pool){
        .slots = slots,
        .size = size,
        .counters = counters,
        .down = size,
        .timeout_ns = timeout_s * 1000 * MS,
    };
    pool->queue.prev = pool->queue.next = &pool->queue;
    return 0;
}

void pool_deinit(struct pool *pool)
{
    assert(pool->queue.next == &pool->queue && "pool_deinit: somebody still waits for a connection");
    for (unsigned i = 0; i < pool->size; i++)
        pg_close(&pool->slots[i].pg);
    free(pool->slots);
    *pool = (struct pool){0};
}

static struct pool_waiter *first_waiter(const struct pool *pool)
{
    return pool->queue.next != &pool->queue ? pool->queue.next : NULL;
}

static void enqueue(struct pool *pool, struct pool_waiter *waiter)
{
    waiter->prev = pool->queue.prev;
    waiter->next = &pool->queue;
    waiter->prev->next = waiter;
    pool->queue.prev = waiter;
}

static void dequeue(struct pool *pool, struct pool_waiter *waiter, uint64_t now_ns)
{
    waiter->prev->next = waiter->next;
    waiter->next->prev = waiter->prev;
    waiter->prev = waiter->next = NULL;
    if (now_ns > waiter->since_ns)
        counters_add(pool->counters, COUNT_POOL_WAIT_NS, now_ns - waiter->since_ns);
}

static void push_idle(struct pool *pool, struct pool_slot *slot, uint64_t now_ns)
{
    slot->state = SLOT_IDLE;
    slot->idle_since_ns = now_ns;
    slot->losses_seen = pool->losses;
    slot->next = pool->idle;
    pool->idle = slot;
}

static void unlink_idle(struct pool *pool, struct pool_slot *slot)
{
    struct pool_slot **link = &pool->idle;
    while (*link != slot)
        link = &(*link)->next;
    *link = slot->next;
}

/* Nobody can be served before a new connection is made, and the last attempt at one failed. */
static bool is_unavailable(const struct pool *pool)
{
    return pool->up == 0 && pool->failing;
}

enum pool_outcome pool_checkout(struct pool *pool, struct pool_waiter *waiter, uint64_t now_ns)
{
    struct pool_slot *slot = pool->idle;
    *waiter = (struct pool_waiter){.since_ns = now_ns, .slot = slot};
    if (slot != NULL) {
        pool->idle = slot->next;
        slot->state = SLOT_BUSY;
        slot->suspect = slot->losses_seen != pool->losses || now_ns > slot->idle_since_ns + SUSPECT_AFTER_NS;
        waiter->outcome = POOL_GRANTED;
    } else if (is_unavailable(pool)) {
        waiter->outcome = POOL_UNAVAILABLE;
    } else {
        counters_add(pool->counters, COUNT_POOL_WAITS, 1);
        enqueue(pool, waiter);
        waiter->outcome = POOL_QUEUED;
    }
    return waiter->outcome;
}

struct pool_waiter *pool_checkin(struct pool *pool, struct pool_slot *slot, uint64_t now_ns)
{
    assert((slot->state == SLOT_BUSY || slot->state == SLOT_CONNECTING) &&
           "pool_checkin: the connection was not checked out");
    if (slot->state == SLOT_CONNECTING) {
        pool->up++;
        pool->failing = false;
        slot->failures = 0;
        slot->connected_ns = now_ns;
        counters_add(pool->counters, COUNT_DB_CONNECTS, 1);
    }
    struct pool_waiter *waiter = first_waiter(pool);
    if (waiter == NULL) {
        push_idle(pool, slot, now_ns);
        return NULL;
    }
    dequeue(pool, waiter, now_ns);
    slot->state = SLOT_BUSY;
    slot->suspect = false;
    waiter->slot = slot;
    waiter->outcome = POOL_GRANTED;
    return waiter;
}

static uint64_t retry_delay_ns(unsigned failures)
{
    uint64_t delay = RETRY_FIRST_NS;
    while (--failures > 0 && delay < RETRY_MAX_NS)
        delay *= 2;
    return delay < RETRY_MAX_NS ? delay : RETRY_MAX_NS;
}

void pool_lost(struct pool *pool, struct pool_slot *slot, uint64_t now_ns)
{
    assert(slot->state != SLOT_DOWN && "pool_lost: the connection is down already");
    if (slot->state == SLOT_CONNECTING) {
        pool->failing = true;
        slot->failures++;
        slot->retry_at_ns = now_ns + retry_delay_ns(slot->failures);
    } else {
        if (slot->state == SLOT_IDLE)
            unlink_idle(pool, slot);
        pool->up--;
        pool->losses++;
        counters_add(pool->counters, COUNT_DB_LOST, 1);
        /* At once, but one that dies as soon as it is made is not remade without end. */
        uint64_t earliest = slot->connected_ns + RETRY_FIRST_NS;
        slot->retry_at_ns = now_ns > earliest ? now_ns : earliest;
    }
    pg_close(&slot->pg);
    slot->state = SLOT_DOWN;
    pool->down++;
}

struct pool_waiter *pool_take_turned_away(struct pool *pool, uint64_t now_ns)
{
    struct pool_waiter *waiter = first_waiter(pool);
    if (waiter == NULL)
        return NULL;
    if (is_unavailable(pool)) {
        waiter->outcome = POOL_UNAVAILABLE;
    } else if (now_ns >= waiter->since_ns + pool->timeout_ns) {
        waiter->outcome = POOL_TIMED_OUT;
        counters_add(pool->counters, COUNT_POOL_TIMEOUTS, 1);
    } else {
        return NULL;
    }
    dequeue(pool, waiter, now_ns);
    return waiter;
}

void pool_abandon(struct pool *pool, struct pool_waiter *waiter)
{
    if (waiter->next != NULL)
        dequeue(pool, waiter, clock_ns());
}

struct pool_slot *pool_take_due(struct pool *pool, uint64_t now_ns)
{
    for (unsigned i = 0; pool->down > 0 && i < pool->size; i++) {
        struct pool_slot *slot = &pool->slots[i];
        if (slot->state == SLOT_DOWN && slot->retry_at_ns <= now_ns) {
            slot->state = SLOT_CONNECTING;
            pool->down--;
            return slot;
        }
    }
    return NULL;
}

uint64_t pool_next_ns(const struct pool *pool)
{
    uint64_t next = UINT64_MAX;
    const struct pool_waiter *waiter = first_waiter(pool);
    if (waiter != NULL)
        next = is_unavailable(pool) ? 0 : waiter->since_ns + pool->timeout_ns;
    for (unsigned i = 0; pool->down > 0 && i < pool->size; i++) {
        const struct pool_slot *slot = &pool->slots[i];
        if (slot->state == SLOT_DOWN && slot->retry_at_ns < next)
            next = slot->retry_at_ns;
    }
    return next;
}
