/* Runs a request as server-threaded does: in a loop around a query that blocks. */
#include "base/owner_of.h"
#include "server.h"

/* A drain ends its connection with the response. */
static void look_for_drain(struct job *job)
{
    if (atomic_load(&job->connection->worker->drains))
        exchange_close_after(&job->exchange);
}

static enum step begin(struct task *task)
{
    struct exchange *x = &task->job.exchange;
    enum step step = STEP_QUERY;
    look_for_drain(&task->job);
    switch (task->state) {
    case TASK_NEW:
        x->request = &task->request;
        step = exchange_start(x);
        task_free_request(task);
        break;
    case TASK_WAITED:
        step = exchange_waited(x);
        break;
    case TASK_DECIDED:
        break;
    }
    return step;
}

/* Without waiting: a thread that waited for a connection could not respond to those who need none. */
static enum pool_outcome get_connection(struct task *task, struct session *session)
{
    struct pool_waiter *waiter = &task->job.waiter;
    if (task->state == TASK_DECIDED)
        return database_decided(session, waiter);
    task->state = TASK_DECIDED; /* before it is in the queue, from which another thread may take it at once */
    return database_ask(session, waiter);
}

/* Blocks for each result. */
static enum step run_queries(struct job *job, struct session *session)
{
    struct exchange *x = &job->exchange;
    enum step step = STEP_QUERY;
    threads_begin_wait();
    while (step == STEP_QUERY) {
        const PGresult *result = database_query(session, &x->query);
        look_for_drain(job);
        step = result != NULL ? exchange_resume(x, result) : exchange_fail(x, session->failure);
    }
    threads_end_wait();
    database_release(session);
    return step;
}

void task_run(struct task *task, struct database *database)
{
    struct session session = {.database = database};
    task->step = begin(task);
    if (task->step == STEP_QUERY) {
        enum pool_outcome outcome = get_connection(task, &session);
        if (outcome == POOL_QUEUED)
            return; /* by now another thread may have the task */
        task->step = outcome == POOL_GRANTED ? run_queries(&task->job, &session)
                                             : exchange_fail(&task->job.exchange, session.failure);
    }
    task_hand_back(task);
}

void task_wake(struct pool_waiter *waiter)
{
    threads_add(owner_of(waiter, struct task, job.waiter));
}
