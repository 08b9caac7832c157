/* Deadlines of one length: they end in the order in which they were armed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/deadline.h"

static void test_order(void **state)
{
    (void)state;
    struct deadline_list list;
    struct deadline a = {0}, b = {0}, c = {0};
    deadline_list_init(&list, 100);
    assert_true(deadline_next_ms(&list) == UINT64_MAX);
    assert_null(deadline_take_expired(&list, UINT64_MAX));
    deadline_arm(&list, &a, 1000);
    deadline_arm(&list, &b, 1010);
    deadline_arm(&list, &c, 1020);
    assert_int_equal(deadline_next_ms(&list), 1100);
    assert_null(deadline_take_expired(&list, 1099));
    assert_ptr_equal(deadline_take_expired(&list, 1110), &a);
    assert_false(deadline_is_armed(&a));
    assert_ptr_equal(deadline_take_expired(&list, 1110), &b);
    assert_null(deadline_take_expired(&list, 1110));
    assert_true(deadline_is_armed(&c));
    assert_int_equal(deadline_next_ms(&list), 1120);
    assert_ptr_equal(deadline_take_expired(&list, 5000), &c);
    assert_true(deadline_next_ms(&list) == UINT64_MAX);
}

static void test_disarm(void **state)
{
    (void)state;
    struct deadline_list list;
    struct deadline a = {0}, b = {0}, c = {0};
    deadline_list_init(&list, 100);
    deadline_disarm(&a); /* never armed */
    deadline_arm(&list, &a, 0);
    deadline_arm(&list, &b, 1);
    deadline_arm(&list, &c, 2);
    deadline_disarm(&b);
    deadline_disarm(&b);
    assert_false(deadline_is_armed(&b));
    deadline_disarm(&a);
    assert_int_equal(deadline_next_ms(&list), 102);
    assert_ptr_equal(deadline_take_expired(&list, 200), &c);
    assert_null(deadline_take_expired(&list, 200));
}

static void test_rearm(void **state)
{
    (void)state;
    struct deadline_list shorter, longer;
    struct deadline a = {0}, b = {0};
    deadline_list_init(&shorter, 10);
    deadline_list_init(&longer, 1000);
    deadline_arm(&shorter, &a, 0);
    deadline_arm(&shorter, &b, 1);
    deadline_arm(&shorter, &a, 5); /* goes behind b */
    assert_int_equal(deadline_next_ms(&shorter), 11);
    deadline_arm(&longer, &b, 6); /* leaves the list it was in */
    assert_int_equal(deadline_next_ms(&shorter), 15);
    assert_int_equal(deadline_next_ms(&longer), 1006);
    assert_ptr_equal(deadline_take_expired(&shorter, 2000), &a);
    assert_null(deadline_take_expired(&shorter, 2000));
    assert_ptr_equal(deadline_take_expired(&longer, 2000), &b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_disarm),
        cmocka_unit_test(test_rearm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
