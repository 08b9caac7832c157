#include "report.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static const double LATE_MOST = 0.01; /* of what was due */
/* Of the threads' time, running or waiting for a CPU: above, responses wait until pace reads them. */
static const double CPU_MOST = 0.85;

static double window_s(const struct report *report)
{
    return (double)(report->tally->end_ns - report->tally->begin_ns) / 1e9;
}

static double share_of(double part, double all)
{
    return all > 0 ? part / all : 0;
}

/* Of the time of all threads in the window. */
static double thread_share(const struct report *report, uint64_t ns)
{
    return share_of((double)ns / 1e9, window_s(report) * report->options->threads);
}

static double cpu_share(const struct report *report)
{
    return thread_share(report, report->tally->cpu_ns);
}

static double wait_share(const struct report *report)
{
    return thread_share(report, report->tally->cpu_wait_ns);
}

static bool is_open_loop(const struct report *report)
{
    return report->options->rate > 0;
}

static char *unsound(struct report *report)
{
    return report->unsound[report->unsound_count++];
}

static uint64_t count_errors(const struct tally *tally)
{
    uint64_t count = 0;
    for (int kind = 0; kind < ERROR_KINDS; kind++)
        count += tally->errors[kind];
    return count;
}

void report_judge(struct report *report)
{
    const struct tally *tally = report->tally;
    double late = share_of((double)tally->late, (double)tally->due), cpu = cpu_share(report),
           wait = wait_share(report);
    if (count_errors(tally) > 0)
        snprintf(unsound(report), UNSOUND_LEN, "errors: %ju; the first: %.330s", (uintmax_t)count_errors(tally),
                 tally->first_error);
    if (is_open_loop(report) && late > LATE_MOST)
        snprintf(unsound(report), UNSOUND_LEN,
                 "late: %.1f%% of the requests were sent more than %g ms after they were due, although a "
                 "connection was free:"
                 " a lower rate, more threads, or CPUs of its own for pace would help",
                 100 * late, report->options->late_ms);
    if (is_open_loop(report) && cpu + wait > CPU_MOST)
        snprintf(unsound(report), UNSOUND_LEN,
                 "cpu: pace's threads ran for %.0f%% of their time and waited for a CPU for %.0f%%, so that "
                 "responses wait for"
                 " pace: a lower rate, more threads, or CPUs of its own for pace would help",
                 100 * cpu, 100 * wait);
}

/* ---- JSON. A failure of jansson's is one of memory; json_pack() and its setters then give and take NULL. */

static json_t *counts(const struct histogram *histogram)
{
    json_t *pairs = json_array();
    for (uint32_t i = 0; i < histogram->size; i++)
        if (histogram->counts[i] > 0)
            json_array_append_new(pairs, json_pack("[I, I]", (json_int_t)histogram_value(histogram, i),
                                                   (json_int_t)histogram->counts[i]));
    return pairs;
}

static json_t *errors(const struct tally *tally)
{
    json_t *object = json_object();
    for (enum error_kind kind = 0; kind < ERROR_KINDS; kind++)
        json_object_set_new(object, error_name(kind), json_integer((json_int_t)tally->errors[kind]));
    return object;
}

static json_t *percentile_or_null(const struct histogram *histogram, double share)
{
    return histogram->total == 0 ? json_null()
                                 : json_integer((json_int_t)histogram_percentile(histogram, share));
}

static json_t *series(const struct tally *tally)
{
    json_t *all = json_array();
    uint64_t window = tally->end_ns - tally->begin_ns;
    for (unsigned i = 0; i < tally->second_count && i * 1000000000ull < window; i++) {
        const struct second *second = &tally->seconds[i];
        bool is_empty = second->latency.total == 0;
        json_array_append_new(
            all, json_pack("{s:I, s:I, s:o, s:o, s:o}", "due", (json_int_t)second->due, "requests",
                           (json_int_t)second->requests, "p50_us", percentile_or_null(&second->latency, 0.5),
                           "p99_us", percentile_or_null(&second->latency, 0.99), "max_us",
                           is_empty ? json_null() : json_integer((json_int_t)second->most_us)));
    }
    return all;
}

