/* pace's histogram: a value is known to a part in 1024, percentiles are by nearest rank, and merging is
 * addition. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../loadtest/pace/histogram.h"

static struct histogram empty(unsigned bits)
{
    struct histogram histogram;
    assert_int_equal(histogram_init(&histogram, bits), 0);
    return histogram;
}

/* The value that it keeps for this one. */
static uint64_t kept(uint64_t us)
{
    struct histogram histogram = empty(HISTOGRAM_FINE);
    histogram_add(&histogram, us);
    assert_int_equal(histogram.total, 1);
    uint64_t value = histogram_percentile(&histogram, 1);
    histogram_deinit(&histogram);
    return value;
}

static void test_small_values_are_exact(void **state)
{
    (void)state;
    for (uint64_t us = 0; us < 2048; us += 23)
        assert_int_equal(kept(us), us);
    assert_int_equal(kept(2047), 2047);
}

static void test_large_values_have_three_digits(void **state)
{
    (void)state;
    srandom(1);
    for (unsigned i = 0; i < 500; i++) {
        uint64_t us = 2048 + (uint64_t)random() % (UINT64_C(1) << (12 + i % 17));
        uint64_t value = kept(us);
        assert_true(value >= us);
        assert_true(value - us < us / 1024 + 1);
    }
}

static void test_ten_minutes_is_the_most(void **state)
{
    (void)state;
    assert_true(kept(HISTOGRAM_MOST_US) >= HISTOGRAM_MOST_US);
    assert_int_equal(kept(HISTOGRAM_MOST_US + 1), kept(HISTOGRAM_MOST_US));
    assert_int_equal(kept(UINT64_MAX), kept(HISTOGRAM_MOST_US));
}

/* Neighbours meet without a gap: a count's largest value is its own, and the next one is the next count's. */
static void test_counts_meet_without_a_gap(void **state)
{
    (void)state;
    const unsigned bits[] = {HISTOGRAM_FINE, HISTOGRAM_COARSE};
    for (unsigned b = 0; b < 2; b++) {
        struct histogram histogram = empty(bits[b]);
        for (uint32_t i = 0; i + 1 < histogram.size; i++) {
            uint64_t largest = histogram_value(&histogram, i);
            assert_true(histogram_value(&histogram, i + 1) > largest);
            histogram_add(&histogram, largest);
            assert_int_equal(histogram.counts[i], i == 0 ? 1 : 2);
            histogram_add(&histogram, largest + 1);
            assert_int_equal(histogram.counts[i + 1], 1);
        }
        histogram_deinit(&histogram);
    }
}

static void test_percentiles_are_by_nearest_rank(void **state)
{
    (void)state;
    struct histogram histogram = empty(HISTOGRAM_FINE);
    assert_int_equal(histogram_percentile(&histogram, 0.5), 0);
    assert_true(histogram_mean(&histogram) == 0);
    for (uint64_t us = 10; us <= 100; us += 10)
        histogram_add(&histogram, us);
    assert_int_equal(histogram_percentile(&histogram, 0), 10);
    assert_int_equal(histogram_percentile(&histogram, 0.1), 10);
    assert_int_equal(histogram_percentile(&histogram, 0.11), 20);
    assert_int_equal(histogram_percentile(&histogram, 0.5), 50);
    assert_int_equal(histogram_percentile(&histogram, 0.9), 90);
    assert_int_equal(histogram_percentile(&histogram, 0.99), 100);
    assert_int_equal(histogram_percentile(&histogram, 1), 100);
    assert_true(histogram_mean(&histogram) == 55);
    histogram_deinit(&histogram);
}

static void test_merging_is_addition(void **state)
{
    (void)state;
    struct histogram one = empty(HISTOGRAM_FINE), other = one, all = one;
    other = empty(HISTOGRAM_FINE);
    all = empty(HISTOGRAM_FINE);
    srandom(2);
    for (unsigned i = 0; i < 10000; i++) {
        uint64_t us = (uint64_t)random() >> (random() % 31);
        histogram_add(i % 3 == 0 ? &one : &other, us);
        histogram_add(&all, us);
    }
    histogram_merge(&one, &other);
    assert_int_equal(one.total, all.total);
    assert_memory_equal(one.counts, all.counts, all.size * sizeof(*all.counts));
    histogram_deinit(&one);
    histogram_deinit(&other);
    histogram_deinit(&all);
}

/* The text of HdrHistogram: a head, lines whose values, shares and counts grow up to 100%, and three lines of
 * sums. */
static void test_text_of_hdrhistogram(void **state)
{
    (void)state;
    struct histogram histogram = empty(HISTOGRAM_FINE);
    for (uint64_t us = 1; us <= 1000; us++)
        histogram_add(&histogram, us);
    char *text = NULL, *rest;
    size_t len;
    FILE *stream = open_memstream(&text, &len);
    histogram_write_percentiles(&histogram, stream);
    assert_int_equal(fclose(stream), 0);

    rest = text;
    assert_string_equal(strsep(&rest, "\n"), "       Value     Percentile TotalCount 1/(1-Percentile)");
    assert_string_equal(strsep(&rest, "\n"), "");
    double value, share, value_before = 0, share_before = -1;
    unsigned long count = 0, lines = 0;
    char *line;
    while ((line = strsep(&rest, "\n")) != NULL && line[0] != '#') {
        assert_int_equal(sscanf(line, "%lf %lf %lu", &value, &share, &count), 3);
        assert_true(value >= value_before && share > share_before);
        assert_true((double)count / 1000 >= share); /* so many do not exceed it */
        assert_true(value * 1000 > (double)count - 0.5 && value * 1000 < (double)count + 0.5);
        value_before = value;
        share_before = share;
        lines++;
    }
    assert_true(share == 1 && value == 1 && count == 1000);
    assert_true(lines > 40 && lines < 70); /* five for each halving of what is left */
    assert_non_null(strstr(line, "Mean    =        0.50"));
    assert_non_null(strstr(rest, "#[Max     =        1.000, Total count    =         1000]"));
    assert_non_null(strstr(rest, "#[Buckets = "));
    free(text);
    histogram_deinit(&histogram);
}

static void test_text_of_none(void **state)
{
    (void)state;
    struct histogram histogram = empty(HISTOGRAM_FINE);
    char *text = NULL;
    size_t len;
    FILE *stream = open_memstream(&text, &len);
    histogram_write_percentiles(&histogram, stream);
    assert_int_equal(fclose(stream), 0);
    assert_non_null(strstr(text, "Total count    =            0]"));
    assert_null(strstr(text, "nan"));
    free(text);
    histogram_deinit(&histogram);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_values_are_exact),
        cmocka_unit_test(test_large_values_have_three_digits),
        cmocka_unit_test(test_ten_minutes_is_the_most),
        cmocka_unit_test(test_counts_meet_without_a_gap),
        cmocka_unit_test(test_percentiles_are_by_nearest_rank),
        cmocka_unit_test(test_merging_is_addition),
        cmocka_unit_test(test_text_of_hdrhistogram),
        cmocka_unit_test(test_text_of_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
