/* Making, getting and listing items, with made-up results in place of a database. */
#include "item_test.h"

#include <time.h>

/* -- POST ------------------------------------------------------------------------------------------ */

static void test_create(void **state)
{
    (void)state;
    struct talk *talk = talk_new();
    int status = REQUEST(talk, POST, "/items", .body = STR("{\"name\":\"tea\"}"));
    assert_int_equal(status, 201);
    expect_field(talk, "\r\nLocation: /items/1\r\n");
    expect_field(talk, "\r\nETag: \"1\"\r\n");
    expect_field(talk, "\r\nContent-Type: application/json\r\n");
    assert_string_equal(talk->body, "{\"id\":1,\"name\":\"tea\",\"value\":0,\"payload\":null,"
                                    "\"updated_at\":\"" EPOCH "\"}");
    status = REQUEST(talk, POST, "/items",
                     .body = STR("{\"payload\": {\"b\": [1.50, \"\\u00e9\"], \"a\": null},"
                                 " \"value\": -9223372036854775808, \"name\": \"a\\\"\\\\\\n\\u007f\"}"));
    assert_int_equal(status, 201);
    assert_string_equal(talk->body, "{\"id\":2,\"name\":\"a\\\"\\\\\\n\x7f\",\"value\":-9223372036854775808,"
                                    "\"payload\":{\"b\":[1.5,\"\xc3\xa9\"],\"a\":null},"
                                    "\"updated_at\":\"" EPOCH "\"}");
    talk_free(talk);
}

static void test_what_is_no_item(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        int status;
        const char *part; /* of the problem document */
    } cases[] = {
        {"", 400, "The body is empty"},
        {"{", 400, "the text ends too early at byte 1"},
        {"{\"name\":\"\\ud800\"}", 422, "half of a surrogate pair"},
        {"{\"name\":\"\xff\"}", 400, "the text is not UTF-8"},
        {"[]", 422, "must be a JSON object"},
        {"null", 422, "must be a JSON object"},
        {"{}", 422, "\"member\":\"name\""},
        {"{\"name\":null}", 422, "\"member\":\"name\""},
        {"{\"name\":7}", 422, "\"member\":\"name\""},
        {"{\"name\":\"\"}", 422, "\"member\":\"name\""},
        {"{\"name\":\"a\\u0000\"}", 422, "U+0000"},
        {"{\"name\":\"a\",\"name\":\"b\"}", 422, "two members of the same name"},
        {"{\"name\":\"a\",\"payload\":{\"x\":1,\"x\":2}}", 422, "two members of the same name"},
        {"{\"name\":\"a\",\"value\":\"1\"}", 422, "\"member\":\"value\""},
        {"{\"name\":\"a\",\"value\":1.0}", 422, "\"member\":\"value\""},
        {"{\"name\":\"a\",\"value\":true}", 422, "\"member\":\"value\""},
        {"{\"name\":\"a\",\"value\":null}", 422, "\"member\":\"value\""},
        {"{\"name\":\"a\",\"value\":9223372036854775808}", 422, "out of range"},
        {"{\"name\":\"a\",\"payload\":0.1000000000000000000001}", 422, "more digits"},
        {"{\"name\":\"a\",\"id\":1}", 422, "\"member\":\"id\""},
        {"{\"name\":\"a\",\"updated_at\":\"2026-11-21T21:40:00Z\"}", 422, "\"member\":\"updated_at\""},
        {"{\"name\":\"a\",\"Name\":\"b\"}", 422, "\"member\":\"Name\""},
        {"{\"\":1,\"name\":\"a\"}", 422, "\"member\":\"\""},
    };
    struct talk *talk = talk_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int status = REQUEST(talk, POST, "/items", .body = text(cases[i].body));
        if (status != cases[i].status)
            fail_msg("%s: %d", cases[i].body, status);
        expect_in_body(talk, cases[i].part);
        expect_field(talk, "\r\nContent-Type: application/problem+json\r\n");
        assert_int_equal(talk->queries, 0);
    }
    assert_int_equal(talk->count, 0);
    talk_free(talk);
}

