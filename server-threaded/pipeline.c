/*
 * Queries of many requests on one database connection (DB_PIPELINE=1), in threads.
 *
 * Each connection has a thread, its dispatcher. The thread of a request hangs its query into the dispatcher's
 * queue and sleeps. The dispatcher adds all that have arrived, sends them in one write, polls, and wakes each
 * thread whose result has come. docs/pipelining.md says what else was tried.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "database.h"
#include "db/pg_pipeline.h"

/* A thread that waits for the result of its query, on its own stack. */
struct asking {
    const struct query *query;
    unsigned slot_losses; /* slot->losses when the thread was given its place */
    STAILQ_ENTRY(asking) entry;
    sem_t woken; /* posted once, after `outcome` has been set */

    /* under pipeline->lock until it has ended */
    uint64_t ticket;
    bool is_added;
    PGresult *result; /* NULL: there is none, `failure` says why */
    enum exchange_failure failure;
    /* Set last. Atomic, since clang 14's ThreadSanitizer does not know sem_clockwait(3). */
    _Atomic enum asking_outcome { ASKING_WAITS, ASKING_ENDED, ASKING_NOT_SENT } outcome;
};

STAILQ_HEAD(asking_list, asking);

struct pipeline {
    struct database *database;
    struct pool_slot *slot;
    pthread_t dispatcher;
    int wake_fd; /* eventfd(2): readable once the dispatcher is to look at what follows */

    pthread_mutex_t queue_lock; /* over what follows; taken after database->lock, which is taken after `lock` */
    struct asking_list arrived;
    bool is_asleep; /* the dispatcher polls, and has to be woken */
    bool is_worn;   /* nobody has the connection, and it is to be made anew */
    bool is_ending;
    bool was_connected; /* the keeper has made the connection */

    /* Over the connection and the askings in it. The dispatcher holds it but while it polls: others have to
     * wait, and come only when their time is up. */
    pthread_mutex_t lock;
    bool is_up;
};

/* -- the dispatcher ------------------------------------------------------------------------------- */

static void end(struct asking *asking, enum asking_outcome outcome, PGresult *result)
{
    asking->result = result;
    asking->failure = FAIL_LOST;
    atomic_store_explicit(&asking->outcome, outcome, memory_order_release);
    sem_post(&asking->woken); /* the last use: the thread may go on at once */
}

/* A query has its result. */
static void give_out(struct pipeline *pipeline)
{
    struct pg *pg = &pipeline->slot->pg;
    struct asking *asking = pg->pipeline->owner;
    bool keeps_place = asking != NULL && pg->result != NULL;
    if (asking != NULL)
        end(asking, ASKING_ENDED, pg_take_result(pg));
    if (!keeps_place)
        database_give_back(pipeline->database, pipeline->slot, pipeline->slot->losses);
}

/* The session has ended: none of its queries has a result. A query is never sent again. */
static void lose(struct pipeline *pipeline)
{
    void *owner;
    while (pg_pipeline_drop(&pipeline->slot->pg, &owner))
        if (owner != NULL)
            end(owner, ASKING_ENDED, NULL);
    pipeline->is_up = false;
    database_lose(pipeline->database, pipeline->slot);
}

static void add(struct pipeline *pipeline, struct asking *asking)
{
    bool has_place = pipeline->is_up && asking->slot_losses == pipeline->slot->losses;
    if (!has_place) { /* the connection was lost since */
        end(asking, ASKING_NOT_SENT, NULL);
        return;
    }
    asking->is_added = pg_pipeline_add(&pipeline->slot->pg, asking->query, asking, &asking->ticket);
    if (!asking->is_added)
        end(asking, ASKING_ENDED, NULL);
}

/* Adds the queries that have arrived. False: the dispatcher is to end. */
static bool take_in(struct pipeline *pipeline)
{
    struct asking_list arrived = STAILQ_HEAD_INITIALIZER(arrived);
    pthread_mutex_lock(&pipeline->queue_lock);
    bool is_worn = pipeline->is_worn, is_ending = pipeline->is_ending;
    pipeline->is_up |= pipeline->was_connected;
    pipeline->is_worn = pipeline->was_connected = false;
    STAILQ_CONCAT(&arrived, &pipeline->arrived);
    pthread_mutex_unlock(&pipeline->queue_lock);
    if (is_worn && pipeline->is_up)
        lose(pipeline);
    struct asking *asking;
    while ((asking = STAILQ_FIRST(&arrived)) != NULL) {
        STAILQ_REMOVE_HEAD(&arrived, entry);
        add(pipeline, asking);
    }
    return !is_ending;
}

