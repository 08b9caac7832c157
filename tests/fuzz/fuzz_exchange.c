/*
 * libFuzzer target: the step machine. The codec makes requests of the input's bytes, exchanges handle them, and
 * the input chooses the results of queries: rows, no rows, NULL, errors, nothing. A complete response must
 * result in every case: its parts add up to its size, Content-Length is the length of the body, and JSON is
 * JSON.
 *
 * The first RESULTS bytes of the input choose the results, over and over; the client sends the rest.
 */
#include <endian.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "../unit/http_response_size.h"
#include "base/log.h"
#include "handler/exchange.h"
#include "handler/statements.h"

enum { RESULTS = 8, COLUMNS_OF_ITEMS = 6, BODY_MAX = 64 * 1024 };

static const struct service service = {
    .model = "fuzz", .n = 2, .m = 100, .w = 1, .db_pool = 1, .max_body_bytes = 512};
static const struct http_limits limits = {
    .max_header_bytes = 1024, .max_body_bytes = 512, .wants_body = exchange_wants_body};

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

/* -- results ---------------------------------------------------------------------------------------- */

/* What one byte of the script makes of a query's result. */
enum outcome { OUTCOME_ROWS, OUTCOME_NO_ROWS, OUTCOME_NULL, OUTCOME_STATUS, OUTCOME_FAILURE, OUTCOMES };

struct script {
    const uint8_t *bytes;
    size_t at;
    bool null; /* a NULL was given where a value must be */
};

static PGresult *make_result(ExecStatusType status, int columns)
{
    static char name[] = "column";
    PGresAttDesc descriptions[COLUMNS_OF_ITEMS];
    for (int i = 0; i < COLUMNS_OF_ITEMS; i++)
        descriptions[i] = (PGresAttDesc){.name = name, .format = 1};
    PGresult *result = PQmakeEmptyPGresult(NULL, status);
    require(result != NULL && PQsetResultAttrs(result, columns, descriptions), "libpq is out of memory");
    return result;
}

static void set_bytes(PGresult *result, int row, int column, const void *bytes, size_t len)
{
    require(PQsetvalue(result, row, column, (char *)(uintptr_t)bytes, (int)len), "libpq is out of memory");
}

static void set_int8(PGresult *result, int row, int column, int64_t value)
{
    uint64_t wire = htobe64((uint64_t)value);
    set_bytes(result, row, column, &wire, sizeof wire);
}

static void set_text(PGresult *result, int row, int column, const char *text)
{
    set_bytes(result, row, column, text, strlen(text));
}

/* `variety` chooses among extremes of what the table can hold. */
static void add_item(PGresult *result, unsigned variety)
{
    static const char *const names[] = {"x", "\"\\\n\x1f", "\xf0\x9f\xa6\x80", " "};
    static const char *const payloads[] = {"null", "{\"a\":{\"b\":1}}", "[1.5,-9223372036854775808]", "\"\""};
    static const int64_t numbers[] = {1, 0, INT64_MIN, INT64_MAX};
    int row = PQntuples(result);
    set_int8(result, row, 0, row + 1);
    set_text(result, row, 1, names[variety % 4]);
    set_int8(result, row, 2, numbers[variety / 4 % 4]);
    set_text(result, row, 3, payloads[variety / 4 % 4]);
    set_int8(result, row, 4, 1 + variety % 2);
    set_int8(result, row, 5, numbers[variety % 2] * 1000000);
}

static bool is_about_items(enum statement statement)
{
    return statement >= SQL_ITEM_INSERT && statement != SQL_ITEM_DELETE;
}

static PGresult *make_rows(enum statement statement, unsigned variety)
{
    PGresult *result = make_result(PGRES_TUPLES_OK, is_about_items(statement) ? COLUMNS_OF_ITEMS : 1);
    uint32_t value = htobe32(variety);
    int rows = statement == SQL_ITEM_LIST ? 1 + (int)(variety % 5) : 1;
    for (int row = 0; row < rows; row++) {
        if (is_about_items(statement))
            add_item(result, variety);
        else if (statement == SQL_ITEM_DELETE)
            set_int8(result, row, 0, variety);
        else
            set_bytes(result, row, 0, &value, sizeof value);
    }
    return result;
}

static PGresult *make_null(struct script *script, enum statement statement, unsigned variety)
{
    PGresult *result = make_rows(statement, variety);
    int column = (int)(variety % (unsigned)PQnfields(result));
    require(PQsetvalue(result, 0, column, NULL, -1), "libpq is out of memory");
    script->null |= statement != SQL_PING && statement != SQL_ITEM_DELETE; /* whose values say nothing */
    return result;
}

static enum statement statement_of(const struct query *query)
{
    enum statement statement = 0;
    while (statement < SQL_STATEMENTS && strcmp(query->statement, statement_name(statement)) != 0)
        statement++;
    require(statement < SQL_STATEMENTS, "a query of a statement that does not exist");
    return statement;
}

/* NULL: the database gives no result. */
static PGresult *run_query(struct script *script, enum statement statement)
{
    static const ExecStatusType statuses[] = {PGRES_FATAL_ERROR, PGRES_EMPTY_QUERY, PGRES_COMMAND_OK,
                                              PGRES_BAD_RESPONSE};
    uint8_t byte = script->bytes[script->at++ % RESULTS];
    unsigned variety = byte / OUTCOMES;
    switch ((enum outcome)(byte % OUTCOMES)) {
    case OUTCOME_ROWS:
        return make_rows(statement, variety);
    case OUTCOME_NO_ROWS:
        return make_result(PGRES_TUPLES_OK, is_about_items(statement) ? COLUMNS_OF_ITEMS : 1);
    case OUTCOME_NULL:
        return make_null(script, statement, variety);
    case OUTCOME_STATUS:
        return make_result(statuses[variety % 4], 0);
    default:
        return NULL;
    }
}