static void test_limits(void **state)
{
    (void)state;
    struct talk *talk = talk_new();
    char body[70000];
    for (int characters = 200; characters <= 201; characters++) { /* of four bytes each */
        int len = snprintf(body, sizeof body, "{\"name\":\"");
        for (int i = 0; i < characters; i++)
            len += snprintf(body + len, sizeof body - (size_t)len, "\xf0\x9f\x8d\xb5");
        snprintf(body + len, sizeof body - (size_t)len, "\"}");
        assert_int_equal(REQUEST(talk, POST, "/items", .body = text(body)), characters == 200 ? 201 : 422);
    }
    for (int depth = 32; depth <= 33; depth++) {
        int len = snprintf(body, sizeof body, "{\"name\":\"a\",\"payload\":");
        memset(body + len, '[', (size_t)depth);
        memset(body + len + depth, ']', (size_t)depth);
        snprintf(body + len + 2 * depth, 2, "}");
        assert_int_equal(REQUEST(talk, POST, "/items", .body = text(body)), depth == 32 ? 201 : 422);
    }
    /* Written in full, 1e14 takes 17 bytes: more than the body it came in. */
    int len = snprintf(body, sizeof body, "{\"name\":\"a\",\"payload\":[1e14");
    while (len < 60000)
        len += snprintf(body + len, sizeof body - (size_t)len, ",1e14");
    snprintf(body + len, sizeof body - (size_t)len, "]}");
    assert_int_equal(REQUEST(talk, POST, "/items", .body = text(body)), 422);
    expect_in_body(talk, "MAX_BODY_BYTES");
    talk_free(talk);
}

static void test_media_types(void **state)
{
    (void)state;
    static const struct {
        const char *type; /* NULL for no field */
        int post, patch;
    } cases[] = {
        {"application/json", 201, 200},
        {"Application/JSON; charset=UTF-8", 201, 200},
        {"application/json;charset=\"utf-8\" ;x=y", 201, 200},
        {" application/json ; profile=\"https://example.org/\"", 201, 200},
        {"application/merge-patch+json", 415, 200},
        {"application/merge-patch+json;charset=utf-8", 415, 200},
        {"application/json; charset=iso-8859-1", 415, 415},
        {"application/json-patch+json", 415, 415},
        {"application/x-www-form-urlencoded", 415, 415},
        {"text/json", 415, 415},
        {"", 415, 415},
        {NULL, 415, 415},
    };
    struct talk *talk = talk_new();
    talk_add_row(talk, "a", 0, "null");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct str type = cases[i].type != NULL ? text(cases[i].type) : (struct str){0};
        struct http_request request = {.method = HTTP_METHOD_POST,
                                       .path = STR("/items"),
                                       .content_type = type,
                                       .body = STR("{\"name\":\"a\"}")};
        assert_int_equal(talk_request(talk, request), cases[i].post);
        if (cases[i].post == 415)
            expect_field(talk, "\r\nAccept: application/json\r\n");
        request.path = STR("/items/1");
        request.method = HTTP_METHOD_PATCH;
        assert_int_equal(talk_request(talk, request), cases[i].patch);
        if (cases[i].patch == 415)
            expect_field(talk, "\r\nAccept-Patch: application/merge-patch+json, application/json\r\n");
    }
    talk_free(talk);
}

/* -- GET, HEAD, OPTIONS ---------------------------------------------------------------------------- */

static void test_get(void **state)
{
    (void)state;
    static const char item[] = "{\"id\":1,\"name\":\"tea\",\"value\":3,\"payload\":{\"b\":1, \"a\":2},"
                               "\"updated_at\":\"" EPOCH "\"}";
    struct talk *talk = talk_new();
    talk_add_row(talk, "tea", 3, "{\"b\":1, \"a\":2}");
    assert_int_equal(REQUEST(talk, GET, "/items/1"), 200);
    expect_field(talk, "\r\nETag: \"1\"\r\n");
    assert_string_equal(talk->body, item);
    assert_int_equal(REQUEST(talk, HEAD, "/items/1"), 200);
    expect_field(talk, "\r\nETag: \"1\"\r\n");
    assert_string_equal(talk->body, "");
    char length[64];
    snprintf(length, sizeof length, "\r\nContent-Length: %zu\r\n", sizeof item - 1);
    expect_field(talk, length);

    assert_int_equal(REQUEST(talk, GET, "/items/2"), 404);
    assert_int_equal(REQUEST(talk, GET, "/items/0"), 404);
    assert_int_equal(REQUEST(talk, GET, "/items/01"), 404);
    assert_int_equal(REQUEST(talk, GET, "/items/9223372036854775808"), 404);
    assert_int_equal(talk->queries, 0);
    assert_int_equal(REQUEST(talk, GET, "/items/1", .query = STR("x=1")), 400);
    expect_in_body(talk, "\"member\":\"x\"");
    talk_free(talk);
}

