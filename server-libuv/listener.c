/*
 * Accepting clients.
 *
 * The listening socket is watched with uv_poll and accepted from here rather than by uv_listen():
 * libuv closes connections without a word when descriptors run out, takes one a loop turn from 1.45
 * on, and offers no way to accept what is left in the backlog before a drain.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "reply.h"
#include "server.h"

enum {
    ACCEPTS_PER_TURN = 64, /* so that a flood of connections does not keep clients waiting */
    RETRY_MS = 100,
};

static bool is_full(const struct app *app)
{
    uint64_t closed = counters_total(COUNT_CLOSED); /* first: it is never ahead of those accepted */
    return counters_total(COUNT_ACCEPTED) - closed >= app->max_connections;
}

static void refuse(struct worker *worker, int fd, const char *why)
{
    struct iovec reply = reply_overloaded();
    if (send(fd, reply.iov_base, reply.iov_len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        log_debug("a refused client did not take its 503: %s", strerror(errno));
    close(fd);
    counters_add(worker->counters, COUNT_REFUSED, 1);
    app_log_limit(worker->app, why);
}

/* 1 when a connection was taken, 0 when none waits, or a negative errno when none can be had now. */
static int accept_one(struct worker *worker)
{
    int fd = accept4(worker->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        switch (errno) {
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
            return -errno;
        case EAGAIN:
            return 0;
        default: /* that client has gone again: accept(2) lists what the network may report here */
            return 1;
        }
    }
    app_prepare_client(fd);
    if (is_full(worker->app))
        refuse(worker, fd, worker->app->connection_limit);
    else if (connection_open(worker, fd) < 0)
        refuse(worker, fd, "out of memory");
    return 1;
}

static void on_clients_waiting(uv_poll_t *poll, int status, int events);

static void on_retry_time(uv_timer_t *timer)
{
    struct worker *worker = timer->data;
    must(uv_poll_start(&worker->listener.poll, UV_READABLE, on_clients_waiting), "uv_poll_start");
}

static void on_clients_waiting(uv_poll_t *poll, int status, int events)
{
    struct worker *worker = poll->data;
    (void)status, (void)events; /* accept(2) says what there is to know */
    int taken = 1;
    for (unsigned i = 0; i < ACCEPTS_PER_TURN && taken > 0; i++)
        taken = accept_one(worker);
    if (taken < 0) { /* they wait in the backlog; asking again at once would spin */
        app_log_limit(worker->app, strerror(-taken));
        uv_poll_stop(poll);
        uv_timer_start(&worker->listener.retry, on_retry_time, RETRY_MS, 0);
    }
    database_run_woken(&worker->database);
}

int listener_init(struct worker *worker, int fd)
{
    struct listener *listener = &worker->listener;
    listener->fd = fd;
    uv_timer_init(&worker->loop, &listener->retry);
    listener->retry.data = worker;
    int error = uv_poll_init_socket(&worker->loop, &listener->poll, fd);
    listener->poll.data = worker;
    return error;
}

void listener_start(struct worker *worker)
{
    must(uv_poll_start(&worker->listener.poll, UV_READABLE, on_clients_waiting), "uv_poll_start");
}

void listener_drain(struct worker *worker)
{
    while (accept_one(worker) > 0)
        ;
    uv_close((uv_handle_t *)&worker->listener.retry, NULL);
    uv_close((uv_handle_t *)&worker->listener.poll, NULL);
    close(worker->listener.fd);
}
