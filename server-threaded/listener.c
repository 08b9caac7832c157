/* Accepting clients: each gets a thread. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server.h"

/* -- which limit stopped a thread ----------------------------------------------------------------- */

static unsigned long long number_in_file(const char *path)
{
    unsigned long long number = 0;
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        if (fscanf(file, "%llu", &number) != 1)
            number = 0; /* "max" */
        fclose(file);
    }
    return number;
}

/* All threads of the machine: the fourth field of /proc/loadavg, "0.01 0.02 0.03 2/345 678". */
static unsigned long long threads_of_machine(void)
{
    unsigned long long number = 0;
    FILE *file = fopen("/proc/loadavg", "re");
    if (file != NULL) {
        if (fscanf(file, "%*s %*s %*s %*u/%llu", &number) != 1)
            number = 0;
        fclose(file);
    }
    return number;
}

/*
 * pthread_create() says EAGAIN for every limit alike. Names the limit that is (nearly) used up, as far
 * as the numbers tell.
 */
static const char *thread_limit_met(void)
{
    enum { NEARLY = 64 };
    unsigned long long ours = counters_connections_open();
    unsigned long long all = threads_of_machine();
    unsigned long long pids = number_in_file("/sys/fs/cgroup/pids.max");
    struct rlimit processes = {0};
    getrlimit(RLIMIT_NPROC, &processes);
    if (pids > 0 && number_in_file("/sys/fs/cgroup/pids.current") + NEARLY >= pids)
        return "pids.max of the control group";
    if (2 * ours + NEARLY >= number_in_file("/proc/sys/vm/max_map_count"))
        return "vm.max_map_count: a thread's stack and its guard page are two areas";
    if (all + NEARLY >= number_in_file("/proc/sys/kernel/pid_max"))
        return "kernel.pid_max";
    if (all + NEARLY >= number_in_file("/proc/sys/kernel/threads-max"))
        return "kernel.threads-max";
    if (processes.rlim_cur != RLIM_INFINITY && ours + NEARLY >= processes.rlim_cur)
        return "RLIMIT_NPROC";
    return "pthread_create: no memory for a stack, or a limit of threads";
}

/* -- accepting ------------------------------------------------------------------------------------ */

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

/* NULL, or why the client cannot be served. */
static const char *serve(struct server *server, int fd)
{
    struct connection *c = malloc(sizeof *c);
    if (c == NULL)
        return "memory";
    *c = (struct connection){.server = server, .counters = counters_shard(server->next_shard++), .fd = fd};
    connections_add(server, c);
    pthread_t thread;
    int error = pthread_create(&thread, &server->thread_attr, connection_main, c);
    if (error == 0)
        return NULL;
    connections_remove(server, c);
    free(c);
    return error == EAGAIN ? thread_limit_met() : strerror(error);
}

bool listener_accept(struct server *server)
{
    struct acceptor *acceptor = &server->acceptor;
    for (;;) {
        int fd = accept4(acceptor->fd, NULL, NULL, SOCK_CLOEXEC);
        const char *why;
        switch (acceptor_step(acceptor, fd < 0 ? -errno : fd)) {
        case ACCEPT_SERVE:
            why = serve(server, fd);
            if (why == NULL)
                break;
            acceptor_refuse(acceptor, why);
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
