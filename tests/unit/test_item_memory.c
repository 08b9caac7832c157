/*
 * /items while memory runs out: each allocation of an exchange fails in turn, alone and together with
 * all that follow. The response is then a 503 or the right one, nothing leaks, and
 * the table has changed only if the response says so.
 *
 * The Makefile links this program with --wrap, so that what common/ and jansson allocate goes through
 * the functions here, also under ASan.
 */
#include "item_test.h"

#include <limits.h>

static bool inside;       /* an exchange is running */
static long allocations;  /* made while inside */
static long failing_from; /* 0: none */
static long failing_to;   /* the last that fails */
static long blocks_held;  /* allocated while inside and not yet freed */
static bool some_has_failed;

void *__real_malloc(size_t size);
void *__real_realloc(void *memory, size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_realloc(void *memory, size_t size);
void __wrap_free(void *memory);

static bool shall_fail(void)
{
    if (!inside)
        return false;
    allocations++;
    bool failed = failing_from > 0 && allocations >= failing_from && allocations <= failing_to;
    some_has_failed |= failed;
    return failed;
}

void *__wrap_malloc(size_t size)
{
    if (shall_fail())
        return NULL;
    blocks_held += inside;
    return __real_malloc(size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    if (shall_fail())
        return NULL;
    blocks_held += inside && memory == NULL;
    return __real_realloc(memory, size);
}

void __wrap_free(void *memory)
{
    blocks_held -= inside && memory != NULL;
    __real_free(memory);
}

static void on_boundary(bool enters)
{
    inside = enters;
}

static struct talk *talk_with_items(void)
{
    struct talk *talk = talk_new();
    talk_add_row(talk, "a name that is longer than jansson's first buffer of a token", -1,
                 "{\"a\":{\"b\":[1,2.5,{\"c\":\"0123456789abcdefghijklmnopqrstuvwxyz\"}]},\"d\":null}");
    for (int i = 0; i < 20; i++)
        talk_add_row(talk, "abcdefghijklmn", i, "[\"abcdefghijklmn\"]");
    talk->meddle = 2;
    talk->around = on_boundary;
    return talk;
}

/* Everything of a table that a client can see. */
static char *contents(struct talk *talk)
{
    char *text;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    for (int i = 0; i < talk->count; i++) {
        const struct row *row = &talk->rows[i];
        fprintf(out, "%" PRId64 " %s %" PRId64 " %s\n", row->id, row->name, row->value, row->payload);
    }
    fclose(out);
    return text;
}

/* Returns the number of allocations that it makes when none fails. */
static long run(const struct http_request *request, long from, long to, int status, const char *body)
{
    struct talk *talk = talk_with_items();
    char *before = contents(talk);
    allocations = blocks_held = 0;
    failing_from = from;
    failing_to = to;
    some_has_failed = false;
    int got = talk_request(talk, *request);
    long made = allocations;
    failing_from = 0;
    char *after = contents(talk);
    assert_int_equal(blocks_held, 0);
    assert_true(some_has_failed == (from > 0));
    assert_true(got == status || (some_has_failed && got == 503));
    if (got == status)
        assert_string_equal(talk->body, body);
    /* A 503 leaves the table alone, but for one: what was written when memory for the response ran out. */
    if (got == 503 && strstr(talk->body, "The change was made") == NULL)
        assert_string_equal(before, after);
    free(before);
    free(after);
    talk_free(talk);
    return made;
}

static void fail_each(struct http_request request, int status)
{
    struct talk *talk = talk_with_items();
    assert_int_equal(talk_request(talk, request), status);
    long count = run(&request, 0, 0, status, talk->body);
    for (long i = 1; i <= count; i++) {
        run(&request, i, i, status, talk->body);
        run(&request, i, LONG_MAX, status, talk->body);
    }
    talk_free(talk);
}

#define JSON_REQUEST(name, target, ...)                                                                        \
    (struct http_request)                                                                                      \
    {                                                                                                          \
        .method = HTTP_METHOD_##name, .path = STR(target), .content_type = STR("application/json"),            \
        __VA_ARGS__                                                                                            \
    }

/* Strings of 14 and 15 bytes: with their quotes they just fill jansson's buffer of 16, and just do not. */
#define ITEM                                                                                                   \
    STR("{\"name\":\"0123456789abcdefghijklmnopqrstuvwxyz\",\"value\":1234567890123456789,"                    \
        "\"payload\":{\"abcdefghijklmn\":\"abcdefghijklmno\",\"x\":[[1.25,true],{\"y\":null}],\"1\":1,"        \
        "\"2\":2,\"3\":3,\"4\":4,\"5\":5,\"6\":6,\"7\":7,\"8\":8,\"9\":9}}")

static void test_create(void **state)
{
    (void)state;
    fail_each(JSON_REQUEST(POST, "/items", .body = ITEM), 201);
    fail_each(JSON_REQUEST(POST, "/items", .body = STR("{\"name\":\"abcdefghijklmn\"}")), 201);
    fail_each(JSON_REQUEST(POST, "/items", .body = STR("{\"name\":\"a\",\"payload\":[\"abcdefghijklmn\"]}")),
              201);
    fail_each(JSON_REQUEST(POST, "/items", .body = STR("{\"name\":\"abcdefghijklmno\",}")), 400);
    fail_each(JSON_REQUEST(POST, "/items", .body = STR("{\"name\":\"abcdefghijklmno\",\"x\":1}")), 422);
}

static void test_read(void **state)
{
    (void)state;
    fail_each(JSON_REQUEST(GET, "/items"), 200);
    fail_each(JSON_REQUEST(HEAD, "/items/1"), 200);
    fail_each(JSON_REQUEST(GET, "/items/1", .fields = STR("If-Match: \"1\"\r\nIf-None-Match: \"2\"\r\n")), 200);
    fail_each(JSON_REQUEST(GET, "/items/1", .fields = STR("If-None-Match: \"1\"\r\n")), 304);
    fail_each(JSON_REQUEST(GET, "/items/1", .fields = STR("If-Match: \"9\"\r\nIf-Match: \"1\"\r\n")), 200);
}

static void test_replace_and_delete(void **state)
{
    (void)state;
    struct str versions = STR("If-Match: \"1\", \"2\", \"3\"\r\n");
    fail_each(JSON_REQUEST(PUT, "/items/1", .body = ITEM), 200);
    fail_each(JSON_REQUEST(PUT, "/items/1", .body = ITEM, .fields = versions), 200);
    fail_each(JSON_REQUEST(PUT, "/items/1", .body = ITEM, .fields = STR("If-Match: \"1\"\r\n")), 412);
    fail_each(JSON_REQUEST(DELETE, "/items/1"), 204);
    fail_each(JSON_REQUEST(DELETE, "/items/1", .fields = versions), 204);
}

static void test_patch(void **state)
{
    (void)state;
    fail_each(JSON_REQUEST(PATCH, "/items/1", .body = ITEM), 200);
    fail_each(JSON_REQUEST(PATCH, "/items/1", .body = STR("{\"payload\":{\"a\":{\"b\":null,\"e\":{}}}}")), 200);
    fail_each(JSON_REQUEST(PATCH, "/items/2", .body = STR("{\"payload\":{\"a\":{\"b\":{\"c\":{\"d\":1}}}}}")),
              200);
    fail_each(JSON_REQUEST(PATCH, "/items/1", .body = STR("{\"value\":null}")), 200);
    fail_each(JSON_REQUEST(PATCH, "/items/99", .body = ITEM), 404);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_replace_and_delete),
        cmocka_unit_test(test_patch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
