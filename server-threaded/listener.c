/* Accepting clients: each gets a thread. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server.h"

static void connections_add(struct server *server, struct connection *c)
{
    pthread_mutex_lock(&server->connections_lock);
    LIST_INSERT_HEAD(&server->connections, c, entry);
    pthread_mutex_unlock(&server->connections_lock);
}

static void connections_remove(struct server *server, struct connection *c)
{
    pthread_mutex_lock(&server->connections_lock);
    LIST_REMOVE(c, entry);
    pthread_mutex_unlock(&server->connections_lock);
}

/* False with *failure filled in: the client cannot be served. */
static bool serve(struct server *server, int fd, struct limit_failure *failure)
{
    struct connection *c = malloc(sizeof *c);
    if (c == NULL) {
        *failure = limit_no_memory("malloc", sizeof *c);
        return false;
    }
    *c = (struct connection){.server = server, .counters = counters_shard(server->next_shard++), .fd = fd};
    connections_add(server, c);
    pthread_t thread;
    int error = pthread_create(&thread, &server->thread_attr, connection_main, c);
    if (error == 0)
        return true;
    connections_remove(server, c);
    free(c);
    *failure = (struct limit_failure){.call = "pthread_create",
                                      .kind = LIMIT_KIND_THREAD,
                                      .error = error,
                                      .bytes = server->app.config.stack_kib * 1024u};
    return false;
}

bool listener_accept(struct server *server)
{
    struct acceptor *acceptor = &server->acceptor;
    for (;;) {
        int fd = accept4(acceptor->fd, NULL, NULL, SOCK_CLOEXEC);
        struct limit_failure failure;
        switch (acceptor_step(acceptor, fd < 0 ? -errno : fd)) {
        case ACCEPT_SERVE:
            if (serve(server, fd, &failure))
                break;
            acceptor_refuse(acceptor, &failure);
            /* fall through */
        case ACCEPT_REFUSE:
            acceptor_turn_away(fd);
            break;
        case ACCEPT_AGAIN:
            break;
        case ACCEPT_DONE:
            return true;
        case ACCEPT_PAUSE:
            return false;
        }
    }
}

void listener_drain(struct server *server)
{
    listen_stop(server->acceptor.fd);
    listener_accept(server);
    acceptor_close(&server->acceptor);
}
