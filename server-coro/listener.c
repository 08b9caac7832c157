/* Accepts clients: a coroutine that never runs out of patience, but may run out of descriptors. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "server.h"

enum { ACCEPTS_PER_TURN = 64 /* so that a flood of connections does not keep clients waiting */ };

static bool is_full(const struct app *app)
{
    return counters_connections_open() >= app->service.max_connections;
}

static void refuse(struct worker *worker, int fd, const char *why)
{
    struct iovec response = response_overloaded();
    if (send(fd, response.iov_base, response.iov_len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        log_debug("a refused client did not take its 503: %s", strerror(errno));
    close(fd);
    counters_add(worker->counters, COUNT_REFUSED, 1);
    app_log_limit(worker->app, why);
}

static void take(struct worker *worker, int fd)
{
    app_prepare_client(fd);
    if (is_full(worker->app))
        refuse(worker, fd, worker->app->connection_limit);
    else if (connection_open(worker, fd) < 0)
        refuse(worker, fd, "no memory for a stack: vm.max_map_count, or the memory limit");
}

/* False when a drain has begun: who has connected by now is still served, but nobody is waited for. */
static coroutine_fn bool wait_for_client(struct worker *worker)
{
    if (worker->draining)
        return false;
    (void)!watch_wait(worker->listener, UV_READABLE); /* -ECANCELED: a last look */
    return true;
}

/*
 * Out of descriptors: a connection that is left in the backlog would be reported again at once and for
 * ever. The spare descriptor is given up for it. accept(2) finds no descriptor even if nobody waits in the
 * backlog, so only the second attempt tells. If that fails as well (memory, or another thread was
 * faster), the backlog waits for a moment.
 */
static coroutine_fn bool refuse_without_descriptor(struct worker *worker)
{
    const char *why = strerror(errno);
    if (worker->spare_fd >= 0)
        close(worker->spare_fd);
    int fd = accept4(worker->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    bool nobody_waits = fd < 0 && errno == EAGAIN;
    if (fd >= 0)
        refuse(worker, fd, why);
    worker->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (nobody_waits)
        return wait_for_client(worker);
    if (fd < 0) {
        app_log_limit(worker->app, why);
        watch_arm(worker->listener, TIMEOUT_RETRY);
        return watch_wait(worker->listener, 0) == -ETIMEDOUT || !worker->draining;
    }
    return true;
}

static coroutine_fn void listener_main(void *arg)
{
    struct worker *worker = arg;
    for (unsigned taken = 0;;) {
        int fd = accept4(worker->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            take(worker, fd);
            if (++taken % ACCEPTS_PER_TURN == 0)
                wait_turn(worker);
        } else if (errno == EAGAIN) {
            if (!wait_for_client(worker))
                break;
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            if (!refuse_without_descriptor(worker))
                break;
        } /* else that client has gone again: accept(2) lists what the network may report here */
    }
    watch_close(worker->listener);
    worker->listener = NULL;
    close(worker->listen_fd);
    close(worker->spare_fd);
    worker_end_if_done(worker);
}

int listener_start(struct worker *worker)
{
    worker->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    worker->listener = watch_open(worker, worker->listen_fd);
    if (worker->listener == NULL)
        return -ENOMEM;
    return wait_spawn(worker, &worker->stacks, listener_main, worker) ? 0 : -ENOMEM;
}
