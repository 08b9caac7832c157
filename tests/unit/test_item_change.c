/* Changing items, with made-up results in place of a database and of other writers. */
#include "item_test.h"
#include "rfc7396.h"

/* -- PUT and DELETE -------------------------------------------------------------------------------- */

static void test_put(void **state)
{
    (void)state;
    struct talk *talk = talk_new();
    talk_add_row(talk, "tea", 3, "[1]");
    assert_int_equal(REQUEST(talk, PUT, "/items/1", .body = STR("{\"name\":\"coffee\"}")), 200);
    expect_field(talk, "\r\nETag: \"2\"\r\n");
    assert_int_equal(talk->queries, 1);
    char got[256];
    snprintf(got, sizeof got, "%s", talk->body);
    assert_string_equal(got, "{\"id\":1,\"name\":\"coffee\",\"value\":0,\"payload\":null,"
                             "\"updated_at\":\"" EPOCH "\"}");
    assert_int_equal(REQUEST(talk, PUT, "/items/1", .body = text(got)), 200); /* what GET gave */
    assert_string_equal(talk->body, got);
    assert_int_equal(REQUEST(talk, PUT, "/items/2", .body = STR("{\"name\":\"a\"}")), 404);
    assert_int_equal(REQUEST(talk, PUT, "/items/1", .body = STR("{\"name\":\"a\",\"id\":2}")), 422);
    expect_in_body(talk, "\"member\":\"id\"");
    assert_int_equal(REQUEST(talk, PUT, "/items/1", .body = STR("{\"name\":\"a\",\"id\":\"1\"}")), 422);
    assert_int_equal(REQUEST(talk, PUT, "/items/1", .body = STR("{\"value\":1}")), 422);
    assert_int_equal(REQUEST(talk, PUT, "/items/1", .body = STR("{\"name\":\"a\",\"value\":null}")), 422);
    assert_int_equal(REQUEST(talk, PUT, "/items/1", .body = STR("{\"name\":\"a\",\"version\":1}")), 422);
    talk_free(talk);
}

static void test_if_match(void **state)
{
    (void)state;
    static const struct {
        const char *field;
        int status;
    } cases[] = {
        {"\"7\"", 200},
        {"*", 200},
        {" * ", 200},
        {"\"1\", \"7\"", 200},
        {",, \"x,y\" ,\t\"7\" ,", 200},
        {"\"6\"", 412},
        {"W/\"7\"", 412},
        {"\"07\"", 412},
        {"\"\"", 412},
        {"\"1\", \"2\"", 412},
        {"", 400},
        {",", 400},
        {"7", 400},
        {"\"7", 400},
        {"\"7\" \"8\"", 400},
        {"\"7\", *", 400},
        {"w/\"7\"", 400},
        {"\"7\"x", 400},
        {"\"a b\"", 400},
        /* in several lines it is one list */
        {"\"1\"\r\nHost: a\r\nif-match: \"7\"", 200},
        {"\"1\"\r\nIf-Match: \"2\"", 412},
        {"\r\nIf-Match: \"7\"", 200},
        {"*\r\nIf-Match: \"7\"", 400},
    };
    struct talk *talk = talk_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct row *row = talk_add_row(talk, "tea", 3, "[1]");
        row->id = 1;
        row->version = 7;
        char line[64];
        snprintf(line, sizeof line, "If-Match: %s\r\n", cases[i].field);
        struct str field = text(line);
        int status = REQUEST(talk, PUT, "/items/1", .body = STR("{\"name\":\"a\"}"), .fields = field);
        if (status != cases[i].status)
            fail_msg("PUT %s: %d", cases[i].field, status);
        row->version = 7;
        status = REQUEST(talk, PATCH, "/items/1", .body = STR("{\"name\":\"a\"}"), .fields = field);
        assert_int_equal(status, cases[i].status);
        row->version = 7;
        status = REQUEST(talk, DELETE, "/items/1", .fields = field);
        assert_int_equal(status, cases[i].status == 200 ? 204 : cases[i].status);
        if (talk->count > 0)
            remove_row(talk, row);
    }
    /* Where nothing is, it is not looked at (RFC 9110 13.2.1). */
    assert_int_equal(REQUEST(talk, DELETE, "/items/1", .fields = STR("If-Match: *\r\n")), 404);
    assert_int_equal(REQUEST(talk, DELETE, "/items/1", .fields = STR("If-Match: \"7\"\r\n")), 404);
    assert_int_equal(REQUEST(talk, GET, "/items/1", .fields = STR("If-Match: *\r\n")), 404);
    talk_free(talk);
}

