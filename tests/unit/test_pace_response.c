/* What pace makes of a server's bytes, in one piece, cut at every place, and byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pace_replay.h"

#define OK "HTTP/1.1 200 OK\r\n"

static void expect_bytes(const char *bytes, size_t len, const char *expected, struct response_content *content)
{
    char *text = pace_replay(bytes, len, pace_cut_whole, 0, content);
    assert_string_equal(text, expected);
    free(text);
    text = pace_replay(bytes, len, pace_cut_bytes, 0, content);
    assert_string_equal(text, expected);
    free(text);
    for (size_t i = 1; i < len; i++) {
        text = pace_replay(bytes, len, pace_cut_once, i, content);
        assert_string_equal(text, expected);
        free(text);
    }
}

static void expect(const char *bytes, const char *expected)
{
    expect_bytes(bytes, strlen(bytes), expected, NULL);
}

static void test_one_after_another(void **state)
{
    (void)state;
    expect(OK "Content-Length: 5\r\n\r\nhello" OK "Content-Length: 0\r\n\r\n"
              "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}",
           "done 200 5 keeps\ndone 200 0 keeps\ndone 404 2 keeps\nend\n");
}

static void test_chunked(void **state)
{
    (void)state;
    expect(OK "Transfer-Encoding: chunked\r\n\r\n5;name=value\r\nhello\r\nA\r\n0123456789\r\n0\r\nTrailer: "
              "yes\r\n\r\n" OK "Content-Length: 1\r\n\r\nx",
           "done 200 15 keeps\ndone 200 1 keeps\nend\n");
}

static void test_a_body_up_to_the_end_of_the_connection(void **state)
{
    (void)state;
    expect(OK "\r\nhello", "done 200 5 closes\n");
    expect(OK "Connection: close\r\n\r\n", "done 200 0 closes\n");
    expect("HTTP/1.0 200 OK\r\n\r\nhello", "done 200 5 closes\n");
}

static void test_what_has_no_body(void **state)
{
    (void)state;
    expect("HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n" OK
           "Content-Length: 1\r\n\r\nx",
           "done 204 0 keeps\ndone 304 0 keeps\ndone 200 1 keeps\nend\n");
}

static void test_what_comes_before_a_response(void **state)
{
    (void)state;
    expect("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" OK
           "Content-Length: 2\r\n\r\nok",
           "done 200 2 keeps\nend\n");
    expect("HTTP/1.1 100 Continue\r\n\r\n", "cut off\n");
}

static void test_the_last_response_of_a_connection(void **state)
{
    (void)state;
    expect(OK "Content-Length: 2\r\nConnection: close\r\n\r\nok", "done 200 2 closes\nrest 0\n");
    expect(OK "Connection: close\r\nContent-Length: 2\r\n\r\nokx", "done 200 2 closes\nrest 1\n");
    expect("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "done 200 2 closes\nrest 0\n");
    expect("HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok",
           "done 200 2 keeps\nend\n");
}

static void test_what_was_cut_off(void **state)
{
    (void)state;
    expect("", "end\n");
    expect("H", "cut off\n");
    expect(OK, "cut off\n");
    expect(OK "Content-Length: 5\r\n\r\nhell", "cut off\n");
    expect(OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "cut off\n");
}

static void test_what_is_not_http_1_1(void **state)
{
    (void)state;
    expect("SSH-2.0-OpenSSH_9.2p1\r\n", "wrong\n");
    expect("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "wrong\n");
    expect("HTTP/1.1 two\r\n\r\n", "wrong\n");
    expect("HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", "wrong\n");
    expect(OK "Content-Length: many\r\n\r\n", "wrong\n");
    expect(OK "Content-Length: 1\r\nContent-Length: 2\r\n\r\nx", "wrong\n");
    expect(OK "Transfer-Encoding: chunked\r\n\r\nz\r\n", "wrong\n");
    expect(OK "Content-Length: 1\r\n\r\nxSSH", "done 200 1 keeps\nwrong\n");
}

static void test_why_it_is_wrong(void **state)
{
    (void)state;
    const char *texts[] = {"SSH-2.0", "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"};
    for (unsigned i = 0; i < 2; i++) {
        struct response response;
        size_t used;
        response_init(&response, NULL);
        assert_int_equal(response_feed(&response, texts[i], strlen(texts[i]), &used), RESPONSE_WRONG);
        assert_non_null(response_why_wrong(&response));
        assert_true(strlen(response_why_wrong(&response)) > 5);
    }
}

static void test_many_fields(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len;
    FILE *stream = open_memstream(&text, &len);
    fputs(OK, stream);
    for (unsigned i = 0; i < 100; i++)
        fprintf(stream, "X-Field-%u: %060u\r\n", i, i);
    fputs("Content-Length: 2\r\n\r\nok", stream);
    assert_int_equal(fclose(stream), 0);
    expect_bytes(text, len, "done 200 2 keeps\nend\n", NULL);
    free(text);
}

static void test_the_content_that_is_kept(void **state)
{
    (void)state;
    static struct response_content content;
    const char *bytes =
        "HTTP/1.1 201 Created\r\nLocation: /items/17\r\ncontent-type: application/json\r\nOther: a\r\n"
        "Content-Location: /items/18\r\nContent-Length: 2\r\n\r\n{}" OK "Content-Length: 0\r\n\r\n";
    expect_bytes(
        bytes, strlen(bytes),
        "done 201 2 keeps location=/items/17 content-location=/items/18 media=application/json body={}\n"
        "done 200 0 keeps location= content-location= media= body=\nend\n",
        &content);
}

/* Longer ones are cut off, and counted whole. */
static void test_content_that_is_too_long_to_keep(void **state)
{
    (void)state;
    enum { BODY = RESPONSE_BODY_MAX + 1000 };
    static struct response_content content;
    static char bytes[BODY + 500];
    int head = snprintf(bytes, sizeof(bytes), OK "Location: /%0200d\r\nContent-Length: %d\r\n\r\n", 7, BODY);
    memset(bytes + head, 'x', BODY);
    struct response response;
    size_t used;
    response_init(&response, &content);
    for (unsigned round = 0; round < 2; round++) {
        assert_int_equal(response_feed(&response, bytes, (size_t)head + BODY, &used), RESPONSE_DONE);
        assert_int_equal(used, head + BODY);
        assert_int_equal(response.body_len, BODY);
        assert_int_equal(content.body_len, RESPONSE_BODY_MAX);
        assert_int_equal(strlen(content.body), RESPONSE_BODY_MAX);
        assert_int_equal(strlen(content.location), RESPONSE_LOCATION_MAX - 1);
        response_next(&response);
    }
    expect_bytes(OK "X-" OK, 10, "cut off\n", &content);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_after_another),
        cmocka_unit_test(test_chunked),
        cmocka_unit_test(test_a_body_up_to_the_end_of_the_connection),
        cmocka_unit_test(test_what_has_no_body),
        cmocka_unit_test(test_what_comes_before_a_response),
        cmocka_unit_test(test_the_last_response_of_a_connection),
        cmocka_unit_test(test_what_was_cut_off),
        cmocka_unit_test(test_what_is_not_http_1_1),
        cmocka_unit_test(test_why_it_is_wrong),
        cmocka_unit_test(test_many_fields),
        cmocka_unit_test(test_the_content_that_is_kept),
        cmocka_unit_test(test_content_that_is_too_long_to_keep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
