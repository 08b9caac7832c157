/*
 * For the tests of /items: a client of the exchange, and instead of the database a table that is an array and
 * makes the results that PostgreSQL would make. No server, no database.
 */
#ifndef WB_ITEM_TEST_H
#define WB_ITEM_TEST_H

#include <endian.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "handler/exchange.h"
#include "handler/statements.h"

struct row {
    int64_t id;
    char *name;
    int64_t value;
    char *payload;
    int64_t version;
    int64_t updated_at;
};

enum { ROWS_MAX = 128 };

struct talk {
    /* the table */
    struct row rows[ROWS_MAX];
    int count;
    int64_t last_id;
    unsigned meddle;            /* so many times another writer changes the row before a write of ours */
    int fail_query;             /* the query with this number ends in an SQL error; 0 for none */
    PGresult *(*distort)(void); /* makes the result in place of the table; NULL for the table */

    /* the last request */
    int queries;
    char response[1 << 22]; /* as on the wire, terminated */
    const char *body;       /* in `response` */

    void (*around)(bool inside); /* called before and after each call into the exchange; may be NULL */
    struct service service;
    struct exchange x;
};

static struct talk *talk_new(void)
{
    struct talk *talk = calloc(1, sizeof *talk);
    assert_non_null(talk);
    talk->service.max_body_bytes = 65536;
    return talk;
}

static void talk_free(struct talk *talk)
{
    for (int i = 0; i < talk->count; i++) {
        free(talk->rows[i].name);
        free(talk->rows[i].payload);
    }
    free(talk);
}

static struct row *talk_add_row(struct talk *talk, const char *name, int64_t value, const char *payload)
{
    assert_true(talk->count < ROWS_MAX);
    struct row *row = &talk->rows[talk->count++];
    *row = (struct row){.id = ++talk->last_id, .value = value, .version = 1, .updated_at = 0};
    row->name = strdup(name);
    row->payload = strdup(payload);
    return row;
}

static struct row *find_row(struct talk *talk, int64_t id)
{
    for (int i = 0; i < talk->count; i++)
        if (talk->rows[i].id == id)
            return &talk->rows[i];
    return NULL;
}

static void remove_row(struct talk *talk, struct row *row)
{
    free(row->name);
    free(row->payload);
    memmove(row, row + 1, (size_t)(&talk->rows[--talk->count] - row) * sizeof *row);
}

/* -- results --------------------------------------------------------------------------------------- */

static PGresult *empty_result(int columns)
{
    static char name[] = "column";
    PGresAttDesc descriptions[8];
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    assert_non_null(result);
    for (int i = 0; i < columns; i++)
        descriptions[i] = (PGresAttDesc){.name = name, .format = 1};
    assert_true(PQsetResultAttrs(result, columns, descriptions));
    return result;
}

static void set_int8(PGresult *result, int row, int column, int64_t value)
{
    uint64_t wire = htobe64((uint64_t)value);
    assert_true(PQsetvalue(result, row, column, (char *)&wire, sizeof wire));
}

static void add_result_row(PGresult *result, const struct row *row)
{
    int i = PQntuples(result);
    set_int8(result, i, 0, row->id);
    assert_true(PQsetvalue(result, i, 1, row->name, (int)strlen(row->name)));
    set_int8(result, i, 2, row->value);
    assert_true(PQsetvalue(result, i, 3, row->payload, (int)strlen(row->payload)));
    set_int8(result, i, 4, row->version);
    set_int8(result, i, 5, row->updated_at);
}

static void set_contents(struct row *row, const struct query *query, int first)
{
    free(row->name);
    free(row->payload);
    row->name = strndup(query->values[first], (size_t)query->lengths[first]);
    row->value = query_read_int8(query->values[first + 1]);
    row->payload = strndup(query->values[first + 2], (size_t)query->lengths[first + 2]);
}

/* The row that an UPDATE or DELETE with this version as its last parameter is about; NULL for none. */
static struct row *row_to_write(struct talk *talk, const struct query *query)
{
    struct row *row = find_row(talk, query_read_int8(query->values[0]));
    if (row != NULL && talk->meddle > 0) {
        talk->meddle--;
        row->version++;
    }
    const char *version = query->values[query->count - 1];
    return row != NULL && (version == NULL || query_read_int8(version) == row->version) ? row : NULL;
}

/* As many rows as the limit; none after the first row that follows more payload bytes than the maximum. */
static void list_rows(struct talk *talk, PGresult *result, const struct query *query)
{
    int64_t after = query_read_int8(query->values[0]), max = query_read_int8(query->values[2]);
    int64_t before = 0; /* bytes of the payloads in the result */
    for (int i = 0; i < talk->count; i++) {
        if (talk->rows[i].id <= after)
            continue;
        if (PQntuples(result) == query_read_int4(query->values[1]))
            return;
        add_result_row(result, &talk->rows[i]);
        if (before > max)
            return;
        before += (int64_t)strlen(talk->rows[i].payload);
    }
}

static enum statement statement_of(const struct query *query)
{
    enum statement statement = 0;
    while (statement < SQL_STATEMENTS && strcmp(query->statement, statement_name(statement)) != 0)
        statement++;
    return statement;
}

