/* Accepting clients: a coroutine in a plain loop. */
#include <errno.h>
#include <sys/socket.h>

#include "server.h"

/* Accepts until no client waits, or none can be accepted now: ACCEPT_DONE or ACCEPT_PAUSE. */
static coroutine_fn enum accept_step accept_clients(struct worker *worker)
{
    struct acceptor *acceptor = &worker->acceptor;
    const struct limit_failure no_memory = limit_no_memory("calloc", sizeof(struct connection));
    for (unsigned taken = 1;; taken++) {
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
        if (taken % LISTEN_ACCEPTS_PER_TURN == 0)
            wait_turn(worker);
    }
}

static coroutine_fn void listener_main(void *arg)
{
    struct worker *worker = arg;
    struct watch *watch = worker->listener;
    int error = 0; /* -ECANCELED once a drain begins */
    while (error != -ECANCELED && !worker->draining) {
        if (accept_clients(worker) == ACCEPT_DONE) {
            error = watch_wait(watch, UV_READABLE);
        } else { /* the clients wait in the backlog; asking again at once would spin */
            watch_arm(watch, TIMEOUT_RETRY);
            error = watch_wait(watch, 0);
        }
    }
    listen_stop(worker->acceptor.fd);
    (void)accept_clients(worker);
    watch_close(watch);
    worker->listener = NULL;
    acceptor_close(&worker->acceptor);
    worker_end_if_done(worker);
}

int listener_start(struct worker *worker)
{
    worker->listener = watch_open(worker, worker->acceptor.fd);
    if (worker->listener == NULL)
        return -ENOMEM;
    return wait_spawn(worker, &worker->stacks, listener_main, worker) ? 0 : -ENOMEM;
}