static json_t *operations(const uint64_t numbers[OPERATIONS])
{
    json_t *array = json_array();
    for (int i = 0; i < OPERATIONS; i++)
        json_array_append_new(array, json_integer((json_int_t)numbers[i]));
    return array;
}

static json_t *crud(const struct report *report)
{
    if (!report->options->has_crud)
        return json_null();
    return json_pack("{s:o, s:o, s:I, s:s}", "issued", operations(report->issued), "answered",
                     operations(report->answered), "wrong", (json_int_t)report->wrong, "first_wrong",
                     report->first_wrong);
}

static json_t *reasons(const struct report *report)
{
    json_t *array = json_array();
    for (unsigned i = 0; i < report->unsound_count; i++)
        json_array_append_new(array, json_stringn_nocheck(report->unsound[i], strlen(report->unsound[i])));
    return array;
}

static json_t *as_asked(const struct options *options)
{
    bool is_open = options->rate > 0;
    return json_pack(
        "{s:i, s:s, s:o, s:o, s:I, s:i, s:i, s:i, s:i, s:i, s:f}", "pace", 1, "mode",
        is_open ? "open" : "closed", "rate", is_open ? json_real(options->rate) : json_null(), "arrivals",
        is_open ? json_string(options->is_poisson ? "poisson" : "constant") : json_null(), "seed",
        (json_int_t)options->seed, "threads", (int)options->threads, "connections", (int)options->connections,
        "requests_per_connection", (int)options->requests_per_connection, "idle", (int)options->idle, "slow",
        (int)options->slow, "warmup_s", options->warmup_s);
}

static json_t *as_measured(const struct report *report)
{
    const struct tally *tally = report->tally;
    double seconds = window_s(report);
    return json_pack("{s:f, s:I, s:I, s:f, s:I, s:f, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f}", "connect_s",
                     report->connect_s, "duration_us", (json_int_t)(seconds * 1e6), "due",
                     (json_int_t)tally->due, "offered_rps", (double)tally->due / seconds, "requests",
                     (json_int_t)tally->requests, "achieved_rps", (double)tally->requests / seconds, "bytes",
                     (json_int_t)tally->bytes, "waited", (json_int_t)tally->waited, "queue_most",
                     (json_int_t)tally->queue_most, "unfinished", (json_int_t)tally->unfinished, "late",
                     (json_int_t)tally->late, "late_share", share_of((double)tally->late, (double)tally->due),
                     "cpu_s", (double)tally->cpu_ns / 1e9, "cpu_share", cpu_share(report), "cpu_wait_share",
                     wait_share(report));
}

static json_t *totals(const struct tally *tally)
{
    return json_pack("{s:I, s:I, s:I, s:I}", "requests", (json_int_t)tally->total_requests, "sent",
                     (json_int_t)tally->total_sent, "connections", (json_int_t)tally->total_connections,
                     "bytes", (json_int_t)tally->total_bytes);
}

static json_t *whole(const struct report *report)
{
    const struct tally *tally = report->tally;
    json_t *object = as_asked(report->options), *measured = as_measured(report);
    json_object_update(object, measured);
    json_decref(measured);
    json_object_set_new(object, "errors", errors(tally));
    json_object_set_new(object, "first_error",
                        json_stringn_nocheck(tally->first_error, strlen(tally->first_error)));
    json_object_set_new(object, "total", totals(tally));
    json_object_set_new(object, "slow_connections",
                        json_pack("{s:I, s:I, s:I}", "bytes", (json_int_t)tally->slow_bytes, "requests",
                                  (json_int_t)tally->slow_requests, "closed", (json_int_t)tally->slow_closed));
    json_object_set_new(object, "idle_connections",
                        json_pack("{s:I}", "closed", (json_int_t)tally->idle_closed));
    json_object_set_new(object, "crud", crud(report));
    json_object_set_new(object, "sound", json_boolean(report->unsound_count == 0));
    json_object_set_new(object, "unsound", reasons(report));
    json_object_set_new(object, "latency", counts(&tally->latency));
    json_object_set_new(object, "service", counts(&tally->service));
    json_object_set_new(object, "series", series(tally));
    return object;
}

