#include "handler/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cpu_group.h"
#include "base/version.h"
#include "handler/respond.h"
#include "handler/statements.h"

enum { STATUS_BYTES_MAX = 16 * 1024 };

/* Linux' figures of this process. */
struct process {
    double cpu_user, cpu_system; /* s */
    uint64_t voluntary, involuntary;
    uint64_t rss_kib, rss_peak_kib, threads;
};

/*
 * getrusage(2) counts all threads, ended ones as well; /proc/self/status has the rest. To read a file of /proc
 * does not wait for a device.
 */
static struct process process_read(void)
{
    struct process process = {0};
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        process.cpu_user = (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6;
        process.cpu_system = (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
        process.voluntary = (uint64_t)usage.ru_nvcsw;
        process.involuntary = (uint64_t)usage.ru_nivcsw;
    }
    const struct {
        const char *key;
        uint64_t *value;
    } lines[] = {
        {"VmHWM:", &process.rss_peak_kib}, {"VmRSS:", &process.rss_kib}, {"Threads:", &process.threads}};
    FILE *file = fopen("/proc/self/status", "re");
    if (file != NULL) {
        char line[128];
        while (fgets(line, sizeof line, file) != NULL)
            for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
                if (strncmp(line, lines[i].key, strlen(lines[i].key)) == 0)
                    *lines[i].value = strtoull(line + strlen(lines[i].key), NULL, 10);
        fclose(file);
    }
    return process;
}

static double uptime(const struct service *service)
{
    return (double)(clock_ms() - service->start_ms) / 1000;
}

static enum step respond_status(struct exchange *x, const char *status)
{
    char text[64];
    snprintf(text, sizeof text, "{\"status\":\"%s\"}", status);
    return respond_padded(x, text, 0, "");
}

enum step status_healthz(struct exchange *x)
{
    return respond_status(x, "ok");
}

static enum step on_pong(struct exchange *x, const PGresult *result)
{
    bool is_read_only = PQntuples(result) == 1 && strcmp(PQgetvalue(result, 0, 0), "on") == 0;
    if (is_read_only)
        return respond_problem(x, 503, NULL,
                               "The database is read-only at the moment (a standby?); try again later.");
    return respond_status(x, "ready");
}

enum step status_readyz(struct exchange *x)
{
    query_begin(&x->query, statement_name(SQL_PING));
    return exchange_query(x, on_pong);
}

/*
 * Each figure, once. /stats shows `value` as `key`; /metrics shows `value` times `scale` as `metric`, a name
 * that includes its labels. Rows of one family stand together; the first has the help text.
 */
struct figure {
    const char *key;
    const char *metric;
    enum { GAUGE, COUNTER } type;
    const char *help;
    double value;
    double scale;
};

enum { FIGURES = 28 };

static double throttled_s(void)
{
    struct control_group group;
    cpu_group_find(&group, "/proc/self");
    return cpu_group_throttled_s(&group);
}

static double total(enum counter counter)
{
    return (double)counters_total(counter);
}

static double total_s(enum counter counter)
{
    return total(counter) / 1e9;
}

static void figures_read(const struct service *service, struct figure figures[FIGURES])
{
    const struct process process = process_read();
    const struct figure all[FIGURES] = {
        {"uptime_s", "uptime_seconds", GAUGE, "Time since the process started.", uptime(service), 1},
        {"cpu_user_s", "cpu_seconds_total{mode=\"user\"}", COUNTER, "CPU time of all threads.",
         process.cpu_user, 1},
        {"cpu_system_s", "cpu_seconds_total{mode=\"system\"}", COUNTER, "", process.cpu_system, 1},
        {"cpu_throttled_s", "cpu_throttled_seconds_total", COUNTER,
         "Time for which a CPU limit of the control group stopped the process.", throttled_s(), 1},
        {"ctx_voluntary", "context_switches_total{kind=\"voluntary\"}", COUNTER,
         "Context switches of all threads.", (double)process.voluntary, 1},
        {"ctx_involuntary", "context_switches_total{kind=\"involuntary\"}", COUNTER, "",
         (double)process.involuntary, 1},
        {"rss_kib", "resident_memory_bytes", GAUGE, "Resident memory.", (double)process.rss_kib, 1024},
        {"rss_peak_kib", "resident_memory_peak_bytes", GAUGE, "Most resident memory so far.",
         (double)process.rss_peak_kib, 1024},
        {"threads", "threads", GAUGE, "Threads of the process.", (double)process.threads, 1},
        {"workers", "workers", GAUGE, "Event loops; 0 for a thread per connection.", service->workers, 1},
        {"connections_open", "connections_open", GAUGE, "Client connections that are open.",
         (double)counters_connections_open(), 1},
        {"connections_max", "connections_max", GAUGE, "Client connections that the limits allow.",
         service->max_connections, 1},
        {"connections_accepted", "connections_accepted_total", COUNTER, "Client connections that were served.",
         total(COUNT_ACCEPTED), 1},
        {"connections_refused", "connections_refused_total", COUNTER,
         "Client connections refused because a limit was met.", total(COUNT_REFUSED), 1},
        {"requests", "requests_total", COUNTER, "Requests that got a response.", total(COUNT_REQUESTS), 1},
        {"replies_2xx", "replies_total{class=\"2xx\"}", COUNTER, "Responses by class of status.",
         total(COUNT_RESPONSES_2XX), 1},
        {"replies_3xx", "replies_total{class=\"3xx\"}", COUNTER, "", total(COUNT_RESPONSES_3XX), 1},
        {"replies_4xx", "replies_total{class=\"4xx\"}", COUNTER, "", total(COUNT_RESPONSES_4XX), 1},
        {"replies_5xx", "replies_total{class=\"5xx\"}", COUNTER, "", total(COUNT_RESPONSES_5XX), 1},
        {"queries", "queries_total", COUNTER, "Queries that the database responded to.", total(COUNT_QUERIES),
         1},
        {"query_s", "query_seconds_total", COUNTER,
         "Time from sending a query until its result was complete, summed.", total_s(COUNT_QUERY_NS), 1},
        {"pool_size", "pool_size", GAUGE, "Database connections that the pool may hold.", service->db_pool, 1},
        {"pipeline_depth", "pipeline_depth", GAUGE, "Requests that may share a database connection.",
         service->pipeline_depth, 1},
        {"pool_waits", "pool_waits_total", COUNTER, "Checkouts that found no idle database connection.",
         total(COUNT_POOL_WAITS), 1},
        {"pool_wait_s", "pool_wait_seconds_total", COUNTER, "Time that those checkouts waited, summed.",
         total_s(COUNT_POOL_WAIT_NS), 1},
        {"pool_timeouts", "pool_timeouts_total", COUNTER, "Checkouts given up after POOL_TIMEOUT.",
         total(COUNT_POOL_TIMEOUTS), 1},
        {"db_connects", "database_connects_total", COUNTER, "Database connections made.",
         total(COUNT_DB_CONNECTS), 1},
        {"db_lost", "database_losses_total", COUNTER, "Database connections lost.", total(COUNT_DB_LOST), 1},
    };
    memcpy(figures, all, sizeof all);
}

static enum step respond_figures(struct exchange *x, const char *media_type,
                                 int (*write)(struct buf *, const struct service *, const struct figure *))
{
    struct figure figures[FIGURES];
    figures_read(x->service, figures);
    struct buf body;
    buf_init(&body, STATUS_BYTES_MAX);
    if (write(&body, x->service, figures) < 0) {
        buf_release(&body);
        return respond_no_memory(x);
    }
    return respond_body(x, 200, media_type, &body);
}

static int write_stats(struct buf *body, const struct service *service, const struct figure *figures)
{
    struct tm tm;
    gmtime_r(&service->start_time, &tm);
    int error = buf_printf(body,
                           "{\"model\":\"%s\",\"version\":\"%s\",\"build\":\"%s\",\"pid\":%d,"
                           "\"boot_id\":\"%s\",\"cpus\":%ld,"
                           "\"start_time\":\"%04d-%02d-%02dT%02d:%02d:%02dZ\"",
                           service->model, wb_version, wb_build, (int)getpid(), service->boot_id,
                           sysconf(_SC_NPROCESSORS_ONLN), tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                           tm.tm_hour, tm.tm_min, tm.tm_sec);
    for (size_t i = 0; i < FIGURES && error == 0; i++) {
        const char *key = figures[i].key;
        bool is_seconds = strcmp(key + strlen(key) - 2, "_s") == 0;
        error = buf_printf(body, ",\"%s\":%.*f", key, is_seconds ? 6 : 0, figures[i].value);
    }
    return error < 0 ? error : buf_printf(body, "}\n");
}

/* Prometheus' text format 0.0.4: https://prometheus.io/docs/instrumenting/exposition_formats/ */
static int write_metrics(struct buf *body, const struct service *service, const struct figure *figures)
{
    int error = buf_printf(body,
                           "# HELP waitbench_info What runs here.\n# TYPE waitbench_info gauge\n"
                           "waitbench_info{model=\"%s\",version=\"%s\"} 1\n",
                           service->model, wb_version);
    for (size_t i = 0; i < FIGURES && error == 0; i++) {
        const struct figure *figure = &figures[i];
        int family = (int)strcspn(figure->metric, "{");
        if (figure->help[0] != '\0')
            error =
                buf_printf(body, "# HELP waitbench_%.*s %s\n# TYPE waitbench_%.*s %s\n", family, figure->metric,
                           figure->help, family, figure->metric, figure->type == GAUGE ? "gauge" : "counter");
        if (error == 0)
            error = buf_printf(body, "waitbench_%s %.15g\n", figure->metric, figure->value * figure->scale);
    }
    return error;
}

enum step status_stats(struct exchange *x)
{
    return respond_figures(x, "application/json", write_stats);
}

enum step status_metrics(struct exchange *x)
{
    return respond_figures(x, "text/plain; version=0.0.4; charset=utf-8", write_metrics);
}
