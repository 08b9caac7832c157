/*
 * What one thread measured. A sample belongs to the window if the request was due in it, whenever its response
 * came; each request that was due in it gives exactly one sample. Not thread-safe: each thread has its own, and
 * they are merged in the end. No function blocks.
 */
#ifndef PACE_TALLY_H
#define PACE_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "errors.h"
#include "histogram.h"

enum { FIRST_ERROR_MAX = 300 };

/* One second of the window. */
struct second {
    uint64_t due, requests;
    struct histogram latency; /* of requests that were due in it, HISTOGRAM_COARSE; exact maximum beside */
    uint64_t most_us;
};

struct tally {
    uint64_t begin_ns, end_ns; /* the window, on the clock of clock_ns() */
    uint64_t due, requests, bytes;
    uint64_t waited, queue_most, unfinished, late;
    uint64_t errors[ERROR_KINDS];
    char first_error[FIRST_ERROR_MAX]; /* a sentence, "" without an error */
    struct histogram latency, service; /* from the intended moment, and from that of sending */
    unsigned second_count;
    struct second *seconds;
    /* Of the thread, in the window: it ran; it was ready to run and had no CPU. */
    uint64_t cpu_ns, cpu_wait_ns;
    /* Of all phases and all kinds of connections: */
    uint64_t total_requests, total_sent, total_connections, total_bytes;
    uint64_t idle_closed, slow_closed, slow_requests, slow_bytes;
};

/* Room for a window of so many seconds. 0 or -ENOMEM. */
__attribute__((warn_unused_result)) int tally_init(struct tally *tally, double seconds);

void tally_deinit(struct tally *tally);

bool tally_is_in_window(const struct tally *tally, uint64_t at_ns);

/* A response was complete, or `bytes` arrived, at now_ns. */
void tally_response(struct tally *tally, uint64_t now_ns);
void tally_bytes(struct tally *tally, uint64_t bytes, uint64_t now_ns);

/* A request was due and, at sent_ns, sent (0: never); it ended at now_ns, by its response, an error, or because
 * pace ends. Outside the window nothing is counted. */
void tally_sample(struct tally *tally, uint64_t due_ns, uint64_t sent_ns, uint64_t now_ns);

/* `why` is a sentence, or "" for the advice of that kind. */
void tally_error(struct tally *tally, enum error_kind kind, const char *why);

/* Adds `from`, of the same window. The longest queues need not have been at the same time: their sum is a
 * bound. */
void tally_merge(struct tally *into, const struct tally *from);

#endif
