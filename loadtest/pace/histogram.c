#include "histogram.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

enum { LINES_PER_HALVING = 5 };

static uint32_t index_of(unsigned bits, uint64_t us)
{
    if (us < UINT64_C(1) << bits)
        return (uint32_t)us;
    unsigned shift = 63 - (unsigned)__builtin_clzll(us) - (bits - 1);
    return (uint32_t)((UINT64_C(1) * shift << (bits - 1)) + (us >> shift));
}

int histogram_init(struct histogram *histogram, unsigned bits)
{
    uint32_t size = index_of(bits, HISTOGRAM_MOST_US) + 1;
    *histogram = (struct histogram){.bits = bits, .size = size, .counts = calloc(size, sizeof(uint64_t))};
    return histogram->counts == NULL ? -ENOMEM : 0;
}

void histogram_deinit(struct histogram *histogram)
{
    free(histogram->counts);
    histogram->counts = NULL;
}

void histogram_add(struct histogram *histogram, uint64_t us)
{
    if (us > HISTOGRAM_MOST_US)
        us = HISTOGRAM_MOST_US;
    histogram->counts[index_of(histogram->bits, us)]++;
    histogram->total++;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    for (uint32_t i = 0; i < into->size; i++)
        into->counts[i] += from->counts[i];
    into->total += from->total;
}

uint64_t histogram_value(const struct histogram *histogram, uint32_t index)
{
    if (index >> histogram->bits == 0)
        return index;
    unsigned shift = (index >> (histogram->bits - 1)) - 1;
    uint64_t part = index - ((uint64_t)shift << (histogram->bits - 1));
    return ((part + 1) << shift) - 1;
}

uint64_t histogram_percentile(const struct histogram *histogram, double share)
{
    uint64_t rank = (uint64_t)ceil(share * (double)histogram->total), seen = 0;
    if (rank == 0)
        rank = 1;
    for (uint32_t i = 0; i < histogram->size; i++) {
        seen += histogram->counts[i];
        if (seen >= rank)
            return histogram_value(histogram, i);
    }
    return 0;
}

double histogram_mean(const struct histogram *histogram)
{
    double sum = 0;
    for (uint32_t i = 0; i < histogram->size; i++)
        sum += (double)histogram->counts[i] * (double)histogram_value(histogram, i);
    return histogram->total == 0 ? 0 : sum / (double)histogram->total;
}

static double deviation(const struct histogram *histogram, double mean)
{
    double sum = 0;
    for (uint32_t i = 0; i < histogram->size; i++) {
        double apart = (double)histogram_value(histogram, i) - mean;
        sum += (double)histogram->counts[i] * apart * apart;
    }
    return histogram->total == 0 ? 0 : sqrt(sum / (double)histogram->total);
}

/* The next level at which a line is written: the distance to 100% is halved in LINES_PER_HALVING steps. */
static double level_after(double level)
{
    double halvings = floor(log2(1 / (1 - level))) + 1;
    return level + 1 / (LINES_PER_HALVING * exp2(halvings));
}

void histogram_write_percentiles(const struct histogram *histogram, FILE *stream)
{
    fprintf(stream, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    uint64_t seen = 0, most = 0;
    double level = 0;
    for (uint32_t i = 0; seen < histogram->total; i++) {
        seen += histogram->counts[i];
        most = histogram_value(histogram, i);
        double reached = (double)seen / (double)histogram->total;
        for (; histogram->counts[i] > 0 && seen < histogram->total && level <= reached;
             level = level_after(level))
            fprintf(stream, "%12.3f %2.12f %10ju %14.2f\n", (double)most / 1000, level, (uintmax_t)seen,
                    1 / (1 - level));
    }
    if (histogram->total > 0)
        fprintf(stream, "%12.3f %2.12f %10ju\n", (double)most / 1000, 1.0, (uintmax_t)seen);
    double mean = histogram_mean(histogram);
    fprintf(stream, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n", mean / 1000,
            deviation(histogram, mean) / 1000);
    fprintf(stream, "#[Max     = %12.3f, Total count    = %12ju]\n", (double)most / 1000,
            (uintmax_t)histogram->total);
    fprintf(stream, "#[Buckets = %12u, SubBuckets     = %12u]\n", histogram->size >> (histogram->bits - 1),
            1u << histogram->bits);
}
