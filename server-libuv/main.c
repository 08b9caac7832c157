/*
 * Start, workers, signals, drain.
 *
 * The main thread only starts the workers and then waits for signals; everything else happens on the
 * workers' loops. The kernel spreads new connections over the workers' listening sockets.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "server.h"

static pthread_t main_thread;
static atomic_uint workers_not_ready, workers_running;

void must(int error, const char *what)
{
    if (error >= 0)
        return;
    log_error("%s: %s", what, uv_strerror(error));
    abort();
}

void worker_database_is_up(struct worker *worker)
{
    if (!worker->draining)
        listener_start(worker);
    if (atomic_fetch_sub(&workers_not_ready, 1) == 1)
        app_log_ready(worker->app);
}

void worker_start_failed(const struct worker *worker, const struct pg *pg)
{
    /* Never unlocked: the other workers meet the same error, and one line is enough. */
    static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&once);
    log_error("cannot use the database at %s: %s. %s", worker->app->database.where, pg->error, pg_advice(pg));
    _exit(EXIT_FAILURE); /* exit() would run the libraries' clean-up under the other threads */
}

/* -- One worker -- */

static uint64_t next_deadline_ms(const struct worker *worker)
{
    uint64_t next = database_next_ms(&worker->database);
    for (unsigned state = 0; state < CONNECTION_STATES; state++) {
        uint64_t at = deadline_next_ms(&worker->timeouts[state]);
        next = at < next ? at : next;
    }
    return next;
}

static void on_deadline(uv_timer_t *timer)
{
    struct worker *worker = timer->data;
    worker->timer_ms = UINT64_MAX;
    connections_check_time(worker);
    database_check_time(&worker->database);
    database_run_woken(&worker->database);
}

/*
 * The timer is only ever moved forward here. Most deadlines are put off (by the next request) long
 * before they pass, so it then fires early, finds nothing to do and is armed again: a few times in
 * the length of a time-out, where moving it back would cost every request.
 */
static void arm_timer(struct worker *worker)
{
    uint64_t now = uv_now(&worker->loop), next = next_deadline_ms(worker);
    if (next >= worker->timer_ms)
        return;
    worker->timer_ms = next;
    uv_timer_start(&worker->timer, on_deadline, next > now ? next - now : 0, 0);
}

static void on_no_sleep(uv_idle_t *idle)
{
    (void)idle; /* that it is active is all: the loop polls without waiting */
}

/* The callbacks of this turn have run; the loop looks for new events next. */
static void on_before_poll(uv_prepare_t *prepare)
{
    struct worker *worker = prepare->data;
    connections_resume_yielding(worker);
    database_run_woken(&worker->database);
    if (STAILQ_EMPTY(&worker->yielding))
        uv_idle_stop(&worker->no_sleep);
    else
        uv_idle_start(&worker->no_sleep, on_no_sleep);
    arm_timer(worker);
}

/* Without active handles the loop ends. */
static void finish_if_drained(struct worker *worker)
{
    if (!worker->draining || !LIST_EMPTY(&worker->connections))
        return;
    database_stop(&worker->database);
    uv_close((uv_handle_t *)&worker->drain, NULL);
    uv_close((uv_handle_t *)&worker->before_poll, NULL);
    uv_close((uv_handle_t *)&worker->no_sleep, NULL);
    uv_close((uv_handle_t *)&worker->timer, NULL);
}

void worker_connection_closed(struct worker *worker)
{
    finish_if_drained(worker);
}

static void on_drain_asked(uv_async_t *async)
{
    struct worker *worker = async->data;
    struct connection *connection;
    worker->draining = true;
    /* connection_drain() arms who is in these lists again, so that they stay in order. */
    worker->timeouts[CONNECTION_IDLE].length_ms = APP_LAST_CALL_MS;
    worker->timeouts[CONNECTION_LINGERING].length_ms = APP_LAST_CALL_MS;
    listener_drain(worker);
    LIST_FOREACH(connection, &worker->connections, entry)
    connection_drain(connection);
    finish_if_drained(worker);
}

