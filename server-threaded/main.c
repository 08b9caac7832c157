/*
 * Start, signals, drain. The main thread accepts clients and takes the signals; all else happens on the
 * threads of the connections and on the keeper's (database.c).
 */
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"
#include "server.h"

enum { MAPPINGS_PER_THREAD = 2 /* a stack and its guard */ };

static bool server_init(struct server *server)
{
    const struct config *config = &server->app.config;
    server->app.service.workers = 0; /* event loops, of which there is none */
    server->acceptor.fd = -1;
    LIST_INIT(&server->connections);
    pthread_mutex_init(&server->connections_lock, NULL);
    drain_init(&server->drain, &server->app, 1);
    pthread_attr_init(&server->thread_attr);
    pthread_attr_setdetachstate(&server->thread_attr, PTHREAD_CREATE_DETACHED);
    int error = pthread_attr_setstacksize(&server->thread_attr, config->stack_kib * 1024u);
    if (error != 0)
        log_error("STACK_KIB=%u: %s", config->stack_kib, strerror(error));
    /* By default threads spread over 8 arenas per CPU, each of which keeps memory of its own. */
    mallopt(M_ARENA_MAX, (int)sysconf(_SC_NPROCESSORS_ONLN));
    /* Else a thread sleeps 50 us longer than it was told, and the timer of the event loops does not (prctl(2)).
     */
    prctl(PR_SET_TIMERSLACK, 1UL);
    return error == 0;
}

static bool start_listening(struct server *server)
{
    int fd = listen_open(&server->app, false);
    if (fd < 0)
        return false;
    acceptor_init(&server->acceptor, &server->app, counters_shard(0), fd);
    listen_log_ready(&server->app);
    return true;
}

static void begin_drain(struct server *server)
{
    listener_drain(server);
    server->acceptor.fd = -1;
    pthread_mutex_lock(&server->connections_lock);
    atomic_store(&server->draining,
                 true); /* from here on, the thread that closes the last connection says so */
    bool none_left = LIST_EMPTY(&server->connections);
    pthread_mutex_unlock(&server->connections_lock);
    if (none_left)
        drain_part_has_ended(&server->drain);
}

/* Blocks for a client, a signal, or the end of a time limit. The signal; 0 for none. */
static int wait_for_signal(struct server *server, int signals)
{
    /* poll(2) passes over a negative descriptor: while the server starts and drains, nothing is accepted. */
    struct pollfd ready[] = {{.fd = signals, .events = POLLIN}, {.fd = server->acceptor.fd, .events = POLLIN}};
    struct signalfd_siginfo signal;
    poll(ready, 2, drain_timeout_ms(&server->drain));
    if (ready[1].revents != 0 && !listener_accept(server)) {
        /* Descriptors or memory have run out; the clients wait in the backlog. */
        poll(ready, 1, (int)timeout_ms(&server->app.config, TIMEOUT_RETRY));
    }
    return read(signals, &signal, sizeof signal) == sizeof signal ? (int)signal.ssi_signo : 0;
}

/* Serves until a drain has ended; the exit status. */
static int run(struct server *server, int signals)
{
    for (;;) {
        switch (drain_step(&server->drain, wait_for_signal(server, signals))) {
        case DRAIN_WAIT:
            break;
        case DRAIN_LISTEN:
            if (!start_listening(server))
                _exit(1); /* the keeper connects still */
            break;
        case DRAIN_BEGIN:
            begin_drain(server);
            break;
        case DRAIN_LAST_CALL:
            connections_end_idle(server);
            break;
        case DRAIN_LEAVE:
            _exit(server->drain.status); /* other threads use everything that a clean end would free */
        case DRAIN_END:
            return server->drain.status;
        }
    }
}

int main(int argc, char **argv)
{
    static struct server server;
    app_init(&server.app, "threaded", argc, argv);
    app_limit_connections(&server.app, app_mappings_left() / MAPPINGS_PER_THREAD, LIMIT_MAX_MAP_COUNT);
    sigset_t set;
    drain_block_signals(&set);
    int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK); /* for poll(2), beside the clients */
    if (signals < 0 || !server_init(&server) ||
        !database_start(&server.database, &server.app, &server.drain, NULL))
        return 1;
    int status = run(&server, signals);
    bool stopped = database_stop(&server.database);
    log_info("drained");
    if (!stopped)
        _exit(status);
    pthread_attr_destroy(&server.thread_attr);
    close(signals);
    return status;
}