/* "Only if there is none yet" never holds for what is there (RFC 9110 13.1.2). */
static void test_if_none_match_of_a_write(void **state)
{
    (void)state;
    struct talk *talk = talk_new();
    talk_add_row(talk, "tea", 3, "[1]");
    struct str any = STR("If-None-Match: *\r\n"), other = STR("If-None-Match: \"8\"\r\n");
    assert_int_equal(REQUEST(talk, PUT, "/items/1", .body = STR("{\"name\":\"a\"}"), .fields = any), 412);
    assert_int_equal(REQUEST(talk, DELETE, "/items/1", .fields = any), 412);
    assert_int_equal(REQUEST(talk, PUT, "/items/2", .body = STR("{\"name\":\"a\"}"), .fields = any), 404);
    assert_int_equal(REQUEST(talk, PATCH, "/items/1", .body = STR("{}"), .fields = other), 200);
    talk_free(talk);
}

static void test_a_version_that_changes_meanwhile(void **state)
{
    (void)state;
    struct talk *talk = talk_new();
    talk_add_row(talk, "tea", 3, "[1]");
    talk->meddle = 1;
    int status =
        REQUEST(talk, PUT, "/items/1", .body = STR("{\"name\":\"a\"}"), .fields = STR("If-Match: \"1\"\r\n"));
    assert_int_equal(status, 412);
    assert_string_equal(talk->rows[0].name, "tea");
    talk->meddle = 1; /* from 2 to 3, which the list allows, too */
    status = REQUEST(talk, DELETE, "/items/1", .fields = STR("If-Match: \"2\", \"3\"\r\n"));
    assert_int_equal(status, 204);
    assert_int_equal(talk->count, 0);
    talk_free(talk);
}

static void test_delete(void **state)
{
    (void)state;
    struct talk *talk = talk_new();
    talk_add_row(talk, "tea", 3, "[1]");
    assert_int_equal(REQUEST(talk, DELETE, "/items/1"), 204);
    assert_string_equal(talk->body, "");
    assert_int_equal(REQUEST(talk, DELETE, "/items/1"), 404);
    talk_free(talk);
}

/* -- PATCH ----------------------------------------------------------------------------------------- */

