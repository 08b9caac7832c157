/*
 * The worker's database connections and the requests that wait for one.
 *
 * A link is a slot of the pool with its watcher. The socket may change between two steps of a
 * connect, so each step gets a watcher of its own; a connection that is up keeps one for life, armed
 * for reading, which costs no epoll_ctl(2) per query and tells at once when an idle connection dies.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "link.h"

const size_t job_bytes = sizeof(struct job);

static struct timeouts *timeouts_of(const struct link *link)
{
    return &link->database->worker->timeouts;
}

/* -- watching ------------------------------------------------------------------------------------- */

static void on_watcher_closed(uv_handle_t *handle)
{
    free(handle);
}

/* Before pg_close(): the descriptor may be another's soon. */
static void unwatch(struct link *link)
{
    if (link->watcher != NULL)
        uv_close((uv_handle_t *)link->watcher, on_watcher_closed);
    link->watcher = NULL;
    link->events = 0;
}

int link_watch(struct link *link, enum pg_event event, uv_poll_cb on_ready)
{
    int events = event == PG_WANT_WRITE ? UV_READABLE | UV_WRITABLE : UV_READABLE;
    int error = 0;
    if (link->watcher == NULL) {
        uv_poll_t *watcher = malloc(sizeof *watcher);
        if (watcher == NULL)
            return UV_ENOMEM;
        error = uv_poll_init(&link->database->worker->loop, watcher, pg_socket(&link->slot->pg));
        if (error < 0) {
            free(watcher);
            return error;
        }
        watcher->data = link;
        link->watcher = watcher;
    }
    if (events != link->events)
        error = uv_poll_start(link->watcher, events, on_ready);
    link->events = events;
    return error;
}

/* -- giving connections back ---------------------------------------------------------------------- */

static void wake(struct database *database, struct pool_waiter *waiter)
{
    STAILQ_INSERT_TAIL(&database->woken, owner_of(waiter, struct job, waiter), entry);
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
    unwatch(link);
    deadline_disarm(&link->deadline);
    link->job = NULL;
    link->is_worn = false;
    pool_lost(&database->pool, link->slot, clock_ns());
    turn_away(database);
}

void link_release(struct link *link)
{
    struct database *database = link->database;
    if (pool_is_worn(link->slot, clock_ns())) {
        link->is_worn = link->slot->pg.pipeline != NULL; /* whose results are being taken */
        if (!link->is_worn)
            link_lose(link);
        return;
    }
    deadline_disarm(&link->deadline);
    link->job = NULL;
    wake_granted(database, pool_checkin(&database->pool, link->slot, clock_ns()));
}

/* -- making connections --------------------------------------------------------------------------- */

static void on_result_ready(uv_poll_t *watcher, int status, int events);
static void on_connect_ready(uv_poll_t *watcher, int status, int events);

static void free_addresses(struct link *link)
{
    uv_freeaddrinfo(link->addresses);
    link->addresses = NULL;
}

static void connected(struct link *link)
{
    struct database *database = link->database;
    bool is_first = database->pool.state == POOL_PROVING;
    free_addresses(link);
    link_release(link);
    if (is_first)
        drain_part_is_up(database->worker->drain);
}

/* At the start this ends the process: the user who starts a server wants to be told. Later the pool tries
 * again. */
static void not_connected(struct link *link)
{
    struct database *database = link->database;
    free_addresses(link);
    link_lose(link);
    if (pool_start_failed(&database->pool))
        app_cannot_start(database->worker->app, &link->slot->pg);
}

static void go_on_connecting(struct link *link, enum pg_event event)
{
    struct pg *pg = &link->slot->pg;
    int error = 0;
    if (event == PG_DONE) {
        error = link_watch(link, PG_WANT_READ, pg->pipeline != NULL ? pipeline_on_ready : on_result_ready);
    } else if (event != PG_FAILED) {
        error = link_watch(link, event, on_connect_ready);
        timeouts_arm_at(timeouts_of(link), TIMEOUT_CONNECT, &link->deadline, pg->connect_by_ms);
    }
    if (error < 0)
        event = pg_give_up(pg, "cannot watch its socket: %s", uv_strerror(error));
    if (event == PG_DONE)
        connected(link);
    else if (event == PG_FAILED)
        not_connected(link);
}

static void on_connect_ready(uv_poll_t *watcher, int status, int events)
{
    struct link *link = watcher->data;
    (void)status, (void)events; /* libpq finds out by itself */
    unwatch(link);
    go_on_connecting(link, pg_step(&link->slot->pg));
    jobs_run_woken(link->database->worker);
}

