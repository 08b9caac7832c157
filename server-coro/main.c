/*
 * How a coroutine waits for its loop, and start, signals, drain.
 *
 * The main thread starts the workers and then waits for signals; everything else happens on the
 * workers' loops. The kernel spreads new connections over the workers' listening sockets.
 */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "server.h"

enum {
    /*
     * Of a worker's free stacks, those that stay for good. Stacks beyond them go when a load has
     * ended, some at a time, so that the loop does not stop for it: 640 a second.
     */
    STACKS_KEPT = 64,
    STACKS_AT_A_TIME = 64,
    SHRINK_MS = 100,
    /* libpq's connecting goes through OpenSSL, Kerberos and the name service, which STACK_KIB is not for. */
    DEEP_STACK_KIB = 256,
    DEEP_STACKS_KEPT = 0,
};

/* Here and not in main(), so that a debugger finds them (co_gdb.py). */
static struct app app;
static struct worker *workers;

/* -- which coroutines can go on ------------------------------------------------------------------- */

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

/* Runs once per turn of the loop, before it polls. */
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

/* -- waiting for a descriptor --------------------------------------------------------------------- */

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

static void on_watch_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void watch_close(struct watch *watch)
{
    assert(watch->co == NULL && "watch_close: a coroutine still waits for it");
    deadline_disarm(&watch->deadline);
    uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
}

/* Lets the coroutine that waits go on. False if none does. */
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
        /* its coroutine goes on below */
    } else if (watch->on_unwaited != NULL) {
        watch->on_unwaited(watch);
    } else {
        uv_poll_stop(poll);
        watch->armed = 0;
    }
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
    /* excerpt 2 */
    look_for(watch, events);
    watch->co = co_running();
    co_suspend();
    return watch->result;
    /* end of excerpt */
}

void watch_cancel(struct watch *watch)
{
    finish_wait(watch, -ECANCELED);
}

/* -- time ----------------------------------------------------------------------------------------- */

void watch_arm(struct watch *watch, enum timeout timeout)
{
    struct worker *worker = watch->worker;
    timeouts_arm(&worker->timeouts, timeout, &watch->deadline, uv_now(&worker->loop));
}

void watch_arm_at(struct watch *watch, enum timeout timeout, uint64_t at_ms)
{
    timeouts_arm_at(&watch->worker->timeouts, timeout, &watch->deadline, at_ms);
}

static void watch_timed_out(struct watch *watch)
{
    if (!finish_wait(watch, -ETIMEDOUT) && watch->on_overdue != NULL)
        watch->on_overdue(watch);
}

static void on_deadline(uv_timer_t *timer)
{
    struct worker *worker = timer->data;
    uint64_t now = uv_now(&worker->loop);
    struct deadline *passed;
    timeouts_timer_fired(&worker->timeouts);
    for (unsigned i = 0; i < TIMEOUTS; i++)
        while ((passed = timeouts_take_expired(&worker->timeouts, i, now)) != NULL)
            if (i == TIMEOUT_QUERY && app.config.db_pipeline)
                database_query_timed_out(passed);
            else
                watch_timed_out(owner_of(passed, struct watch, deadline));
    database_check_time(&worker->database);
    wait_run_ready(worker);
}

/* A coroutine that lets time pass, on its own stack. */
struct sleeper {
    struct alarm alarm;
    struct co *co;
};

void wait_for(struct worker *worker, uint64_t ms)
{
    struct sleeper self = {.co = co_running()};
    alarms_add(&worker->alarms, &self.alarm, clock_ns() + ms * 1000000);
    co_suspend();
}

static void on_alarm(uv_poll_t *poll, int status, int events)
{
    struct worker *worker = poll->data;
    struct alarm *due;
    (void)status;
    (void)events;
    while ((due = alarms_take_due(&worker->alarms, clock_ns())) != NULL)
        wait_wake(worker, owner_of(due, struct sleeper, alarm)->co);
    wait_run_ready(worker);
}

