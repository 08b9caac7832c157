/* The database connections of a worker: making them, waiting for one, and waiting for results. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "server.h"

/* A coroutine in the pool's queue, on its own stack. */
struct queued {
    struct pool_waiter waiter;
    struct co *co;
};

static void wake(struct database *database, struct pool_waiter *waiter)
{
    if (waiter != NULL)
        wait_wake(database->worker, owner_of(waiter, struct queued, waiter)->co);
}

static void turn_away(struct database *database)
{
    struct pool_waiter *waiter;
    while ((waiter = pool_take_turned_away(&database->pool, clock_ns())) != NULL)
        wake(database, waiter);
}

/* When the pool has something to do, on the clock of uv_now(); rounded up, not to come too early. */
static uint64_t next_ms(const struct database *database)
{
    uint64_t ns = pool_next_ns(&database->pool);
    return database->state != DATABASE_RUNNING || ns == UINT64_MAX ? UINT64_MAX : ns / 1000000 + 1;
}

/* -- making connections --------------------------------------------------------------------------- */

struct resolution {
    uv_getaddrinfo_t request;
    struct worker *worker;
    struct co *co;
    int status;
    char address[INET6_ADDRSTRLEN];
};

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct resolution *resolution = request->data;
    resolution->status =
        status != 0 ? status : uv_ip_name(found->ai_addr, resolution->address, INET6_ADDRSTRLEN);
    uv_freeaddrinfo(found);
    wait_wake(resolution->worker, resolution->co);
    wait_run_ready(resolution->worker);
}

/* Yields while a thread of libuv asks the resolver. 0 or an error of libuv. */
static coroutine_fn int resolve(struct worker *worker, const char *host, char address[INET6_ADDRSTRLEN])
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct resolution self = {.worker = worker, .co = co_running()};
    self.request.data = &self;
    int status = uv_getaddrinfo(&worker->loop, &self.request, on_resolved, host, NULL, &hints);
    if (status != 0)
        return status;
    co_suspend();
    memcpy(address, self.address, INET6_ADDRSTRLEN);
    return self.status;
}

/*
 * One step of connecting, with a watch of its own: libpq may change its socket at every step, and a new
 * one often has the old number.
 */
static coroutine_fn enum pg_event connect_step(struct link *link, enum pg_event event)
{
    struct worker *worker = link->database->worker;
    struct pg *pg = &link->slot->pg;
    struct watch *watch = link->watch = watch_open(worker, pg_socket(pg));
    if (watch == NULL)
        return pg_give_up(pg, "no memory to watch its socket");
    watch_arm(watch, TIMEOUT_CONNECT);
    int error = watch_wait(watch, event == PG_WANT_READ ? UV_READABLE : UV_READABLE | UV_WRITABLE);
    link->watch = NULL;
    watch_close(watch);
    if (error == -ETIMEDOUT)
        return pg_give_up(pg, "no answer from %s in time", worker->app->database.where);
    return error == 0 ? pg_step(pg) : PG_FAILED;
}

static coroutine_fn enum pg_event connect_link(struct link *link)
{
    struct database *database = link->database;
    const struct pg_target *target = &database->worker->app->database;
    struct pg *pg = &link->slot->pg;
    char address[INET6_ADDRSTRLEN];
    bool has_name = target->host[0] != '\0';
    int status = has_name ? resolve(database->worker, target->host, address) : 0;
    if (status != 0)
        return pg_give_up(pg, "cannot resolve %s: %s", target->host, uv_strerror(status));
    enum pg_event event = pg_connect_start(pg, target, has_name ? address : NULL);
    while (event == PG_WANT_READ || event == PG_WANT_WRITE)
        event = connect_step(link, event);
    return event;
}

/* The connection cannot be used any more, in any state: first the watch goes, then the socket. */
static void lose(struct link *link)
{
    struct database *database = link->database;
    if (link->watch != NULL)
        watch_close(link->watch);
    link->watch = NULL;
    pool_lost(&database->pool, link->slot, clock_ns());
    turn_away(database);
    wait_timer_by(database->worker, next_ms(database));
}

/* An idle connection is readable: a notice, or its end. */
static void on_idle_readable(struct watch *watch)
{
    struct link *link = watch->owner;
    struct pg *pg = &link->slot->pg;
    if (pg_step(pg) == PG_FAILED) {
        log_warn("database connection %u lost: %s", link->slot->index, pg->error);
        lose(link);
    } else {
        watch_unwaited(watch);
    }
}

/* Watches a new connection for the rest of its life. */
static bool watch_link(struct link *link)
{
    link->watch = watch_open(link->database->worker, pg_socket(&link->slot->pg));
    if (link->watch == NULL)
        return false;
    link->watch->owner = link;
    link->watch->on_unwaited = on_idle_readable;
    watch_unwaited(link->watch);
    return true;
}

static void connected(struct link *link)
{
    struct database *database = link->database;
    if (database->state == DATABASE_UNTRIED)
        database->state = DATABASE_PROVEN;
    if (database->failing)
        log_info("the database is back");
    database->failing = false;
    wake(database, pool_checkin(&database->pool, link->slot, clock_ns()));
}

