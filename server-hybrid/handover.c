/*
 * Between the loops and the threads: this is database.c of server-libuv, for a server whose loops have no
 * database.
 *
 * To the threads goes a request with a copy of its bytes: those that were read lie in the buffer of the loop or
 * in the codec, and both change when more arrives. Back come exchanges, in a stack without a lock; a thread
 * that finds it empty wakes the loop, which takes all that have come, so one wake-up serves many when the loop
 * is busy.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "http/fields.h"
#include "server.h"

const size_t job_bytes = sizeof(struct task);

/* Exchanges that have been handed back to one loop. */
struct returned {
    struct worker *worker;
    uv_async_t wake;
    _Atomic(struct task *) last;
};

static struct task *task_of(struct job *job)
{
    return owner_of(job, struct task, job);
}

/* -- to the threads ------------------------------------------------------------------------------- */

/* False without memory. */
static bool copy_request(struct task *task, const struct http_request *request)
{
    struct http_request *copy = &task->request;
    *copy = *request;
    struct str *slices[] = {&copy->path, &copy->query, &copy->fields, &copy->content_type, &copy->body};
    size_t len = 0;
    for (size_t i = 0; i < sizeof(slices) / sizeof(slices[0]); i++)
        len += slices[i]->len;
    char *to = task->bytes = len <= TASK_BYTES ? task->space : malloc(len);
    if (to == NULL)
        return false;
    for (size_t i = 0; i < sizeof(slices) / sizeof(slices[0]); i++) {
        if (slices[i]->ptr == NULL) /* absent, which is not the same as empty */
            continue;
        slices[i]->ptr = memcpy(to, slices[i]->ptr, slices[i]->len);
        to += slices[i]->len;
    }
    return true;
}

void task_free_request(struct task *task)
{
    if (task->bytes != task->space)
        free(task->bytes);
}

static enum progress hand_over(struct task *task)
{
    threads_add(task);
    return PROGRESS_LATER;
}

enum progress job_start(struct job *job)
{
    struct task *task = task_of(job);
    if (!copy_request(task, job->exchange.request)) {
        exchange_refuse(&job->exchange, (struct http_refusal){503, HTTP_OUT_OF_MEMORY, false});
        return PROGRESS_DONE;
    }
    task->state = TASK_NEW;
    return hand_over(task);
}

enum progress job_waited(struct job *job)
{
    struct task *task = task_of(job);
    task->state = TASK_WAITED;
    return hand_over(task);
}

void job_drain(struct job *job)
{
    (void)job; /* its thread looks by itself: the exchange is not the loop's now */
}

/* -- and back ------------------------------------------------------------------------------------- */

void task_hand_back(struct task *task)
{
    struct returned *returned = task->job.connection->worker->loop.data;
    struct task *before = atomic_load(&returned->last);
    do {
        task->next = before;
    } while (!atomic_compare_exchange_weak(&returned->last, &before, task));
    if (before == NULL)
        uv_async_send(&returned->wake); /* until it has come, the loop has this task and does not end */
}

/* First come, first served: the stack the other way round. */
static struct task *take_returned(struct returned *returned)
{
    struct task *task = atomic_exchange(&returned->last, NULL), *first = NULL;
    while (task != NULL) {
        struct task *next = task->next;
        task->next = first;
        first = task;
        task = next;
    }
    return first;
}

static void on_returned(uv_async_t *wake)
{
    struct returned *returned = wake->data;
    for (struct task *next, *task = take_returned(returned); task != NULL; task = next) {
        struct job *job = &task->job;
        next = task->next;
        if (task->step == STEP_RESPOND)
            connection_respond(job->connection);
        else /* a thread that slept would be one less for others */
            alarms_add(&returned->worker->alarms, &job->alarm, clock_ns() + job->exchange.wait_ms * 1000000);
    }
}

/* -- start and end -------------------------------------------------------------------------------- */

int jobs_init(struct worker *worker, unsigned index)
{
    (void)index;
    struct returned *returned = calloc(1, sizeof *returned);
    if (returned == NULL)
        return -ENOMEM;
    returned->worker = worker;
    returned->wake.data = returned;
    worker->loop.data = returned;
    return uv_async_init(&worker->loop, &returned->wake, on_returned);
}

void jobs_stop(struct worker *worker)
{
    struct returned *returned = worker->loop.data;
    uv_close((uv_handle_t *)&returned->wake, NULL);
}

void jobs_deinit(struct worker *worker)
{
    free(worker->loop.data);
}

/* The rest is of a loop that has database connections of its own. */

void jobs_run_woken(struct worker *worker)
{
    (void)worker;
}

void jobs_before_poll(struct worker *worker)
{
    (void)worker;
}

uint64_t jobs_next_ms(const struct worker *worker)
{
    (void)worker;
    return UINT64_MAX;
}

void jobs_check_time(struct worker *worker)
{
    (void)worker;
}
