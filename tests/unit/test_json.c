/* JSON: what is taken and comes back the same, what is refused and why. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "handler/items/json.h"
#include "rfc7396.h"

enum { DEPTH_MAX = 4 };

/* Reads `text` and returns it as we write it; or NULL, with the error and what was complained of. */
static char *pass_through(struct str text, int *error, struct json_complaint *complaint)
{
    json_t *json;
    struct buf buf;
    /* On the heap and without a NUL, so that ASan and Valgrind see a read past the end. */
    char *copy = malloc(text.len > 0 ? text.len : 1);
    assert_non_null(copy);
    memcpy(copy, text.ptr, text.len);
    *error = json_read(&json, (struct str){copy, text.len}, DEPTH_MAX, complaint);
    free(copy);
    if (*error != 0)
        return NULL;
    buf_init(&buf, 1 << 20);
    assert_int_equal(json_write(&buf, json), 0);
    assert_int_equal(buf_append(&buf, "", 1), 0);
    json_decref(json);
    return buf.data;
}

static void expect_as(const char *text, const char *wanted)
{
    int error;
    struct json_complaint complaint;
    char *got = pass_through((struct str){text, strlen(text)}, &error, &complaint);
    if (got == NULL)
        fail_msg("%s: refused, because %s at byte %zu", text, complaint.reason, complaint.position);
    assert_string_equal(got, wanted);
    free(got);
}

static void expect_same(const char *text)
{
    expect_as(text, text);
}

static void expect_refused(const char *text, size_t len, int wanted, const char *reason)
{
    int error;
    struct json_complaint complaint = {.reason = ""};
    char *got = pass_through((struct str){text, len}, &error, &complaint);
    if (got != NULL)
        fail_msg("%s: taken as %s", text, got);
    if (error != wanted || strcmp(complaint.reason, reason) != 0)
        fail_msg("%s: %s (%d), not: %s", text, complaint.reason, error, reason);
    assert_in_range(complaint.position, 0, len);
}

#define REFUSED(text, error, reason) expect_refused(text, sizeof(text) - 1, error, reason)

static void test_values_come_back(void **state)
{
    (void)state;
    expect_same("null");
    expect_same("[true,false,null,0,\"\",{},[]]");
    expect_same("{\"z\":1,\"a\":{\"y\":[1,2,{\"x\":\"\"}]},\"\":0}");
    expect_as(" { \"a\" : [ 1 , 2 ] }\r\n\t", "{\"a\":[1,2]}");
}

static void test_syntax(void **state)
{
    (void)state;
    static const char wrong[] = "the syntax is wrong";
    REFUSED("", -EBADMSG, "the text ends too early");
    REFUSED("{'a':1}", -EBADMSG, wrong);
    REFUSED("{\"a\":1,}", -EBADMSG, wrong);
    REFUSED("[1,]", -EBADMSG, wrong);
    REFUSED("{\"a\" 1}", -EBADMSG, wrong);
    REFUSED("nul", -EBADMSG, wrong);
    REFUSED("NaN", -EBADMSG, wrong);
    REFUSED("[1e]", -EBADMSG, wrong);
    REFUSED("[01]", -EBADMSG, wrong);
    REFUSED("[+1]", -EBADMSG, wrong);
    REFUSED("[.5]", -EBADMSG, wrong);
    REFUSED("[5.]", -EBADMSG, wrong);
    REFUSED("// c\n1", -EBADMSG, wrong);
    REFUSED("\xef\xbb\xbf{}", -EBADMSG, wrong); /* a byte order mark: RFC 8259 8.1 lets us refuse it */
    REFUSED("]]]]", -EBADMSG, wrong);
    REFUSED("[1}", -EBADMSG, wrong);
    REFUSED("[1", -EBADMSG, "the text ends too early");
    REFUSED("[\"a", -EBADMSG, "the text ends too early");
    REFUSED("[\"a\\", -EBADMSG, wrong);
    REFUSED("{} {}", -EBADMSG, "something follows the end of the value");
    REFUSED("1 2", -EBADMSG, "something follows the end of the value");
    REFUSED("[\"a\nb\"]", -EBADMSG, wrong);
    REFUSED("[\"a\0b\"]", -EBADMSG, wrong);
    REFUSED("[1]\0", -EBADMSG, "something follows the end of the value");
    REFUSED("[\"\\x41\"]", -EBADMSG, wrong);
}