static void start_connecting(struct link *link)
{
    const struct pg_target *target = &link->database->worker->app->database;
    go_on_connecting(link, pg_connect_start(&link->slot->pg, target, link->addresses));
}

static void on_host_resolved(uv_getaddrinfo_t *lookup, int status, struct addrinfo *addresses)
{
    struct link *link = lookup->data;
    struct database *database = link->database;
    struct pg *pg = &link->slot->pg;
    link->addresses = addresses;
    if (database->pool.state == POOL_STOPPED)
        free_addresses(link);
    else if (status == 0)
        start_connecting(link);
    else
        go_on_connecting(link, pg_give_up(pg, "cannot resolve %s: %s", database->worker->app->database.host,
                                          uv_strerror(status)));
    jobs_run_woken(database->worker);
}

/* In libuv's thread pool: a resolver cannot be interrupted, its time-outs are in resolv.conf(5). */
static void look_up_host(struct link *link)
{
    struct worker *worker = link->database->worker;
    const char *host = worker->app->database.host;
    link->lookup.data = link;
    int error = uv_getaddrinfo(&worker->loop, &link->lookup, on_host_resolved, host, NULL, &pg_address_hints);
    if (error < 0)
        go_on_connecting(link, pg_give_up(&link->slot->pg, "cannot resolve %s: %s", host, uv_strerror(error)));
}

static void connect_due(struct database *database)
{
    struct pool_slot *slot;
    while ((slot = pool_take_due(&database->pool, clock_ns())) != NULL) {
        struct link *link = &database->links[slot->index];
        if (database->worker->app->database.host[0] != '\0')
            look_up_host(link);
        else
            start_connecting(link);
    }
}

/* -- queries -------------------------------------------------------------------------------------- */

/* The connection of a query is gone: the exchange has its response. */
static enum progress fail_query(struct link *link)
{
    struct job *job = link->job;
    exchange_fail(&job->exchange, exchange_failure_of_query(&link->slot->pg));
    link_lose(link);
    return PROGRESS_DONE;
}

/* Sends the query of the job that has the link. */
static enum pg_event send_query(struct link *link)
{
    struct worker *worker = link->database->worker;
    timeouts_arm(&worker->timeouts, TIMEOUT_QUERY, &link->deadline, uv_now(&worker->loop));
    return pg_send(&link->slot->pg, &link->job->exchange.query);
}

/*
 * Goes on with the queries of a job until one has to be waited for. PROGRESS_DONE: the response is made, and
 * the connection has been given back, so that a client that reads slowly holds none.
 */
static enum progress go_on_querying(struct link *link, enum pg_event event)
{
    struct pg *pg = &link->slot->pg;
    /* excerpt 1 */
    while (event == PG_DONE) {
        if (exchange_resume(&link->job->exchange, pg->result) == STEP_RESPOND) {
            link_release(link);
            return PROGRESS_DONE;
        }
        event = send_query(link);
    }
    if (event == PG_FAILED)
        return fail_query(link);
    int error = link_watch(link, event, on_result_ready);
    if (error == 0)
        return PROGRESS_LATER;
    /* end of excerpt */
    pg_give_up(pg, "cannot watch its socket: %s", uv_strerror(error));
    return fail_query(link);
}

static void on_result_ready(uv_poll_t *watcher, int status, int events)
{
    struct link *link = watcher->data;
    struct job *job = link->job;
    (void)events;
    if (status < 0)
        link->events = 0; /* libuv has stopped the watcher; libpq knows why */
    /* excerpt 2 */
    enum pg_event event = pg_step(&link->slot->pg);
    if (job != NULL) {
        if (go_on_querying(link, event) == PROGRESS_DONE)
            connection_respond(job->connection);
        /* end of excerpt */
    } else if (event == PG_FAILED) {
        link_lose(link); /* it died while it was idle */
    } else if (link_watch(link, PG_WANT_READ, on_result_ready) < 0) {
        pg_give_up(&link->slot->pg, "cannot watch its socket");
        link_lose(link);
    }
    jobs_run_woken(link->database->worker);
}

/* The pool has decided on the job's wish for a connection. */
static enum progress start_querying(struct database *database, struct job *job)
{
    struct pool_waiter *waiter = &job->waiter;
    if (waiter->outcome == POOL_QUEUED)
        return PROGRESS_LATER;
    if (waiter->outcome != POOL_GRANTED) {
        exchange_fail(&job->exchange, exchange_failure_of_checkout(waiter->outcome));
        return PROGRESS_DONE;
    }
    struct link *link = &database->links[waiter->slot->index];
    if (link->slot->pg.pipeline != NULL)
        return pipeline_query(link, job);
    link->job = job;
    return go_on_querying(link, send_query(link));
}

