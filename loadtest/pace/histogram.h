/*
 * Counts of latencies in microseconds, 0 to 10 minutes, in a log-linear histogram (Gil Tene, HdrHistogram): a
 * value below 2^bits has a count of its own; above, each power of two is divided into 2^(bits-1) equal parts.
 * So a value is known to a part in 2^(bits-1), however large it is, and two histograms of the same bits are
 * merged by addition.
 *
 * No function blocks. Not thread-safe: each thread has its own, and they are merged in the end.
 */
#ifndef PACE_HISTOGRAM_H
#define PACE_HISTOGRAM_H

#include <stdint.h>
#include <stdio.h>

enum {
    HISTOGRAM_FINE = 11,  /* bits: three significant digits */
    HISTOGRAM_COARSE = 8, /* two, for one histogram a second */
    HISTOGRAM_MOST_US = 600 * 1000000,
};

struct histogram {
    unsigned bits;
    uint32_t size; /* of `counts` */
    uint64_t total;
    uint64_t *counts;
};

/* 0 or -ENOMEM. */
__attribute__((warn_unused_result)) int histogram_init(struct histogram *histogram, unsigned bits);

void histogram_deinit(struct histogram *histogram);

/* A latency above HISTOGRAM_MOST_US counts as that. */
void histogram_add(struct histogram *histogram, uint64_t us);

/* Adds the counts of `from`, which has as many bits. */
void histogram_merge(struct histogram *into, const struct histogram *from);

/* The largest of the values that share counts[index]. */
uint64_t histogram_value(const struct histogram *histogram, uint32_t index);

/* The smallest value that at least this share (0 to 1) of the samples do not exceed, by nearest rank; 0 when
 * there is no sample. Of the values that share its count it is the largest. */
uint64_t histogram_percentile(const struct histogram *histogram, double share);

double histogram_mean(const struct histogram *histogram);

/*
 * Writes the percentile distribution as HdrHistogram does (outputPercentileDistribution, five lines for each
 * halving of the distance to 100%), values in milliseconds. Errors are those of the stream: ask ferror(3).
 */
void histogram_write_percentiles(const struct histogram *histogram, FILE *stream);

#endif