/* As libpq would when it sends them: ASan sees one that is gone. */
static void read_parameters(const struct query *query)
{
    static volatile char sink;
    for (int i = 0; i < query->count; i++)
        for (int at = 0; query->values[i] != NULL && at < query->lengths[i]; at++)
            sink = query->values[i][at];
    (void)sink;
}

/* -- responses ---------------------------------------------------------------------------------------- */

/*
 * The bytes of the response, at most `max` of them; *size is how many there are. As if the socket took only
 * a half of the last vector each time: the next ones begin in the middle.
 */
static size_t gather(const struct response *response, char *out, size_t max, uint64_t *size)
{
    struct iovec iov[3];
    size_t kept = 0, count;
    *size = 0;
    while ((count = response_iov(response, *size, iov, 3)) > 0)
        for (size_t i = 0; i < count; i++) {
            size_t taken = i + 1 < count ? iov[i].iov_len : (iov[i].iov_len + 1) / 2;
            size_t len = taken < max - kept ? taken : max - kept;
            memcpy(out + kept, iov[i].iov_base, len);
            kept += len;
            *size += taken;
        }
    return kept;
}

static void check_json(const char *body, size_t len)
{
    json_error_t error;
    json_t *json = json_loadb(body, len, JSON_REJECT_DUPLICATES, &error);
    require(json_is_object(json), "the body is no JSON object");
    json_decref(json);
}

static void check_response(const struct response *response, bool is_head)
{
    static char bytes[RESPONSE_HEAD_MAX + BODY_MAX + 1];
    uint64_t size;
    size_t kept = gather(response, bytes, sizeof bytes - 1, &size);
    bytes[kept] = '\0';
    require(size == response_size(response), "the parts of a response do not add up to its size");

    int status = 0;
    char *body = strstr(bytes, "\r\n\r\n");
    require(body != NULL && sscanf(bytes, "HTTP/1.1 %3d ", &status) == 1, "a response has no head");
    require(status == response->status && strcmp(http_status_text(status), "Unknown") != 0,
            "an unknown status");
    body[2] = '\0';
    body += 4;
    require((strstr(bytes, "\r\nConnection: close\r\n") != NULL) == response->close,
            "the head does not say what is done");
    require((strstr(bytes, "\r\nRetry-After: 1\r\n") != NULL) == (status == 503), "Retry-After belongs to 503");

    const char *length = strstr(bytes, "\r\nContent-Length: ");
    uint64_t body_size = size - (uint64_t)(body - bytes);
    require((length == NULL) == (status == 204 || status == 304),
            "Content-Length is there or not, and wrongly so");
    if (length == NULL || is_head) {
        require(body_size == 0, "a body where there must be none");
        return;
    }
    require(strtoull(length + strlen("\r\nContent-Length: "), NULL, 10) == body_size,
            "Content-Length is not the body's");
    if (body_size < BODY_MAX && strstr(bytes, "json\r\n") != NULL)
        check_json(body, (size_t)body_size);
}

/* -- exchanges -------------------------------------------------------------------------------------- */

static void finish(struct exchange *x, bool is_head, uint64_t responses_before)
{
    check_response(&x->response, is_head);
    require(counters_total(COUNT_REQUESTS) == responses_before + 1, "a request is not counted once");
    exchange_deinit(x);
}

/* True when the connection goes on. */
static bool respond(struct http_codec *codec, struct script *script)
{
    struct exchange x;
    uint64_t responses = counters_total(COUNT_REQUESTS);
    bool is_head = codec->request.method == HTTP_METHOD_HEAD;
    script->null = false;
    exchange_init(&x, &service, counters_shard(0));
    x.request = &codec->request;
    enum step step = exchange_start(&x);
    if (step == STEP_WAIT)
        step = exchange_waited(&x);
    require(step != STEP_WAIT, "it waits twice");
    while (step == STEP_QUERY) {
        read_parameters(&x.query);
        PGresult *result = run_query(script, statement_of(&x.query));
        if (result == NULL)
            step = exchange_fail(&x, script->bytes[script->at % RESULTS] % (FAIL_QUERY_TIMEOUT + 1));
        else
            step = exchange_resume(&x, result);
        PQclear(result);
    }
    require(!script->null || x.response.status >= 500, "a NULL was taken for a value");
    bool goes_on = !x.response.close;
    finish(&x, is_head, responses);
    return goes_on;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    log_init(service.model, LOG_LEVEL_ERROR);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < RESULTS || size - RESULTS > HTTP_PIPELINE_MAX)
        return 0;
    struct script script = {.bytes = data};
    struct http_codec codec;
    http_init(&codec, &limits);
    enum http_event event = http_feed(&codec, (const char *)data + RESULTS, size - RESULTS);
    while (event == HTTP_EVENT_REQUEST && respond(&codec, &script))
        event = http_next(&codec);
    if (event == HTTP_EVENT_REFUSED) {
        struct exchange x;
        uint64_t responses = counters_total(COUNT_REQUESTS);
        exchange_init(&x, &service, counters_shard(0));
        exchange_refuse(&x, codec.refusal);
        require(x.response.close, "the connection goes on after a refusal");
        finish(&x, codec.refusal.is_head, responses);
    }
    http_deinit(&codec);
    return 0;
}
