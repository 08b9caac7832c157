/*
 * The worker's database connections and those who wait for one.
 *
 * A link is a slot of the pool with its watcher. libpq may change its socket between two steps of a
 * connect, so each step gets a watcher of its own; a connection that is up keeps one for life, armed
 * for reading, which costs no epoll_ctl(2) a query and tells at once when an idle connection dies.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "server.h"

struct link {
    struct database *database;
    struct pool_slot *slot;
    uv_poll_t *watcher; /* on the heap: libuv gives it back a loop turn after it was closed */
    int events;         /* what the watcher is armed for */
    struct job *job;    /* who has the connection; NULL while it is idle or being made */
    struct deadline deadline;
    uv_getaddrinfo_t lookup;
    bool looking_up;
    struct addrinfo *addresses, *next_address; /* what the look-up gave, while connecting */
};

static void on_watcher_closed(uv_handle_t *handle)
{
    free(handle);
}

/* Before pg_close(): the descriptor is somebody else's soon. */
static void unwatch(struct link *link)
{
    if (link->watcher != NULL)
        uv_close((uv_handle_t *)link->watcher, on_watcher_closed);
    link->watcher = NULL;
    link->events = 0;
}

/* A callback for `events`, with no system call if the watcher is armed for them already. */
static int watch(struct link *link, int events, uv_poll_cb on_ready)
{
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

static int events_for(enum pg_event event)
{
    return event == PG_WANT_WRITE ? UV_READABLE | UV_WRITABLE : UV_READABLE;
}

static void free_addresses(struct link *link)
{
    uv_freeaddrinfo(link->addresses);
    link->addresses = link->next_address = NULL;
}

static void wake(struct database *database, struct pool_waiter *waiter)
{
    STAILQ_INSERT_TAIL(&database->woken, owner_of(waiter, struct job, waiter), entry);
}

static void wake_turned_away(struct database *database)
{
    struct pool_waiter *waiter;
    while ((waiter = pool_take_turned_away(&database->pool, clock_ns())) != NULL)
        wake(database, waiter);
}

/* The connection is intact and goes to whoever is next. */
static void give_back(struct link *link)
{
    struct database *database = link->database;
    deadline_disarm(&link->deadline);
    link->job = NULL;
    struct pool_waiter *waiter = pool_checkin(&database->pool, link->slot, clock_ns());
    if (waiter != NULL)
        wake(database, waiter);
}

/* The connection is gone. */
static void give_up(struct link *link)
{
    unwatch(link);
    deadline_disarm(&link->deadline);
    link->job = NULL;
    pool_lost(&link->database->pool, link->slot, clock_ns());
    wake_turned_away(link->database);
}

static void log_lost(const struct link *link, const char *reason)
{
    log_warn("database connection %u.%u lost: %s", link->database->worker->index, link->slot->index, reason);
}

/* -- Connecting -- */

/* For a failure that libpq does not know of. */
__attribute__((format(printf, 3, 4))) static void explain(struct link *link, enum pg_cause cause,
                                                          const char *format, ...)
{
    struct pg *pg = &link->slot->pg;
    va_list args;
    va_start(args, format);
    vsnprintf(pg->error, sizeof pg->error, format, args);
    va_end(args);
    pg->cause = cause;
}

static bool try_next_address(struct link *link);

/* At the start this is the end: whoever starts a server wants to be told. Later it is tried again. */
static void attempt_failed(struct link *link)
{
    struct database *database = link->database;
    const struct pg *pg = &link->slot->pg;
    if (try_next_address(link))
        return;
    if (!database->was_up)
        worker_start_failed(database->worker, pg);
    if (!database->failing) /* then silence until it is back: there are several attempts a second */
        log_warn("no connection to the database at %s: %s", database->worker->app->database.where, pg->error);
    database->failing = true;
    give_up(link);
}

static void on_result_ready(uv_poll_t *watcher, int status, int events);
static void on_connect_ready(uv_poll_t *watcher, int status, int events);

static void connected(struct link *link)
{
    struct database *database = link->database;
    free_addresses(link);
    if (database->failing)
        log_info("the database at %s is back", database->worker->app->database.where);
    database->failing = false;
    give_back(link);
    if (!database->was_up) {
        database->was_up = true;
        worker_database_is_up(database->worker);
    }
}

static void go_on_connecting(struct link *link, enum pg_event event)
{
    int error = 0;
    if (event == PG_FAILED) {
        attempt_failed(link);
        return;
    }
    if (event == PG_DONE)
        error = watch(link, UV_READABLE, on_result_ready);
    else
        error = watch(link, events_for(event), on_connect_ready);
    if (error < 0) {
        explain(link, PG_CAUSE_MEMORY, "cannot watch its socket: %s", uv_strerror(error));
        attempt_failed(link);
    } else if (event == PG_DONE) {
        connected(link);
    }
}

static void on_connect_ready(uv_poll_t *watcher, int status, int events)
{
    struct link *link = watcher->data;
    (void)status, (void)events; /* libpq finds out by itself */
    unwatch(link);
    go_on_connecting(link, pg_step(&link->slot->pg));
    database_run_woken(link->database);
}

static void start_connecting(struct link *link, const char *address)
{
    struct database *database = link->database;
    struct worker *worker = database->worker;
    deadline_arm(&database->attempts, &link->deadline, uv_now(&worker->loop));
    go_on_connecting(link, pg_connect_start(&link->slot->pg, &worker->app->database, address));
}

/* A name may have several addresses ("localhost" has two) of which the database listens on one. */
static bool try_next_address(struct link *link)
{
    char address[INET6_ADDRSTRLEN];
    if (link->next_address == NULL) {
        free_addresses(link);
        return false;
    }
    uv_ip_name(link->next_address->ai_addr, address, sizeof address);
    link->next_address = link->next_address->ai_next;
    unwatch(link);
    pg_close(&link->slot->pg);
    start_connecting(link, address);
    return true;
}

static void on_host_resolved(uv_getaddrinfo_t *lookup, int status, struct addrinfo *found)
{
    struct link *link = lookup->data;
    link->looking_up = false;
    link->addresses = link->next_address = found;
    if (link->database->stopped) {
        free_addresses(link);
        return;
    }
    if (status < 0)
        explain(link, PG_CAUSE_NETWORK, "cannot resolve %s: %s", link->database->worker->app->database.host,
                uv_strerror(status));
    if (!try_next_address(link))
        attempt_failed(link);
    database_run_woken(link->database);
}

/* In libuv's thread pool: a resolver cannot be interrupted, its time-outs are in resolv.conf(5). */
static void look_up_host(struct link *link)
{
    struct worker *worker = link->database->worker;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    link->lookup.data = link;
    int error = uv_getaddrinfo(&worker->loop, &link->lookup, on_host_resolved, worker->app->database.host, NULL,
                               &hints);
    link->looking_up = error == 0;
    if (error < 0) {
        explain(link, PG_CAUSE_MEMORY, "%s", uv_strerror(error));
        attempt_failed(link);
    }
}

/* The first attempt decides whether the server starts; no other is made before it has ended. */
static bool is_starting(const struct database *database)
{
    return database->was_tried && !database->was_up;
}

static void connect_what_is_due(struct database *database)
{
    struct pool_slot *slot;
    while (!is_starting(database) && (slot = pool_take_due(&database->pool, clock_ns())) != NULL) {
        struct link *link = &database->links[slot->index];
        database->was_tried = true;
        if (database->worker->app->database.host[0] != '\0')
            look_up_host(link);
        else
            start_connecting(link, NULL);
    }
}

/* -- Queries -- */

/* The response of an exchange whose connection is gone. */
static void fail_query(struct link *link, const char *reason, enum exchange_failure failure)
{
    struct job *job = link->job;
    log_lost(link, reason);
    give_up(link);
    exchange_fail(&job->exchange, failure);
}

/* Sends the query of the job that has the link. */
static enum pg_event send_query(struct link *link)
{
    struct database *database = link->database;
    deadline_arm(&database->queries, &link->deadline, uv_now(&database->worker->loop));
    return pg_send(&link->slot->pg, &link->job->exchange.query);
}

/*
 * Goes on with the queries of a job until one has to be waited for. True: the response is there, and
 * the connection has been given back, so that a client that reads slowly holds none.
 */
static bool go_on_querying(struct link *link, enum pg_event event)
{
    struct pg *pg = &link->slot->pg;
    while (event == PG_DONE) {
        if (exchange_resume(&link->job->exchange, pg->result) == STEP_RESPOND) {
            give_back(link);
            return true;
        }
        event = send_query(link);
    }
    if (event == PG_FAILED) {
        fail_query(link, pg->error, FAIL_LOST);
        return true;
    }
    int error = watch(link, events_for(event), on_result_ready);
    if (error < 0)
        fail_query(link, uv_strerror(error), FAIL_LOST);
    return error < 0;
}

static void on_result_ready(uv_poll_t *watcher, int status, int events)
{
    struct link *link = watcher->data;
    struct job *job = link->job;
    (void)events;
    if (status < 0)
        link->events = 0; /* libuv has stopped the watcher; libpq knows why */
    enum pg_event event = pg_step(&link->slot->pg);
    if (job != NULL) {
        if (go_on_querying(link, event))
            connection_respond(job->connection);
    } else if (event == PG_FAILED || watch(link, UV_READABLE, on_result_ready) < 0) {
        log_lost(link, link->slot->pg.error); /* nobody had asked: it died while it was idle */
        give_up(link);
    }
    database_run_woken(link->database);
}

/* The job has been told what became of its wish for a connection. True when the response is there. */
static bool start_querying(struct database *database, struct job *job)
{
    switch (job->waiter.outcome) {
    case POOL_GRANTED:;
        struct link *link = &database->links[job->waiter.slot->index];
        link->job = job;
        return go_on_querying(link, send_query(link));
    case POOL_QUEUED:
        return false;
    case POOL_UNAVAILABLE:
        exchange_fail(&job->exchange, FAIL_UNAVAILABLE);
        return true;
    default: /* POOL_TIMED_OUT */
        exchange_fail(&job->exchange, FAIL_POOL_TIMEOUT);
        return true;
    }
}

bool database_query(struct job *job)
{
    struct database *database = &job->connection->worker->database;
    pool_checkout(&database->pool, &job->waiter, clock_ns());
    return start_querying(database, job);
}

void database_run_woken(struct database *database)
{
    struct job *job;
    while ((job = STAILQ_FIRST(&database->woken)) != NULL) {
        STAILQ_REMOVE_HEAD(&database->woken, entry);
        if (start_querying(database, job))
            connection_respond(job->connection);
    }
}

/* -- Time -- */

static void check_deadlines(struct database *database, uint64_t now_ms)
{
    struct deadline *passed;
    while ((passed = deadline_take_expired(&database->attempts, now_ms)) != NULL) {
        struct link *link = owner_of(passed, struct link, deadline);
        explain(link, PG_CAUSE_NETWORK, "no answer in %d ms", APP_CONNECT_MS);
        attempt_failed(link);
    }
    while ((passed = deadline_take_expired(&database->queries, now_ms)) != NULL) {
        struct link *link = owner_of(passed, struct link, deadline);
        struct job *job = link->job;
        fail_query(link, "no result in QUERY_TIMEOUT", FAIL_QUERY_TIMEOUT);
        connection_respond(job->connection);
    }
}

void database_check_time(struct database *database)
{
    check_deadlines(database, uv_now(&database->worker->loop));
    connect_what_is_due(database);
    wake_turned_away(database);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t database_next_ms(const struct database *database)
{
    uint64_t next_ns = is_starting(database) ? UINT64_MAX : pool_next_ns(&database->pool);
    uint64_t next_ms = next_ns == UINT64_MAX ? UINT64_MAX : next_ns / 1000000 + 1; /* not before it is due */
    next_ms = earlier(next_ms, deadline_next_ms(&database->attempts));
    return earlier(next_ms, deadline_next_ms(&database->queries));
}

int database_init(struct database *database, struct worker *worker, unsigned size)
{
    const struct config *config = &worker->app->config;
    *database = (struct database){.worker = worker};
    STAILQ_INIT(&database->woken);
    deadline_list_init(&database->attempts, APP_CONNECT_MS);
    deadline_list_init(&database->queries, config->query_timeout * UINT64_C(1000));
    database->links = calloc(size, sizeof *database->links);
    if (database->links == NULL)
        return -ENOMEM;
    int error = pool_init(&database->pool, size, config->pool_timeout, worker->counters);
    if (error < 0) {
        free(database->links);
        return error;
    }
    for (unsigned i = 0; i < size; i++) {
        database->links[i].database = database;
        database->links[i].slot = &database->pool.slots[i];
    }
    return 0;
}

void database_stop(struct database *database)
{
    database->stopped = true;
    for (unsigned i = 0; i < database->pool.size; i++) {
        struct link *link = &database->links[i];
        unwatch(link);
        deadline_disarm(&link->deadline);
        free_addresses(link);
        if (link->looking_up)
            uv_cancel((uv_req_t *)&link->lookup);
    }
}

void database_deinit(struct database *database)
{
    pool_deinit(&database->pool);
    free(database->links);
}
