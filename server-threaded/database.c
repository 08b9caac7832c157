#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "server.h"

/* A thread in the pool's queue, on its own stack. */
struct queued {
    struct pool_waiter waiter;
    sem_t answered; /* posted once, after waiter.outcome has been set under the lock */
    atomic_bool
        released; /* says the same to clang 14's ThreadSanitizer, which does not know sem_clockwait(3) */
};

/*
 * A semaphore and not a condition, so that who is woken need not have the lock. Best after it is let
 * go: with 256 clients on 16 connections, n=1, it made of 3.8 context switches a request the 3.1 that
 * waiting for the request, the pool and the query takes.
 */
static void wake(struct pool_waiter *waiter)
{
    if (waiter == NULL)
        return;
    struct queued *queued = (struct queued *)((char *)waiter - offsetof(struct queued, waiter));
    atomic_store_explicit(&queued->released, true, memory_order_release);
    sem_post(&queued->answered);
}

static struct timespec timespec_of(uint64_t at_ns)
{
    return (struct timespec){.tv_sec = (time_t)(at_ns / 1000000000u), .tv_nsec = (long)(at_ns % 1000000000u)};
}

static void turn_away(struct pool *pool)
{
    struct pool_waiter *waiter;
    while ((waiter = pool_take_turned_away(pool, clock_ns())) != NULL)
        wake(waiter);
}

/* Blocks until libpq is done or has failed; false when `deadline_ms` has passed before. */
static bool pg_wait(struct pg *pg, enum pg_event *event, uint64_t deadline_ms)
{
    while (*event == PG_WANT_READ || *event == PG_WANT_WRITE) {
        uint64_t now = clock_ms();
        struct pollfd ready = {.fd = pg_socket(pg),
                               .events = *event == PG_WANT_READ ? POLLIN : POLLIN | POLLOUT};
        if (poll(&ready, 1, now < deadline_ms ? (int)(deadline_ms - now) : 0) == 0)
            return false;
        *event = pg_step(pg);
    }
    return true;
}

/* Blocks until the connection is made or has failed. `address`: see pg_connect_start(). */
static enum pg_event connect_to(const struct app *app, struct pg *pg, const char *address)
{
    enum pg_event event = pg_connect_start(pg, &app->database, address);
    if (!pg_wait(pg, &event, clock_ms() + APP_CONNECT_MS))
        return pg_give_up(pg, "no answer from %s in %d ms", app->database.where, APP_CONNECT_MS);
    return event;
}

/*
 * Blocks, without the lock. A name may have several addresses ("localhost" has two) of which the
 * database listens on one.
 */
static enum pg_event connect_slot(const struct app *app, struct pool_slot *slot)
{
    struct pg *pg = &slot->pg;
    const char *host = app->database.host;
    if (host[0] == '\0')
        return connect_to(app, pg, NULL);

    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *found;
    int status = getaddrinfo(host, NULL, &hints, &found);
    if (status != 0)
        return pg_give_up(pg, "cannot resolve %s: %s", host, gai_strerror(status));
    enum pg_event event = PG_FAILED;
    for (struct addrinfo *each = found; each != NULL && event == PG_FAILED; each = each->ai_next) {
        char address[INET6_ADDRSTRLEN];
        getnameinfo(each->ai_addr, each->ai_addrlen, address, sizeof address, NULL, 0, NI_NUMERICHOST);
        pg_close(pg);
        event = connect_to(app, pg, address);
    }
    freeaddrinfo(found);
    return event;
}

static void keeper_sleep(struct database *database, uint64_t until_ns)
{
    struct timespec at = timespec_of(until_ns);
    if (until_ns == UINT64_MAX)
        pthread_cond_wait(&database->keeper_wake, &database->lock);
    else
        pthread_cond_timedwait(&database->keeper_wake, &database->lock, &at);
}

/* One line when the database goes away and one when it comes back, not one for each attempt. */
static void say_failing(struct database *database, const struct pool_slot *slot)
{
    if (!database->failing)
        log_warn("database connection %u: %s", slot->index, slot->pg.error);
    database->failing = true;
}

static void say_back(struct database *database)
{
    if (database->failing)
        log_info("the database is back");
    database->failing = false;
}

static void *keeper(void *argument)
{
    struct database *database = argument;
    struct pool *pool = &database->pool;
    pthread_mutex_lock(&database->lock);
    while (!database->stopping) {
        struct pool_slot *slot = pool_take_due(pool, clock_ns());
        if (slot == NULL) {
            keeper_sleep(database, pool_next_ns(pool));
            turn_away(pool);
            continue;
        }
        pthread_mutex_unlock(&database->lock);
        enum pg_event event = connect_slot(database->app, slot);
        pthread_mutex_lock(&database->lock);
        if (event == PG_DONE) {
            say_back(database);
            wake(pool_checkin(pool, slot, clock_ns()));
        } else {
            say_failing(database, slot);
            pool_lost(pool, slot, clock_ns());
            turn_away(pool);
        }
    }
    pthread_mutex_unlock(&database->lock);
    return NULL;
}

