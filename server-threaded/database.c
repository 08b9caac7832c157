/*
 * The database connections: a keeper thread makes them, and the threads of the clients wait for one and for
 * results.
 */
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/owner_of.h"
#include "database.h"

/* A thread in the pool's queue, on its own stack. */
struct queued {
    struct pool_waiter waiter;
    sem_t woken; /* posted once, after waiter.outcome has been set under the lock */
    /* Says the same to clang 14's ThreadSanitizer, which does not know sem_clockwait(3). */
    atomic_bool released;
};

/*
 * A semaphore instead of a condition variable, so that the woken thread need not take the lock. Post it
 * after releasing the lock: with 256 clients, 16 connections and n=1 this cut context switches per request
 * from 3.8 to 3.1, the minimum (one each for request, pool and query).
 */
static void wake_thread(struct pool_waiter *waiter)
{
    struct queued *queued = owner_of(waiter, struct queued, waiter);
    atomic_store_explicit(&queued->released, true, memory_order_release);
    sem_post(&queued->woken);
}

/* Under the lock. */
static void turn_away(struct database *database)
{
    struct pool_waiter *waiter;
    while ((waiter = pool_take_turned_away(&database->pool, clock_ns())) != NULL)
        database->wake(waiter);
}

/* Blocks until `pg` may go on, and goes on; PG_FAILED once time is up or `stop_fd` (-1: none) is readable. */
static enum pg_event wait_and_step(struct pg *pg, enum pg_event event, uint64_t deadline_ms, int stop_fd)
{
    uint64_t now = clock_ms();
    struct pollfd ready[] = {
        {.fd = pg_socket(pg), .events = event == PG_WANT_READ ? POLLIN : POLLIN | POLLOUT},
        {.fd = stop_fd, .events = POLLIN},
    };
    /* excerpt 2 */
    int count = poll(ready, stop_fd < 0 ? 1 : 2, now < deadline_ms ? (int)(deadline_ms - now) : 0);
    if (count == 0)
        return pg_timed_out(pg);
    if (ready[1].revents != 0)
        return pg_give_up(pg, "the server is stopping");
    return pg_step(pg);
    /* end of excerpt */
}

/* -- making connections: the keeper --------------------------------------------------------------- */

/* Blocks in the resolver. NULL with the reason in pg->error. */
static struct addrinfo *resolve(struct database *database, struct pg *pg)
{
    const char *host = database->app->database.host;
    struct addrinfo *addresses = NULL;
    int status = getaddrinfo(host, NULL, &pg_address_hints, &addresses);
    if (status != 0)
        pg_give_up(pg, "cannot resolve %s: %s", host, gai_strerror(status));
    return addresses;
}

/* Blocks, without the lock but for `is_resolving`, until the connection is made or has failed. */
static enum pg_event connect_slot(struct database *database, struct pool_slot *slot)
{
    struct pg *pg = &slot->pg;
    const struct pg_target *target = &database->app->database;
    bool has_name = target->host[0] != '\0';
    struct addrinfo *addresses = has_name ? resolve(database, pg) : NULL;
    pthread_mutex_lock(&database->lock);
    database->is_resolving = false;
    pthread_mutex_unlock(&database->lock);
    if (has_name && addresses == NULL)
        return PG_FAILED;
    enum pg_event event = pg_connect_start(pg, target, addresses);
    while (event == PG_WANT_READ || event == PG_WANT_WRITE)
        event = wait_and_step(pg, event, pg->connect_by_ms, database->stop_fd);
    if (addresses != NULL)
        freeaddrinfo(addresses);
    return event;
}

static void keeper_sleep(struct database *database, uint64_t until_ns)
{
    struct timespec at = clock_timespec(until_ns);
    database->keeper_until_ns = until_ns;
    if (until_ns == UINT64_MAX)
        pthread_cond_wait(&database->keeper_wake, &database->lock);
    else
        pthread_cond_timedwait(&database->keeper_wake, &database->lock, &at);
}

/* The connection of a slot was made, or could not be made. Under the lock. */
static void attempt_ended(struct database *database, struct pool_slot *slot, enum pg_event event)
{
    struct pool *pool = &database->pool;
    if (event == PG_DONE) {
        if (database->pipelines != NULL)
            pipeline_connected(database, slot);
        struct pool_waiter *waiter = pool_checkin(pool, slot, clock_ns());
        for (; waiter != NULL; waiter = pool_take_granted(pool, clock_ns()))
            database->wake(waiter);
        return;
    }
    pool_lost(pool, slot, clock_ns());
    if (pool_start_failed(pool))
        app_cannot_start(database->app, &slot->pg);
    turn_away(database);
}

