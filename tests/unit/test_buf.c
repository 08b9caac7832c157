/* Slices and buffers. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/str.h"

static void assert_content(const struct buf *buf, const char *text)
{
    assert_int_equal(buf->len, strlen(text));
    assert_memory_equal(buf->data, text, buf->len);
}

static void test_append_and_consume(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 64);
    assert_null(buf.data);
    assert_int_equal(buf_append(&buf, NULL, 0), 0);
    assert_null(buf.data);
    assert_int_equal(buf_append(&buf, "hello ", 6), 0);
    assert_int_equal(buf_append(&buf, "world", 5), 0);
    assert_content(&buf, "hello world");
    buf_consume(&buf, 0);
    buf_consume(&buf, 6);
    assert_content(&buf, "world");
    buf_consume(&buf, 100);
    assert_int_equal(buf.len, 0);
    assert_int_equal(buf_append(&buf, "again", 5), 0);
    assert_content(&buf, "again");
    buf_release(&buf);
    assert_null(buf.data);
    assert_int_equal(buf.len, 0);
    assert_int_equal(buf.max, 64);
    buf_consume(&buf, 1);
    buf_release(&buf);
}

static void test_maximum(void **state)
{
    (void)state;
    struct buf buf;
    char bytes[1000];
    memset(bytes, 'x', sizeof(bytes));
    buf_init(&buf, sizeof(bytes));
    assert_int_equal(buf_append(&buf, bytes, 999), 0);
    assert_int_equal(buf_append(&buf, "yz", 2), -EMSGSIZE);
    assert_int_equal(buf.len, 999);
    assert_int_equal(buf_append(&buf, "y", 1), 0);
    assert_int_equal(buf_append(&buf, "z", 1), -EMSGSIZE);
    assert_int_equal(buf_append(&buf, bytes, SIZE_MAX), -EMSGSIZE);
    assert_true(buf.cap <= buf.max);
    assert_int_equal(buf.data[999], 'y');
    buf_release(&buf);
}

/* The sanitizers abort at such a size unless told otherwise. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

/* More than the machine has: the content stays. */
static void test_out_of_memory(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, SIZE_MAX);
    assert_int_equal(buf_append(&buf, "kept", 4), 0);
    assert_int_equal(buf_append(&buf, "", PTRDIFF_MAX), -ENOMEM);
    assert_content(&buf, "kept");
    buf_release(&buf);
}

static void test_printf(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 2000);
    assert_int_equal(buf_printf(&buf, "%d-%s", 7, "x"), 0);
    assert_content(&buf, "7-x");
    assert_int_equal(buf_printf(&buf, "%0*d", 1997, 0), 0);
    assert_int_equal(buf.len, 2000);
    assert_int_equal(buf_printf(&buf, "%d", 1), -EMSGSIZE);
    assert_int_equal(buf.len, 2000);
    assert_int_equal(buf_printf(&buf, "%s", ""), 0);
    buf_release(&buf);
}

static void test_slices(void **state)
{
    (void)state;
    assert_true(str_eq(STR(""), (struct str){NULL, 0}));
    assert_true(str_eq_nocase(STR("Content-LENGTH"), STR("content-length")));
    assert_false(str_eq_nocase(STR("a"), STR("ab")));
    assert_false(str_eq_nocase(STR("["), STR("{"))); /* letters only */
    assert_true(str_starts_with(STR("/items/7"), STR("/items/")));
    assert_false(str_starts_with(STR("/item"), STR("/items/")));
    assert_true(str_eq(str_trim(STR(" \t a b\t ")), STR("a b")));
    assert_true(str_eq(str_trim(STR(" \t")), STR("")));
}

static void test_cut(void **state)
{
    (void)state;
    static const char *const parts[] = {"a", "", "b"};
    struct str rest = STR("a,,b"), part;
    for (size_t i = 0; i < 3; i++) {
        assert_true(str_cut(&rest, ',', &part));
        assert_true(str_eq(part, (struct str){parts[i], strlen(parts[i])}));
    }
    assert_false(str_cut(&rest, ',', &part));
    rest = STR("");
    assert_false(str_cut(&rest, ',', &part));
}

static void test_numbers(void **state)
{
    (void)state;
    uint64_t value = 7;
    assert_true(str_to_u64(STR("0"), &value) && value == 0);
    assert_true(str_to_u64(STR("0042"), &value) && value == 42);
    assert_true(str_to_u64(STR("18446744073709551615"), &value) && value == UINT64_MAX);
    value = 7;
    static const char *const wrong[] = {"",
                                        "18446744073709551616",
                                        "18446744073709551620",
                                        "99999999999999999999",
                                        "+1",
                                        "-1",
                                        " 1",
                                        "1 ",
                                        "1x",
                                        "0x1",
                                        "1.0"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(str_to_u64((struct str){wrong[i], strlen(wrong[i])}, &value));
    assert_int_equal(value, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append_and_consume),
        cmocka_unit_test(test_maximum),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_printf),
        cmocka_unit_test(test_slices),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
