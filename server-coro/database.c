/* The database connections of a worker: making them, waiting for one, and waiting for results. */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "link.h"

/* A coroutine in the pool's queue, on its own stack. */
struct queued {
    struct pool_waiter waiter;
    struct co *co;
};

static void wake(struct database *database, struct pool_waiter *waiter)
{
    wait_wake(database->worker, owner_of(waiter, struct queued, waiter)->co);
}

/* A place has become free: `waiter` was given it, and others may be. */
static void wake_granted(struct database *database, struct pool_waiter *waiter)
{
    for (; waiter != NULL; waiter = pool_take_granted(&database->pool, clock_ns()))
        wake(database, waiter);
}

static void turn_away(struct database *database)
{
    struct pool_waiter *waiter;
    while ((waiter = pool_take_turned_away(&database->pool, clock_ns())) != NULL)
        wake(database, waiter);
}

void link_lose(struct link *link)
{
    struct database *database = link->database;
    if (link->watch != NULL)
        watch_close(link->watch); /* before the socket goes */
    link->watch = NULL;
    link->is_worn = false;
    pool_lost(&database->pool, link->slot, clock_ns());
    turn_away(database);
}

int link_events(enum pg_event event)
{
    return event == PG_WANT_READ ? UV_READABLE : UV_READABLE | UV_WRITABLE;
}

/* -- making connections --------------------------------------------------------------------------- */

struct resolution {
    uv_getaddrinfo_t request;
    struct worker *worker;
    struct co *co;
    int status;
    struct addrinfo *addresses;
};

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *addresses)
{
    struct resolution *resolution = request->data;
    resolution->status = status;
    resolution->addresses = addresses;
    wait_wake(resolution->worker, resolution->co);
    wait_run_ready(resolution->worker);
}

/* Yields while a thread of libuv asks the resolver. 0 or an error of libuv. */
static coroutine_fn int resolve(struct worker *worker, struct addrinfo **addresses)
{
    const char *host = worker->app->database.host;
    struct resolution self = {.worker = worker, .co = co_running()};
    if (host[0] == '\0')
        return 0;
    self.request.data = &self;
    int error = uv_getaddrinfo(&worker->loop, &self.request, on_resolved, host, NULL, &pg_address_hints);
    if (error < 0)
        return error;
    co_suspend();
    *addresses = self.addresses;
    return self.status;
}

/*
 * Waits for one step of connecting, with a watch of its own: the socket may change at every step, and a new
 * one often has the old number.
 */
static coroutine_fn enum pg_event connect_step(struct link *link, enum pg_event event)
{
    struct pg *pg = &link->slot->pg;
    struct watch *watch = link->watch = watch_open(link->database->worker, pg_socket(pg));
    if (watch == NULL)
        return pg_give_up(pg, "no memory to watch its socket");
    watch_arm_at(watch, TIMEOUT_CONNECT, pg->connect_by_ms);
    int error = watch_wait(watch, link_events(event));
    link->watch = NULL;
    watch_close(watch);
    if (error == -ECANCELED)
        return pg_give_up(pg, "the server is stopping");
    return error == 0 ? pg_step(pg) : pg_timed_out(pg);
}

static coroutine_fn enum pg_event connect_link(struct link *link)
{
    struct worker *worker = link->database->worker;
    struct pg *pg = &link->slot->pg;
    struct addrinfo *addresses = NULL;
    int error = resolve(worker, &addresses);
    if (error < 0)
        return pg_give_up(pg, "cannot resolve %s: %s", worker->app->database.host, uv_strerror(error));
    enum pg_event event = PG_FAILED;
    if (link->database->pool.state != POOL_STOPPED)
        event = pg_connect_start(pg, &worker->app->database, addresses);
    while (event == PG_WANT_READ || event == PG_WANT_WRITE)
        event = connect_step(link, event);
    uv_freeaddrinfo(addresses);
    return event;
}

/* An idle connection is readable: a notice, or its end. */
static void on_idle_readable(struct watch *watch)
{
    struct link *link = watch->owner;
    if (pg_step(&link->slot->pg) == PG_FAILED)
        link_lose(link);
    else
        watch_unwaited(watch);
}

/* Watches a new connection for the rest of its life. */
static bool watch_link(struct link *link)
{
    struct pg *pg = &link->slot->pg;
    link->watch = watch_open(link->database->worker, pg_socket(pg));
    if (link->watch == NULL) {
        pg_give_up(pg, "no memory to watch its socket");
        return false;
    }
    if (pg->pipeline != NULL)
        return true; /* pipeline_serve() waits for it */
    link->watch->owner = link;
    link->watch->on_unwaited = on_idle_readable;
    watch_unwaited(link->watch);
    return true;
}