static void test_patch(void **state)
{
    (void)state;
    static const struct {
        const char *patch;
        int status;
        const char *part;
    } cases[] = {
        {"{}", 200, "\"name\":\"tea\",\"value\":3,\"payload\":{\"a\": 1.50}"}, /* kept to the letter */
        {"{\"name\":\"coffee\"}", 200, "\"name\":\"coffee\",\"value\":3,\"payload\":{\"a\": 1.50}"},
        {"{\"value\":4}", 200, "\"name\":\"tea\",\"value\":4"},
        {"{\"value\":null}", 200, "\"name\":\"tea\",\"value\":0"},
        {"{\"payload\":null}", 200, "\"payload\":null,"},
        {"{\"payload\":[null]}", 200, "\"payload\":[null],"},
        {"{\"payload\":{}}", 200, "\"payload\":{\"a\":1.5},"},
        {"{\"payload\":{\"b\":{\"c\":null,\"d\":1}}}", 200, "\"payload\":{\"a\":1.5,\"b\":{\"d\":1}},"},
        {"{\"payload\":{\"a\":null}}", 200, "\"payload\":{},"},
        {"{\"name\":null}", 422, "\"member\":\"name\""},
        {"{\"name\":\"\"}", 422, "\"member\":\"name\""},
        {"{\"value\":\"4\"}", 422, "\"member\":\"value\""},
        {"{\"id\":1}", 422, "\"member\":\"id\""},
        {"{\"other\":null}", 422, "\"member\":\"other\""},
        {"{\"updated_at\":null}", 422, "\"member\":\"updated_at\""},
        {"[]", 422, "must be a JSON object"},
        {"", 400, "empty"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct talk *talk = talk_new();
        talk_add_row(talk, "tea", 3, "{\"a\": 1.50}");
        assert_int_equal(REQUEST(talk, PATCH, "/items/1", .body = text(cases[i].patch)), cases[i].status);
        expect_in_body(talk, cases[i].part);
        if (cases[i].status == 200)
            expect_field(talk, "\r\nETag: \"2\"\r\n");
        assert_int_equal(REQUEST(talk, PATCH, "/items/2", .body = text(cases[i].patch)),
                         cases[i].status == 200 ? 404 : cases[i].status);
        talk_free(talk);
    }
}

/* RFC 7396, appendix A: as the payload of an item that is patched. */
static void test_patch_as_rfc_7396(void **state)
{
    (void)state;
    static const char *const cases[][3] = {RFC_7396_CASES};
    struct talk *talk = talk_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[32], patch[128];
        struct row *row = talk_add_row(talk, "tea", 3, cases[i][0]);
        snprintf(path, sizeof path, "/items/%" PRId64, row->id);
        snprintf(patch, sizeof patch, "{\"payload\":%s}", cases[i][1]);
        struct http_request request = {.method = HTTP_METHOD_PATCH,
                                       .path = text(path),
                                       .content_type = STR("application/merge-patch+json"),
                                       .body = text(patch)};
        assert_int_equal(talk_request(talk, request), 200);
        assert_string_equal(row->payload, cases[i][2]);
        assert_string_equal(row->name, "tea");
    }
    talk_free(talk);
}

static void test_patch_between_other_writers(void **state)
{
    (void)state;
    struct talk *talk = talk_new();
    struct row *row = talk_add_row(talk, "tea", 3, "{\"a\":1}");
    struct str patch = STR("{\"payload\":{\"b\":[2]}}");
    talk->meddle = ITEM_ATTEMPTS_MAX - 1;
    assert_int_equal(REQUEST(talk, PATCH, "/items/1", .body = patch), 200);
    assert_int_equal(talk->queries, 2 * ITEM_ATTEMPTS_MAX);
    assert_string_equal(row->payload, "{\"a\":1,\"b\":[2]}");
    assert_int_equal(row->version, 1 + ITEM_ATTEMPTS_MAX);

    talk->meddle = ITEM_ATTEMPTS_MAX;
    assert_int_equal(REQUEST(talk, PATCH, "/items/1", .body = patch), 503);
    expect_field(talk, "\r\nRetry-After: ");
    assert_int_equal(talk->queries, 2 * ITEM_ATTEMPTS_MAX);

    row->version = 5;
    talk->meddle = 1;
    assert_int_equal(REQUEST(talk, PATCH, "/items/1", .body = patch, .fields = STR("If-Match: \"5\"\r\n")),
                     412);
    assert_int_equal(talk->queries, 3);
    assert_int_equal(row->version, 6);
    talk_free(talk);
}

static void test_patch_of_what_others_stored(void **state)
{
    (void)state;
    struct talk *talk = talk_new();
    struct row *row = talk_add_row(talk, "tea", 3, "{\"a\":1e999}"); /* PostgreSQL takes it */
    assert_int_equal(REQUEST(talk, PATCH, "/items/1", .body = STR("{\"payload\":{\"b\":1}}")), 422);
    expect_in_body(talk, "PUT");
    assert_int_equal(REQUEST(talk, PATCH, "/items/1", .body = STR("{\"name\":\"b\"}")), 200);
    assert_string_equal(row->payload, "{\"a\":1e999}");
    assert_int_equal(REQUEST(talk, PATCH, "/items/1", .body = STR("{\"payload\":[]}")), 200);
    assert_string_equal(row->payload, "[]");
    talk_free(talk);
}