/* Takes the results that have arrived. Returns the connection's next wait; PG_FAILED when it is down. */
static enum pg_event take_results(struct pipeline *pipeline, bool is_ready)
{
    struct pg *pg = &pipeline->slot->pg;
    if (!pipeline->is_up)
        return PG_FAILED;
    enum pg_event event = is_ready ? pg_step(pg) : pg_pipeline_send(pg);
    for (; event == PG_DONE; event = pg_pipeline_next(pg))
        give_out(pipeline);
    if (event != PG_FAILED && clock_ns() >= pool_stuck_ns(&pipeline->database->pool, pipeline->slot))
        event = pg_give_up(pg, "no result in QUERY_TIMEOUT");
    if (event == PG_FAILED)
        lose(pipeline);
    return event;
}

static int poll_ms(const struct pipeline *pipeline)
{
    uint64_t now = clock_ns(), stuck = pool_stuck_ns(&pipeline->database->pool, pipeline->slot);
    if (stuck == UINT64_MAX)
        return -1;
    return stuck > now ? (int)((stuck - now) / 1000000 + 1) : 0;
}

/* Whether take_in() will find something. Under queue_lock. */
static bool has_news(const struct pipeline *pipeline)
{
    return !STAILQ_EMPTY(&pipeline->arrived) || pipeline->is_worn || pipeline->was_connected ||
           pipeline->is_ending;
}

/* Blocks until the connection is ready or somebody has woken the dispatcher. Whether the connection is ready.
 */
static bool sleep_until_ready(struct pipeline *pipeline, enum pg_event event)
{
    struct pollfd ready[] = {
        {.fd = pipeline->wake_fd, .events = POLLIN},
        {.fd = pipeline->is_up ? pg_socket(&pipeline->slot->pg) : -1,
         .events = event == PG_WANT_WRITE ? POLLIN | POLLOUT : POLLIN},
    };
    pthread_mutex_lock(&pipeline->queue_lock);
    bool is_asleep = pipeline->is_asleep = !has_news(pipeline);
    pthread_mutex_unlock(&pipeline->queue_lock);
    int timeout_ms = is_asleep ? poll_ms(pipeline) : 0;
    pthread_mutex_unlock(&pipeline->lock);
    poll(ready, 2, timeout_ms);
    pthread_mutex_lock(&pipeline->lock);
    pthread_mutex_lock(&pipeline->queue_lock);
    pipeline->is_asleep = false;
    pthread_mutex_unlock(&pipeline->queue_lock);
    eventfd_t count;
    if (ready[0].revents != 0)
        eventfd_read(pipeline->wake_fd, &count);
    return ready[1].revents != 0;
}

static void *dispatcher_main(void *argument)
{
    struct pipeline *pipeline = argument;
    bool is_ready = false;
    pthread_mutex_lock(&pipeline->lock);
    while (take_in(pipeline)) {
        if (is_ready)
            take_results(pipeline, true);
        enum pg_event event = take_results(pipeline, false);
        is_ready = sleep_until_ready(pipeline, event);
    }
    pthread_mutex_unlock(&pipeline->lock);
    return NULL;
}

/* Under queue_lock, which it gives back. */
static void wake_dispatcher(struct pipeline *pipeline)
{
    bool is_asleep = pipeline->is_asleep;
    pipeline->is_asleep = false;
    pthread_mutex_unlock(&pipeline->queue_lock);
    if (is_asleep)
        eventfd_write(pipeline->wake_fd, 1);
}

/* -- the threads of the requests ------------------------------------------------------------------ */

static void ask(struct pipeline *pipeline, struct asking *asking)
{
    pthread_mutex_lock(&pipeline->queue_lock);
    STAILQ_INSERT_TAIL(&pipeline->arrived, asking, entry);
    wake_dispatcher(pipeline);
}

static enum asking_outcome outcome_of(struct asking *asking)
{
    return atomic_load_explicit(&asking->outcome, memory_order_acquire);
}

