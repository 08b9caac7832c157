/*
 * Queries of many requests on one database connection (DB_PIPELINE=1). Coroutines add them; what one turn of
 * the loop has added is sent in one write before the loop polls. One coroutine for each connection waits for
 * its socket, and lets those go on whose results have arrived.
 */
#include <errno.h>

#include "base/clock.h"
#include "link.h"

/* A coroutine that waits for the result of its query, on its own stack. */
struct asking {
    struct co *co;
    struct link *link;
    uint64_t ticket;
    struct deadline deadline;
    PGresult *result; /* NULL: there is none, `failure` says why */
    enum exchange_failure failure;
};

static void go_on(struct asking *asking, PGresult *result, enum exchange_failure failure)
{
    deadline_disarm(&asking->deadline);
    asking->result = result;
    asking->failure = failure;
    wait_wake(asking->link->database->worker, asking->co);
}

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

const PGresult *pipeline_query(struct link *link, struct session *session, const struct query *query)
{
    struct worker *worker = link->database->worker;
    struct asking self = {.co = co_running(), .link = link};
    PQclear(session->result);
    session->result = NULL;
    send_before_poll(link); /* also when the session has ended: that fails the others */
    if (pg_pipeline_add(&link->slot->pg, query, &self, &self.ticket)) {
        timeouts_arm(&worker->timeouts, TIMEOUT_QUERY, &self.deadline, uv_now(&worker->loop));
        co_suspend();
    } else {
        self.failure = FAIL_LOST;
    }
    if (self.result == NULL) {
        session->failure = self.failure;
        session->slot = NULL; /* the place is given back by the code that failed the query */
    }
    return session->result = self.result;
}

/* -- the coroutine that reads --------------------------------------------------------------------- */

/* A query has its result. */
static void give_out(struct link *link)
{
    struct pg *pg = &link->slot->pg;
    struct asking *asking = pg->pipeline->owner;
    if (asking == NULL) { /* it had taken too long */
        link_release(link);
    } else if (pg->result == NULL) {
        go_on(asking, NULL, FAIL_LOST);
        link_release(link);
    } else {
        go_on(asking, pg_take_result(pg), FAIL_LOST);
    }
}

/* The session has ended: none of its queries has a result. A query is never sent again. */
static void fail_all(struct link *link)
{
    void *owner;
    while (pg_pipeline_drop(&link->slot->pg, &owner))
        if (owner != NULL)
            go_on(owner, NULL, FAIL_LOST);
    forget_to_send(link);
}

void pipeline_serve(struct link *link)
{
    struct pg *pg = &link->slot->pg;
    enum pg_event event = PG_WANT_READ;
    while (event != PG_FAILED && !link->is_worn && link->database->pool.state != POOL_STOPPED) {
        int error = watch_wait(link->watch, link_events(event));
        event =
            error == -ECANCELED ? pg_pipeline_send(pg) : pg_step(pg); /* canceled: there may be more to send */
        for (; event == PG_DONE; event = pg_pipeline_next(pg))
            give_out(link);
    }
    fail_all(link);
    link_lose(link);
}

void database_send(struct database *database)
{
    struct link *link;
    while ((link = STAILQ_FIRST(&database->to_send)) != NULL) {
        forget_to_send(link);
        watch_cancel(link->watch);
        wait_run_ready(database->worker); /* its coroutine sends; others may add queries then */
    }
}

void database_query_timed_out(struct deadline *deadline)
{
    struct asking *asking = owner_of(deadline, struct asking, deadline);
    struct link *link = asking->link;
    pg_pipeline_abandon(&link->slot->pg, asking->ticket);
    go_on(asking, NULL, FAIL_QUERY_TIMEOUT);
}

void pipelines_check_time(struct database *database)
{
    struct pool_slot *stuck;
    while ((stuck = pool_find_stuck(&database->pool, clock_ns())) != NULL) {
        pg_give_up(&stuck->pg, "no result in QUERY_TIMEOUT");
        watch_cancel(database->links[stuck->index].watch); /* pipeline_serve() ends */
        wait_run_ready(database->worker);
    }
}