/* No item grows without end, patch by patch. */
static void test_patch_that_grows(void **state)
{
    (void)state;
    struct talk *talk = talk_new();
    talk->service.max_body_bytes = 2000;
    struct row *row = talk_add_row(talk, "tea", 3, "{}");
    int status = 200, patches = 0;
    for (; status == 200 && patches < 10; patches++) {
        char body[1024];
        snprintf(body, sizeof body, "{\"payload\":{\"member %d\":\"%0900d\"}}", patches, 0);
        status = REQUEST(talk, PATCH, "/items/1", .body = text(body));
    }
    assert_int_equal(status, 422);
    expect_in_body(talk, "\"member\":\"payload\"");
    assert_true(strlen(row->payload) < 2000 + 4 * ITEM_NAME_MAX);
    talk_free(talk);
}

/* -- a database that does not respond as it should ------------------------------------------------- */

static PGresult *narrow(void)
{
    PGresult *result = empty_result(1);
    set_int8(result, 0, 0, 1);
    return result;
}

static PGresult *with_nulls(void)
{
    PGresult *result = empty_result(6);
    for (int i = 0; i < 6; i++)
        assert_true(PQsetvalue(result, 0, i, NULL, -1));
    return result;
}

static PGresult *with_int4s(void)
{
    PGresult *result = empty_result(6);
    for (int i = 0; i < 6; i++)
        assert_true(PQsetvalue(result, 0, i, (char[]){0, 0, 0, 1}, 4));
    return result;
}

static PGresult *without_rows(void)
{
    return PQmakeEmptyPGresult(NULL, PGRES_COMMAND_OK);
}

static void expect_server_errors(struct talk *talk, int status)
{
    assert_int_equal(REQUEST(talk, POST, "/items", .body = STR("{\"name\":\"a\"}")), status);
    assert_int_equal(REQUEST(talk, GET, "/items/1"), status);
    assert_int_equal(REQUEST(talk, GET, "/items"), status);
    assert_int_equal(REQUEST(talk, PUT, "/items/1", .body = STR("{\"name\":\"a\"}")), status);
    assert_int_equal(REQUEST(talk, PATCH, "/items/1", .body = STR("{\"name\":\"a\"}")), status);
    assert_int_equal(REQUEST(talk, DELETE, "/items/1", .fields = STR("If-Match: *\r\n")), status);
}

static void test_results_that_are_wrong(void **state)
{
    (void)state;
    PGresult *(*const wrong[])(void) = {narrow, with_nulls, with_int4s, without_rows};
    struct talk *talk = talk_new();
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        talk->distort = wrong[i];
        expect_server_errors(talk, 500);
    }
    talk->distort = NULL;
    talk->fail_query = 1; /* libpq had no memory for the result, which is no mistake of ours */
    expect_server_errors(talk, 503);
    talk_add_row(talk, "tea", 3, "null");
    talk->fail_query = 2;
    assert_int_equal(REQUEST(talk, PATCH, "/items/1", .body = STR("{\"name\":\"a\"}")), 503);
    assert_int_equal(REQUEST(talk, DELETE, "/items/1", .fields = STR("If-Match: *\r\n")), 503);
    talk_free(talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put),
        cmocka_unit_test(test_if_match),
        cmocka_unit_test(test_if_none_match_of_a_write),
        cmocka_unit_test(test_a_version_that_changes_meanwhile),
        cmocka_unit_test(test_delete),
        cmocka_unit_test(test_patch),
        cmocka_unit_test(test_patch_as_rfc_7396),
        cmocka_unit_test(test_patch_between_other_writers),
        cmocka_unit_test(test_patch_of_what_others_stored),
        cmocka_unit_test(test_patch_that_grows),
        cmocka_unit_test(test_results_that_are_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