static enum progress database_query(struct job *job)
{
    struct database *database = job->connection->worker->database;
    pool_checkout(&database->pool, &job->waiter, clock_ns());
    return start_querying(database, job);
}

/* Does the steps of the exchange before its first result. PROGRESS_DONE: the response can be sent. */
static enum progress take_step(struct job *job, enum step step)
{
    if (step == STEP_RESPOND)
        return PROGRESS_DONE;
    if (step == STEP_QUERY)
        return database_query(job);
    alarms_add(&job->connection->worker->alarms, &job->alarm, clock_ns() + job->exchange.wait_ms * 1000000);
    return PROGRESS_LATER;
}

enum progress job_start(struct job *job)
{
    return take_step(job, exchange_start(&job->exchange));
}

enum progress job_waited(struct job *job)
{
    return take_step(job, exchange_waited(&job->exchange));
}

void job_drain(struct job *job)
{
    exchange_close_after(&job->exchange);
}

void jobs_run_woken(struct worker *worker)
{
    struct database *database = worker->database;
    struct job *job;
    while ((job = STAILQ_FIRST(&database->woken)) != NULL) {
        struct pool_waiter *waiter = &job->waiter;
        STAILQ_REMOVE_HEAD(&database->woken, entry);
        if (waiter->outcome == POOL_GRANTED && waiter->slot->losses != waiter->slot_losses)
            pool_checkout(&database->pool, waiter, clock_ns()); /* lost since, with the others that shared it */
        if (start_querying(database, job) == PROGRESS_DONE)
            connection_respond(job->connection);
    }
}

/* -- time, start and end -------------------------------------------------------------------------- */

void jobs_before_poll(struct worker *worker)
{
    pipelines_send(worker->database);
}

uint64_t jobs_next_ms(const struct worker *worker)
{
    return pool_next_ms(&worker->database->pool);
}

void jobs_check_time(struct worker *worker)
{
    struct database *database = worker->database;
    struct deadline *passed;
    while ((passed = timeouts_take_expired(&worker->timeouts, TIMEOUT_CONNECT, uv_now(&worker->loop))) !=
           NULL) {
        struct link *link = owner_of(passed, struct link, deadline);
        unwatch(link);
        go_on_connecting(link, pg_timed_out(&link->slot->pg));
    }
    while ((passed = timeouts_take_expired(&worker->timeouts, TIMEOUT_QUERY, uv_now(&worker->loop))) != NULL) {
        if (database->pool.settings.depth > 1) {
            struct job *job = owner_of(passed, struct job, deadline);
            pipeline_timed_out(&database->links[job->waiter.slot->index], job);
            continue;
        }
        struct link *link = owner_of(passed, struct link, deadline);
        struct connection *connection = link->job->connection;
        pg_timed_out(&link->slot->pg);
        fail_query(link);
        connection_respond(connection);
    }
    pipelines_check_time(database);
    connect_due(database);
    turn_away(database);
}

int jobs_init(struct worker *worker, unsigned index)
{
    const struct pool_settings settings = app_pool_settings(worker->app, (int)index, worker->counters);
    struct database *database = calloc(1, sizeof *database);
    if (database == NULL)
        return -ENOMEM;
    worker->database = database;
    database->worker = worker;
    STAILQ_INIT(&database->woken);
    STAILQ_INIT(&database->to_send);
    database->links = calloc(settings.size, sizeof *database->links);
    if (database->links == NULL)
        return -ENOMEM;
    int error = pool_init(&database->pool, &settings);
    if (error < 0)
        return error; /* the process ends */
    for (unsigned i = 0; i < settings.size; i++) {
        database->links[i].database = database;
        database->links[i].slot = &database->pool.slots[i];
    }
    return 0;
}

void jobs_stop(struct worker *worker)
{
    struct database *database = worker->database;
    pool_stop(&database->pool);
    for (unsigned i = 0; i < database->pool.settings.size; i++) {
        struct link *link = &database->links[i];
        unwatch(link);
        deadline_disarm(&link->deadline);
        free_addresses(link);
        uv_cancel((uv_req_t *)&link->lookup); /* does nothing when none waits for its turn */
    }
}

void jobs_deinit(struct worker *worker)
{
    struct database *database = worker->database;
    pool_deinit(&database->pool);
    free(database->links);
    free(database);
}