/* At the start this ends the process: the user who starts a server wants to be told. Later the pool tries
 * again. */
static void not_connected(struct link *link)
{
    struct database *database = link->database;
    link_lose(link);
    if (pool_start_failed(&database->pool))
        app_cannot_start(database->worker->app, &link->slot->pg);
}

static coroutine_fn void connector_main(void *arg)
{
    struct link *link = arg;
    struct database *database = link->database;
    if (connect_link(link) != PG_DONE || database->pool.state == POOL_STOPPED || !watch_link(link)) {
        not_connected(link);
        return;
    }
    bool is_first = database->pool.state == POOL_PROVING;
    wake_granted(database, pool_checkin(&database->pool, link->slot, clock_ns()));
    if (is_first)
        drain_part_is_up(database->worker->drain);
    if (link->slot->pg.pipeline != NULL)
        pipeline_serve(link);
}

static void connect_due(struct database *database)
{
    struct worker *worker = database->worker;
    struct pool_slot *slot;
    while ((slot = pool_take_due(&database->pool, clock_ns())) != NULL) {
        struct link *link = &database->links[slot->index];
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
    do { /* again, if the connection was lost before this coroutine went on: others share it */
        if (pool_checkout(&database->pool, &self.waiter, clock_ns()) == POOL_QUEUED)
            co_suspend();
    } while (self.waiter.outcome == POOL_GRANTED && self.waiter.slot->losses != self.waiter.slot_losses);
    session->slot = self.waiter.slot;
    session->failure = exchange_failure_of_checkout(self.waiter.outcome);
    return self.waiter.outcome == POOL_GRANTED;
}

const PGresult *database_query(struct session *session, const struct query *query)
{
    if (session->slot == NULL && !checkout(session))
        return NULL;
    struct link *link = &session->database->links[session->slot->index];
    struct pg *pg = &session->slot->pg;
    if (pg->pipeline != NULL)
        return pipeline_query(link, session, query);
    /* excerpt 1 */
    enum pg_event event = pg_send(pg, query);
    watch_arm(link->watch, TIMEOUT_QUERY);
    while (event == PG_WANT_READ || event == PG_WANT_WRITE)
        event = watch_wait(link->watch, link_events(event)) == -ETIMEDOUT ? pg_timed_out(pg) : pg_step(pg);
    if (event == PG_DONE)
        return pg->result;
    /* end of excerpt */
    session->failure = exchange_failure_of_query(pg);
    session->slot = NULL;
    link_lose(link);
    return NULL;
}

void link_release(struct link *link)
{
    struct database *database = link->database;
    struct pool_slot *slot = link->slot;
    bool is_worn = pool_is_worn(slot, clock_ns());
    if (is_worn && slot->pg.pipeline != NULL) {
        link->is_worn = true;
        watch_cancel(link->watch); /* ends pipeline_serve() */
    } else if (is_worn) {
        link_lose(link);
    } else {
        wake_granted(database, pool_checkin(&database->pool, slot, clock_ns()));
    }
}

void database_release(struct session *session)
{
    struct pool_slot *slot = session->slot;
    PQclear(session->result);
    session->result = NULL;
    if (slot == NULL)
        return;
    struct link *link = &session->database->links[slot->index];
    session->slot = NULL;
    if (slot->pg.pipeline == NULL)
        watch_unwaited(link->watch); /* a wait for writing may have been the last */
    link_release(link);
}

/* -- time, start and end -------------------------------------------------------------------------- */

void database_check_time(struct database *database)
{
    pipelines_check_time(database);
    connect_due(database);
    turn_away(database);
}

int database_init(struct database *database, struct worker *worker, unsigned index)
{
    const struct pool_settings settings = app_pool_settings(worker->app, (int)index, worker->counters);
    *database = (struct database){.worker = worker};
    STAILQ_INIT(&database->to_send);
    database->links = calloc(settings.size, sizeof *database->links);
    if (database->links == NULL)
        return -ENOMEM;
    int error = pool_init(&database->pool, &settings);
    if (error < 0) {
        free(database->links);
        return error;
    }
    for (unsigned i = 0; i < settings.size; i++)
        database->links[i] = (struct link){.database = database, .slot = &database->pool.slots[i]};
    return 0;
}

void database_stop(struct database *database)
{
    pool_stop(&database->pool);
    for (unsigned i = 0; i < database->pool.settings.size; i++) {
        struct link *link = &database->links[i];
        if (link->watch == NULL)
            continue;
        if (link->watch->owner == NULL) { /* a coroutine waits: to connect, or in pipeline_serve() */
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
