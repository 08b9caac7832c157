#include "handler/items/items.h"

#include <assert.h>
#include <inttypes.h>

#include "handler/items/body.h"
#include "handler/items/etag.h"
#include "handler/items/row.h"
#include "handler/params.h"
#include "handler/respond.h"
#include "handler/statements.h"

static void release(struct exchange *x)
{
    struct item_op *op = &x->item;
    buf_release(&op->texts);
    buf_release(&op->if_match);
    buf_release(&op->if_none_match);
    json_decref(op->patch);
}

static void begin(struct exchange *x, int64_t id)
{
    x->item = (struct item_op){.id = id};
    /* The name cannot be more, and a payload that needs more than a body may have would not come back in. */
    buf_init(&x->item.texts, 4 * ITEM_NAME_MAX + x->service->max_body_bytes);
    buf_init(&x->item.if_match, x->request->fields.len);
    buf_init(&x->item.if_none_match, x->request->fields.len);
    x->on_release = release;
}

static struct str str_of(const struct buf *buf)
{
    return buf->len > 0 ? (struct str){buf->data, buf->len} : STR("");
}

/* --- what a request brings; a function that returns false has answered --- */

/* Several lines of it are one list (RFC 9110 5.3). */
static bool take_condition(struct exchange *x, struct buf *kept, struct str name)
{
    struct str fields = x->request->fields, value;
    bool is_there = false;
    while (http_next_value(&fields, name, &value)) {
        if ((is_there && buf_append(kept, ",", 1) != 0) || buf_append(kept, value.ptr, value.len) != 0) {
            item_respond_no_memory(x);
            return false;
        }
        is_there = true;
    }
    if (!is_there || etag_list_is_valid(str_of(kept)))
        return true;
    respond_problem(x, 400, NULL, "%.*s must be \"*\" or a list of entity tags in double quotes.",
                    STR_ARG(name));
    return false;
}

static bool take_conditions(struct exchange *x)
{
    return take_condition(x, &x->item.if_match, STR("If-Match")) &&
           take_condition(x, &x->item.if_none_match, STR("If-None-Match"));
}

/* --- queries and what they answer --- */

static enum step respond_item(struct exchange *x, int status, const struct item_row *item)
{
    struct buf body;
    buf_init(&body, item_row_json_max(item));
    if (item_row_write(&body, item) != 0) {
        buf_release(&body);
        if (x->method == HTTP_METHOD_GET || x->method == HTTP_METHOD_HEAD)
            return item_respond_no_memory(x);
        return respond_problem(x, 503, NULL,
                               "The change was made, but the server has no memory left to answer with it.");
    }
    if (status == 201)
        respond_field(x, "Location", "/items/%" PRId64, item->id);
    if (x->method != HTTP_METHOD_GET && x->method != HTTP_METHOD_HEAD) /* else it is what was asked for */
        respond_field(x, "Content-Location", "/items/%" PRId64, item->id);
    respond_field(x, "ETag", "\"%" PRId64 "\"", item->version);
    return respond_json(x, status, &body);
}

/* Whatever the conditions: what fails without them is answered as if there were none (RFC 9110 13.2.1). */
static enum step respond_missing(struct exchange *x)
{
    return respond_problem(x, 404, NULL, "There is no item %" PRId64 ".", x->item.id);
}

static bool check_result(struct exchange *x, const PGresult *result)
{
    if (PQresultStatus(result) == PGRES_TUPLES_OK)
        return true;
    respond_sql_error(x, result);
    return false;
}

static bool take_row(struct exchange *x, struct item_row *item, const PGresult *result, int row)
{
    if (item_row_read(item, result, row))
        return true;
    respond_problem(x, 500, NULL, "The table items is not the one of db/schema.sql.");
    return false;
}

/* The conditions in the order of RFC 9110 13.2.2. */
static bool check_conditions(struct exchange *x, const struct item_row *current)
{
    const struct item_op *op = &x->item;
    bool is_read = x->method == HTTP_METHOD_GET || x->method == HTTP_METHOD_HEAD;
    if (op->if_match.len > 0 && !etag_list_matches(str_of(&op->if_match), current->version, ETAG_STRONG)) {
        respond_problem(x, 412, NULL, "The item has changed: it is at version %" PRId64 ". Get it again.",
                        current->version);
        return false;
    }
    if (op->if_none_match.len == 0 ||
        !etag_list_matches(str_of(&op->if_none_match), current->version, ETAG_WEAK))
        return true;
    if (is_read) {
        respond_field(x, "ETag", "\"%" PRId64 "\"", current->version);
        respond_empty(x, 304);
    } else {
        respond_problem(x, 412, NULL, "If-None-Match does not hold: the item is at version %" PRId64 ".",
                        current->version);
    }
    return false;
}

