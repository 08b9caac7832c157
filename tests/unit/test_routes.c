/* Routing: every path and method that there is, and what is none. The responses themselves are tested
 * elsewhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "handler/exchange.h"

static const struct service service = {.model = "test", .n = 1, .m = 64, .max_body_bytes = 1024};

static struct str text(const char *terminated)
{
    return (struct str){terminated, strlen(terminated)};
}

static struct http_request request_for(enum http_method method, const char *path)
{
    return (struct http_request){.method = method,
                                 .path = text(path),
                                 .fields = STR(""),
                                 .content_type = STR("application/json"),
                                 .keep_alive = true};
}

/* The status, 0 for a query; and the head and body, for the caller to free. */
static int start(enum http_method method, const char *path, const char *query, char **out)
{
    struct exchange x;
    struct http_request request = request_for(method, path);
    if (query != NULL)
        request.query = text(query);
    exchange_init(&x, &service, counters_shard(0));
    x.request = &request;
    enum step step = exchange_start(&x);
    size_t size = 0;
    *out = calloc(1, 64 * 1024);
    assert_non_null(*out);
    struct iovec iov[RESPONSE_IOV_MAX];
    size_t count = step == STEP_RESPOND ? response_iov(&x.response, 0, iov, RESPONSE_IOV_MAX) : 0;
    for (size_t i = 0; i < count; size += iov[i++].iov_len)
        memcpy(*out + size, iov[i].iov_base, iov[i].iov_len);
    int status = step == STEP_RESPOND ? x.response.status : 0;
    exchange_deinit(&x);
    return status;
}

static int status_of(enum http_method method, const char *path)
{
    char *out;
    int status = start(method, path, NULL, &out);
    free(out);
    return status;
}

static void expect(enum http_method method, const char *path, int status, const char *part)
{
    char *out;
    int got = start(method, path, NULL, &out);
    if (got != status || strstr(out, part) == NULL)
        fail_msg("%d for %s: not %d with \"%s\": %s", got, path, status, part, out);
    free(out);
}

#define RESOURCE "GET, HEAD, OPTIONS"
#define LIST     "GET, HEAD, POST, OPTIONS"
#define ITEM     "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"

static void test_allow(void **state)
{
    (void)state;
    static const struct {
        const char *path, *allow;
    } paths[] = {{"/work", RESOURCE},       {"/healthz", RESOURCE}, {"/readyz", RESOURCE},
                 {"/stats", RESOURCE},      {"/metrics", RESOURCE}, {"/items", LIST},
                 {"/%69tems/%31%30", ITEM}, {"/items/7", ITEM}};
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        char field[96], sentence[160];
        snprintf(field, sizeof field, "\r\nAllow: %s\r\n", paths[i].allow);
        snprintf(sentence, sizeof sentence, "\"The resource takes only these methods: %s.\"}", paths[i].allow);
        expect(HTTP_METHOD_OPTIONS, paths[i].path, 204, field);
        for (unsigned method = 0; method < sizeof names / sizeof *names; method++) {
            if (strstr(paths[i].allow, names[method]) != NULL) {
                assert_int_not_equal(status_of(method, paths[i].path), 405);
                continue;
            }
            expect(method, paths[i].path, 405, field);
            expect(method, paths[i].path, 405, sentence);
        }
    }
    expect(HTTP_METHOD_OPTIONS, "*", 204, "\r\nAllow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n");
    expect(HTTP_METHOD_OPTIONS, "/items/7", 204,
           "\r\nAccept-Patch: application/merge-patch+json, application/json\r\n");
}

static void test_not_found(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "/",
        "/wor",
        "/work/",
        "/works",
        "/WORK",
        "//work",
        "/items/",
        "/items/{id}",
        "/items/0",
        "/items/01",
        "/items/-1",
        "/items/+1",
        "/items/1/",
        "/items/x",
        "/itemsx1",
        "/items/%2b1",
        "%2fwork",
        "/work%00",
        "/w",
        "/items/9223372036854775808",
        "/%69%74%65%6D%73/%31%31%31%31%31%31%31%31%31%31%31%31%31%31%31%31%31%31%31%31%31%31%31%31%31%31",
    };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        for (enum http_method method = HTTP_METHOD_GET; method <= HTTP_METHOD_OPTIONS; method++)
            expect(
                method, paths[i], 404,
                method == HTTP_METHOD_HEAD
                    ? ""
                    : "\"detail\":\"There is nothing here: "
                      "the paths are /work, /items, /items/{id}, /healthz, /readyz, /stats and /metrics.\"}");
    assert_int_equal(status_of(HTTP_METHOD_GET, "/items/9223372036854775807"), 0);
    assert_int_equal(status_of(HTTP_METHOD_GET, "/items/1"), 0);
}

static void test_percent_signs(void **state)
{
    (void)state;
    static const char *const wrong[] = {"/%", "/%4", "/healthz%", "/healthz%4g", "/%zzwork"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        expect(HTTP_METHOD_GET, wrong[i], 400, "two hexadecimal digits");
    expect(HTTP_METHOD_GET, "/%68ealth%7A", 200, "{\"status\":\"ok\"}");
    char *out;
    assert_int_equal(start(HTTP_METHOD_GET, "/healthz", "%4", &out), 400);
    free(out);
    assert_int_equal(start(HTTP_METHOD_GET, "/healthz", "%41", &out), 200);
    free(out);
}

static void test_wants_body(void **state)
{
    (void)state;
    static const struct {
        enum http_method method;
        const char *path;
    } wanted[] = {
        {HTTP_METHOD_POST, "/items"}, {HTTP_METHOD_PUT, "/items/7"}, {HTTP_METHOD_PATCH, "/%69tems/7"}};
    static const char *const paths[] = {"/items", "/items/7", "/%69tems/7", "/items/0",
                                        "/work",  "/nothing", "/%",         "*"};
    for (enum http_method method = HTTP_METHOD_GET; method <= HTTP_METHOD_OPTIONS; method++)
        for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
            bool expected = (method == HTTP_METHOD_POST && i == 0) ||
                            ((method == HTTP_METHOD_PUT || method == HTTP_METHOD_PATCH) && (i == 1 || i == 2));
            struct http_request request = request_for(method, paths[i]);
            assert_int_equal(exchange_wants_body(&request), expected);
        }
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        struct http_request request = request_for(wanted[i].method, wanted[i].path);
        request.fields = STR("Content-Encoding: gzip\r\n");
        assert_false(exchange_wants_body(&request));
        request.fields = STR("");
        request.content_type = STR("text/plain");
        assert_false(exchange_wants_body(&request));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_allow),
        cmocka_unit_test(test_not_found),
        cmocka_unit_test(test_percent_signs),
        cmocka_unit_test(test_wants_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