static PGresult *run_query(struct talk *talk, const struct query *query)
{
    talk->queries++;
    if (talk->queries == talk->fail_query)
        return PQmakeEmptyPGresult(NULL, PGRES_FATAL_ERROR);
    if (talk->distort != NULL)
        return talk->distort();
    enum statement statement = statement_of(query);
    PGresult *result = empty_result(statement == SQL_ITEM_DELETE ? 1 : 6);
    struct row *row;
    switch (statement) {
    case SQL_ITEM_INSERT:
        assert_int_equal(query->count, 3);
        row = talk_add_row(talk, "", 0, "");
        set_contents(row, query, 0);
        add_result_row(result, row);
        break;
    case SQL_ITEM_GET:
        assert_int_equal(query->count, 1);
        row = find_row(talk, query_read_int8(query->values[0]));
        if (row != NULL)
            add_result_row(result, row);
        break;
    case SQL_ITEM_LIST:
        assert_int_equal(query->count, 3);
        list_rows(talk, result, query);
        break;
    case SQL_ITEM_REPLACE:
        assert_int_equal(query->count, 5);
        row = row_to_write(talk, query);
        if (row != NULL) {
            set_contents(row, query, 1);
            row->version++;
            add_result_row(result, row);
        }
        break;
    case SQL_ITEM_DELETE:
        assert_int_equal(query->count, 2);
        row = row_to_write(talk, query);
        if (row != NULL) {
            set_int8(result, 0, 0, row->id);
            remove_row(talk, row);
        }
        break;
    default:
        fail_msg("statement %s is none of /items", query->statement);
    }
    return result;
}

/* -- requests -------------------------------------------------------------------------------------- */

static void lend(struct str *slice)
{
    if (slice->ptr == NULL)
        return;
    char *copy = malloc(slice->len > 0 ? slice->len : 1);
    assert_non_null(copy);
    slice->ptr = memcpy(copy, slice->ptr, slice->len);
}

static void take_response(struct talk *talk)
{
    struct iovec iov[RESPONSE_IOV_MAX];
    size_t len = 0, count;
    while ((count = response_iov(&talk->x.response, len, iov, RESPONSE_IOV_MAX)) > 0)
        for (size_t i = 0; i < count; i++) {
            assert_true(len + iov[i].iov_len < sizeof talk->response);
            memcpy(talk->response + len, iov[i].iov_base, iov[i].iov_len);
            len += iov[i].iov_len;
        }
    talk->response[len] = '\0';
    talk->body = strstr(talk->response, "\r\n\r\n");
    assert_non_null(talk->body);
    talk->body += 4;
}

/*
 * Sends the request and returns the status of the response. Its bytes are on the heap and gone as soon
 * as the first step has been made, so that ASan and Valgrind see a slice that was kept.
 */
static int talk_request(struct talk *talk, struct http_request request)
{
    struct str *const slices[] = {&request.path, &request.query, &request.fields, &request.content_type,
                                  &request.body};
    enum { SLICES = sizeof slices / sizeof *slices };
    for (int i = 0; i < SLICES; i++)
        lend(slices[i]);
    talk->queries = 0;
    exchange_init(&talk->x, &talk->service, counters_shard(0));
    talk->x.request = &request;
    if (talk->around != NULL)
        talk->around(true);
    enum step step = exchange_start(&talk->x);
    if (talk->around != NULL)
        talk->around(false);
    for (int i = 0; i < SLICES; i++)
        free((char *)slices[i]->ptr);
    while (step == STEP_QUERY) {
        PGresult *result = run_query(talk, &talk->x.query);
        if (talk->around != NULL)
            talk->around(true);
        step = exchange_resume(&talk->x, result);
        if (talk->around != NULL)
            talk->around(false);
        PQclear(result);
    }
    int status = talk->x.response.status;
    take_response(talk);
    if (talk->around != NULL)
        talk->around(true);
    exchange_deinit(&talk->x);
    if (talk->around != NULL)
        talk->around(false);
    return status;
}

/* REQUEST(talk, PUT, "/items/1", .body = STR("...")): JSON unless another content_type is given. */
#define REQUEST(talk, name, target, ...)                                                                       \
    talk_request(talk, (struct http_request){.method = HTTP_METHOD_##name,                                     \
                                             .path = STR(target),                                              \
                                             .keep_alive = true,                                               \
                                             .content_type = STR("application/json"),                          \
                                             __VA_ARGS__})

/* -- what is expected ------------------------------------------------------------------------------- */

static inline struct str text(const char *terminated)
{
    return (struct str){terminated, strlen(terminated)};
}

static inline void expect_field(const struct talk *talk, const char *line)
{
    const char *found = strstr(talk->response, line);
    if (found == NULL || found > talk->body)
        fail_msg("no \"%s\" in %s", line, talk->response);
}

static inline void expect_in_body(const struct talk *talk, const char *part)
{
    if (strstr(talk->body, part) == NULL)
        fail_msg("no %s in %s", part, talk->body);
}

#define EPOCH "2000-01-01T00:00:00.000000Z"

#endif
