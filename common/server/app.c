#include "server/app.h"

#include <linux/sockios.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "db/pg_advice.h"
#include "handler/exchange.h"
#include "handler/statements.h"

enum {
    /* Beside clients and database: log, listeners, event loops, /proc files, what libraries open. */
    DESCRIPTORS_RESERVED = 32,
    DESCRIPTORS_PER_WORKER = 12,
    DESCRIPTORS_PER_LINK = 2, /* libpq's socket, and the one that is watched: pg_socket() */
};

static void raise_descriptors(struct app *app)
{
    struct rlimit limit = {0};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        getrlimit(RLIMIT_NOFILE, &limit);

    unsigned long long reserved = DESCRIPTORS_RESERVED + DESCRIPTORS_PER_WORKER * app->config.workers +
                                  DESCRIPTORS_PER_LINK * app->config.db_pool;
    if (limit.rlim_cur <= reserved) {
        log_error("RLIMIT_NOFILE %llu leaves no descriptor for clients beside %llu of our own: raise it "
                  "(ulimit -n) or lower DB_POOL",
                  (unsigned long long)limit.rlim_cur, reserved);
        exit(1);
    }
    unsigned long long room = limit.rlim_cur - reserved;
    app->service.max_connections = room < 100000000 ? (unsigned)room : 100000000;
    app->connection_limit = LIMIT_NOFILE;
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
        .pipeline_depth = config->db_pipeline ? APP_PIPELINE_DEPTH : 1,
        .workers = config->workers,
        .max_body_bytes = config->max_body_bytes,
        .n = config->n,
        .m = config->m,
        .w = config->w,
        .d = config->d,
        .t = config->t,
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
    app->database.prepare = statements_prepare(app->config.db_pipeline ? app->config.query_timeout : 0);
    service_init(&app->service, &app->config, model);
    raise_descriptors(app);
    if (app->config.max_connections > 0)
        app_limit_connections(app, app->config.max_connections, LIMIT_MAX_CONNECTIONS);
}

void app_limit_connections(struct app *app, size_t count, enum limit limit)
{
    if (count < app->service.max_connections) {
        app->service.max_connections = (unsigned)count;
        app->connection_limit = limit;
    }
}

size_t app_mappings_left(void)
{
    struct limit_met maps = limit_use(LIMIT_MAX_MAP_COUNT, "/proc");
    size_t maximum = maps.value > 0 ? maps.value : 65530;
    size_t left = maximum > maps.used ? maximum - maps.used : 0;
    return left - (left / 4 < 4096 ? left / 4 : 4096);
}

struct pool_settings app_pool_settings(const struct app *app, int worker, struct counters *counters)
{
    unsigned size = app->config.db_pool, workers = app->config.workers;
    return (struct pool_settings){
        .size = worker < 0 ? size : size / workers + ((unsigned)worker < size % workers),
        .depth = app->service.pipeline_depth,
        .query_timeout_s = app->config.query_timeout,
        .timeout_s = app->config.pool_timeout,
        .worker = worker,
        .where = app->database.where,
        .counters = counters,
    };
}

void app_cannot_start(const struct app *app, const struct pg *pg)
{
    static atomic_flag is_ending = ATOMIC_FLAG_INIT;
    if (atomic_flag_test_and_set(&is_ending))
        return;
    log_error("cannot use the database at %s: %s; %s", app->database.where, pg->error, pg_advice(pg));
    _exit(EXIT_FAILURE); /* exit() would run the libraries' clean-up under the other threads */
}

int app_untaken(int fd)
{
    int bytes = 0;
    ioctl(fd, SIOCOUTQ, &bytes);
    return bytes;
}
