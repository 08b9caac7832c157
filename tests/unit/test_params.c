/* The query string: what is taken, what is refused, and the sentence for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "handler/params.h"

static struct str text(const char *s)
{
    return (struct str){s, strlen(s)};
}

static void test_takes_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        uint64_t expected;
    } cases[] = {
        {"n=0", 0},     {"n=1000", 1000}, {"a=1&n=7", 7},
        {"n=7&a=1", 7}, {"n=%37", 7}, /* percent-encoded digit */
        {"%6E=7", 7},                 /* percent-encoded name */
        {"n=007", 7},                 /* leading zeros are still decimal digits */
        {"&&n=7&", 7},                /* empty pairs say nothing */
        {"m=64", 42},                 /* absent: left as it was */
        {"", 42},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct params params;
        uint64_t value = 42;
        assert_true(params_parse(&params, text(cases[i].query)));
        assert_true(params_take_u64(&params, "n", 0, 1000, &value));
        assert_int_equal(value, cases[i].expected);
    }
}

static void test_refuses_values(void **state)
{
    (void)state;
    static const char *const queries[] = {"n=",      "n=-1",   "n=+1",   "n=abc",
                                          "n=1e3",   "n=1.0",  "n=0x1",  "n=1001",
                                          "n= 1",    "n=1%20", "n=%2B1", "n=18446744073709551616",
                                          "n=%c3%a9"};
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        struct params params;
        uint64_t value = 42;
        assert_true(params_parse(&params, text(queries[i])));
        assert_false(params_take_u64(&params, "n", 0, 1000, &value));
        assert_string_equal(params.culprit, "n");
        assert_int_equal(value, 42);
    }
}

static void test_refuses_query_strings(void **state)
{
    (void)state;
    static const char *const queries[] = {
        "n",
        "n=1&n=2",
        "n=1&%6e=2",
        "=1",
        "n=%",
        "n=%4",
        "n=%zz",
        "n=1%00",
        "n=%0a",
        "n=123456789012345678901234567890123",
        "a=1&b=1&c=1&d=1&e=1&f=1&g=1&h=1&i=1&j=1&k=1&l=1&m=1&n=1&o=1&p=1&q=1",
    };
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        struct params params;
        assert_false(params_parse(&params, text(queries[i])));
        assert_true(params.error[0] != '\0');
    }
}

static void test_names_what_nobody_took(void **state)
{
    (void)state;
    struct params params;
    uint64_t value = 0;
    assert_true(params_parse(&params, text("n=1&nn=2")));
    assert_true(params_take_u64(&params, "n", 0, 9, &value));
    assert_false(params_all_taken(&params));
    assert_string_equal(params.culprit, "nn");
}

static void test_no_query_at_all(void **state)
{
    (void)state;
    struct params params;
    assert_true(params_parse(&params, (struct str){0}));
    assert_true(params_all_taken(&params));
    uint64_t value = 42;
    assert_true(params_take_u64(&params, "seed", 0, 9, &value));
    assert_int_equal(value, 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_takes_numbers),         cmocka_unit_test(test_refuses_values),
        cmocka_unit_test(test_refuses_query_strings), cmocka_unit_test(test_names_what_nobody_took),
        cmocka_unit_test(test_no_query_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