static void test_depth(void **state)
{
    (void)state;
    static const char deep[] = "arrays and objects are nested too deep";
    expect_same("[[[[1]]],[[[2]]]]");
    expect_same("{\"a\":[{\"b\":{\"c\":1}}]}");
    expect_same("[\"[[[[[[\",\"\\\"[[[[[\",\"\\\\\",{\"{{{{{{\":0}]");
    REFUSED("[[[[[]]]]]", -EDOM, deep);
    REFUSED("{\"a\":[{\"b\":{\"c\":[]}}]}", -EDOM, deep);
    /* A million brackets: refused before jansson could recurse. */
    enum { MANY = 1000000 };
    char *text = malloc(MANY);
    assert_non_null(text);
    memset(text, '[', MANY);
    expect_refused(text, MANY, -EDOM, deep);
    free(text);
}

static void test_duplicates(void **state)
{
    (void)state;
    static const char twice[] = "an object has two members of the same name";
    REFUSED("{\"a\":1,\"a\":1}", -EDOM, twice);
    REFUSED("[{\"b\":{\"a\":1,\"\\u0061\":2}}]", -EDOM, twice);
    expect_same("{\"a\":1,\"A\":{\"a\":2}}");
}

static void test_unicode(void **state)
{
    (void)state;
    expect_same("[\"\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"]");
    expect_same("{\"\xd0\xba\xd0\xbb\xd1\x8e\xd1\x87\":\"\xf0\x9f\x8d\xb5\xe2\x80\x8d\xe2\x80\xa8\"}");
    expect_as("[\"\\u00e9\\uD83C\\uDF75\\/\\\"\\\\\"]", "[\"\xc3\xa9\xf0\x9f\x8d\xb5/\\\"\\\\\"]");
    expect_as("[\"\\b\\f\\n\\r\\t\\u001F\"]", "[\"\\b\\f\\n\\r\\t\\u001f\"]");

    REFUSED("[\"\\u0000\"]", -EDOM, "a string holds U+0000");
    REFUSED("{\"a\\u0000b\":1}", -EDOM, "a string holds U+0000");
    static const char *const no_utf8[] = {
        "[\"\x80\"]",             /* a continuation byte alone */
        "[\"\xc3\"]",             /* nothing after a lead byte */
        "[\"\xc0\x80\"]",         /* NUL in two bytes */
        "[\"\xe0\x80\xaf\"]",     /* a slash in three bytes */
        "[\"\xed\xa0\x80\"]",     /* a surrogate, as UTF-8 */
        "[\"\xf4\x90\x80\x80\"]", /* beyond U+10FFFF */
        "[\"\xff\"]",
    };
    for (size_t i = 0; i < sizeof no_utf8 / sizeof *no_utf8; i++)
        expect_refused(no_utf8[i], strlen(no_utf8[i]), -EBADMSG, "the text is not UTF-8");
    REFUSED("[\"\\ud800\"]", -EDOM, "a string holds half of a surrogate pair");
    REFUSED("[\"\\udc00\\ud800\"]", -EDOM, "a string holds half of a surrogate pair");
    REFUSED("[\"\\ud800\\ud800\"]", -EDOM, "a string holds half of a surrogate pair");
}

static void test_integers(void **state)
{
    (void)state;
    static const char range[] = "a number is out of range (integers have 64 bits)";
    expect_same("[0,-1,9223372036854775807,-9223372036854775808]");
    expect_as("-0", "0");
    REFUSED("9223372036854775808", -EDOM, range);
    REFUSED("-9223372036854775809", -EDOM, range);
    REFUSED("[1,100000000000000000000]", -EDOM, range);
}

