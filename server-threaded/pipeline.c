/*
 * Queries of many requests on one database connection (DB_PIPELINE=1), in threads.
 *
 * A thread adds its query under the connection's lock. One of those that wait, the leader, polls the socket and
 * takes results for all; it wakes each whose result has come. When its own has come, the thread whose query is now
 * the first becomes the leader. Threads that come at the same moment share a write: each announces itself before
 * it takes the lock, and only the last one sends.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "db/pg_pipeline.h"
#include "server.h"

struct pipeline {
    pthread_mutex_t lock; /* over the connection and what follows; taken before database->lock */
    atomic_uint coming;   /* threads that will add a query */
    bool is_led;
};

/* A thread that waits for the result of its query, on its own stack. */
struct asking {
    sem_t woken;   /* posted when `has_ended` or `leads` has been set under the lock */
    bool has_ended;
    bool leads;
    PGresult *result; /* NULL: there is none, `failure` says why */
    enum exchange_failure failure;
};

struct pipeline *pipelines_new(unsigned count)
{
    struct pipeline *pipelines = calloc(count, sizeof *pipelines);
    for (unsigned i = 0; pipelines != NULL && i < count; i++)
        pthread_mutex_init(&pipelines[i].lock, NULL);
    return pipelines;
}

void pipelines_free(struct pipeline *pipelines, unsigned count)
{
    for (unsigned i = 0; pipelines != NULL && i < count; i++)
        pthread_mutex_destroy(&pipelines[i].lock);
    free(pipelines);
}

static void end(struct asking *asking, PGresult *result, enum exchange_failure failure)
{
    asking->result = result;
    asking->failure = failure;
    asking->has_ended = true;
    sem_post(&asking->woken);
}

/* A query has its result. Under the lock. */
static void give_out(struct database *database, struct pool_slot *slot)
{
    struct pg *pg = &slot->pg;
    struct asking *asking = pg->pipeline->owner;
    if (asking != NULL && pg->result != NULL) {
        end(asking, pg_take_result(pg), FAIL_LOST);
        return;
    }
    if (asking != NULL)
        end(asking, NULL, FAIL_LOST);
    database_give_back(database, slot);
}

/* The session has ended: none of its queries has a result. A query is never sent again. Under the lock. */
static void fail_all(struct database *database, struct pool_slot *slot)
{
    void *owner;
    while (pg_pipeline_drop(&slot->pg, &owner))
        if (owner != NULL)
            end(owner, NULL, FAIL_LOST);
    database_lose(database, slot);
}

/* Whether the place is still there: another thread may have lost the connection since. Under the lock. */
static bool has_place(const struct session *session)
{
    return session->slot->losses == session->slot_losses;
}

/* Hands the lead to the thread whose query is the first of those that are still wanted. Under the lock. */
static void pass_lead(struct pipeline *pipeline, struct pg *pg)
{
    struct asking *next = pg_pipeline_first_owner(pg);
    pipeline->is_led = next != NULL;
    if (next != NULL) {
        next->leads = true;
        sem_post(&next->woken);
    }
}

/* What the pipeline waits for next. Under the lock. */
static enum pg_event take_results(struct session *session)
{
    struct pg *pg = &session->slot->pg;
    enum pg_event event = pg_step(pg);
    for (; event == PG_DONE; event = pg_pipeline_next(pg)) {
        give_out(session->database, session->slot);
        if (!has_place(session)) /* the last result was this thread's, and the connection is to be made anew */
            return PG_WANT_READ;
    }
    if (event == PG_FAILED)
        fail_all(session->database, session->slot);
    return event;
}

/* Polls, and takes results for all, until this thread's own has come or time is up. Under the lock, but for the poll. */
static void lead(struct session *session, struct asking *self, uint64_t deadline_ms)
{
    struct pipeline *pipeline = &session->database->pipelines[session->slot->index];
    struct pg *pg = &session->slot->pg;
    uint64_t now;
    enum pg_event event = pg_pipeline_send(pg);
    while (!self->has_ended && (now = clock_ms()) < deadline_ms) {
        struct pollfd ready = {.fd = pg_socket(pg), .events = event == PG_WANT_WRITE ? POLLIN | POLLOUT : POLLIN};
        pthread_mutex_unlock(&pipeline->lock);
        int count = event == PG_FAILED ? 1 : poll(&ready, 1, (int)(deadline_ms - now));
        pthread_mutex_lock(&pipeline->lock);
        if (count == 0)
            continue;
        event = take_results(session);
    }
}

/* Blocks until another thread has this one's result, hands it the lead, or time is up. */
static void follow(struct asking *self, uint64_t deadline_ms)
{
    struct timespec at = {.tv_sec = (time_t)(deadline_ms / 1000), .tv_nsec = (long)(deadline_ms % 1000 * 1000000)};
    while (sem_clockwait(&self->woken, CLOCK_MONOTONIC, &at) != 0 && errno == EINTR)
        continue;
}

