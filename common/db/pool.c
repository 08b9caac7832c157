#include "db/pool.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "db/pg_advice.h"
#include "db/pg_pipeline.h"

#define MS UINT64_C(1000000)

static const uint64_t RETRY_FIRST_NS = 50 * MS;
static const uint64_t RETRY_MAX_NS = 1000 * MS;
static const uint64_t SUSPECT_AFTER_NS = 1000 * MS;
static const uint64_t READ_ONLY_NS = 1000 * MS;
static const uint64_t SLOW_AFTER_NS = 20 * MS;
/* Before QUERY_TIMEOUT: a loop's own deadline for the query counts from the start of the turn in which it was
 * sent. */
static const uint64_t OVERDUE_EARLY_NS = 100 * MS;
/* For what the database says when it ends a query at QUERY_TIMEOUT. */
static const uint64_t STUCK_AFTER_NS = 250 * MS;

static void free_slots(struct pool_slot *slots, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        pg_pipeline_deinit(&slots[i].pg);
    free(slots);
}

int pool_init(struct pool *pool, const struct pool_settings *settings)
{
    struct pool_slot *slots = calloc(settings->size, sizeof *slots);
    if (slots == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < settings->size; i++) {
        pg_init(&slots[i].pg, settings->counters);
        slots[i].index = i;
        if (settings->depth > 1 && pg_pipeline_init(&slots[i].pg, settings->depth) < 0) {
            free_slots(slots, i);
            return -ENOMEM;
        }
    }
    *pool = (struct pool){.slots = slots, .settings = *settings, .count[SLOT_DOWN] = settings->size};
    pool->queue.prev = pool->queue.next = &pool->queue;
    return 0;
}

void pool_deinit(struct pool *pool)
{
    assert(pool->queue.next == &pool->queue && "pool_deinit: a request still waits for a connection");
    for (unsigned i = 0; i < pool->settings.size; i++) {
        void *owner = NULL;
        while (pg_pipeline_drop(&pool->slots[i].pg, &owner))
            assert(owner == NULL && "pool_deinit: a request still waits for a result");
        pg_close(&pool->slots[i].pg);
    }
    free_slots(pool->slots, pool->settings.size);
    *pool = (struct pool){0};
}

/* -- what goes into the log ----------------------------------------------------------------------- */

struct label {
    char text[24];
};

/* "0.3", or "3" where there are no workers. */
static struct label label_of(const struct pool *pool, const struct pool_slot *slot)
{
    struct label label;
    int worker = pool->settings.worker;
    if (worker < 0)
        snprintf(label.text, sizeof label.text, "%u", slot->index);
    else
        snprintf(label.text, sizeof label.text, "%d.%u", worker, slot->index);
    return label;
}

static void log_attempt(const struct pool *pool, const struct pool_slot *slot, enum pool_state state)
{
    if (pool->state == POOL_FAILING && state == POOL_UP)
        log_info("the database at %s is back", pool->settings.where);
    else if (pool->state == POOL_UP && state == POOL_FAILING)
        log_warn("database connection %s: %s; %s", label_of(pool, slot).text, slot->pg.error,
                 pg_advice(&slot->pg));
}

/* -- states --------------------------------------------------------------------------------------- */

/* An attempt has ended. The first one is reported by the server, which ends if it failed. */
static void move_pool(struct pool *pool, const struct pool_slot *slot, enum pool_state state)
{
    if (pool->state == POOL_STOPPED)
        return;
    log_attempt(pool, slot, state);
    pool->state = state;
}

static void unlink_idle(struct pool *pool, struct pool_slot *slot)
{
    struct pool_slot **link = &pool->idle;
    while (*link != slot)
        link = &(*link)->next;
    *link = slot->next;
}

/* The one place that changes the state of a slot. */
static void move_slot(struct pool *pool, struct pool_slot *slot, enum pool_slot_state state)
{
    if (slot->state == SLOT_IDLE)
        unlink_idle(pool, slot);
    pool->count[slot->state]--;
    pool->count[state]++;
    slot->state = state;
    if (state == SLOT_IDLE) {
        slot->next = pool->idle;
        pool->idle = slot;
    }
}

/* No request can be served before a new connection is made, and the last attempt at one failed. */
static bool is_unavailable(const struct pool *pool)
{
    return pool->count[SLOT_IDLE] + pool->count[SLOT_BUSY] == 0 && pool->state == POOL_FAILING;
}

bool pool_start_failed(const struct pool *pool)
{
    return is_unavailable(pool) && pool->losses == 0;
}

void pool_stop(struct pool *pool)
{
    pool->state = POOL_STOPPED;
}

