#include "server/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

/* As long as the kernel allows (net.core.somaxconn cuts it): a burst waits and is not refused. */
enum { BACKLOG = 65535 };

/* -- listening ------------------------------------------------------------------------------------ */

static bool parse_address(const struct config *config, struct sockaddr_storage *address, socklen_t *len)
{
    const char *host = strcmp(config->host, "localhost") == 0 ? "127.0.0.1" : config->host;
    struct sockaddr_in *v4 = (struct sockaddr_in *)address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
    memset(address, 0, sizeof *address);
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)config->port);
        *len = sizeof *v4;
        return true;
    }
    if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)config->port);
        *len = sizeof *v6;
        return true;
    }
    return false;
}

/* A bound socket, or -1 with errno. */
static int bound_socket(const struct sockaddr_storage *address, socklen_t len, bool shared)
{
    const int on = 1;
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        (!shared || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0) &&
        bind(fd, (const struct sockaddr *)address, len) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/*
 * SO_REUSEPORT would let a second server of the same user listen here too and take half of the
 * connections, silently. A bind without it, before the first of this process, finds out.
 */
static bool port_is_free(const struct sockaddr_storage *address, socklen_t len)
{
    static bool is_ours;
    int probe = is_ours ? -1 : bound_socket(address, len, false);
    if (!is_ours && probe < 0)
        return false;
    if (probe >= 0)
        close(probe);
    is_ours = true;
    return true;
}

int listen_open(const struct app *app, bool shared)
{
    const struct config *config = &app->config;
    struct sockaddr_storage address;
    socklen_t len;
    if (!parse_address(config, &address, &len)) {
        log_error("HOST=%s: must be a numeric address such as 127.0.0.1, 0.0.0.0 or ::1, or localhost",
                  config->host);
        return -1;
    }
    int fd = shared && !port_is_free(&address, len) ? -1 : bound_socket(&address, len, shared);
    if (fd >= 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (error == EADDRINUSE)
        log_error("port %u of %s is in use: stop what listens there, or choose another with PORT", config->port,
                  config->host);
    else
        log_error("cannot listen on %s port %u: %s", config->host, config->port, strerror(error));
    return -1;
}

void listen_stop(int fd)
{
    /* Drops what has SYN set among the flags of its TCP header, and lets the rest of each handshake through. */
    struct sock_filter drop_syn[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x02, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    const struct sock_fprog program = {.len = sizeof drop_syn / sizeof *drop_syn, .filter = drop_syn};
    /* Where that is not allowed (EPERM in some containers), a client may be reset. */
    setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

void listen_log_ready(const struct app *app)
{
    const char *host = app->config.host;
    bool bracket = strchr(host, ':') != NULL; /* RFC 3986 3.2.2 */
    char value[32] = "";
    struct limit_met limit = limit_use(app->connection_limit, "/proc");
    if (limit.value != 0)
        snprintf(value, sizeof value, " %" PRIu64, limit.value);
    log_info("listening on http://%s%s%s:%u (pool %u to %s, up to %u connections: %s%s)", bracket ? "[" : "",
             host, bracket ? "]" : "", app->config.port, app->config.db_pool, app->database.where,
             app->service.max_connections, limit_name(limit.limit), value);
}

/* -- accepting ------------------------------------------------------------------------------------ */

static struct limit_failure accept_failure(enum limit_kind kind, int error)
{
    return (struct limit_failure){.call = "accept4", .kind = kind, .error = error};
}

static void open_spare(struct acceptor *acceptor)
{
    if (acceptor->spare_fd < 0)
        acceptor->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

void acceptor_init(struct acceptor *acceptor, const struct app *app, struct counters *counters, int fd)
{
    *acceptor = (struct acceptor){.app = app, .counters = counters, .fd = fd, .spare_fd = -1};
    acceptor->no_descriptor = accept_failure(LIMIT_KIND_DESCRIPTOR, EMFILE);
    headroom_init(&acceptor->headroom, "/proc/self");
    open_spare(acceptor);
}

/* One line at most once per second, for all listening sockets together. */
static bool may_log(void)
{
    static _Atomic uint64_t next_ms;
    uint64_t now = clock_ms(), next = atomic_load(&next_ms);
    return now >= next && atomic_compare_exchange_strong(&next_ms, &next, now + 1000);
}

void acceptor_log_limit(const struct acceptor *acceptor, const struct limit_failure *failure)
{
    if (!may_log())
        return;
    uint64_t open = counters_connections_open();
    struct limit_met met = limit_find(failure, "/proc");
    if (met.limit == LIMIT_MAX_CONNECTIONS)
        met = (struct limit_met){met.limit, open, acceptor->app->service.max_connections};
    log_warn("%" PRIu64 " connections are open, new ones get a 503%s; limit met: %s, %" PRIu64 " of %" PRIu64
             " in use (%s: %s)",
             open, met.limit == LIMIT_UNKNOWN ? "; no limit that is known is used up" : "",
             limit_name(met.limit), met.used, met.value, failure->call,
             failure->error != 0 ? strerror(failure->error) : "refused before it fails");
}

static enum accept_step refuse(struct acceptor *acceptor, const struct limit_failure *failure)
{
    counters_add(acceptor->counters, COUNT_REFUSED, 1);
    acceptor_log_limit(acceptor, failure);
    return ACCEPT_REFUSE;
}

void acceptor_refuse(struct acceptor *acceptor, const struct limit_failure *failure)
{
    counters_connection_closed(acceptor->counters);
    refuse(acceptor, failure);
}

static enum accept_step accepted(struct acceptor *acceptor, int fd)
{
    const int on = 1;
    bool has_spares_place = acceptor->spare_is_lent;
    acceptor->spare_is_lent = false;
    if (!has_spares_place)
        open_spare(acceptor);
    if (acceptor->spare_fd < 0)
        return refuse(acceptor, &acceptor->no_descriptor);
    const struct limit_failure *short_of = headroom_short_of(&acceptor->headroom, clock_ms());
    if (short_of != NULL)
        return refuse(acceptor, short_of);
    if (!counters_connection_accepted(acceptor->counters, acceptor->app->service.max_connections)) {
        struct limit_failure failure = accept_failure(LIMIT_KIND_DESCRIPTOR, 0);
        failure.met.limit = acceptor->app->connection_limit;
        return refuse(acceptor, &failure);
    }
    /* A response is one write; waiting for more to send would only delay it. Fails for a client that is gone.
     */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return ACCEPT_SERVE;
}

/*
 * No descriptor is left for accept(2), which would be tried again and again for the same waiting
 * client: give up the spare one to refuse that client. accept(2) finds no descriptor even when no client
 * waits, so only the second attempt tells. If that fails as well (another thread was faster), the
 * backlog waits for a moment.
 */
static enum accept_step no_descriptor(struct acceptor *acceptor, int error)
{
    bool can_lend = !acceptor->spare_is_lent && acceptor->spare_fd >= 0;
    acceptor->no_descriptor = accept_failure(LIMIT_KIND_DESCRIPTOR, error);
    acceptor->spare_is_lent = can_lend;
    if (!can_lend) {
        open_spare(acceptor);
        acceptor_log_limit(acceptor, &acceptor->no_descriptor);
        return ACCEPT_PAUSE;
    }
    close(acceptor->spare_fd);
    acceptor->spare_fd = -1;
    acceptor->no_descriptor.met = limit_find(&acceptor->no_descriptor, "/proc"); /* while one is free */
    return ACCEPT_AGAIN;
}

enum accept_step acceptor_step(struct acceptor *acceptor, int result)
{
    struct limit_failure no_memory;
    if (result >= 0)
        return accepted(acceptor, result);
    switch (-result) {
    case EAGAIN:
        acceptor->spare_is_lent = false;
        open_spare(acceptor);
        return ACCEPT_DONE;
    case EMFILE:
    case ENFILE:
        return no_descriptor(acceptor, -result);
    case ENOBUFS:
    case ENOMEM:
        no_memory = accept_failure(LIMIT_KIND_MEMORY, -result);
        acceptor_log_limit(acceptor, &no_memory);
        return ACCEPT_PAUSE;
    default:
        /* That client has gone again: accept(2) lists the errors of the network that are reported here. */
        return ACCEPT_AGAIN;
    }
}

void acceptor_close(struct acceptor *acceptor)
{
    close(acceptor->fd);
    if (acceptor->spare_fd >= 0)
        close(acceptor->spare_fd);
}
