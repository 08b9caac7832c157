#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "server.h"

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
 * pthread_create() says EAGAIN for every limit alike. Says which one it was, as far as the numbers
 * tell: the one that is (nearly) used up.
 */
static const char *thread_limit_met(void)
{
    enum { NEARLY = 64 };
    unsigned long long ours = counters_total(COUNT_ACCEPTED) - counters_total(COUNT_CLOSED);
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

/* Says 503, if the client's socket takes it without waiting, and closes. */
static void refuse(struct server *server, int fd, const char *why)
{
    struct iovec response = response_overloaded();
    counters_add(counters_shard(0), COUNT_REFUSED, 1);
    app_log_limit(&server->app, why);
    if (send(fd, response.iov_base, response.iov_len, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
        shutdown(fd, SHUT_WR);
    close(fd);
}

/*
 * No descriptor is left for accept(2), which would be tried again and again for the same waiting
 * connection: give up the spare one to answer it.
 */
static void refuse_without_descriptor(struct server *server, int listener, const char *why)
{
    close(server->spare_fd);
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        refuse(server, fd, why);
    server->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void clients_add(struct server *server, struct client *client)
{
    pthread_mutex_lock(&server->clients_lock);
    client->next = &server->clients;
    client->prev = server->clients.prev;
    client->prev->next = client->next->prev = client;
    pthread_mutex_unlock(&server->clients_lock);
}

static void clients_remove(struct server *server, struct client *client)
{
    pthread_mutex_lock(&server->clients_lock);
    client->prev->next = client->next;
    client->next->prev = client->prev;
    pthread_mutex_unlock(&server->clients_lock);
}

static void take_client(struct server *server, int fd)
{
    if (counters_connections_open() >= server->app.service.max_connections) {
        refuse(server, fd, NULL);
        return;
    }
    app_prepare_client(fd);
    struct client *client = malloc(sizeof *client);
    if (client == NULL) {
        refuse(server, fd, "memory");
        return;
    }
    struct counters *counters = counters_shard(server->next_shard++);
    *client = (struct client){.server = server, .counters = counters, .fd = fd};
    clients_add(server, client);
    counters_add(counters, COUNT_ACCEPTED, 1);
    pthread_t thread;
    int error = pthread_create(&thread, &server->thread_attr, connection_serve, client);
    if (error != 0) {
        clients_remove(server, client);
        const char *why = error == EAGAIN ? thread_limit_met() : strerror(error);
        counters_add(counters, COUNT_CLOSED, 1);
        refuse(server, fd, why);
        free(client);
    }
}

void listener_accept(struct server *server, int listener)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            take_client(server, fd);
        } else if (errno == EMFILE || errno == ENFILE) {
            refuse_without_descriptor(server, listener, errno == EMFILE ? "RLIMIT_NOFILE" : "fs.file-max");
        } else if (errno != EINTR && errno != ECONNABORTED) {
            if (errno != EAGAIN)
                log_warn("accept: %s", strerror(errno));
            return;
        }
    }
}