/* -- stacks that are not needed any more ---------------------------------------------------------- */

static bool has_spare_stacks(const struct worker *worker)
{
    return co_stacks_has_spare(&worker->stacks) || co_stacks_has_spare(&worker->deep_stacks);
}

static void on_shrink(uv_timer_t *timer)
{
    struct worker *worker = timer->data;
    co_stacks_shrink(&worker->stacks, STACKS_AT_A_TIME);
    co_stacks_shrink(&worker->deep_stacks, STACKS_AT_A_TIME);
    if (!has_spare_stacks(worker))
        uv_timer_stop(timer);
}

static void shrink_in_time(struct worker *worker)
{
    if (has_spare_stacks(worker) && !uv_is_active((const uv_handle_t *)&worker->shrink))
        uv_timer_start(&worker->shrink, on_shrink, SHRINK_MS, SHRINK_MS);
}

/* The callbacks of this turn have run; the loop looks for new events next. */
static void on_before_poll(uv_prepare_t *prepare)
{
    struct worker *worker = prepare->data;
    uint64_t delay_ms;
    database_send(&worker->database);
    alarms_set_timer(&worker->alarms);
    shrink_in_time(worker);
    if (timeouts_move_timer(&worker->timeouts, uv_now(&worker->loop), pool_next_ms(&worker->database.pool),
                            &delay_ms))
        uv_timer_start(&worker->timer, on_deadline, delay_ms, 0);
}

/* -- one worker ----------------------------------------------------------------------------------- */

/* Without active handles the loop ends. */
void worker_end_if_done(struct worker *worker)
{
    if (!worker->draining || worker->listener != NULL || !LIST_EMPTY(&worker->connections))
        return;
    database_stop(&worker->database);
    uv_close((uv_handle_t *)&worker->order, NULL);
    uv_close((uv_handle_t *)&worker->before_poll, NULL);
    uv_close((uv_handle_t *)&worker->turn, NULL);
    uv_close((uv_handle_t *)&worker->timer, NULL);
    uv_close((uv_handle_t *)&worker->alarm, NULL);
    uv_close((uv_handle_t *)&worker->shrink, NULL);
}

static void begin_drain(struct worker *worker)
{
    struct connection *connection;
    worker->draining = true;
    LIST_FOREACH(connection, &worker->connections, entry)
    {
        connection_drain(connection);
    }
    watch_cancel(worker->listener);
}

static void on_order(uv_async_t *order)
{
    struct worker *worker = order->data;
    if (atomic_load(&worker->listens) && worker->listener == NULL && !worker->draining)
        must(listener_start(worker), "listener_start");
    if (atomic_load(&worker->drains) && !worker->draining)
        begin_drain(worker);
    wait_run_ready(worker);
}

/* False: the reason is logged. */
static bool worker_init(struct worker *worker, struct drain *drain, unsigned index)
{
    *worker = (struct worker){.app = &app, .counters = counters_shard(index), .drain = drain};
    LIST_INIT(&worker->connections);
    timeouts_init(&worker->timeouts, &app.config);
    int error = co_stacks_init(&worker->stacks, app.config.stack_kib * 1024u, STACKS_KEPT);
    if (error == 0)
        error = co_stacks_init(&worker->deep_stacks, DEEP_STACK_KIB * 1024u, DEEP_STACKS_KEPT);
    if (error == 0)
        error = uv_loop_init(&worker->loop);
    if (error == 0)
        error = uv_async_init(&worker->loop, &worker->order, on_order);
    if (error == 0)
        error = alarms_init(&worker->alarms);
    if (error == 0)
        error = uv_poll_init(&worker->loop, &worker->alarm, worker->alarms.fd);
    if (error == 0)
        error = database_init(&worker->database, worker, index);
    if (error < 0) {
        log_error("cannot make event loop %u: %s", index, uv_strerror(error));
        return false;
    }
    uv_prepare_init(&worker->loop, &worker->before_poll);
    uv_idle_init(&worker->loop, &worker->turn);
    uv_timer_init(&worker->loop, &worker->timer);
    uv_timer_init(&worker->loop, &worker->shrink);
    worker->order.data = worker->before_poll.data = worker->turn.data = worker;
    worker->timer.data = worker->alarm.data = worker->shrink.data = worker;
    uv_prepare_start(&worker->before_poll, on_before_poll);
    must(uv_poll_start(&worker->alarm, UV_READABLE, on_alarm), "uv_poll_start");
    return true;
}