/* -- waiters -------------------------------------------------------------------------------------- */

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
        counters_add(pool->settings.counters, COUNT_POOL_WAIT_NS, now_ns - waiter->since_ns);
}

static uint64_t timeout_ns(const struct pool *pool)
{
    return pool->settings.timeout_s * 1000 * MS;
}

struct pool_waiter *pool_take_turned_away(struct pool *pool, uint64_t now_ns)
{
    struct pool_waiter *waiter = first_waiter(pool);
    if (waiter == NULL)
        return NULL;
    if (is_unavailable(pool)) {
        waiter->outcome = POOL_UNAVAILABLE;
    } else if (now_ns >= waiter->since_ns + timeout_ns(pool)) {
        waiter->outcome = POOL_TIMED_OUT;
        counters_add(pool->settings.counters, COUNT_POOL_TIMEOUTS, 1);
    } else {
        return NULL;
    }
    dequeue(pool, waiter, now_ns);
    return waiter;
}

/* -- checkout and checkin ------------------------------------------------------------------------- */

/* The session of a connection is of no use for all that a request may ask. */
static bool is_spent(const struct pool_slot *slot, uint64_t now_ns)
{
    return slot->pg.is_stale || (slot->pg.is_read_only && now_ns > slot->connected_ns + READ_ONLY_NS);
}

/* Since when the first query of a pipeline has been the first; 0: none is under way. */
static uint64_t head_since_ns(const struct pool_slot *slot)
{
    return atomic_load_explicit(&slot->pg.pipeline->head_since_ns, memory_order_relaxed);
}

static uint64_t head_age_ns(const struct pool_slot *slot, uint64_t now_ns)
{
    uint64_t since_ns = head_since_ns(slot);
    return since_ns != 0 && now_ns > since_ns ? now_ns - since_ns : 0;
}

static uint64_t query_timeout_ns(const struct pool *pool)
{
    return pool->settings.query_timeout_s * 1000 * MS;
}

/* What a request would wait for on a connection that it shares: the fewer, the sooner its turn. UINT_MAX: not
 * there. */
static unsigned load_of(const struct pool *pool, const struct pool_slot *slot, uint64_t now_ns)
{
    unsigned depth = pool->settings.depth;
    bool is_up = slot->state == SLOT_IDLE || slot->state == SLOT_BUSY;
    if (!is_up || slot->users == depth || (slot->users > 0 && is_spent(slot, now_ns)))
        return UINT_MAX;
    uint64_t age_ns = head_age_ns(slot, now_ns);
    if (age_ns + OVERDUE_EARLY_NS >= query_timeout_ns(pool))
        return UINT_MAX;
    return slot->users + (age_ns > SLOW_AFTER_NS ? depth : 0);
}

/* The connection that the next request gets; NULL when none has a place. */
static struct pool_slot *choose(const struct pool *pool, uint64_t now_ns)
{
    struct pool_slot *best = NULL;
    unsigned least = UINT_MAX;
    if (pool->settings.depth <= 1)
        return pool->idle;
    for (unsigned i = 0; i < pool->settings.size; i++) {
        unsigned load = load_of(pool, &pool->slots[i], now_ns);
        if (load < least) {
            least = load;
            best = &pool->slots[i];
        }
    }
    return best;
}

static void grant(struct pool *pool, struct pool_slot *slot, struct pool_waiter *waiter)
{
    if (slot->state != SLOT_BUSY)
        move_slot(pool, slot, SLOT_BUSY);
    slot->users++;
    waiter->slot = slot;
    waiter->slot_losses = slot->losses;
    waiter->outcome = POOL_GRANTED;
}

enum pool_outcome pool_checkout(struct pool *pool, struct pool_waiter *waiter, uint64_t now_ns)
{
    struct pool_slot *slot = choose(pool, now_ns);
    *waiter = (struct pool_waiter){.since_ns = now_ns};
    if (slot != NULL) {
        slot->suspect = slot->losses_seen != pool->losses || now_ns > slot->idle_since_ns + SUSPECT_AFTER_NS;
        grant(pool, slot, waiter);
    } else if (is_unavailable(pool)) {
        waiter->outcome = POOL_UNAVAILABLE;
    } else {
        counters_add(pool->settings.counters, COUNT_POOL_WAITS, 1);
        enqueue(pool, waiter);
        waiter->outcome = POOL_QUEUED;
    }
    return waiter->outcome;
}

