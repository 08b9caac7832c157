/*
 * When pace's requests are due: constant arrivals lie where the rate says, to the microsecond and without
 * drift; Poisson arrivals have the distances and the counts that the distribution has. The seeds are fixed, so
 * that a test whose bounds are four standard errors wide does not fail by chance.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../loadtest/pace/schedule.h"

enum { MANY = 100000 };

static const uint64_t start = UINT64_C(86400) * 1000000000; /* a machine that has run for a day */

static bool is_near(uint64_t at, double expected, double within)
{
    return fabs((double)at - expected) <= within;
}

static void test_constant_arrivals_do_not_drift(void **state)
{
    (void)state;
    struct schedule schedule;
    schedule_init(&schedule, start, 3, false, 1, 0, 1);
    for (unsigned i = 0; i < MANY; i++) /* more than nine hours */
        assert_true(is_near(schedule_next(&schedule) - start, i / 3.0 * 1e9, 1000));
}

/* Four threads with a quarter of the rate each are together one schedule of the whole rate. */
static void test_constant_arrivals_of_threads_interleave(void **state)
{
    (void)state;
    struct schedule parts[4];
    for (unsigned part = 0; part < 4; part++)
        schedule_init(&parts[part], start, 250, false, 1, part, 4);
    for (unsigned i = 0; i < 4000; i++)
        assert_true(is_near(schedule_next(&parts[i % 4]) - start, i * 1e6, 1000));
}

/* Of an exponential distribution: mean 1, variance 1, and a share of 1/e above the mean. */
static void test_poisson_distances_are_exponential(void **state)
{
    (void)state;
    struct schedule schedule;
    schedule_init(&schedule, start, 1000, true, 7, 0, 1);
    double sum = 0, squares = 0;
    unsigned above = 0, above_three = 0;
    uint64_t before = start;
    for (unsigned i = 0; i < MANY; i++) {
        uint64_t at = schedule_next(&schedule);
        assert_true(at >= before);
        double gap = (double)(at - before) / 1e6;
        before = at;
        sum += gap;
        squares += gap * gap;
        above += gap > 1;
        above_three += gap > 3;
    }
    double error = 1 / sqrt(MANY), mean = sum / MANY, variance = squares / MANY - mean * mean;
    assert_true(fabs(mean - 1) < 4 * error);
    assert_true(fabs(variance - 1) < 4 * sqrt(8) * error); /* the fourth central moment is 9 */
    double share = (double)above / MANY, share_three = (double)above_three / MANY;
    assert_true(fabs(share - exp(-1)) < 4 * error * sqrt(exp(-1)));
    assert_true(fabs(share_three - exp(-3)) < 4 * error * sqrt(exp(-3)));
}

/* The arrivals of four threads together, in windows of 10 ms: the variance of a Poisson count is its mean. */
static void test_poisson_threads_add_up_to_poisson(void **state)
{
    (void)state;
    enum { WINDOWS = 10000 };
    static unsigned counts[WINDOWS];
    for (unsigned part = 0; part < 4; part++) {
        struct schedule schedule;
        schedule_init(&schedule, start, 250, true, 3, part, 4);
        uint64_t window;
        while ((window = (schedule_next(&schedule) - start) / 10000000) < WINDOWS)
            counts[window]++;
    }
    double sum = 0, squares = 0;
    for (unsigned i = 0; i < WINDOWS; i++) {
        sum += counts[i];
        squares += (double)counts[i] * counts[i];
    }
    double mean = sum / WINDOWS, variance = squares / WINDOWS - mean * mean;
    assert_true(fabs(sum - 100000) < 4 * sqrt(100000));
    assert_true(fabs(variance / mean - 1) < 4 * sqrt(2.0 / WINDOWS));
}

static void test_a_seed_decides_and_threads_differ(void **state)
{
    (void)state;
    struct schedule one, same, thread, other;
    schedule_init(&one, start, 1000, true, 1, 0, 2);
    schedule_init(&same, start, 1000, true, 1, 0, 2);
    schedule_init(&thread, start, 1000, true, 1, 1, 2);
    schedule_init(&other, start, 1000, true, 2, 0, 2);
    unsigned as_thread = 0, as_other = 0;
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t at = schedule_next(&one);
        assert_int_equal(at, schedule_next(&same));
        as_thread += at == schedule_next(&thread);
        as_other += at == schedule_next(&other);
    }
    assert_int_equal(as_thread, 0);
    assert_int_equal(as_other, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constant_arrivals_do_not_drift),
        cmocka_unit_test(test_constant_arrivals_of_threads_interleave),
        cmocka_unit_test(test_poisson_distances_are_exponential),
        cmocka_unit_test(test_poisson_threads_add_up_to_poisson),
        cmocka_unit_test(test_a_seed_decides_and_threads_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