static void write_json(const struct report *report, FILE *stream)
{
    json_t *object = whole(report);
    if (object == NULL || json_dumpf(object, stream, JSON_COMPACT | JSON_REAL_PRECISION(12)) != 0)
        errno = errno != 0 ? errno : ENOMEM;
    fputc('\n', stream);
    json_decref(object);
}

/* ---- Files */

static void write_hdr(const struct report *report, FILE *stream)
{
    histogram_write_percentiles(&report->tally->latency, stream);
}

static int write_file(const struct report *report, const char *name,
                      void (*write)(const struct report *, FILE *))
{
    bool is_output = strcmp(name, "-") == 0;
    FILE *stream = is_output ? stdout : fopen(name, "we");
    if (stream != NULL) {
        write(report, stream);
        bool failed = fflush(stream) != 0 || ferror(stream) != 0;
        if (!is_output)
            failed |= fclose(stream) != 0;
        if (!failed)
            return 0;
    }
    fprintf(stderr, "pace: cannot write %s: %s\n", is_output ? "the result" : name, strerror(errno));
    return -1;
}

static double ms(uint64_t us)
{
    return (double)us / 1000;
}

static void write_row(FILE *stream, const char *name, const struct histogram *histogram)
{
    fprintf(stream, "%-22s", name);
    if (histogram->total == 0) {
        fprintf(stream, "%-22s no request\n", name);
        return;
    }
    for (const double *share = (const double[]){0.5, 0.9, 0.99, 0.999, 1, 0}; *share != 0; share++)
        fprintf(stream, " %10.3f", ms(histogram_percentile(histogram, *share)));
    fputc('\n', stream);
}

static void write_table(const struct report *report, FILE *stream)
{
    const struct options *options = report->options;
    const struct tally *tally = report->tally;
    double seconds = window_s(report);
    fprintf(stream, "%s, %u connections, %u thread%s, %.3g s after %.3g s of warm-up; connected in %.3f s\n",
            report->target->text, options->connections, options->threads, options->threads == 1 ? "" : "s",
            seconds, options->warmup_s, report->connect_s);
    if (is_open_loop(report))
        fprintf(stream, "offered %.1f requests/s (%s arrivals), ", (double)tally->due / seconds,
                options->is_poisson ? "Poisson" : "constant");
    fprintf(stream, "achieved %.1f requests/s, %.0f bytes/s, %.0f%% of the CPU time of pace's threads\n",
            (double)tally->requests / seconds, (double)tally->bytes / seconds, 100 * cpu_share(report));
    fprintf(stream, "%-22s %10s %10s %10s %10s %10s\n", "latency, ms", "p50", "p90", "p99", "p99.9", "max");
    write_row(stream, is_open_loop(report) ? "since it was due" : "since it was sent", &tally->latency);
    if (is_open_loop(report)) {
        write_row(stream, "since it was sent", &tally->service);
        fprintf(stream,
                "waited for a connection: %ju of %ju, at most %ju at once; sent late by pace: %ju;"
                " without a response at the end: %ju\n",
                (uintmax_t)tally->waited, (uintmax_t)tally->due, (uintmax_t)tally->queue_most,
                (uintmax_t)tally->late, (uintmax_t)tally->unfinished);
    }
    for (enum error_kind kind = 0; kind < ERROR_KINDS; kind++)
        if (tally->errors[kind] > 0)
            fprintf(stream, "errors of kind %s: %ju\n", error_name(kind), (uintmax_t)tally->errors[kind]);
    if (options->has_crud && report->wrong > 0)
        fprintf(stream, "wrong responses: %ju; the first: %s\n", (uintmax_t)report->wrong, report->first_wrong);
    for (unsigned i = 0; i < report->unsound_count; i++)
        fprintf(stream, "unsound: %s\n", report->unsound[i]);
}

int report_write(const struct report *report)
{
    const struct options *options = report->options;
    int error = 0;
    if (options->json == NULL || strcmp(options->json, "-") != 0)
        error |= write_file(report, "-", write_table);
    if (options->json != NULL)
        error |= write_file(report, options->json, write_json);
    if (options->hdr != NULL)
        error |= write_file(report, options->hdr, write_hdr);
    return error;
}