static void test_reals(void **state)
{
    (void)state;
    static const char *const same[] = {
        "0.1",
        "-2.5",
        "3.14159265358979",
        "0.30000000000000004",
        "1.7976931348623157e+308",
        "2.2250738585072014e-308",
        "5e-324",
        "1e+100",
        "123456789012345.67",
        "0.0",
        "-0.0",
    };
    static const char *const otherwise[][2] = {
        {"1.0", "1.0"},
        {"1e2", "100.0"},
        {"1E+2", "100.0"},
        {"0.10e1", "1.0"},
        {"100000000000000000000.0", "1e+20"},
        {"0.000001e-2", "1e-08"},
        {"0e999999999999999999999", "0.0"},
        {"0.0000000000000000000000000000001000e30", "0.1"},
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        expect_same(same[i]);
    for (size_t i = 0; i < sizeof otherwise / sizeof *otherwise; i++)
        expect_as(otherwise[i][0], otherwise[i][1]);
}

static void test_reals_that_no_double_keeps(void **state)
{
    (void)state;
    static const char inexact[] = "a number has more digits or a larger exponent than a double holds exactly";
    REFUSED("9007199254740993.0", -EDOM, inexact); /* 2^53 + 1 */
    REFUSED("0.1000000000000000055511151231257827", -EDOM, inexact);
    REFUSED("0.10000000000000001", -EDOM, inexact); /* the double that is written 0.1 */
    REFUSED("3.141592653589793238", -EDOM, inexact);
    REFUSED("1e-400", -EDOM, inexact);
    REFUSED("4e-324", -EDOM, inexact);
    REFUSED("[1,{\"a\":1.00000000000000000001}]", -EDOM, inexact);
    REFUSED("1e-99999999999999999999999", -EDOM, inexact);
    static const char range[] = "a number is out of range (integers have 64 bits)";
    REFUSED("1e400", -EDOM, range);
    REFUSED("-1e99999999999999999999999", -EDOM, range);
    expect_same("[\"1e400 in a string\",\"\\\"9007199254740993.0\"]");
}

/* Every double comes back, and so does every decimal number of up to 15 digits. */
static void test_random_reals(void **state)
{
    (void)state;
    uint64_t bits = 1;
    char text[64];
    for (int i = 0; i < 20000; i++) {
        bits = bits * 6364136223846793005u + 1442695040888963407u;
        double value;
        memcpy(&value, &bits, sizeof value);
        struct buf buf;
        json_t *json = json_real(value);
        if (json == NULL) /* infinite or not a number */
            continue;
        buf_init(&buf, 64);
        assert_int_equal(json_write(&buf, json), 0);
        assert_int_equal(buf_append(&buf, "", 1), 0);
        assert_true(strtod(buf.data, NULL) == value);
        expect_same(buf.data);
        buf_release(&buf);
        json_decref(json);

        snprintf(text, sizeof text, "%llu.%llue%d", (unsigned long long)(bits >> 47),
                 (unsigned long long)(bits >> 20) % 1000000000, (int)(bits >> 8) % 290);
        int error;
        struct json_complaint complaint;
        char *got = pass_through((struct str){text, strlen(text)}, &error, &complaint);
        assert_non_null(got);
        assert_true(strtod(got, NULL) == strtod(text, NULL));
        free(got);
    }
}

static void test_a_buffer_that_is_full(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":[1,2.5,\"b\\u0007c\"],\"d\":{\"e\":null,\"f\":[true,false]}}";
    struct json_complaint complaint;
    json_t *json;
    assert_int_equal(json_read(&json, STR(text), DEPTH_MAX, &complaint), 0);
    for (size_t max = 0; max <= strlen(text); max++) {
        struct buf buf;
        buf_init(&buf, max);
        assert_int_equal(json_write(&buf, json), max < strlen(text) ? -EMSGSIZE : 0);
        buf_release(&buf);
    }
    json_decref(json);
}

static json_t *parsed(const char *text)
{
    json_t *json;
    struct json_complaint complaint;
    assert_int_equal(json_read(&json, (struct str){text, strlen(text)}, DEPTH_MAX, &complaint), 0);
    return json;
}

static void test_merge_patch(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        RFC_7396_CASES,
        {"{\"b\":1,\"a\":2}", "{\"b\":{\"c\":[null]}}", "{\"b\":{\"c\":[null]},\"a\":2}"},
        {"{\"a\":{\"b\":1}}", "{\"a\":{}}", "{\"a\":{\"b\":1}}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *target = parsed(cases[i][0]), *patch = parsed(cases[i][1]);
        /* Twice: the first merge must leave the patch as it was. */
        for (int turn = 0; turn < 2; turn++) {
            json_t *result = json_merge(target, patch);
            struct buf buf;
            buf_init(&buf, 1024);
            assert_non_null(result);
            assert_int_equal(json_write(&buf, result), 0);
            assert_int_equal(buf_append(&buf, "", 1), 0);
            assert_string_equal(buf.data, cases[i][2]);
            buf_release(&buf);
            json_decref(result);
            json_decref(target);
            target = parsed(cases[i][0]);
        }
        json_t *again = parsed(cases[i][1]);
        assert_true(json_equal(patch, again));
        json_decref(again);
        json_decref(target);
        json_decref(patch);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_come_back),
        cmocka_unit_test(test_syntax),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_unicode),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_reals),
        cmocka_unit_test(test_reals_that_no_double_keeps),
        cmocka_unit_test(test_random_reals),
        cmocka_unit_test(test_a_buffer_that_is_full),
        cmocka_unit_test(test_merge_patch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