/* Blocks until there is an outcome. Without one after QUERY_TIMEOUT, the query loses its owner. */
static void wait_for_outcome(struct pipeline *pipeline, struct asking *asking)
{
    uint64_t at_ns = clock_ns() + timeout_ms(&pipeline->database->app->config, TIMEOUT_QUERY) * 1000000;
    struct timespec at = clock_timespec(at_ns);
    while (sem_clockwait(&asking->woken, CLOCK_MONOTONIC, &at) != 0)
        if (errno == ETIMEDOUT)
            break;
    if (outcome_of(asking) != ASKING_WAITS)
        return;
    pthread_mutex_lock(&pipeline->lock);
    if (outcome_of(asking) == ASKING_WAITS && asking->is_added) {
        pg_pipeline_abandon(&pipeline->slot->pg, asking->ticket); /* its place goes back with its result */
    } else if (outcome_of(asking) == ASKING_WAITS) {
        pthread_mutex_lock(&pipeline->queue_lock);
        STAILQ_REMOVE(&pipeline->arrived, asking, asking, entry);
        pthread_mutex_unlock(&pipeline->queue_lock);
        database_give_back(pipeline->database, pipeline->slot, asking->slot_losses);
    }
    if (outcome_of(asking) == ASKING_WAITS)
        asking->failure = FAIL_QUERY_TIMEOUT;
    pthread_mutex_unlock(&pipeline->lock);
}

const PGresult *pipeline_query(struct session *session, const struct query *query)
{
    PQclear(session->result);
    session->result = NULL;
    for (;;) {
        struct pipeline *pipeline = &session->database->pipelines[session->slot->index];
        struct asking self = {.query = query, .slot_losses = session->slot_losses};
        sem_init(&self.woken, 0, 0);
        ask(pipeline, &self);
        wait_for_outcome(pipeline, &self);
        sem_destroy(&self.woken);
        if (self.result != NULL)
            return session->result = self.result;
        session->slot = NULL; /* the place is given back by the code that ended the query, or gone */
        session->failure = self.failure;
        if (self.outcome != ASKING_NOT_SENT || !database_checkout(session))
            return NULL;
    }
}

/* -- the keeper, start and end -------------------------------------------------------------------- */

void pipeline_connected(struct database *database, const struct pool_slot *slot)
{
    struct pipeline *pipeline = &database->pipelines[slot->index];
    pthread_mutex_lock(&pipeline->queue_lock);
    pipeline->was_connected = true;
    wake_dispatcher(pipeline);
}

void pipeline_make_anew(struct database *database, const struct pool_slot *slot)
{
    struct pipeline *pipeline = &database->pipelines[slot->index];
    pthread_mutex_lock(&pipeline->queue_lock);
    pipeline->is_worn = true;
    wake_dispatcher(pipeline);
}

static bool start(struct pipeline *pipeline, struct database *database, struct pool_slot *slot)
{
    *pipeline = (struct pipeline){.database = database, .slot = slot};
    STAILQ_INIT(&pipeline->arrived);
    pthread_mutex_init(&pipeline->queue_lock, NULL);
    pthread_mutex_init(&pipeline->lock, NULL);
    pipeline->wake_fd = eventfd(0, EFD_CLOEXEC);
    return pipeline->wake_fd >= 0 &&
           pthread_create(&pipeline->dispatcher, NULL, dispatcher_main, pipeline) == 0;
}

/*
 * A dispatcher wakes hundreds of threads in a row. By default each that wakes may take the CPU from it at once,
 * which cuts batches short: SCHED_BATCH lets it finish (sched(7)). With 512 clients on two CPUs that is 1.5
 * times the throughput at n=1 and 1.7 times at n=20; without pipelines it changes nothing.
 */
static void let_dispatchers_finish(void)
{
    const struct sched_param none = {0};
    int error =
        pthread_setschedparam(pthread_self(), SCHED_BATCH, &none); /* threads made from here on inherit it */
    if (error != 0)
        log_warn("SCHED_BATCH is refused: %s; pipelines will be slower", strerror(error));
}

struct pipeline *pipelines_start(struct database *database)
{
    let_dispatchers_finish();
    struct pool *pool = &database->pool;
    struct pipeline *pipelines = calloc(pool->settings.size, sizeof *pipelines);
    for (unsigned i = 0; pipelines != NULL && i < pool->settings.size; i++)
        if (!start(&pipelines[i], database, &pool->slots[i]))
            return NULL; /* the process ends */
    return pipelines;
}

static void stop(struct pipeline *pipeline)
{
    pthread_mutex_lock(&pipeline->queue_lock);
    pipeline->is_ending = true;
    wake_dispatcher(pipeline);
    pthread_join(pipeline->dispatcher, NULL);
    pthread_mutex_destroy(&pipeline->queue_lock);
    pthread_mutex_destroy(&pipeline->lock);
    close(pipeline->wake_fd);
}

void pipelines_stop(struct database *database)
{
    for (unsigned i = 0; database->pipelines != NULL && i < database->pool.settings.size; i++)
        stop(&database->pipelines[i]);
    free(database->pipelines);
}
