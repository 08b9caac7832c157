#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "server.h"

enum {
    STACKS_KEPT = 1024, /* for each worker, of clients that have gone */
    /* libpq's connecting goes through OpenSSL, Kerberos and the name service, which STACK_KIB is not for. */
    DEEP_STACK_KIB = 256,
    DEEP_STACKS_KEPT = 1,
};

/* Here and not in main(), so that a debugger finds them (co_gdb.py). */
static struct app app;
static struct worker *workers;

static atomic_uint workers_running;
static pthread_t main_thread;

static void on_drain(uv_async_t *async)
{
    struct worker *worker = async->data;
    struct connection *connection;
    worker->draining = true;
    LIST_FOREACH(connection, &worker->connections, entry)
    connection_drain(connection);
    if (worker->listener != NULL)
        watch_cancel(worker->listener);
    wait_run_ready(worker);
}

void worker_end_if_done(struct worker *worker)
{
    if (!worker->draining || worker->listener != NULL || !LIST_EMPTY(&worker->connections))
        return;
    database_stop(&worker->database);
    wait_stop(worker);
    uv_close((uv_handle_t *)&worker->drain, NULL);
}

/* Connects to the database and listens. False: the reason is logged. */
static bool worker_init(struct worker *worker, unsigned index)
{
    const struct config *config = &app.config;
    unsigned share = config->db_pool / config->workers + (index < config->db_pool % config->workers);
    *worker = (struct worker){.app = &app, .counters = counters_shard(index), .listen_fd = -1};
    LIST_INIT(&worker->connections);
    if (co_stacks_init(&worker->stacks, config->stack_kib * 1024u, STACKS_KEPT) < 0 ||
        co_stacks_init(&worker->deep_stacks, DEEP_STACK_KIB * 1024u, DEEP_STACKS_KEPT) < 0) {
        log_error("no memory for stacks");
        return false;
    }
    int error = uv_loop_init(&worker->loop);
    if (error == 0)
        error = uv_async_init(&worker->loop, &worker->drain, on_drain);
    if (error != 0) {
        log_error("cannot make an event loop: %s", uv_strerror(error));
        return false;
    }
    worker->drain.data = worker;
    wait_init(worker);
    return database_start(&worker->database, worker, share);
}

static void *worker_main(void *arg)
{
    struct worker *worker = arg;
    if (listener_start(worker) < 0) {
        log_error("no memory to accept clients");
        exit(1);
    }
    database_run(&worker->database);
    wait_run_ready(worker);
    uv_run(&worker->loop, UV_RUN_DEFAULT);

    database_deinit(&worker->database);
    if (uv_loop_close(&worker->loop) != 0)
        log_error("a handle was left open"); /* which a test of a clean end finds */
    co_stacks_deinit(&worker->stacks);
    co_stacks_deinit(&worker->deep_stacks);
    if (atomic_fetch_sub(&workers_running, 1) == 1)
        pthread_kill(main_thread, SIGUSR1);
    return NULL;
}

static bool workers_start(void)
{
    unsigned count = app.config.workers;
    for (unsigned i = 0; i < count; i++)
        if (!worker_init(&workers[i], i))
            return false;
    for (unsigned i = 0; i < count; i++)
        if ((workers[i].listen_fd = app_listen(&app, true)) < 0)
            return false;
    app_log_ready(&app);
    atomic_store(&workers_running, count);
    for (unsigned i = 0; i < count; i++) {
        int error = pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]);
        if (error != 0) {
            log_error("cannot start a thread: %s", strerror(error));
            return false;
        }
    }
    return true;
}

/* Whether every client was done in time. A second signal ends the process at once. */
static int drain(const sigset_t *signals)
{
    uint64_t now = clock_ms(), end = now + app.config.drain_timeout * 1000u;
    for (unsigned i = 0; i < app.config.workers; i++)
        uv_async_send(&workers[i].drain);
    for (; atomic_load(&workers_running) > 0; now = clock_ms()) {
        uint64_t left = end > now ? end - now : 0;
        struct timespec timeout = {.tv_sec = (time_t)(left / 1000), .tv_nsec = (long)(left % 1000) * 1000000};
        int number = sigtimedwait(signals, NULL, &timeout);
        if (number == SIGTERM || number == SIGINT) {
            log_warn("second signal: leaving at once");
            return 1;
        }
        if (number < 0 && errno == EAGAIN) {
            log_warn("drain: %llu connections cut off after DRAIN_TIMEOUT, %u s",
                     (unsigned long long)(counters_total(COUNT_ACCEPTED) - counters_total(COUNT_CLOSED)),
                     app.config.drain_timeout);
            return 1;
        }
    }
    log_info("drained");
    return 0;
}

int main(int argc, char **argv)
{
    app_init(&app, "coro", argc, argv);
    size_t stacks = co_stack_limit();
    app_limit_connections(&app, stacks < UINT_MAX ? (unsigned)stacks : UINT_MAX, "vm.max_map_count");

    /* Blocked here, so blocked in every thread that is made later: sigwait(3) takes them. */
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGUSR1); /* the last worker has ended */
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    main_thread = pthread_self();

    workers = calloc(app.config.workers, sizeof *workers);
    if (workers == NULL || !workers_start())
        exit(1);
    int number;
    do {
        sigwait(&signals, &number);
    } while (number == SIGUSR1);
    log_info("%s: draining", strsignal(number));
    int status = drain(&signals);
    if (status != 0) {
        for (unsigned i = 0; i < app.config.workers; i++)
            pthread_detach(workers[i].thread); /* nobody joins them; TSan counts one that has ended as leaked */
        _exit(status);                         /* the others still use everything that a clean end would free */
    }
    for (unsigned i = 0; i < app.config.workers; i++)
        pthread_join(workers[i].thread, NULL);
    free(workers);
    return 0;
}
