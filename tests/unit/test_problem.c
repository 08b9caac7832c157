/* Problem documents and dates, as bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "http/date.h"
#include "http/problem.h"
#include "http/response.h"

static char document[RESPONSE_TEXT_MAX];

__attribute__((format(printf, 3, 4))) static const char *write(int status, const char *member,
                                                               const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t len = problem_write(document, sizeof document, status, member, format, args);
    va_end(args);
    assert_int_equal(len, strlen(document));
    return document;
}

static void test_documents(void **state)
{
    (void)state;
    assert_string_equal(write(404, NULL, "There is no item %d.", 7),
                        "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,"
                        "\"detail\":\"There is no item 7.\"}");
    assert_string_equal(write(422, "value", "No."),
                        "{\"type\":\"about:blank\",\"title\":\"Unprocessable Content\",\"status\":422,"
                        "\"detail\":\"No.\",\"member\":\"value\"}");
    assert_non_null(strstr(write(422, "", "No."), ",\"member\":\"\"}"));
}

static void test_quotations_of_a_client(void **state)
{
    (void)state;
    assert_non_null(strstr(write(400, "a\"b\\c\n\x7f", "No."), "\"member\":\"a\\\"b\\\\c\\u000a\\u007f\"}"));
    assert_non_null(strstr(write(400, NULL, "%s", "\xc3\xa9 \xf0\x9f\x8d\xb5 \xe2\x82\xac"),
                           "\"detail\":\"\xc3\xa9 \xf0\x9f\x8d\xb5 \xe2\x82\xac\"}"));
    /* Stray and missing continuation bytes, an overlong form, half of a surrogate pair, beyond U+10FFFF. */
    assert_non_null(strstr(write(400, NULL, "%s", "\x80|\xc3|\xc0\xaf|\xed\xa0\x80|\xf4\x90\x80\x80|\xff"),
                           "\"detail\":\"\\ufffd|\\ufffd|\\ufffd\\ufffd|\\ufffd\\ufffd\\ufffd|"
                           "\\ufffd\\ufffd\\ufffd\\ufffd|\\ufffd\"}"));
}

/* What is too long is cut, never in the middle of an escape sequence. */
static void test_the_longest(void **state)
{
    (void)state;
    char controls[1000];
    memset(controls, 1, sizeof controls - 1);
    controls[sizeof controls - 1] = '\0';
    const char *written = write(503, controls, "%s", controls);
    assert_true(strlen(written) < RESPONSE_TEXT_MAX);
    assert_non_null(strstr(written, "\\u0001\",\"member\":\"\\u0001"));
    assert_string_equal(written + strlen(written) - 8, "\\u0001\"}");
}

static void test_dates(void **state)
{
    (void)state;
    assert_string_equal(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    assert_string_equal(http_date(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_string_equal(http_date(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_string_equal(http_date(784111778), "Sun, 06 Nov 1994 08:49:38 GMT");
    assert_string_equal(http_date(951782400), "Tue, 29 Feb 2000 00:00:00 GMT");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_documents),
        cmocka_unit_test(test_quotations_of_a_client),
        cmocka_unit_test(test_the_longest),
        cmocka_unit_test(test_dates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