static void not_connected(struct link *link)
{
    struct database *database = link->database;
    if (database->state == DATABASE_UNTRIED)
        database->state = DATABASE_REFUSED; /* database_start() says why */
    if (database->state == DATABASE_RUNNING && !database->failing)
        log_warn("database connection %u: %s", link->slot->index, link->slot->pg.error);
    database->failing = true;
    lose(link);
}

static coroutine_fn void connector_main(void *arg)
{
    struct link *link = arg;
    if (connect_link(link) == PG_DONE && link->database->state != DATABASE_STOPPING && watch_link(link))
        connected(link);
    else
        not_connected(link);
}

static void connect_due(struct database *database)
{
    struct pool_slot *slot;
    while (database->state == DATABASE_RUNNING && (slot = pool_take_due(&database->pool, clock_ns())) != NULL) {
        struct link *link = &database->links[slot->index];
        struct worker *worker = database->worker;
        if (!wait_spawn(worker, &worker->deep_stacks, connector_main, link)) {
            pg_give_up(&slot->pg, "no memory for a stack");
            not_connected(link); /* it is due again later, not now */
        }
    }
}

/* -- using them ----------------------------------------------------------------------------------- */

/* Yields until a connection is the session's, first come, first served. */
static coroutine_fn bool checkout(struct session *session)
{
    struct database *database = session->database;
    struct queued self = {.co = co_running()};
    if (pool_checkout(&database->pool, &self.waiter, clock_ns()) == POOL_QUEUED) {
        wait_timer_by(database->worker, next_ms(database));
        co_suspend();
    }
    session->slot = self.waiter.slot;
    session->failure = self.waiter.outcome == POOL_TIMED_OUT ? FAIL_POOL_TIMEOUT : FAIL_UNAVAILABLE;
    return self.waiter.outcome == POOL_GRANTED;
}

const PGresult *database_query(struct session *session, const struct query *query)
{
    if (session->slot == NULL && !checkout(session))
        return NULL;
    struct link *link = &session->database->links[session->slot->index];
    struct pg *pg = &session->slot->pg;
    enum pg_event event = pg_send(pg, query);
    watch_arm(link->watch, TIMEOUT_QUERY);
    session->failure = FAIL_LOST;
    while (event == PG_WANT_READ || event == PG_WANT_WRITE) {
        int events = event == PG_WANT_READ ? UV_READABLE : UV_READABLE | UV_WRITABLE;
        if (watch_wait(link->watch, events) == -ETIMEDOUT) {
            session->failure = FAIL_QUERY_TIMEOUT;
            event = pg_give_up(pg, "no result in QUERY_TIMEOUT");
        } else {
            event = pg_step(pg);
        }
    }
    if (event == PG_DONE)
        return pg->result;
    log_warn("database connection %u lost: %s", session->slot->index, pg->error);
    session->slot = NULL;
    lose(link);
    return NULL;
}

void database_release(struct session *session)
{
    struct database *database = session->database;
    struct pool_slot *slot = session->slot;
    if (slot == NULL)
        return;
    session->slot = NULL;
    watch_unwaited(database->links[slot->index].watch); /* a wait for writing may have been the last */
    wake(database, pool_checkin(&database->pool, slot, clock_ns()));
}

/* -- start, time and end -------------------------------------------------------------------------- */

bool database_start(struct database *database, struct worker *worker, unsigned size)
{
    const struct app *app = worker->app;
    *database = (struct database){.worker = worker};
    if (pool_init(&database->pool, size, app->config.pool_timeout, worker->counters) < 0)
        goto no_memory;
    database->links = calloc(size, sizeof *database->links);
    if (database->links == NULL)
        goto no_memory;
    for (unsigned i = 0; i < size; i++)
        database->links[i] = (struct link){.database = database, .slot = &database->pool.slots[i]};

    const struct pool_slot *first = pool_take_due(&database->pool, clock_ns());
    struct link *link = &database->links[first->index];
    if (!wait_spawn(worker, &worker->deep_stacks, connector_main, link))
        goto no_memory;
    wait_run_ready(worker);
    while (database->state == DATABASE_UNTRIED)
        uv_run(&worker->loop, UV_RUN_ONCE);
    if (database->state == DATABASE_REFUSED)
        log_error("cannot use the database at %s: %s. %s", app->database.where, first->pg.error,
                  pg_advice(&first->pg));
    return database->state == DATABASE_PROVEN;
no_memory:
    log_error("no memory for a pool of %u database connections", size);
    return false;
}

void database_run(struct database *database)
{
    database->state = DATABASE_RUNNING;
    wait_timer_by(database->worker, database_check_time(database));
}

uint64_t database_check_time(struct database *database)
{
    connect_due(database);
    turn_away(database);
    return next_ms(database);
}

void database_stop(struct database *database)
{
    database->state = DATABASE_STOPPING;
    for (unsigned i = 0; i < database->pool.size; i++) {
        struct link *link = &database->links[i];
        if (link->watch == NULL)
            continue;
        if (link->watch->owner == NULL) { /* being connected */
            watch_cancel(link->watch);
        } else {
            watch_close(link->watch);
            link->watch = NULL;
        }
    }
}

void database_deinit(struct database *database)
{
    pool_deinit(&database->pool);
    free(database->links);
}
