/*
 * Accepting clients.
 *
 * The listening socket is watched with uv_poll and accepted from here rather than by uv_listen():
 * libuv closes connections without a word when descriptors run out, takes one per loop turn from 1.45
 * on, and offers no way to accept what is left in the backlog before a drain.
 */
#include <errno.h>
#include <limits.h>
#include <sys/socket.h>

#include "server.h"

/* ACCEPT_DONE or ACCEPT_PAUSE; ACCEPT_AGAIN after `max` clients. */
static enum accept_step accept_clients(struct worker *worker, unsigned max)
{
    struct acceptor *acceptor = &worker->listener.acceptor;
    const struct limit_failure no_memory = limit_no_memory("calloc", sizeof(struct connection));
    for (unsigned i = 0; i < max; i++) {
        int fd = accept4(acceptor->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        enum accept_step step = acceptor_step(acceptor, fd < 0 ? -errno : fd);
        switch (step) {
        case ACCEPT_SERVE:
            if (connection_open(worker, fd) == 0)
                break;
            acceptor_refuse(acceptor, &no_memory);
            /* fall through */
        case ACCEPT_REFUSE:
            acceptor_turn_away(fd);
            break;
        case ACCEPT_AGAIN:
            break;
        case ACCEPT_DONE:
        case ACCEPT_PAUSE:
            return step;
        }
    }
    return ACCEPT_AGAIN;
}

static void on_clients_waiting(uv_poll_t *poll, int status, int events);

static void watch(struct listener *listener)
{
    must(uv_poll_start(&listener->poll, UV_READABLE, on_clients_waiting), "uv_poll_start");
}

static void on_retry_time(uv_timer_t *timer)
{
    struct worker *worker = timer->data;
    watch(&worker->listener);
}

static void on_clients_waiting(uv_poll_t *poll, int status, int events)
{
    struct worker *worker = poll->data;
    (void)status, (void)events; /* accept(2) says what there is to know */
    if (accept_clients(worker, LISTEN_ACCEPTS_PER_TURN) == ACCEPT_PAUSE) {
        uv_poll_stop(poll); /* the clients wait in the backlog; asking again at once would spin */
        uv_timer_start(&worker->listener.retry, on_retry_time, timeout_ms(&worker->app->config, TIMEOUT_RETRY),
                       0);
    }
    jobs_run_woken(worker);
}

void listener_start(struct worker *worker)
{
    struct listener *listener = &worker->listener;
    must(uv_timer_init(&worker->loop, &listener->retry), "uv_timer_init");
    must(uv_poll_init_socket(&worker->loop, &listener->poll, listener->acceptor.fd), "uv_poll_init_socket");
    listener->retry.data = listener->poll.data = worker;
    watch(listener);
}

void listener_drain(struct worker *worker)
{
    struct listener *listener = &worker->listener;
    listen_stop(listener->acceptor.fd);
    accept_clients(worker, UINT_MAX);
    uv_close((uv_handle_t *)&listener->retry, NULL);
    uv_close((uv_handle_t *)&listener->poll, NULL);
    acceptor_close(&listener->acceptor);
}