bool database_start(struct database *database, const struct app *app)
{
    database->app = app;
    database->stopping = database->failing = false;
    pthread_mutex_init(&database->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&database->keeper_wake, &monotonic);
    pthread_condattr_destroy(&monotonic);

    struct pool *pool = &database->pool;
    if (pool_init(pool, app->config.db_pool, app->config.pool_timeout, counters_shard(0)) < 0) {
        log_error("no memory for a pool of %u connections", app->config.db_pool);
        return false;
    }
    struct pool_slot *first = pool_take_due(pool, clock_ns());
    if (connect_slot(app, first) != PG_DONE) {
        log_error("cannot use the database at %s: %s. %s", app->database.where, first->pg.error,
                  pg_advice(&first->pg));
        goto failed;
    }
    pool_checkin(pool, first, clock_ns());
    if (pthread_create(&database->keeper, NULL, keeper, database) != 0) {
        log_error("cannot start a thread");
        goto failed;
    }
    return true;
failed:
    pool_deinit(pool);
    return false;
}

void database_stop(struct database *database)
{
    pthread_mutex_lock(&database->lock);
    database->stopping = true;
    pthread_cond_signal(&database->keeper_wake);
    pthread_mutex_unlock(&database->lock);
    pthread_join(database->keeper, NULL);
    pool_deinit(&database->pool);
}

static void lose(struct database *database, struct pool_slot *slot)
{
    pthread_mutex_lock(&database->lock);
    log_warn("database connection %u lost: %s", slot->index, slot->pg.error);
    pool_lost(&database->pool, slot, clock_ns());
    turn_away(&database->pool);
    pthread_cond_signal(&database->keeper_wake);
    pthread_mutex_unlock(&database->lock);
}

/* Blocks until somebody has answered. Whose time is up answers himself, unless it has just been done. */
static void wait_for_outcome(struct database *database, struct queued *self)
{
    struct timespec at = timespec_of(self->waiter.since_ns + database->pool.timeout_ns);
    while (sem_clockwait(&self->answered, CLOCK_MONOTONIC, &at) != 0) {
        if (errno == EINTR)
            continue;
        pthread_mutex_lock(&database->lock);
        turn_away(&database->pool);
        pthread_mutex_unlock(&database->lock);
        at = timespec_of(clock_ns() + 1000000);
    }
    assert(atomic_load_explicit(&self->released, memory_order_acquire) && "woken without an answer");
}

/* Blocks first come, first served; POOL_GRANTED with *slot, or why there is none to be had. */
static enum pool_outcome take(struct database *database, struct pool_slot **slot)
{
    struct queued self = {0};
    sem_init(&self.answered, 0, 0);
    pthread_mutex_lock(&database->lock);
    bool must_wait = pool_checkout(&database->pool, &self.waiter, clock_ns()) == POOL_QUEUED;
    pthread_mutex_unlock(&database->lock);
    if (must_wait)
        wait_for_outcome(database, &self);
    sem_destroy(&self.answered);
    *slot = self.waiter.slot;
    return self.waiter.outcome;
}

/*
 * An event loop sees at once when an idle connection dies. A thread has no eye on it and looks
 * before it uses one that may have died unseen.
 */
static bool is_usable(struct pool_slot *slot)
{
    struct pollfd ready = {.fd = pg_socket(&slot->pg), .events = POLLIN};
    return !slot->suspect || poll(&ready, 1, 0) == 0 || pg_step(&slot->pg) != PG_FAILED;
}

/* Blocks. False with session->failure set when there is no connection to be had. */
static bool checkout(struct session *session)
{
    struct pool_slot *slot;
    enum pool_outcome answer;
    while ((answer = take(session->database, &slot)) == POOL_GRANTED && !is_usable(slot))
        lose(session->database, slot);
    if (answer == POOL_GRANTED)
        session->slot = slot;
    else
        session->failure = answer == POOL_TIMED_OUT ? FAIL_POOL_TIMEOUT : FAIL_UNAVAILABLE;
    return answer == POOL_GRANTED;
}

const PGresult *database_query(struct session *session, const struct query *query)
{
    if (session->slot == NULL && !checkout(session))
        return NULL;
    struct pg *pg = &session->slot->pg;
    enum pg_event event = pg_send(pg, query);
    session->failure = FAIL_LOST;
    if (!pg_wait(pg, &event, clock_ms() + session->database->app->config.query_timeout * 1000u)) {
        session->failure = FAIL_QUERY_TIMEOUT;
        event = pg_give_up(pg, "no result in QUERY_TIMEOUT");
    }
    if (event == PG_DONE)
        return pg->result;
    lose(session->database, session->slot);
    session->slot = NULL;
    return NULL;
}

void database_release(struct session *session)
{
    struct database *database = session->database;
    if (session->slot == NULL)
        return;
    pthread_mutex_lock(&database->lock);
    struct pool_waiter *next = pool_checkin(&database->pool, session->slot, clock_ns());
    pthread_mutex_unlock(&database->lock);
    wake(next);
    session->slot = NULL;
}
