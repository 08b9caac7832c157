#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "server.h"

/* SIGTERM and SIGINT as a descriptor. Blocked here, so blocked in every thread that is made later. */
static int signals_open(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int server_init(struct server *server)
{
    const struct config *config = &server->app.config;
    server->app.service.workers = 0; /* event loops, of which there is none */
    server->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    server->clients.prev = server->clients.next = &server->clients;
    pthread_mutex_init(&server->clients_lock, NULL);

    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&server->clients_gone, &monotonic);
    pthread_condattr_destroy(&monotonic);

    pthread_attr_init(&server->thread_attr);
    pthread_attr_setdetachstate(&server->thread_attr, PTHREAD_CREATE_DETACHED);
    int error = pthread_attr_setstacksize(&server->thread_attr, config->stack_kib * 1024u);
    if (error != 0)
        log_error("STACK_KIB=%u: %s", config->stack_kib, strerror(error));
    /* By default threads spread over 8 arenas a CPU, each of which keeps memory of its own. */
    mallopt(M_ARENA_MAX, (int)sysconf(_SC_NPROCESSORS_ONLN));
    return error == 0 ? 0 : -1;
}

static void accept_until_signal(struct server *server, int listener, int signals)
{
    struct pollfd ready[] = {{.fd = listener, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
    while (ready[1].revents == 0) {
        if (poll(ready, 2, -1) > 0 && ready[0].revents != 0)
            listener_accept(server, listener);
    }
}

/* Whether every client was done in time. A second signal ends the process at once. */
static bool wait_for_clients(struct server *server)
{
    uint64_t end = clock_ms() + server->app.config.drain_timeout * 1000u;
    struct timespec at = {.tv_sec = (time_t)(end / 1000), .tv_nsec = (long)(end % 1000) * 1000000};
    int error = 0;
    pthread_mutex_lock(&server->clients_lock);
    while (server->clients.next != &server->clients && error == 0)
        error = pthread_cond_timedwait(&server->clients_gone, &server->clients_lock, &at);
    bool gone = server->clients.next == &server->clients;
    pthread_mutex_unlock(&server->clients_lock);
    return gone;
}

static void *exit_on_signal(void *argument)
{
    struct pollfd ready = {.fd = *(int *)argument, .events = POLLIN};
    while (poll(&ready, 1, -1) <= 0)
        continue;
    log_warn("second signal: leaving at once");
    _exit(1);
}

static int drain(struct server *server, int listener, int signals)
{
    struct signalfd_siginfo info;
    if (read(signals, &info, sizeof info) == sizeof info)
        log_info("%s: draining", strsignal((int)info.ssi_signo));
    pthread_t second_signal;
    bool watched = pthread_create(&second_signal, NULL, exit_on_signal, &signals) == 0;

    listener_accept(server, listener); /* who has connected already is served */
    close(listener);
    atomic_store(&server->draining, true);
    poll(NULL, 0, APP_LAST_CALL_MS);
    connections_wake_idle(server);
    bool gone = wait_for_clients(server);
    if (watched) {
        pthread_cancel(second_signal);
        pthread_join(second_signal, NULL);
    }
    if (!gone) {
        log_warn("drain: connections cut off after DRAIN_TIMEOUT, %u s", server->app.config.drain_timeout);
        _exit(1); /* their threads still use everything that a clean end would free */
    }
    log_info("drained");
    return 0;
}

int main(int argc, char **argv)
{
    static struct server server;
    app_init(&server.app, "threaded", argc, argv);
    int signals = signals_open();
    if (signals < 0 || server_init(&server) < 0)
        return 1;
    if (!database_start(&server.database, &server.app))
        return 1;
    int status = 1;
    int listener = app_listen(&server.app, false);
    if (listener >= 0) {
        app_log_ready(&server.app);
        accept_until_signal(&server, listener, signals);
        status = drain(&server, listener, signals);
    }
    database_stop(&server.database);
    pthread_attr_destroy(&server.thread_attr);
    close(server.spare_fd);
    close(signals);
    return status;
}
