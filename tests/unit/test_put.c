#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/put.h"

static void numbers_are_written_as_printf_writes_them(void **state)
{
    static const int64_t numbers[] = {0, 1, 9, 10, -1, -10, INT32_MIN, INT64_MAX, INT64_MIN, INT64_MIN + 1};
    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        char expected[24], text[24];
        int len = snprintf(expected, sizeof expected, "%lld", (long long)numbers[i]);
        assert_ptr_equal(put_i64(text, numbers[i]), text + len);
        assert_memory_equal(text, expected, (size_t)len);
        len = snprintf(expected, sizeof expected, "%llu", (unsigned long long)numbers[i]);
        assert_ptr_equal(put_u64(text, (uint64_t)numbers[i]), text + len);
        assert_memory_equal(text, expected, (size_t)len);
    }
}

static void no_end_is_written(void **state)
{
    char text[] = "......";
    (void)state;
    assert_ptr_equal(put_str(text, "ab"), text + 2);
    assert_ptr_equal(put(text + 2, "cdef", 2), text + 4);
    assert_string_equal(text, "abcd..");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_written_as_printf_writes_them),
        cmocka_unit_test(no_end_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