static void *keeper_main(void *argument)
{
    struct database *database = argument;
    struct pool *pool = &database->pool;
    pthread_mutex_lock(&database->lock);
    while (pool->state != POOL_STOPPED) {
        struct pool_slot *slot = pool_take_due(pool, clock_ns());
        if (slot == NULL) {
            keeper_sleep(database, pool_next_ns(pool));
            turn_away(database);
            continue;
        }
        database->is_resolving = true;
        pthread_mutex_unlock(&database->lock);
        enum pg_event event = connect_slot(database, slot);
        pthread_mutex_lock(&database->lock);
        bool is_first = pool->state == POOL_PROVING;
        attempt_ended(database, slot, event);
        if (is_first)
            drain_part_is_up(database->drain);
    }
    pthread_mutex_unlock(&database->lock);
    return NULL;
}

bool database_start(struct database *database, const struct app *app, struct drain *drain,
                    void (*wake)(struct pool_waiter *waiter))
{
    const struct pool_settings settings = app_pool_settings(app, -1, counters_shard(0));
    *database = (struct database){.app = app, .drain = drain, .wake = wake != NULL ? wake : wake_thread};
    pthread_mutex_init(&database->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&database->keeper_wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    database->stop_fd = eventfd(0, EFD_CLOEXEC);
    bool has_pool = pool_init(&database->pool, &settings) == 0;
    if (has_pool && settings.depth > 1)
        database->pipelines = pipelines_start(database);
    if (!has_pool || (settings.depth > 1 && database->pipelines == NULL) || database->stop_fd < 0 ||
        pthread_create(&database->keeper, NULL, keeper_main, database) != 0) {
        log_error("no memory, descriptor or thread for a pool of %u connections", settings.size);
        return false;
    }
    return true;
}

bool database_stop(struct database *database)
{
    pthread_mutex_lock(&database->lock);
    bool is_resolving = database->is_resolving;
    pool_stop(&database->pool);
    pthread_cond_signal(&database->keeper_wake);
    pthread_mutex_unlock(&database->lock);
    eventfd_write(database->stop_fd, 1);
    if (is_resolving)
        return false;
    pthread_join(database->keeper, NULL);
    pipelines_stop(database);
    pool_deinit(&database->pool);
    close(database->stop_fd);
    return true;
}

/* -- using them ----------------------------------------------------------------------------------- */

/* Under the lock. */
static void lose(struct database *database, struct pool_slot *slot)
{
    pool_lost(&database->pool, slot, clock_ns());
    turn_away(database);
    pthread_cond_signal(&database->keeper_wake);
}

void database_lose(struct database *database, struct pool_slot *slot)
{
    pthread_mutex_lock(&database->lock);
    lose(database, slot);
    pthread_mutex_unlock(&database->lock);
}

/* Blocks until another thread has woken this one. The first whose time is up turns away all that are due. */
static void wait_in_queue(struct database *database, struct queued *self)
{
    struct timespec at =
        clock_timespec(self->waiter.since_ns + database->app->config.pool_timeout * 1000000000ull);
    while (sem_clockwait(&self->woken, CLOCK_MONOTONIC, &at) != 0) {
        if (errno == EINTR)
            continue;
        pthread_mutex_lock(&database->lock);
        turn_away(database);
        pthread_mutex_unlock(&database->lock);
        at = clock_timespec(clock_ns() + 1000000);
    }
    assert(atomic_load_explicit(&self->released, memory_order_acquire) && "woken without an outcome");
}

/* Blocks until the pool has decided, first come, first served. The slot is NULL unless POOL_GRANTED. */
static enum pool_outcome take(struct session *session)
{
    struct database *database = session->database;
    struct queued self = {0};
    sem_init(&self.woken, 0, 0);
    pthread_mutex_lock(&database->lock);
    bool must_wait = pool_checkout(&database->pool, &self.waiter, clock_ns()) == POOL_QUEUED;
    pthread_mutex_unlock(&database->lock);
    if (must_wait)
        wait_in_queue(database, &self);
    sem_destroy(&self.woken);
    session->slot = self.waiter.slot;
    session->slot_losses = self.waiter.slot_losses;
    return self.waiter.outcome;
}

/*
 * An event loop sees at once when an idle connection dies. A thread does not watch it, and looks before
 * it uses one that may have died unseen.
 */
static bool is_usable(struct pool_slot *slot)
{
    if (slot->pg.pipeline != NULL) /* its dispatcher watches it */
        return true;
    struct pollfd ready = {.fd = pg_socket(&slot->pg), .events = POLLIN};
    return !slot->suspect || poll(&ready, 1, 0) == 0 || pg_step(&slot->pg) != PG_FAILED;
}

enum pool_outcome database_decided(struct session *session, struct pool_waiter *waiter)
{
    session->slot = waiter->slot;
    session->slot_losses = waiter->slot_losses;
    session->failure = exchange_failure_of_checkout(waiter->outcome);
    if (waiter->outcome != POOL_GRANTED || is_usable(waiter->slot))
        return waiter->outcome;
    session->slot = NULL;
    database_lose(session->database, waiter->slot);
    return database_ask(session, waiter);
}

enum pool_outcome database_ask(struct session *session, struct pool_waiter *waiter)
{
    struct database *database = session->database;
    pthread_mutex_lock(&database->lock);
    enum pool_outcome outcome = pool_checkout(&database->pool, waiter, clock_ns());
    if (outcome == POOL_QUEUED && pool_next_ns(&database->pool) < database->keeper_until_ns)
        pthread_cond_signal(&database->keeper_wake); /* the time of a waiter that no thread waits for */
    turn_away(database);                             /* the keeper may be busy with a connection for seconds */
    pthread_mutex_unlock(&database->lock);
    return outcome == POOL_QUEUED ? POOL_QUEUED : database_decided(session, waiter);
}

bool database_checkout(struct session *session)
{
    enum pool_outcome outcome;
    while ((outcome = take(session)) == POOL_GRANTED && !is_usable(session->slot))
        database_lose(session->database, session->slot);
    session->failure = exchange_failure_of_checkout(outcome);
    return outcome == POOL_GRANTED;
}

const PGresult *database_query(struct session *session, const struct query *query)
{
    if (session->slot == NULL && !database_checkout(session))
        return NULL;
    struct database *database = session->database;
    struct pg *pg = &session->slot->pg;
    if (pg->pipeline != NULL)
        return pipeline_query(session, query);
    /* excerpt 1 */
    enum pg_event event = pg_send(pg, query);
    uint64_t deadline_ms = clock_ms() + timeout_ms(&database->app->config, TIMEOUT_QUERY);
    while (event == PG_WANT_READ || event == PG_WANT_WRITE)
        event = wait_and_step(pg, event, deadline_ms, -1);
    if (event == PG_DONE)
        return pg->result;
    /* end of excerpt */
    session->failure = exchange_failure_of_query(pg);
    database_lose(database, session->slot);
    session->slot = NULL;
    return NULL;
}

void database_release(struct session *session)
{
    struct database *database = session->database;
    struct pool_slot *slot = session->slot;
    PQclear(session->result);
    session->result = NULL;
    if (slot == NULL)
        return;
    session->slot = NULL;
    database_give_back(database, slot, session->slot_losses);
}

/* Of a pipeline: where there was a place for one, there may be places for more. */
static void wake_more(struct database *database)
{
    struct pool_waiter *next;
    pthread_mutex_lock(&database->lock);
    while ((next = pool_take_granted(&database->pool, clock_ns())) != NULL)
        database->wake(next);
    pthread_mutex_unlock(&database->lock);
}

/* Under the lock. The request that was given the place, NULL when there is none. */
static struct pool_waiter *give_back(struct database *database, struct pool_slot *slot)
{
    if (!pool_is_worn(slot, clock_ns()))
        return pool_checkin(&database->pool, slot, clock_ns());
    if (database->pipelines != NULL)
        pipeline_make_anew(database, slot);
    else
        lose(database, slot);
    return NULL;
}

void database_give_back(struct database *database, struct pool_slot *slot, unsigned losses)
{
    struct pool_waiter *next = NULL;
    pthread_mutex_lock(&database->lock);
    if (slot->losses == losses)
        next = give_back(database, slot);
    pthread_mutex_unlock(&database->lock);
    if (next != NULL)
        database->wake(next);
    if (next != NULL && database->pipelines != NULL)
        wake_more(database);
}
