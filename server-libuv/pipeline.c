/*
 * Queries of many requests on one database connection (DB_PIPELINE=1). Callbacks add them; what one turn of the
 * loop has added is sent in one write before the loop polls, and one callback takes all results that have
 * arrived.
 */
#include "base/clock.h"
#include "link.h"

static void send_before_poll(struct link *link)
{
    if (link->is_to_send)
        return;
    link->is_to_send = true;
    STAILQ_INSERT_TAIL(&link->database->to_send, link, to_send);
}

static void forget_to_send(struct link *link)
{
    if (link->is_to_send)
        STAILQ_REMOVE(&link->database->to_send, link, link, to_send);
    link->is_to_send = false;
}

/* The session has ended: none of its queries has a result. A query is never sent again. */
static void fail_all(struct link *link)
{
    struct job_list failed = STAILQ_HEAD_INITIALIZER(failed);
    struct job *job;
    void *owner;
    while (pg_pipeline_drop(&link->slot->pg, &owner))
        if ((job = owner) != NULL)
            STAILQ_INSERT_TAIL(&failed, job, entry);
    forget_to_send(link);
    link_lose(link);
    while ((job = STAILQ_FIRST(&failed)) != NULL) {
        STAILQ_REMOVE_HEAD(&failed, entry);
        deadline_disarm(&job->deadline);
        exchange_fail(&job->exchange, FAIL_LOST);
        connection_respond(job->connection);
    }
}

enum progress pipeline_query(struct link *link, struct job *job)
{
    struct worker *worker = link->database->worker;
    send_before_poll(link); /* also when the session has ended: that fails the others */
    if (!pg_pipeline_add(&link->slot->pg, &job->exchange.query, job, &job->ticket)) {
        exchange_fail(&job->exchange, FAIL_LOST);
        return PROGRESS_DONE;
    }
    timeouts_arm(&worker->timeouts, TIMEOUT_QUERY, &job->deadline, uv_now(&worker->loop));
    return PROGRESS_LATER;
}

/* A query has its result: the exchange goes on, perhaps to another query in the same pipeline. */
static void go_on(struct link *link)
{
    struct pg *pg = &link->slot->pg;
    struct job *job = pg->pipeline->owner;
    if (job == NULL) { /* it had taken too long */
        link_release(link);
        return;
    }
    deadline_disarm(&job->deadline);
    enum step step = pg->result != NULL ? exchange_resume(&job->exchange, pg->result)
                                        : exchange_fail(&job->exchange, FAIL_LOST);
    if (step == STEP_RESPOND)
        link_release(link);
    else if (pipeline_query(link, job) == PROGRESS_LATER)
        return;
    connection_respond(job->connection);
}

/* Waits for what the pipeline waits for. */
static void await(struct link *link, enum pg_event event)
{
    if (event != PG_FAILED && link_watch(link, event, pipeline_on_ready) < 0)
        event = pg_give_up(&link->slot->pg, "cannot watch its socket");
    if (event == PG_FAILED)
        fail_all(link);
    else if (link->is_worn)
        link_lose(link);
}

void pipeline_on_ready(uv_poll_t *watcher, int status, int events)
{
    struct link *link = watcher->data;
    struct pg *pg = &link->slot->pg;
    (void)events;
    if (status < 0)
        link->events = 0; /* libuv has stopped the watcher; libpq knows why */
    enum pg_event event = pg_step(pg);
    for (; event == PG_DONE; event = pg_pipeline_next(pg))
        go_on(link);
    await(link, event);
    jobs_run_woken(link->database->worker);
}

void pipelines_send(struct database *database)
{
    struct link *link;
    while ((link = STAILQ_FIRST(&database->to_send)) != NULL) {
        forget_to_send(link);
        await(link, pg_pipeline_send(&link->slot->pg));
        jobs_run_woken(database->worker); /* those that a lost connection turned away may add queries, too */
    }
}

void pipeline_timed_out(struct link *link, struct job *job)
{
    pg_pipeline_abandon(&link->slot->pg, job->ticket);
    exchange_fail(&job->exchange, FAIL_QUERY_TIMEOUT);
    connection_respond(job->connection);
}

void pipelines_check_time(struct database *database)
{
    struct pool_slot *stuck;
    while ((stuck = pool_find_stuck(&database->pool, clock_ns())) != NULL) {
        pg_give_up(&stuck->pg, "no result in QUERY_TIMEOUT");
        fail_all(&database->links[stuck->index]);
    }
}
