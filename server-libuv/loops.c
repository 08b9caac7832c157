/*
 * The event loops: start, signals, drain, and a loop's timer.
 *
 * The main thread starts the workers and then waits for signals; everything else happens on the
 * workers' loops. The kernel spreads new connections over the workers' listening sockets.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "server.h"

/* -- one worker ----------------------------------------------------------------------------------- */

/* Without active handles the loop ends. */
static void finish_if_drained(struct worker *worker)
{
    if (!worker->draining || !LIST_EMPTY(&worker->connections))
        return;
    jobs_stop(worker);
    uv_close((uv_handle_t *)&worker->order, NULL);
    uv_close((uv_handle_t *)&worker->before_poll, NULL);
    uv_close((uv_handle_t *)&worker->no_sleep, NULL);
    uv_close((uv_handle_t *)&worker->timer, NULL);
    uv_close((uv_handle_t *)&worker->alarm, NULL);
}

void worker_connection_closed(struct worker *worker)
{
    finish_if_drained(worker);
}

static void begin_drain(struct worker *worker)
{
    struct connection *connection;
    worker->draining = true;
    listener_drain(worker);
    LIST_FOREACH(connection, &worker->connections, entry)
    {
        connection_drain(connection);
    }
    finish_if_drained(worker);
}

static void on_order(uv_async_t *order)
{
    struct worker *worker = order->data;
    if (atomic_load(&worker->listens) && worker->listener.poll.data == NULL)
        listener_start(worker);
    if (atomic_load(&worker->drains) && !worker->draining)
        begin_drain(worker);
}

static void on_deadline(uv_timer_t *timer)
{
    struct worker *worker = timer->data;
    timeouts_timer_fired(&worker->timeouts);
    connections_check_time(worker);
    jobs_check_time(worker);
    jobs_run_woken(worker);
}

static void on_alarm(uv_poll_t *alarm, int status, int events)
{
    struct worker *worker = alarm->data;
    (void)status;
    (void)events;
    connections_resume_waiting(worker);
    jobs_run_woken(worker);
}

static void on_no_sleep(uv_idle_t *idle)
{
    (void)idle; /* that it is active is all: the loop polls without waiting */
}

/* The callbacks of this turn have run; the loop looks for new events next. */
static void on_before_poll(uv_prepare_t *prepare)
{
    struct worker *worker = prepare->data;
    uint64_t delay_ms;
    connections_resume_yielding(worker);
    jobs_run_woken(worker);
    jobs_before_poll(worker);
    alarms_set_timer(&worker->alarms);
    if (STAILQ_EMPTY(&worker->yielding))
        uv_idle_stop(&worker->no_sleep);
    else
        uv_idle_start(&worker->no_sleep, on_no_sleep);
    if (timeouts_move_timer(&worker->timeouts, uv_now(&worker->loop), jobs_next_ms(worker), &delay_ms))
        uv_timer_start(&worker->timer, on_deadline, delay_ms, 0);
}

/* False: the reason is logged. */
static bool worker_init(struct worker *worker, const struct app *app, struct drain *drain, unsigned index)
{
    *worker = (struct worker){.app = app, .counters = counters_shard(index), .drain = drain};
    LIST_INIT(&worker->connections);
    STAILQ_INIT(&worker->yielding);
    STAILQ_INIT(&worker->free_jobs);
    timeouts_init(&worker->timeouts, &app->config);
    int error = uv_loop_init(&worker->loop);
    if (error == 0)
        error = uv_async_init(&worker->loop, &worker->order, on_order);
    if (error == 0)
        error = alarms_init(&worker->alarms);
    if (error == 0)
        error = uv_poll_init(&worker->loop, &worker->alarm, worker->alarms.fd);
    if (error == 0)
        error = jobs_init(worker, index);
    if (error < 0) {
        log_error("cannot make event loop %u: %s", index, uv_strerror(error));
        return false;
    }
    uv_prepare_init(&worker->loop, &worker->before_poll);
    uv_idle_init(&worker->loop, &worker->no_sleep);
    uv_timer_init(&worker->loop, &worker->timer);
    worker->order.data = worker->before_poll.data = worker->timer.data = worker->alarm.data = worker;
    uv_prepare_start(&worker->before_poll, on_before_poll);
    must(uv_poll_start(&worker->alarm, UV_READABLE, on_alarm), "uv_poll_start");
    return true;
}

static void worker_deinit(struct worker *worker)
{
    struct job *job;
    while ((job = STAILQ_FIRST(&worker->free_jobs)) != NULL) {
        STAILQ_REMOVE_HEAD(&worker->free_jobs, entry);
        free(job);
    }
    jobs_deinit(worker);
    must(uv_loop_close(&worker->loop), "uv_loop_close"); /* UV_EBUSY: a handle was forgotten */
    alarms_deinit(&worker->alarms);
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
static bool workers_start(struct worker *workers, const struct app *app, struct drain *drain)
{
    for (unsigned i = 0; i < app->config.workers; i++)
        if (!worker_init(&workers[i], app, drain, i))
            return false;
    for (unsigned i = 0; i < app->config.workers; i++) {
        int error = uv_thread_create(&workers[i].thread, worker_main, &workers[i]);
        if (error < 0) {
            log_error("cannot start a thread for event loop %u: %s", i, uv_strerror(error));
            return false;
        }
    }
    return true;
}

/* Descriptors that a listener keeps open are open before the line that says so. False: the reason is logged. */
static bool workers_listen(struct worker *workers, const struct app *app)
{
    for (unsigned i = 0; i < app->config.workers; i++) {
        int fd = listen_open(app, true);
        if (fd < 0)
            return false;
        acceptor_init(&workers[i].listener.acceptor, app, workers[i].counters, fd);
        atomic_store(&workers[i].listens, true);
    }
    for (unsigned i = 0; i < app->config.workers; i++)
        uv_async_send(&workers[i].order);
    listen_log_ready(app);
    return true;
}

static void workers_drain(struct worker *workers, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        atomic_store(&workers[i].drains, true);
        uv_async_send(&workers[i].order);
    }
}

/* Serves until a drain has ended; the exit status. Leaves at once where other threads go on. */
static int serve(struct worker *workers, const struct app *app, struct drain *drain, const sigset_t *signals)
{
    struct timespec timeout;
    for (;;) {
        int signal = sigtimedwait(signals, NULL, drain_timeout(drain, &timeout));
        switch (drain_step(drain, signal)) {
        case DRAIN_WAIT:
        case DRAIN_LAST_CALL: /* each connection has a deadline of its own */
            break;
        case DRAIN_LISTEN:
            if (!workers_listen(workers, app))
                _exit(EXIT_FAILURE);
            break;
        case DRAIN_BEGIN:
            workers_drain(workers, app->config.workers);
            break;
        case DRAIN_LEAVE:
            _exit(drain->status);
        case DRAIN_END:
            for (unsigned i = 0; i < app->config.workers; i++)
                uv_thread_join(&workers[i].thread);
            return drain->status;
        }
    }
}

int loops_run(const struct app *app, struct drain *drain, const sigset_t *signals)
{
    struct worker *workers = calloc(app->config.workers, sizeof *workers);
    if (workers == NULL || !workers_start(workers, app, drain))
        _exit(EXIT_FAILURE);
    int status = serve(workers, app, drain, signals);
    free(workers);
    return status;
}
