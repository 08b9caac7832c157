#include "wait.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "server.h"

enum {
    RETRY_MS = 100,
};

/* For calls that fail only if this program is wrong. */
static void must(int error, const char *call)
{
    if (error != 0) {
        fprintf(stderr, "%s: %s\n", call, uv_strerror(error));
        abort();
    }
}

/* -- what can go on ------------------------------------------------------------------------------- */

void wait_wake(struct worker *worker, struct co *co)
{
    co_list_push(&worker->ready, co);
}

void wait_run_ready(struct worker *worker)
{
    struct co *co;
    while ((co = co_list_pop(&worker->ready)) != NULL)
        co_resume(co);
}

bool wait_spawn(struct worker *worker, struct co_stacks *stacks, void (*entry)(void *), void *arg)
{
    struct co *co = co_new(stacks, entry, arg);
    if (co == NULL)
        return false;
    wait_wake(worker, co);
    return true;
}

/* Runs once a turn of the loop, before it polls. */
static void on_turn(uv_idle_t *idle)
{
    struct worker *worker = idle->data;
    struct co *co;
    uv_idle_stop(idle);
    while ((co = co_list_pop(&worker->later)) != NULL)
        wait_wake(worker, co);
    wait_run_ready(worker);
}

void wait_turn(struct worker *worker)
{
    co_list_push(&worker->later, co_running());
    uv_idle_start(&worker->turn, on_turn);
    co_suspend();
}

/* -- descriptors ---------------------------------------------------------------------------------- */

struct watch *watch_open(struct worker *worker, int fd)
{
    struct watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL)
        return NULL;
    watch->worker = worker;
    watch->fd = fd;
    watch->poll.data = watch;
    if (uv_poll_init(&worker->loop, &watch->poll, fd) != 0) { /* no room for it in epoll: memory or a limit */
        free(watch);
        return NULL;
    }
    return watch;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void watch_close(struct watch *watch)
{
    assert(watch->co == NULL && "watch_close: a coroutine still waits for it");
    deadline_disarm(&watch->deadline);
    uv_close((uv_handle_t *)&watch->poll, on_closed);
}

/* Lets who waits go on, if anybody does. */
static bool finish_wait(struct watch *watch, int result)
{
    struct co *co = watch->co;
    if (co == NULL)
        return false;
    watch->co = NULL;
    watch->result = result;
    wait_wake(watch->worker, co);
    return true;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;
    struct worker *worker = watch->worker;
    (void)events;
    if (status < 0)
        watch->armed = 0; /* POLLERR: libuv has stopped watching */
    if (finish_wait(watch, 0)) {
        wait_run_ready(worker);
        return;
    }
    uv_poll_stop(poll);
    watch->armed = 0;
    if (watch->on_unwaited != NULL)
        watch->on_unwaited(watch);
    wait_run_ready(worker);
}

static void look_for(struct watch *watch, int events)
{
    if (watch->armed == events)
        return;
    must(uv_poll_start(&watch->poll, events, on_ready), "uv_poll_start");
    watch->armed = events;
}

void watch_unwaited(struct watch *watch)
{
    look_for(watch, UV_READABLE);
}

int watch_wait(struct watch *watch, int events)
{
    assert(watch->co == NULL && "watch_wait: another coroutine waits for it already");
    look_for(watch, events);
    watch->co = co_running();
    co_suspend();
    return watch->result;
}

void watch_cancel(struct watch *watch)
{
    finish_wait(watch, -ECANCELED);
}

/* -- deadlines ------------------------------------------------------------------------------------ */

static void on_time(uv_timer_t *timer)
{
    struct worker *worker = timer->data;
    uint64_t now = uv_now(&worker->loop);
    worker->timer_ms = UINT64_MAX;
    for (unsigned i = 0; i < TIMEOUTS; i++) {
        struct deadline *passed;
        while ((passed = deadline_take_expired(&worker->timeouts[i], now)) != NULL)
            finish_wait(owner_of(passed, struct watch, deadline), -ETIMEDOUT);
    }
    uint64_t next = database_check_time(&worker->database);
    wait_run_ready(worker);
    for (unsigned i = 0; i < TIMEOUTS; i++)
        if (deadline_next_ms(&worker->timeouts[i]) < next)
            next = deadline_next_ms(&worker->timeouts[i]);
    wait_timer_by(worker, next);
}

/*
 * The timer is moved forward only, and is left where it is when what it was set for has been disarmed:
 * a request arms and disarms without touching it, and it fires about once in the shortest time-out.
 */
void wait_timer_by(struct worker *worker, uint64_t at_ms)
{
    if (at_ms >= worker->timer_ms || uv_is_closing((uv_handle_t *)&worker->timer))
        return;
    uint64_t now = uv_now(&worker->loop);
    worker->timer_ms = at_ms;
    must(uv_timer_start(&worker->timer, on_time, at_ms > now ? at_ms - now : 0, 0), "uv_timer_start");
}

void watch_arm(struct watch *watch, enum timeout timeout)
{
    struct worker *worker = watch->worker;
    deadline_arm(&worker->timeouts[timeout], &watch->deadline, uv_now(&worker->loop));
    wait_timer_by(worker, watch->deadline.at_ms);
}

/* -- start and end -------------------------------------------------------------------------------- */

void wait_init(struct worker *worker)
{
    const struct config *config = &worker->app->config;
    const uint64_t lengths_ms[TIMEOUTS] = {
        [TIMEOUT_IDLE] = config->idle_timeout * 1000u,
        [TIMEOUT_LAST_CALL] = APP_LAST_CALL_MS,
        [TIMEOUT_HEAD] = config->header_timeout * 1000u,
        [TIMEOUT_WRITE] = config->write_timeout * 1000u,
        [TIMEOUT_LINGER] = APP_LINGER_MS,
        [TIMEOUT_QUERY] = config->query_timeout * 1000u,
        [TIMEOUT_CONNECT] = APP_CONNECT_MS,
        [TIMEOUT_RETRY] = RETRY_MS,
    };
    for (unsigned i = 0; i < TIMEOUTS; i++)
        deadline_list_init(&worker->timeouts[i], lengths_ms[i]);
    must(uv_timer_init(&worker->loop, &worker->timer), "uv_timer_init");
    must(uv_idle_init(&worker->loop, &worker->turn), "uv_idle_init");
    worker->timer.data = worker;
    worker->turn.data = worker;
    worker->timer_ms = UINT64_MAX;
}

void wait_stop(struct worker *worker)
{
    uv_close((uv_handle_t *)&worker->timer, NULL);
    uv_close((uv_handle_t *)&worker->turn, NULL);
}
