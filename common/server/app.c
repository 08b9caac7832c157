#include "server/app.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "handler/exchange.h"
#include "handler/statements.h"

enum {
    /* Beside clients and database: log, listeners, event loops, /proc files, what libraries open. */
    DESCRIPTORS_RESERVED = 32,
    DESCRIPTORS_PER_WORKER = 12,
    DESCRIPTORS_PER_LINK = 2, /* libpq's socket, and the one that is watched: pg_socket() */
    /* As long as the kernel allows (net.core.somaxconn cuts it): a burst waits and is not refused. */
    BACKLOG = 65535,
};

static void raise_descriptors(struct app *app)
{
    static char why[64];
    struct rlimit limit = {0};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        getrlimit(RLIMIT_NOFILE, &limit);

    snprintf(why, sizeof why, "RLIMIT_NOFILE %llu", (unsigned long long)limit.rlim_cur);
    unsigned long long reserved = DESCRIPTORS_RESERVED + DESCRIPTORS_PER_WORKER * app->config.workers +
                                  DESCRIPTORS_PER_LINK * app->config.db_pool;
    if (limit.rlim_cur <= reserved) {
        log_error(
            "%s leaves no descriptor for clients beside %llu of our own: raise it (ulimit -n) or lower DB_POOL",
            why, reserved);
        exit(1);
    }
    unsigned long long room = limit.rlim_cur - reserved;
    app->service.max_connections = room < 100000000 ? (unsigned)room : 100000000;
    app->connection_limit = why;
}

static void read_boot_id(char boot_id[37])
{
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (file == NULL)
        return;
    if (fgets(boot_id, 37, file) == NULL)
        boot_id[0] = '\0';
    fclose(file);
}

static void service_init(struct service *service, const struct config *config, const char *model)
{
    *service = (struct service){
        .model = model,
        .db_pool = config->db_pool,
        .workers = config->workers,
        .max_body_bytes = config->max_body_bytes,
        .n = config->n,
        .m = config->m,
        .w = config->w,
        .d = config->d,
        .start_time = time(NULL),
        .start_ms = clock_ms(),
    };
    read_boot_id(service->boot_id);
    if (getrandom(&service->seed, sizeof service->seed, GRND_NONBLOCK) != sizeof service->seed)
        service->seed = clock_ns();
}

void app_init(struct app *app, const char *model, int argc, char **argv)
{
    *app = (struct app){0};
    config_load(&app->config, model, argc, argv);
    log_init(model, app->config.log_level);
    /* A client that has gone is an error of write(2), not the end of the process. */
    signal(SIGPIPE, SIG_IGN);

    app->limits = (struct http_limits){
        .max_header_bytes = app->config.max_header_bytes,
        .max_body_bytes = app->config.max_body_bytes,
        .wants_body = exchange_wants_body,
    };
    char error[256];
    if (!pg_target_init(&app->database, app->config.database_url, model, error)) {
        fprintf(stderr, "server-%s: DATABASE_URL: %s\n", model, error);
        exit(2);
    }
    app->database.prepare = statements_prepare();
    service_init(&app->service, &app->config, model);
    raise_descriptors(app);
    if (app->config.max_connections > 0)
        app_limit_connections(app, app->config.max_connections, "MAX_CONNECTIONS");
}

void app_limit_connections(struct app *app, unsigned limit, const char *why)
{
    if (limit < app->service.max_connections) {
        app->service.max_connections = limit;
        app->connection_limit = why;
    }
}

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

int app_listen(const struct app *app, bool shared)
{
    static atomic_bool port_is_ours;
    const struct config *config = &app->config;
    struct sockaddr_storage address;
    socklen_t len;
    if (!parse_address(config, &address, &len)) {
        log_error("HOST=%s: must be a numeric address such as 127.0.0.1, 0.0.0.0 or ::1, or localhost",
                  config->host);
        return -1;
    }

    /*
     * SO_REUSEPORT would let a second server of the same user listen here too and take half of the
     * connections, silently. A bind without it, before our first, finds out.
     */
    if (shared && !atomic_exchange(&port_is_ours, true)) {
        int probe = bound_socket(&address, len, false);
        if (probe < 0)
            goto failed;
        close(probe);
    }
    int fd = bound_socket(&address, len, shared);
    if (fd >= 0 && listen(fd, BACKLOG) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
failed:
    if (errno == EADDRINUSE)
        log_error("port %u of %s is in use: stop what listens there, or choose another with PORT", config->port,
                  config->host);
    else
        log_error("cannot listen on %s port %u: %s", config->host, config->port, strerror(errno));
    return -1;
}

void app_prepare_client(int fd)
{
    const int on = 1;
    /* A response is one write; waiting for more to send would only delay it. Fails for a client that is gone.
     */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

int app_untaken(int fd)
{
    int bytes = 0;
    ioctl(fd, SIOCOUTQ, &bytes);
    return bytes;
}

void app_log_ready(const struct app *app)
{
    log_info("listening on http://%s:%u (pool %u to %s, up to %u connections: %s)", app->config.host,
             app->config.port, app->config.db_pool, app->database.where, app->service.max_connections,
             app->connection_limit);
}

void app_log_limit(const struct app *app, const char *why)
{
    static _Atomic uint64_t next_ms;
    uint64_t now = clock_ms(), next = atomic_load(&next_ms);
    if (now < next || !atomic_compare_exchange_strong(&next_ms, &next, now + 1000))
        return;
    log_warn("connection limit met (%s): %llu are open and served, new ones get a 503",
             why != NULL ? why : app->connection_limit, (unsigned long long)counters_connections_open());
}
