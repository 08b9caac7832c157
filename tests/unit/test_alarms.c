/* Alarms: taken in the order of their moments, whatever the order they were added in; the descriptor tells
 * when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <poll.h>

#include "base/alarms.h"
#include "base/clock.h"

static bool is_readable(const struct alarms *alarms, int within_ms)
{
    struct pollfd ready = {.fd = alarms->fd, .events = POLLIN};
    return poll(&ready, 1, within_ms) == 1;
}

static void test_none(void **state)
{
    (void)state;
    struct alarms alarms;
    assert_int_equal(alarms_init(&alarms), 0);
    assert_null(alarms_take_due(&alarms, UINT64_MAX));
    alarms_set_timer(&alarms);
    assert_false(is_readable(&alarms, 0));
    alarms_deinit(&alarms);
}

/* As many as connections of a busy loop, added and taken by turns: the heap has every shape. */
static void test_order(void **state)
{
    (void)state;
    enum { ALARMS = 5000 };
    static struct alarm all[ALARMS];
    struct alarms alarms;
    uint64_t last = 0;
    unsigned taken = 0;
    assert_int_equal(alarms_init(&alarms), 0);
    srandom(1);
    for (unsigned i = 0; i < ALARMS; i++) {
        /* not before one that has been taken: time goes on */
        alarms_add(&alarms, &all[i], last + (uint64_t)random() % 1000);
        if (random() % 3 == 0) {
            struct alarm *due = alarms_take_due(&alarms, UINT64_MAX);
            assert_true(due->at_ns >= last);
            last = due->at_ns;
            taken++;
        }
    }
    struct alarm *due;
    while ((due = alarms_take_due(&alarms, UINT64_MAX)) != NULL) {
        assert_true(due->at_ns >= last);
        last = due->at_ns;
        taken++;
    }
    assert_int_equal(taken, ALARMS);
    alarms_deinit(&alarms);
}

static void test_not_before_its_time(void **state)
{
    (void)state;
    struct alarms alarms;
    struct alarm later, sooner;
    assert_int_equal(alarms_init(&alarms), 0);
    alarms_add(&alarms, &later, 2000);
    alarms_add(&alarms, &sooner, 1000);
    assert_null(alarms_take_due(&alarms, 999));
    assert_ptr_equal(alarms_take_due(&alarms, 1000), &sooner);
    assert_null(alarms_take_due(&alarms, 1999));
    assert_ptr_equal(alarms_take_due(&alarms, 3000), &later);
    assert_null(alarms_take_due(&alarms, UINT64_MAX));
    alarms_deinit(&alarms);
}

/* The timer follows the earliest alarm, both ways, and is silent again once that one is taken. */
static void test_timer(void **state)
{
    (void)state;
    struct alarms alarms;
    struct alarm hour, soon;
    uint64_t now = clock_ns();
    assert_int_equal(alarms_init(&alarms), 0);
    alarms_add(&alarms, &hour, now + UINT64_C(3600000000000));
    alarms_set_timer(&alarms);
    assert_false(is_readable(&alarms, 0));
    alarms_add(&alarms, &soon, now + 2000000);
    alarms_set_timer(&alarms);
    assert_true(is_readable(&alarms, 10000));
    assert_true(clock_ns() >= now + 2000000);
    assert_ptr_equal(alarms_take_due(&alarms, clock_ns()), &soon);
    alarms_set_timer(&alarms);
    assert_false(is_readable(&alarms, 0));
    assert_null(alarms_take_due(&alarms, clock_ns()));
    assert_ptr_equal(alarms_take_due(&alarms, UINT64_MAX), &hour);
    alarms_set_timer(&alarms);
    assert_false(is_readable(&alarms, 0));
    alarms_deinit(&alarms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_not_before_its_time),
        cmocka_unit_test(test_timer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