static void test_conditional_get(void **state)
{
    (void)state;
    struct talk *talk = talk_new();
    talk_add_row(talk, "tea", 3, "null")->version = 7;
    assert_int_equal(REQUEST(talk, GET, "/items/1", .fields = STR("If-None-Match: \"7\"\r\n")), 304);
    expect_field(talk, "\r\nETag: \"7\"\r\n");
    assert_string_equal(talk->body, "");
    assert_int_equal(REQUEST(talk, HEAD, "/items/1", .fields = STR("If-None-Match: *\r\n")), 304);
    assert_int_equal(REQUEST(talk, GET, "/items/1", .fields = STR("If-None-Match: \"1\", W/\"7\"\r\n")), 304);
    assert_int_equal(REQUEST(talk, GET, "/items/1", .fields = STR("If-None-Match: \"1\"\r\n")), 200);
    assert_int_equal(REQUEST(talk, GET, "/items/1", .fields = STR("If-None-Match: 7\r\n")), 400);
    assert_int_equal(REQUEST(talk, GET, "/items/2", .fields = STR("If-None-Match: *\r\n")), 404);
    assert_int_equal(REQUEST(talk, GET, "/items/1", .fields = STR("If-Match: \"7\"\r\n")), 200);
    assert_int_equal(REQUEST(talk, GET, "/items/1", .fields = STR("If-Match: \"1\"\r\n")), 412);
    talk_free(talk);
}

static void test_methods(void **state)
{
    (void)state;
    struct talk *talk = talk_new();
    assert_int_equal(REQUEST(talk, OPTIONS, "/items"), 204);
    expect_field(talk, "\r\nAllow: GET, HEAD, POST, OPTIONS\r\n");
    assert_int_equal(REQUEST(talk, OPTIONS, "/items/1"), 204);
    expect_field(talk, "\r\nAllow: GET, HEAD, PUT, PATCH, DELETE, OPTIONS\r\n");
    expect_field(talk, "\r\nAccept-Patch: application/merge-patch+json, application/json\r\n");
    assert_int_equal(REQUEST(talk, PUT, "/items"), 405);
    expect_field(talk, "\r\nAllow: GET, HEAD, POST, OPTIONS\r\n");
    assert_int_equal(REQUEST(talk, PATCH, "/items"), 405);
    assert_int_equal(REQUEST(talk, DELETE, "/items"), 405);
    assert_int_equal(REQUEST(talk, POST, "/items/1"), 405);
    expect_field(talk, "\r\nAllow: GET, HEAD, PUT, PATCH, DELETE, OPTIONS\r\n");
    assert_int_equal(talk->queries, 0);
    talk_free(talk);
}

static void test_list(void **state)
{
    (void)state;
    struct talk *talk = talk_new();
    assert_int_equal(REQUEST(talk, GET, "/items"), 200);
    assert_string_equal(talk->body, "{\"items\":[],\"next\":null}");
    for (int i = 0; i < 21; i++)
        talk_add_row(talk, "a", i, "null");
    assert_int_equal(REQUEST(talk, GET, "/items"), 200);
    expect_in_body(talk, "],\"next\":20}");
    assert_int_equal(REQUEST(talk, GET, "/items", .query = STR("after=20")), 200);
    assert_string_equal(talk->body, "{\"items\":[{\"id\":21,\"name\":\"a\",\"value\":20,\"payload\":null,"
                                    "\"updated_at\":\"" EPOCH "\"}],\"next\":null}");
    assert_int_equal(REQUEST(talk, GET, "/items", .query = STR("limit=2&after=3")), 200);
    assert_string_equal(talk->body, "{\"items\":[{\"id\":4,\"name\":\"a\",\"value\":3,\"payload\":null,"
                                    "\"updated_at\":\"" EPOCH "\"},"
                                    "{\"id\":5,\"name\":\"a\",\"value\":4,\"payload\":null,"
                                    "\"updated_at\":\"" EPOCH "\"}],\"next\":5}");
    assert_int_equal(REQUEST(talk, GET, "/items", .query = STR("limit=100&after=9223372036854775807")), 200);
    assert_int_equal(REQUEST(talk, HEAD, "/items", .query = STR("limit=1")), 200);
    assert_string_equal(talk->body, "");
    static const char *const bad[] = {
        "limit=0", "limit=101", "limit=", "limit=1&limit=1", "after=-1", "after=x", "after=9223372036854775808",
        "page=2"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(REQUEST(talk, GET, "/items", .query = text(bad[i])), 400);
        assert_int_equal(talk->queries, 0);
    }
    talk_free(talk);
}

