/*
 * Accepting clients.
 *
 * The listening socket is watched with uv_poll and accepted from here rather than by uv_listen():
 * libuv closes connections without a word when descriptors run out, takes one a loop turn from 1.45
 * on, and offers no way to accept what is left in the backlog before a drain.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/response.h"
#include "server.h"

enum {
    ACCEPTS_PER_TURN = 64, /* so that a flood of connections does not keep clients waiting */
    RETRY_MS = 100,
};

static bool is_full(const struct app *app)
{
    return counters_connections_open() >= app->service.max_connections;
}

/* Says 503, if the client's socket takes it without waiting, and closes. `why` NULL: the usual limit. */
static void refuse(struct worker *worker, int fd, const char *why)
{
    struct iovec response = response_overloaded();
    counters_add(worker->counters, COUNT_REFUSED, 1);
    app_log_limit(worker->app, why);
    if (send(fd, response.iov_base, response.iov_len, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        shutdown(fd, SHUT_WR);
    close(fd);
}

static int accept_client(const struct listener *listener)
{
    int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* Gives up the spare descriptor to answer one client. 1, or a negative errno when that failed too. */
static int refuse_without_descriptor(struct worker *worker, const char *why)
{
    struct listener *listener = &worker->listener;
    if (listener->spare_fd >= 0)
        close(listener->spare_fd);
    int fd = accept_client(listener);
    if (fd >= 0)
        refuse(worker, fd, why);
    listener->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return fd < 0 ? fd : 1;
}

/* 1 when a connection was taken, 0 when none waits, or a negative errno when none can be had now. */
static int accept_one(struct worker *worker)
{
    int fd = accept_client(&worker->listener);
    switch (fd) {
    case -EAGAIN:
        return 0;
    case -EMFILE:
        return refuse_without_descriptor(worker, "RLIMIT_NOFILE");
    case -ENFILE:
        return refuse_without_descriptor(worker, "fs.file-max");
    case -ENOBUFS:
    case -ENOMEM:
        return fd;
    }
    if (fd < 0)
        return 1; /* that client has gone again: accept(2) lists what the network may report here */
    if (is_full(worker->app)) {
        refuse(worker, fd, NULL);
        return 1;
    }
    app_prepare_client(fd);
    if (connection_open(worker, fd) < 0)
        refuse(worker, fd, "memory");
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
    if (taken < 0 && taken != -EAGAIN) { /* they wait in the backlog; asking again at once would spin */
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
    listener->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
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
    close(worker->listener.spare_fd);
}