static enum step on_current(struct exchange *x, const PGresult *result);

static enum step ask_current(struct exchange *x, enum step (*on_result)(struct exchange *, const PGresult *))
{
    query_begin(&x->query, statement_name(SQL_ITEM_GET));
    query_add_int8(&x->query, x->item.id);
    return ask(x, on_result);
}

/* The item that ask_current() asked for, its conditions met; false when `x` has its response already. */
static bool take_current(struct exchange *x, struct item_row *item, const PGresult *result)
{
    if (!check_result(x, result))
        return false;
    if (PQntuples(result) == 0) {
        respond_missing(x);
        return false;
    }
    return take_row(x, item, result, 0) && check_conditions(x, item);
}

static enum step on_read(struct exchange *x, const PGresult *result)
{
    struct item_row item;
    if (!take_current(x, &item, result))
        return STEP_RESPOND;
    return respond_item(x, 200, &item);
}

static enum step on_created(struct exchange *x, const PGresult *result)
{
    struct item_row item;
    if (!check_result(x, result) || !take_row(x, &item, result, 0))
        return STEP_RESPOND;
    return respond_item(x, 201, &item);
}

/* No row: the item is gone, or it is no longer at the version that was read, and is read again. */
static enum step on_written(struct exchange *x, const PGresult *result)
{
    struct item_op *op = &x->item;
    struct item_row item;
    if (!check_result(x, result))
        return STEP_RESPOND;
    if (PQntuples(result) == 0) {
        if (op->version == 0)
            return respond_missing(x);
        if (++op->attempts == ITEM_ATTEMPTS_MAX)
            return respond_problem(x, 503, NULL,
                                   "Other writers changed the item %d times meanwhile; try again.",
                                   ITEM_ATTEMPTS_MAX);
        return ask_current(x, on_current);
    }
    if (x->method == HTTP_METHOD_DELETE)
        return respond_empty(x, 204);
    if (!take_row(x, &item, result, 0))
        return STEP_RESPOND;
    return respond_item(x, 200, &item);
}

static void add_texts(struct exchange *x)
{
    struct item_op *op = &x->item;
    query_add_text(&x->query, (struct str){op->texts.data, op->name_len});
    query_add_int8(&x->query, op->value);
    query_add_text(&x->query, (struct str){op->texts.data + op->name_len, op->texts.len - op->name_len});
}

static enum step ask_write(struct exchange *x)
{
    struct item_op *op = &x->item;
    bool is_delete = x->method == HTTP_METHOD_DELETE;
    query_begin(&x->query, statement_name(is_delete ? SQL_ITEM_DELETE : SQL_ITEM_REPLACE));
    query_add_int8(&x->query, op->id);
    if (!is_delete)
        add_texts(x);
    if (op->version != 0)
        query_add_int8(&x->query, op->version);
    else
        query_add_null(&x->query);
    return ask(x, on_written);
}

/* What is there now, before a write that depends on it. */
static enum step on_current(struct exchange *x, const PGresult *result)
{
    struct item_row item;
    if (!take_current(x, &item, result))
        return STEP_RESPOND;
    if (x->method == HTTP_METHOD_PATCH && !item_body_keep_merged(x, &item))
        return STEP_RESPOND;
    x->item.version = item.version;
    return ask_write(x);
}

/* The row behind the page, which the query gives as well, says whether there is a next one. */
static int write_page(struct buf *body, const PGresult *result, int rows)
{
    struct item_row item = {.id = 0};
    int error = buf_append(body, "{\"items\":[", strlen("{\"items\":["));
    for (int row = 0; row < rows && error == 0; row++) {
        bool is_item = item_row_read(&item, result, row);
        assert(is_item && "a row of the page has changed since its size was taken");
        if (row > 0)
            error = buf_append(body, ",", 1);
        if (error == 0)
            error = item_row_write(body, &item);
    }
    if (error != 0)
        return error;
    return rows < PQntuples(result) ? buf_printf(body, "],\"next\":%" PRId64 "}", item.id)
                                    : buf_append(body, "],\"next\":null}", strlen("],\"next\":null}"));
}

static enum step on_page(struct exchange *x, const PGresult *result)
{
    struct item_row item;
    struct buf body;
    if (!check_result(x, result))
        return STEP_RESPOND;
    int rows = 0;
    size_t payloads = 0;
    size_t max = 64; /* around the items: two names and a number */
    while (rows < PQntuples(result) && rows < (int)x->item.limit && payloads <= ITEM_PAGE_BYTES) {
        if (!take_row(x, &item, result, rows++))
            return STEP_RESPOND;
        payloads += item.payload.len;
        max += 1 + item_row_json_max(&item);
    }
    buf_init(&body, max);
    if (write_page(&body, result, rows) != 0) {
        buf_release(&body);
        return item_respond_no_memory(x);
    }
    return respond_json(x, 200, &body);
}

