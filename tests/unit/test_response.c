/* Responses as vectors of bytes: the same bytes come out, however few of them a socket takes at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http_response_size.h"

static const char head[] = "HTTP/1.1 200 OK\r\n\r\n";

static void make(struct response *response, const char *text, const char *body, size_t padding,
                 const char *tail)
{
    *response = (struct response){.status = 200, .padding = padding, .tail = tail};
    response->head_len = (size_t)snprintf(response->head, sizeof(response->head), "%s", head);
    response->text_len = (size_t)snprintf(response->text, sizeof(response->text), "%s", text);
    buf_init(&response->body, 1000);
    assert_int_equal(buf_append(&response->body, body, strlen(body)), 0);
}

/* What a socket gets that takes at most `step` bytes a call; the caller frees it. */
static char *send_all(const struct response *response, size_t step, size_t iov_max, size_t *len)
{
    struct iovec iov[RESPONSE_IOV_MAX];
    uint64_t size = response_size(response), sent = 0;
    char *out = malloc(size + 1);
    size_t count;
    assert_non_null(out);
    while ((count = response_iov(response, sent, iov, iov_max)) > 0) {
        assert_true(count <= iov_max);
        size_t left = step;
        for (size_t i = 0; i < count && left > 0; i++) {
            size_t taken = iov[i].iov_len < left ? iov[i].iov_len : left;
            assert_true(iov[i].iov_len > 0);
            assert_true(sent + taken <= size);
            memcpy(out + sent, iov[i].iov_base, taken);
            sent += taken;
            left -= taken;
        }
    }
    assert_int_equal(sent, size);
    out[sent] = '\0';
    *len = sent;
    return out;
}

static void assert_sends(const struct response *response, const char *expected, size_t expected_len,
                         size_t step)
{
    static const size_t vectors[] = {1, 2, RESPONSE_IOV_MAX};
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        size_t len;
        char *sent = send_all(response, step, vectors[i], &len);
        assert_int_equal(len, expected_len);
        assert_memory_equal(sent, expected, len);
        free(sent);
    }
}

static void test_all_parts(void **state)
{
    (void)state;
    struct response response;
    char expected[200];
    make(&response, "{\"pad\":\"", "body", 30, "\"}");
    int len =
        snprintf(expected, sizeof(expected), "%s{\"pad\":\"body%s\"}", head, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    for (size_t step = 1; step < 80; step++)
        assert_sends(&response, expected, (size_t)len, step);
    response_release(&response);
    assert_null(response.body.data);

    make(&response, "", "", 0, NULL);
    assert_sends(&response, head, sizeof(head) - 1, 1000);
    make(&response, "ab", "", 0, NULL);
    snprintf(expected, sizeof(expected), "%sab", head);
    assert_sends(&response, expected, sizeof(head) - 1 + 2, 7);
    response_release(&response);
}

static void test_bodiless(void **state)
{
    (void)state;
    struct response response;
    make(&response, "text", "body", 1000, "tail");
    response.bodiless = true;
    assert_sends(&response, head, sizeof(head) - 1, 5);
    response_release(&response);
}

/* The longest body of /work, which is longer than one vector of runs. */
static void test_long_padding(void **state)
{
    (void)state;
    static const size_t paddings[] = {65535, 65536, 65537, 16777216};
    for (size_t i = 0; i < sizeof(paddings) / sizeof(paddings[0]); i++) {
        struct response response;
        make(&response, "<", "", paddings[i], ">");
        size_t len = sizeof(head) - 1 + 1 + paddings[i] + 1;
        char *expected = malloc(len + 1);
        assert_non_null(expected);
        memset(expected, 'x', len);
        memcpy(expected, head, sizeof(head) - 1);
        expected[sizeof(head) - 1] = '<';
        expected[len - 1] = '>';
        assert_sends(&response, expected, len, 99991);
        free(expected);
        response_release(&response);
    }
}

static void test_overloaded(void **state)
{
    (void)state;
    struct iovec iov = response_overloaded();
    char *text = strndup(iov.iov_base, iov.iov_len);
    assert_non_null(text);
    assert_int_equal(strlen(text), iov.iov_len);
    char *body = strstr(text, "\r\n\r\n");
    const char *length = strstr(text, "\r\nContent-Length: ");
    assert_memory_equal(text, "HTTP/1.1 503 Service Unavailable\r\n", 34);
    assert_non_null(body);
    assert_non_null(length);
    assert_int_equal(atoi(length + 18), strlen(body + 4));
    assert_non_null(strstr(text, "\r\nRetry-After: 1\r\n"));
    assert_non_null(strstr(text, "\r\nConnection: close\r\n"));
    assert_non_null(strstr(text, "\r\nContent-Type: application/problem+json\r\n"));
    assert_non_null(strstr(body, "\"status\":503,"));
    free(text);
}

static void test_status_text(void **state)
{
    (void)state;
    assert_string_equal(http_status_text(200), "OK");
    assert_string_equal(http_status_text(404), "Not Found");
    assert_string_equal(http_status_text(431), "Request Header Fields Too Large");
    assert_string_equal(http_status_text(299), "Unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_parts),    cmocka_unit_test(test_bodiless),
        cmocka_unit_test(test_long_padding), cmocka_unit_test(test_overloaded),
        cmocka_unit_test(test_status_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