struct pool_waiter *pool_take_granted(struct pool *pool, uint64_t now_ns)
{
    struct pool_waiter *waiter = first_waiter(pool);
    struct pool_slot *slot = waiter != NULL ? choose(pool, now_ns) : NULL;
    if (slot == NULL)
        return NULL;
    dequeue(pool, waiter, now_ns);
    slot->suspect = false;
    grant(pool, slot, waiter);
    return waiter;
}

struct pool_waiter *pool_checkin(struct pool *pool, struct pool_slot *slot, uint64_t now_ns)
{
    assert((slot->state == SLOT_BUSY || slot->state == SLOT_CONNECTING) &&
           "pool_checkin: the connection was not checked out");
    if (slot->state == SLOT_CONNECTING) {
        move_pool(pool, slot, POOL_UP);
        slot->failures = 0;
        slot->connected_ns = now_ns;
        counters_add(pool->settings.counters, COUNT_DB_CONNECTS, 1);
    } else {
        slot->users--;
    }
    if (slot->users == 0) {
        slot->idle_since_ns = now_ns;
        slot->losses_seen = pool->losses;
        move_slot(pool, slot, SLOT_IDLE);
    }
    return pool_take_granted(pool, now_ns);
}

/* -- losing and remaking connections -------------------------------------------------------------- */

bool pool_is_worn(const struct pool_slot *slot, uint64_t now_ns)
{
    return slot->state == SLOT_BUSY && slot->users == 1 && is_spent(slot, now_ns);
}

uint64_t pool_stuck_ns(const struct pool *pool, const struct pool_slot *slot)
{
    uint64_t since_ns = slot->pg.pipeline == NULL ? 0 : head_since_ns(slot);
    return since_ns == 0 ? UINT64_MAX : since_ns + query_timeout_ns(pool) + STUCK_AFTER_NS;
}

struct pool_slot *pool_find_stuck(const struct pool *pool, uint64_t now_ns)
{
    for (unsigned i = 0; pool->settings.depth > 1 && i < pool->settings.size; i++)
        if (now_ns >= pool_stuck_ns(pool, &pool->slots[i]))
            return &pool->slots[i];
    return NULL;
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
        move_pool(pool, slot, POOL_FAILING);
        slot->failures++;
        slot->retry_at_ns = now_ns + retry_delay_ns(slot->failures);
    } else {
        if (slot->pg.error[0] == '\0')
            log_debug("database connection %s is made anew: its session is read-only",
                      label_of(pool, slot).text);
        else
            log_warn("database connection %s lost: %s", label_of(pool, slot).text, slot->pg.error);
        pool->losses++;
        slot->losses++;
        counters_add(pool->settings.counters, COUNT_DB_LOST, 1);
        /* At once, except that a connection that dies as soon as it is made is not remade without end. */
        uint64_t earliest = slot->connected_ns + RETRY_FIRST_NS;
        slot->retry_at_ns = now_ns > earliest ? now_ns : earliest;
    }
    pg_close(&slot->pg);
    slot->users = 0;
    move_slot(pool, slot, SLOT_DOWN);
}

/* Whether a slot that is down may be connected at all. */
static bool may_connect(const struct pool *pool)
{
    return pool->count[SLOT_DOWN] > 0 && pool->state != POOL_PROVING && pool->state != POOL_STOPPED;
}

struct pool_slot *pool_take_due(struct pool *pool, uint64_t now_ns)
{
    for (unsigned i = 0; may_connect(pool) && i < pool->settings.size; i++) {
        struct pool_slot *slot = &pool->slots[i];
        if (slot->state == SLOT_DOWN && slot->retry_at_ns <= now_ns) {
            move_slot(pool, slot, SLOT_CONNECTING);
            if (pool->state == POOL_UNTRIED)
                move_pool(pool, slot, POOL_PROVING);
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
        next = is_unavailable(pool) ? 0 : waiter->since_ns + timeout_ns(pool);
    for (unsigned i = 0; may_connect(pool) && i < pool->settings.size; i++) {
        const struct pool_slot *slot = &pool->slots[i];
        if (slot->state == SLOT_DOWN && slot->retry_at_ns < next)
            next = slot->retry_at_ns;
    }
    return next;
}

uint64_t pool_next_ms(const struct pool *pool)
{
    uint64_t next_ns = pool_next_ns(pool);
    for (unsigned i = 0; pool->settings.depth > 1 && i < pool->settings.size; i++) {
        uint64_t stuck_ns = pool_stuck_ns(pool, &pool->slots[i]);
        next_ns = stuck_ns < next_ns ? stuck_ns : next_ns;
    }
    return next_ns == UINT64_MAX ? UINT64_MAX : next_ns / MS + 1;
}
