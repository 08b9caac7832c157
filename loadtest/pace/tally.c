#include "tally.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { NS_PER_US = 1000, NS_PER_S = 1000000000 };

int tally_init(struct tally *tally, double seconds)
{
    *tally = (struct tally){.second_count = (unsigned)ceil(seconds)};
    tally->seconds = calloc(tally->second_count, sizeof *tally->seconds);
    bool failed = tally->seconds == NULL || histogram_init(&tally->latency, HISTOGRAM_FINE) != 0 ||
                  histogram_init(&tally->service, HISTOGRAM_FINE) != 0;
    for (unsigned i = 0; !failed && i < tally->second_count; i++)
        failed = histogram_init(&tally->seconds[i].latency, HISTOGRAM_COARSE) != 0;
    return failed ? -ENOMEM : 0;
}

void tally_deinit(struct tally *tally)
{
    for (unsigned i = 0; tally->seconds != NULL && i < tally->second_count; i++)
        histogram_deinit(&tally->seconds[i].latency);
    free(tally->seconds);
    histogram_deinit(&tally->latency);
    histogram_deinit(&tally->service);
}

bool tally_is_in_window(const struct tally *tally, uint64_t at_ns)
{
    return at_ns >= tally->begin_ns && at_ns < tally->end_ns;
}

/* The second of a moment in the window. */
static struct second *second_of(struct tally *tally, uint64_t at_ns)
{
    uint64_t index = (at_ns - tally->begin_ns) / NS_PER_S;
    return &tally->seconds[index < tally->second_count ? index : tally->second_count - 1];
}

void tally_response(struct tally *tally, uint64_t now_ns)
{
    tally->total_requests++;
    if (!tally_is_in_window(tally, now_ns))
        return;
    tally->requests++;
    second_of(tally, now_ns)->requests++;
}

void tally_bytes(struct tally *tally, uint64_t bytes, uint64_t now_ns)
{
    tally->total_bytes += bytes;
    if (tally_is_in_window(tally, now_ns))
        tally->bytes += bytes;
}

static uint64_t us_between(uint64_t from_ns, uint64_t to_ns)
{
    return to_ns > from_ns ? (to_ns - from_ns) / NS_PER_US : 0;
}

void tally_sample(struct tally *tally, uint64_t due_ns, uint64_t sent_ns, uint64_t now_ns)
{
    if (!tally_is_in_window(tally, due_ns))
        return;
    uint64_t us = us_between(due_ns, now_ns);
    struct second *second = second_of(tally, due_ns);
    tally->due++;
    second->due++;
    histogram_add(&tally->latency, us);
    histogram_add(&second->latency, us);
    if (us > second->most_us)
        second->most_us = us;
    if (sent_ns != 0)
        histogram_add(&tally->service, us_between(sent_ns, now_ns));
}

void tally_error(struct tally *tally, enum error_kind kind, const char *why)
{
    tally->errors[kind]++;
    if (tally->first_error[0] == '\0')
        snprintf(tally->first_error, sizeof tally->first_error, "%s",
                 why[0] != '\0' ? why : error_advice(kind));
}

static void merge_second(struct second *into, const struct second *from)
{
    into->due += from->due;
    into->requests += from->requests;
    histogram_merge(&into->latency, &from->latency);
    if (from->most_us > into->most_us)
        into->most_us = from->most_us;
}

void tally_merge(struct tally *into, const struct tally *from)
{
    into->due += from->due;
    into->requests += from->requests;
    into->bytes += from->bytes;
    into->waited += from->waited;
    into->queue_most += from->queue_most;
    into->unfinished += from->unfinished;
    into->late += from->late;
    for (int kind = 0; kind < ERROR_KINDS; kind++)
        into->errors[kind] += from->errors[kind];
    if (into->first_error[0] == '\0')
        snprintf(into->first_error, sizeof into->first_error, "%s", from->first_error);
    histogram_merge(&into->latency, &from->latency);
    histogram_merge(&into->service, &from->service);
    for (unsigned i = 0; i < into->second_count; i++)
        merge_second(&into->seconds[i], &from->seconds[i]);
    into->cpu_ns += from->cpu_ns;
    into->cpu_wait_ns += from->cpu_wait_ns;
    into->total_requests += from->total_requests;
    into->total_sent += from->total_sent;
    into->total_connections += from->total_connections;
    into->total_bytes += from->total_bytes;
    into->idle_closed += from->idle_closed;
    into->slow_closed += from->slow_closed;
    into->slow_requests += from->slow_requests;
    into->slow_bytes += from->slow_bytes;
}