/* --- the requests --- */

static enum step respond_bad_params(struct exchange *x, const struct params *params)
{
    return respond_problem(x, 400, params->culprit[0] != '\0' ? params->culprit : NULL, "%s", params->error);
}

static enum step list(struct exchange *x)
{
    struct params params;
    uint64_t limit = ITEM_LIST_LIMIT, after = 0;
    if (!params_parse(&params, x->request->query) ||
        !params_take_u64(&params, "limit", 1, ITEM_LIST_LIMIT_MAX, &limit) ||
        !params_take_u64(&params, "after", 0, INT64_MAX, &after) || !params_all_taken(&params))
        return respond_bad_params(x, &params);
    x->item.limit = (unsigned)limit;
    query_begin(&x->query, statement_name(SQL_ITEM_LIST));
    query_add_int8(&x->query, (int64_t)after);
    query_add_int4(&x->query, (int32_t)limit + 1);
    query_add_int8(&x->query, ITEM_PAGE_BYTES);
    return ask(x, on_page);
}

static enum step create(struct exchange *x)
{
    json_t *body;
    if (!item_body_take(x, &body))
        return STEP_RESPOND;
    bool kept = item_body_keep(x, body);
    json_decref(body);
    if (!kept)
        return STEP_RESPOND;
    query_begin(&x->query, statement_name(SQL_ITEM_INSERT));
    add_texts(x);
    return ask(x, on_created);
}

/* RFC 9110 14.5: who takes a part of it for all of it destroys the rest. */
static bool check_whole(struct exchange *x)
{
    struct str fields = x->request->fields, range;
    if (!http_next_value(&fields, STR("Content-Range"), &range))
        return true;
    respond_problem(x, 400, NULL, "PUT replaces all of an item: send all of it, without a Content-Range.");
    return false;
}

/* PUT, PATCH, DELETE. Only what depends on the item as it is now reads it first. */
static enum step change(struct exchange *x)
{
    struct item_op *op = &x->item;
    json_t *body;
    if (!take_conditions(x))
        return STEP_RESPOND;
    if (x->method == HTTP_METHOD_PATCH) {
        if (!item_body_take(x, &op->patch))
            return STEP_RESPOND;
        return ask_current(x, on_current);
    }
    if (x->method == HTTP_METHOD_PUT) {
        if (!check_whole(x) || !item_body_take(x, &body))
            return STEP_RESPOND;
        bool kept = item_body_keep(x, body);
        json_decref(body);
        if (!kept)
            return STEP_RESPOND;
    }
    if (op->if_match.len > 0 || op->if_none_match.len > 0)
        return ask_current(x, on_current);
    return ask_write(x);
}

/* An item takes no parameter, and one that means nothing to us is not passed over. */
static bool check_no_params(struct exchange *x)
{
    struct params params;
    if (params_parse(&params, x->request->query) && params_all_taken(&params))
        return true;
    respond_bad_params(x, &params);
    return false;
}

enum step item_collection_start(struct exchange *x)
{
    static const char allow[] = "GET, HEAD, POST, OPTIONS";
    begin(x, 0);
    switch (x->method) {
    case HTTP_METHOD_GET:
    case HTTP_METHOD_HEAD:
        return list(x);
    case HTTP_METHOD_POST:
        return check_no_params(x) ? create(x) : STEP_RESPOND;
    case HTTP_METHOD_OPTIONS:
        return respond_options(x, allow);
    default:
        return respond_not_allowed(x, allow);
    }
}

enum step item_start(struct exchange *x, int64_t id)
{
    static const char allow[] = "GET, HEAD, PUT, PATCH, DELETE, OPTIONS";
    begin(x, id);
    switch (x->method) {
    case HTTP_METHOD_GET:
    case HTTP_METHOD_HEAD:
        return check_no_params(x) && take_conditions(x) ? ask_current(x, on_read) : STEP_RESPOND;
    case HTTP_METHOD_PUT:
    case HTTP_METHOD_PATCH:
    case HTTP_METHOD_DELETE:
        return check_no_params(x) ? change(x) : STEP_RESPOND;
    case HTTP_METHOD_OPTIONS:
        respond_field(x, "Accept-Patch", ITEM_ACCEPT_PATCH); /* RFC 5789 3.1 */
        return respond_options(x, allow);
    default:
        return respond_not_allowed(x, allow);
    }
}