/* However large its items are, a page stays near ITEM_PAGE_BYTES, and no item is left out or comes twice. */
static void test_list_of_large_items(void **state)
{
    (void)state;
    static const struct {
        int size, pages;
    } cases[] = {{1000, 1}, {ITEM_PAGE_BYTES / 2, 4}, {ITEM_PAGE_BYTES + 1, 10}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct talk *talk = talk_new();
        char *payload = malloc((size_t)cases[i].size + 1);
        assert_non_null(payload);
        snprintf(payload, (size_t)cases[i].size + 1, "\"%0*d\"", cases[i].size - 2, 0);
        for (int item = 0; item < 10; item++)
            talk_add_row(talk, "a", item, payload);
        int pages = 0;
        int64_t next = 0;
        for (; next >= 0; pages++) {
            char query[64], first[64];
            snprintf(query, sizeof query, "limit=100&after=%" PRId64, next);
            snprintf(first, sizeof first, "{\"items\":[{\"id\":%" PRId64 ",", next + 1);
            assert_int_equal(REQUEST(talk, GET, "/items", .query = text(query)), 200);
            assert_memory_equal(talk->body, first, strlen(first));
            assert_true(strlen(talk->body) < (size_t)(ITEM_PAGE_BYTES + cases[i].size + 10000));
            const char *end = strstr(talk->body, "],\"next\":");
            assert_non_null(end);
            if (sscanf(end, "],\"next\":%" SCNd64 "}", &next) != 1)
                next = -1;
        }
        assert_int_equal(pages, cases[i].pages);
        free(payload);
        talk_free(talk);
    }
}

static void test_times(void **state)
{
    (void)state;
    static const struct {
        int64_t microseconds;
        const char *text;
    } cases[] = {
        {0, "2000-01-01T00:00:00.000000Z"},
        {-1, "1999-12-31T23:59:59.999999Z"},
        {INT64_C(848612400123456), "2026-11-21T21:40:00.123456Z"},
        {INT64_C(5097600000000), "2000-02-29T00:00:00.000000Z"},
        {INT64_C(5184000000000), "2000-03-01T00:00:00.000000Z"},
        {INT64_C(252455615999999999), "9999-12-31T23:59:59.999999Z"},
    };
    struct talk *talk = talk_new();
    struct row *row = talk_add_row(talk, "a", 0, "null");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        row->updated_at = cases[i].microseconds;
        assert_int_equal(REQUEST(talk, GET, "/items/1"), 200);
        expect_in_body(talk, cases[i].text);
    }
    /* Every eleventh day from 1600 to 2800, against the C library. */
    for (int64_t day = -146097; day < 292194; day += 11) {
        time_t seconds = day * 86400 + 45296;
        row->updated_at = (seconds - 946684800) * 1000000;
        assert_int_equal(REQUEST(talk, GET, "/items/1"), 200);
        struct tm tm;
        char wanted[64];
        assert_non_null(gmtime_r(&seconds, &tm));
        assert_true(strftime(wanted, sizeof wanted, "\"%Y-%m-%dT%H:%M:%S.000000Z\"", &tm) > 0);
        expect_in_body(talk, wanted);
    }
    talk_free(talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_what_is_no_item),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_media_types),
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_conditional_get),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_list_of_large_items),
        cmocka_unit_test(test_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
