/*
 * GET /work as a step machine that gets made-up results: no server, no database. The generator must give
 * figures that Python computed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "handler/exchange.h"
#include "handler/statements.h"
#include "http_response_size.h"

static const struct service service = {.model = "test", .n = 1, .m = 1024};

static enum step start(struct exchange *x, enum http_method method, const char *path, const char *query)
{
    static struct http_request request;
    request = (struct http_request){.method = method, .path = {path, strlen(path)}, .keep_alive = true};
    if (query != NULL)
        request.query = (struct str){query, strlen(query)};
    exchange_init(x, &service, counters_shard(0));
    x->request = &request;
    return exchange_start(x);
}

/* A binary int4 result of `rows` rows, as PostgreSQL would send. */
static PGresult *result_with(int rows, int32_t value)
{
    PGresAttDesc column = {.name = (char *)"value", .format = 1, .typid = 23, .typlen = 4};
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PQsetResultAttrs(result, 1, &column);
    uint32_t wire = __builtin_bswap32((uint32_t)value);
    for (int i = 0; i < rows; i++)
        PQsetvalue(result, i, 0, (char *)&wire, sizeof wire);
    return result;
}

static enum step resume(struct exchange *x, int rows, int32_t value)
{
    PGresult *result = result_with(rows, value);
    enum step step = exchange_resume(x, result);
    PQclear(result);
    return step;
}

/* The whole response in one string, for the caller to free. */
static char *wire(const struct exchange *x)
{
    size_t size = response_size(&x->response);
    char *text = calloc(1, size + 1);
    struct iovec iov[RESPONSE_IOV_MAX];
    uint64_t sent = 0;
    size_t count;
    while ((count = response_iov(&x->response, sent, iov, RESPONSE_IOV_MAX)) > 0) {
        for (size_t i = 0; i < count; i++) {
            memcpy(text + sent, iov[i].iov_base, iov[i].iov_len);
            sent += iov[i].iov_len;
        }
    }
    assert_int_equal(sent, size);
    return text;
}

static void assert_status(struct exchange *x, int status)
{
    assert_int_equal(x->response.status, status);
    char *text = wire(x), expected[32];
    snprintf(expected, sizeof expected, "HTTP/1.1 %d ", status);
    assert_memory_equal(text, expected, strlen(expected));
    assert_non_null(strstr(text, "\r\nDate: "));
    free(text);
}

static void test_generator(void **state)
{
    (void)state;
    /* python: M=2**64-1; z=(7+1*0x9E3779B97F4A7C15)&M; three steps of API.md; 1+z%100000 */
    assert_int_equal(work_id(7, 0), 74488);
    assert_int_equal(work_id(7, 1), 55805);
    assert_int_equal(work_id(7, 2), 9347);
    assert_int_equal(work_id(INT64_MAX, 999), 34023);
}

static void test_responds_with_exactly_m_bytes(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {64, 65, 1024, 65536, 65537, 200000, WORK_M_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct exchange x;
        char query[64];
        snprintf(query, sizeof query, "n=0&m=%llu", (unsigned long long)sizes[i]);
        assert_int_equal(start(&x, HTTP_METHOD_GET, "/work", query), STEP_RESPOND);
        assert_status(&x, 200);
        char *text = wire(&x);
        const char *body = strstr(text, "\r\n\r\n") + 4;
        assert_int_equal(strlen(body), sizes[i]);
        const char begin[] = "{\"n\":0,\"sum\":0,\"pad\":\"x";
        assert_memory_equal(body, begin, sizeof begin - 1);
        assert_string_equal(body + sizes[i] - 3, "x\"}");
        free(text);
        exchange_deinit(&x);
    }
}

static void test_runs_n_queries_the_last_w_of_them_updates(void **state)
{
    (void)state;
    struct exchange x;
    enum step step = start(&x, HTTP_METHOD_GET, "/work", "n=5&m=0&w=2&seed=7");
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(step, STEP_QUERY);
        assert_string_equal(x.query.statement, statement_name(i < 3 ? SQL_WORK_READ : SQL_WORK_WRITE));
        assert_int_equal(query_read_int4(x.query.values[0]), work_id(7, i));
        step = resume(&x, 1, 1000 + (int)i);
    }
    assert_int_equal(step, STEP_RESPOND);
    char *text = wire(&x);
    assert_string_equal(strstr(text, "\r\n\r\n") + 4, "{\"n\":5,\"sum\":5010,\"pad\":\"\"}");
    free(text);
    exchange_deinit(&x);
}

static void test_delay_goes_to_the_database(void **state)
{
    (void)state;
    struct exchange x;
    assert_int_equal(start(&x, HTTP_METHOD_GET, "/work", "n=1&w=1&d=250"), STEP_QUERY);
    assert_string_equal(x.query.statement, statement_name(SQL_WORK_WRITE_DELAYED));
    uint64_t bits = (uint64_t)query_read_int8(x.query.values[1]);
    double seconds;
    memcpy(&seconds, &bits, sizeof seconds);
    assert_true(seconds == 0.25);
    exchange_deinit(&x);
}