/* Adds the query; of the threads that come together, the last one sends. Under the lock. */
static bool add(struct session *session, struct pipeline *pipeline, const struct query *query, struct asking *self,
                uint64_t *ticket)
{
    struct pg *pg = &session->slot->pg;
    bool added = pg_pipeline_add(pg, query, self, ticket);
    bool is_last = atomic_fetch_sub(&pipeline->coming, 1) == 1;
    if (added && is_last && pipeline->is_led)
        pg_pipeline_send(pg); /* the leader, which polls, finds out about a failure */
    return added;
}

static void wait_for_result(struct session *session, struct pipeline *pipeline, struct asking *self)
{
    uint64_t deadline_ms = clock_ms() + timeout_ms(&session->database->app->config, TIMEOUT_QUERY);
    while (!self->has_ended && clock_ms() < deadline_ms) {
        if (!pipeline->is_led || self->leads) {
            pipeline->is_led = self->leads = true;
            lead(session, self, deadline_ms);
            break;
        }
        pthread_mutex_unlock(&pipeline->lock);
        follow(self, deadline_ms);
        pthread_mutex_lock(&pipeline->lock);
    }
}

/* The session is of no use any more, pg->error says why. The leader, who polls, does the rest. Under the lock. */
static void give_up_session(struct session *session, struct pipeline *pipeline, const struct asking *self)
{
    if (pipeline->is_led && !self->leads)
        shutdown(pg_socket(&session->slot->pg), SHUT_RDWR);
    else
        fail_all(session->database, session->slot);
}

/* Time is up: the place stays with the query, which is still under way. Under the lock. */
static void give_up(struct session *session, struct pipeline *pipeline, struct asking *self, uint64_t ticket)
{
    struct pg *pg = &session->slot->pg;
    pg_pipeline_abandon(pg, ticket);
    self->failure = FAIL_QUERY_TIMEOUT;
    if (pool_is_stuck(&session->database->pool, session->slot, clock_ns())) {
        pg_give_up(pg, "no result in QUERY_TIMEOUT");
        give_up_session(session, pipeline, self);
    }
}

/* Nobody reads while no query is under way: a session that has ended since shows before anything is sent. */
static bool is_alive(struct pg *pg)
{
    struct pollfd ready = {.fd = pg_socket(pg), .events = POLLIN};
    return pg->pipeline->count > 0 || poll(&ready, 1, 0) == 0 || pg_step(pg) != PG_FAILED;
}

/* False: the place is gone, and nothing was sent. */
static bool run(struct session *session, struct pipeline *pipeline, const struct query *query, struct asking *self)
{
    uint64_t ticket;
    atomic_fetch_add(&pipeline->coming, 1);
    pthread_mutex_lock(&pipeline->lock);
    bool is_usable = has_place(session);
    if (is_usable && !is_alive(&session->slot->pg)) {
        fail_all(session->database, session->slot);
        is_usable = false;
    }
    if (!is_usable) {
        atomic_fetch_sub(&pipeline->coming, 1);
        pthread_mutex_unlock(&pipeline->lock);
        return false;
    }
    if (add(session, pipeline, query, self, &ticket)) {
        wait_for_result(session, pipeline, self);
        if (!self->has_ended)
            give_up(session, pipeline, self, ticket);
        if (self->leads)
            pass_lead(pipeline, &session->slot->pg);
    } else {
        self->failure = FAIL_LOST;
        give_up_session(session, pipeline, self);
    }
    pthread_mutex_unlock(&pipeline->lock);
    return true;
}

const PGresult *pipeline_query(struct session *session, const struct query *query)
{
    struct database *database = session->database;
    struct asking self = {0};
    PQclear(session->result);
    session->result = NULL;
    sem_init(&self.woken, 0, 0);
    while (!run(session, &database->pipelines[session->slot->index], query, &self)) {
        session->slot = NULL;
        if (!database_checkout(session)) {
            sem_destroy(&self.woken);
            return NULL;
        }
    }
    sem_destroy(&self.woken);
    if (self.result == NULL) {
        session->failure = self.failure;
        session->slot = NULL; /* the place is given back with the result, or gone */
    }
    return session->result = self.result;
}

void pipeline_release(struct session *session, struct pool_slot *slot)
{
    struct pipeline *pipeline = &session->database->pipelines[slot->index];
    pthread_mutex_lock(&pipeline->lock);
    if (slot->losses == session->slot_losses)
        database_give_back(session->database, slot);
    pthread_mutex_unlock(&pipeline->lock);
}