/* 0, or -1 with the reason logged. */
static int worker_init(struct worker *worker, const struct app *app, unsigned index)
{
    const struct config *config = &app->config;
    unsigned pool = config->db_pool / config->workers + (index < config->db_pool % config->workers);
    *worker = (struct worker){.app = app, .counters = counters_shard(index), .index = index};
    worker->timer_ms = UINT64_MAX;
    LIST_INIT(&worker->connections);
    STAILQ_INIT(&worker->yielding);
    STAILQ_INIT(&worker->free_jobs);

    uint64_t seconds[CONNECTION_STATES] = {
        [CONNECTION_IDLE] = config->idle_timeout,      [CONNECTION_HEAD] = config->header_timeout,
        [CONNECTION_BODY] = config->header_timeout,    [CONNECTION_SENDING] = config->write_timeout,
        [CONNECTION_LINGERING] = APP_LINGER_MS / 1000,
    };
    for (unsigned state = 0; state < CONNECTION_STATES; state++)
        deadline_list_init(&worker->timeouts[state], seconds[state] * 1000);

    int fd = app_listen(app, true);
    if (fd < 0)
        return -1;
    int error = uv_loop_init(&worker->loop);
    if (error == 0)
        error = listener_init(worker, fd);
    if (error == 0)
        error = uv_async_init(&worker->loop, &worker->drain, on_drain_asked);
    if (error == 0)
        error = database_init(&worker->database, worker, pool);
    if (error < 0) {
        log_error("cannot start event loop %u: %s", index, uv_strerror(error));
        return -1;
    }
    uv_prepare_init(&worker->loop, &worker->before_poll);
    uv_idle_init(&worker->loop, &worker->no_sleep);
    uv_timer_init(&worker->loop, &worker->timer);
    worker->drain.data = worker->before_poll.data = worker->timer.data = worker;
    uv_prepare_start(&worker->before_poll, on_before_poll);
    return 0;
}

static void worker_run(void *argument)
{
    struct worker *worker = argument;
    uv_run(&worker->loop, UV_RUN_DEFAULT);
    if (atomic_fetch_sub(&workers_running, 1) == 1)
        pthread_kill(main_thread, SIGUSR1);
}

static void worker_deinit(struct worker *worker)
{
    struct job *job;
    while ((job = STAILQ_FIRST(&worker->free_jobs)) != NULL) {
        STAILQ_REMOVE_HEAD(&worker->free_jobs, entry);
        free(job);
    }
    database_deinit(&worker->database);
    must(uv_loop_close(&worker->loop), "uv_loop_close"); /* UV_EBUSY: a handle was forgotten */
}

/* -- The process -- */

static sigset_t signal_set(int third)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    if (third != 0)
        sigaddset(&set, third);
    return set;
}

static void start_workers(struct worker *workers, unsigned count)
{
    workers_not_ready = workers_running = count;
    for (unsigned i = 0; i < count; i++) {
        int error = uv_thread_create(&workers[i].thread, worker_run, &workers[i]);
        if (error < 0) {
            log_error("cannot start a thread for event loop %u: %s", i, uv_strerror(error));
            _exit(EXIT_FAILURE);
        }
    }
}

/* Returns when the workers have ended by themselves, or ends the process with 1. */
static void wait_for_workers(const struct app *app)
{
    const sigset_t set = signal_set(SIGUSR1);
    uint64_t end = clock_ms() + app->config.drain_timeout * UINT64_C(1000);
    while (atomic_load(&workers_running) > 0) {
        uint64_t now = clock_ms(), left = now < end ? end - now : 0;
        struct timespec timeout = {.tv_sec = (time_t)(left / 1000), .tv_nsec = (long)(left % 1000) * 1000000};
        int signal = sigtimedwait(&set, NULL, &timeout);
        if (signal == SIGTERM || signal == SIGINT) {
            log_warn("%s again: leaving at once", strsignal(signal));
            _exit(EXIT_FAILURE);
        }
        if (signal < 0 && errno == EAGAIN) {
            uint64_t closed = counters_total(COUNT_CLOSED);
            log_warn("%llu connections cut off after DRAIN_TIMEOUT, %u s",
                     (unsigned long long)(counters_total(COUNT_ACCEPTED) - closed), app->config.drain_timeout);
            _exit(EXIT_FAILURE);
        }
    }
}

int main(int argc, char **argv)
{
    static struct app app;
    static struct worker *workers;
    app_init(&app, "libuv", argc, argv);

    /* Blocked here and so in every thread made later: only the main thread takes them, by waiting. */
    main_thread = pthread_self();
    const sigset_t blocked = signal_set(SIGUSR1), asked_to_stop = signal_set(0);
    pthread_sigmask(SIG_BLOCK, &blocked, NULL);

    unsigned count = app.config.workers;
    workers = calloc(count, sizeof *workers);
    if (workers == NULL) {
        log_error("no memory for %u event loops", count);
        return EXIT_FAILURE;
    }
    for (unsigned i = 0; i < count; i++)
        if (worker_init(&workers[i], &app, i) < 0)
            return EXIT_FAILURE;
    start_workers(workers, count);

    int signal;
    do
        signal = sigwaitinfo(&asked_to_stop, NULL);
    while (signal < 0);
    log_info("%s: draining", strsignal(signal));
    for (unsigned i = 0; i < count; i++)
        uv_async_send(&workers[i].drain);
    wait_for_workers(&app);
    for (unsigned i = 0; i < count; i++) {
        uv_thread_join(&workers[i].thread);
        worker_deinit(&workers[i]);
    }
    free(workers);
    log_info("drained");
    return EXIT_SUCCESS;
}