static void test_waits_before_the_first_query(void **state)
{
    (void)state;
    struct exchange x;
    assert_int_equal(start(&x, HTTP_METHOD_GET, "/work", "n=1&m=64&t=250"), STEP_WAIT);
    assert_int_equal(x.wait_ms, 250);
    assert_int_equal(exchange_waited(&x), STEP_QUERY);
    assert_int_equal(resume(&x, 1, 5), STEP_RESPOND);
    assert_status(&x, 200);
    exchange_deinit(&x);

    assert_int_equal(start(&x, HTTP_METHOD_GET, "/work", "n=0&m=64&t=60000"), STEP_WAIT);
    assert_int_equal(exchange_waited(&x), STEP_RESPOND);
    assert_status(&x, 200);
    exchange_deinit(&x);
}

static void test_unnamed_seeds_differ(void **state)
{
    (void)state;
    struct exchange a, b;
    assert_int_equal(start(&a, HTTP_METHOD_GET, "/work", NULL), STEP_QUERY);
    assert_int_equal(start(&b, HTTP_METHOD_GET, "/work", NULL), STEP_QUERY);
    assert_true(a.work.seed != b.work.seed);
    exchange_deinit(&a);
    exchange_deinit(&b);
}

static void test_refuses_bad_parameters(void **state)
{
    (void)state;
    static const char *const queries[] = {
        "n=-1",
        "n=abc",
        "n=1001",
        "m=5",
        "m=63",
        "m=16777217",
        "n=1&w=2",
        "d=1e9",
        "d=10001",
        "t=60001",
        "t=-1",
        "seed=",
        "seed=9223372036854775808",
        "n=1&n=1",
        "x=1",
        "n",
    };
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        struct exchange x;
        assert_int_equal(start(&x, HTTP_METHOD_GET, "/work", queries[i]), STEP_RESPOND);
        assert_status(&x, 400);
        assert_false(x.response.close);
        exchange_deinit(&x);
    }
}

static void test_head_announces_and_sends_nothing(void **state)
{
    (void)state;
    struct exchange x;
    assert_int_equal(start(&x, HTTP_METHOD_HEAD, "/work", "n=0&m=4096"), STEP_RESPOND);
    char *text = wire(&x);
    assert_non_null(strstr(text, "Content-Length: 4096\r\n"));
    assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\n");
    free(text);
    exchange_deinit(&x);
}

static void test_failures_and_methods(void **state)
{
    (void)state;
    static const struct {
        enum exchange_failure failure;
        int status;
    } failures[] = {
        {FAIL_UNAVAILABLE, 503}, {FAIL_POOL_TIMEOUT, 503}, {FAIL_LOST, 503}, {FAIL_QUERY_TIMEOUT, 504}};
    struct exchange x;
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        assert_int_equal(start(&x, HTTP_METHOD_GET, "/work", NULL), STEP_QUERY);
        assert_int_equal(exchange_fail(&x, failures[i].failure), STEP_RESPOND);
        assert_status(&x, failures[i].status);
        exchange_deinit(&x);
    }
    assert_int_equal(start(&x, HTTP_METHOD_GET, "/work", NULL), STEP_QUERY);
    assert_int_equal(resume(&x, 0, 0), STEP_RESPOND); /* the row is missing */
    assert_status(&x, 503);
    exchange_deinit(&x);

    assert_int_equal(start(&x, HTTP_METHOD_DELETE, "/work", NULL), STEP_RESPOND);
    assert_status(&x, 405);
    exchange_deinit(&x);
    assert_int_equal(start(&x, HTTP_METHOD_OPTIONS, "*", NULL), STEP_RESPOND);
    assert_status(&x, 204);
    exchange_deinit(&x);
    assert_int_equal(start(&x, HTTP_METHOD_GET, "/works", NULL), STEP_RESPOND);
    assert_status(&x, 404);
    exchange_deinit(&x);
}

static void test_refusal_closes(void **state)
{
    (void)state;
    struct exchange x;
    exchange_init(&x, &service, counters_shard(0));
    assert_int_equal(exchange_refuse(&x, (struct http_refusal){408, "Too late.", false}), STEP_RESPOND);
    assert_status(&x, 408);
    assert_true(x.response.close);
    char *text = wire(&x);
    assert_non_null(strstr(text, "\r\nConnection: close\r\n"));
    assert_non_null(strstr(text, "\r\nContent-Type: application/problem+json\r\n"));
    free(text);
    exchange_deinit(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generator),
        cmocka_unit_test(test_responds_with_exactly_m_bytes),
        cmocka_unit_test(test_runs_n_queries_the_last_w_of_them_updates),
        cmocka_unit_test(test_delay_goes_to_the_database),
        cmocka_unit_test(test_waits_before_the_first_query),
        cmocka_unit_test(test_unnamed_seeds_differ),
        cmocka_unit_test(test_refuses_bad_parameters),
        cmocka_unit_test(test_head_announces_and_sends_nothing),
        cmocka_unit_test(test_failures_and_methods),
        cmocka_unit_test(test_refusal_closes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