static void worker_deinit(struct worker *worker)
{
    database_deinit(&worker->database);
    must(uv_loop_close(&worker->loop), "uv_loop_close"); /* UV_EBUSY: a handle was forgotten */
    alarms_deinit(&worker->alarms);
    co_stacks_deinit(&worker->stacks);
    co_stacks_deinit(&worker->deep_stacks);
}

static void worker_main(void *argument)
{
    struct worker *worker = argument;
    struct drain *drain = worker->drain;
    uv_run(&worker->loop, UV_RUN_DEFAULT);
    worker_deinit(worker);
    drain_part_has_ended(drain);
}

/* -- the process ---------------------------------------------------------------------------------- */

/* False: the reason is logged. */
static bool workers_start(struct drain *drain)
{
    for (unsigned i = 0; i < app.config.workers; i++)
        if (!worker_init(&workers[i], drain, i))
            return false;
    for (unsigned i = 0; i < app.config.workers; i++) {
        int error = uv_thread_create(&workers[i].thread, worker_main, &workers[i]);
        if (error < 0) {
            log_error("cannot start a thread for event loop %u: %s", i, uv_strerror(error));
            return false;
        }
    }
    return true;
}

/* Descriptors that a listener keeps open are open before the line that says so. False: the reason is logged. */
static bool workers_listen(void)
{
    for (unsigned i = 0; i < app.config.workers; i++) {
        int fd = listen_open(&app, true);
        if (fd < 0)
            return false;
        acceptor_init(&workers[i].acceptor, &app, workers[i].counters, fd);
        atomic_store(&workers[i].listens, true);
    }
    for (unsigned i = 0; i < app.config.workers; i++)
        uv_async_send(&workers[i].order);
    listen_log_ready(&app);
    return true;
}

static void workers_drain(void)
{
    for (unsigned i = 0; i < app.config.workers; i++) {
        atomic_store(&workers[i].drains, true);
        uv_async_send(&workers[i].order);
    }
}

/* Serves until a drain has ended; the exit status. Leaves at once where other threads go on. */
static int run(struct drain *drain, const sigset_t *signals)
{
    struct timespec timeout;
    for (;;) {
        int signal = sigtimedwait(signals, NULL, drain_timeout(drain, &timeout));
        switch (drain_step(drain, signal)) {
        case DRAIN_WAIT:
        case DRAIN_LAST_CALL: /* each connection has a deadline of its own */
            break;
        case DRAIN_LISTEN:
            if (!workers_listen())
                _exit(EXIT_FAILURE);
            break;
        case DRAIN_BEGIN:
            workers_drain();
            break;
        case DRAIN_LEAVE:
            _exit(drain->status);
        case DRAIN_END:
            for (unsigned i = 0; i < app.config.workers; i++)
                uv_thread_join(&workers[i].thread);
            return drain->status;
        }
    }
}

int main(int argc, char **argv)
{
    static struct drain drain;
    sigset_t signals;
    app_init(&app, "coro", argc, argv);
    drain_init(&drain, &app, app.config.workers);
    app_limit_connections(&app, app_mappings_left() / co_stack_maps(), LIMIT_MAX_MAP_COUNT);

    drain_block_signals(&signals);
    workers = calloc(app.config.workers, sizeof *workers);
    if (workers == NULL || !workers_start(&drain))
        _exit(EXIT_FAILURE);
    int status = run(&drain, &signals);
    free(workers);
    log_info("drained");
    return status;
}
