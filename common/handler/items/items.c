#include "handler/items/items.h"

#include <assert.h>
#include <inttypes.h>

#include "handler/exchange.h"
#include "handler/items/body.h"
#include "handler/items/etag.h"
#include "handler/items/row.h"
#include "handler/respond.h"
#include "handler/statements.h"

/* --- Requests. A bool function that returns false has made the response. --- */

static void release(struct exchange *x)
{
    struct item_op *op = &x->item;
    buf_release(&op->texts);
    buf_release(&op->if_match);
    buf_release(&op->if_none_match);
    json_decref(op->patch);
}

/* False for a query string: only the list has parameters. */
static bool begin(struct exchange *x)
{
    struct params params;
    x->item = (struct item_op){.version = 0};
    /* A name has a limit of its own; a payload must not need more than a body may have, to be sent back. */
    buf_init(&x->item.texts, 4 * ITEM_NAME_MAX + x->service->max_body_bytes);
    buf_init(&x->item.if_match, x->request->fields.len);
    buf_init(&x->item.if_none_match, x->request->fields.len);
    x->on_release = release;
    if (params_parse(&params, x->request->query) && params_all_taken(&params))
        return true;
    respond_bad_params(x, &params);
    return false;
}

static struct str str_of(const struct buf *buf)
{
    return buf->len > 0 ? (struct str){buf->data, buf->len} : STR("");
}

/* Several lines of one field are one list (RFC 9110 5.3). */
static bool take_condition(struct exchange *x, struct buf *kept, struct str name)
{
    struct str fields = x->request->fields, value;
    bool is_there = false;
    for (; http_next_value(&fields, name, &value); is_there = true) {
        if ((is_there && buf_puts(kept, ",") != 0) || buf_append(kept, value.ptr, value.len) != 0) {
            respond_no_memory(x);
            return false;
        }
    }
    return !is_there || etag_list_is_valid(str_of(kept)) ||
           refuse_request(x, 400, NULL, "%.*s must be \"*\" or a list of entity tags in double quotes.",
                          STR_ARG(name));
}

static bool take_conditions(struct exchange *x)
{
    return take_condition(x, &x->item.if_match, STR("If-Match")) &&
           take_condition(x, &x->item.if_none_match, STR("If-None-Match"));
}

/* RFC 9110 14.5: to take a part of an item for all of it would destroy the rest. */
static bool check_whole(struct exchange *x)
{
    struct str fields = x->request->fields, range;
    return !http_next_value(&fields, STR("Content-Range"), &range) ||
           refuse_request(x, 400, NULL,
                          "PUT replaces all of an item: send all of it, without a Content-Range.");
}

/* --- Results --- */

static bool is_read(const struct exchange *x)
{
    return x->method == HTTP_METHOD_GET || x->method == HTTP_METHOD_HEAD;
}

static bool take_row(struct exchange *x, struct item_row *item, const PGresult *result, int row)
{
    return item_row_read(item, result, row) ||
           refuse_request(x, 500, NULL, "The table items is not the one of db/schema.sql.");
}

static void add_etag(struct exchange *x, const struct item_row *item)
{
    respond_field(x, "ETag", "\"%" PRId64 "\"", item->version);
}

static enum step respond_item(struct exchange *x, int status, const struct item_row *item)
{
    struct buf body;
    buf_init(&body, item_row_json_max(item));
    if (item_row_write(&body, item) != 0) {
        buf_release(&body);
        if (is_read(x))
            return respond_no_memory(x);
        return respond_problem(x, 503, NULL,
                               "The change was made, but the server has no memory left to show the item.");
    }
    if (status == 201)
        respond_field(x, "Location", "/items/%" PRId64, item->id);
    if (!is_read(x)) /* else the path names the item already */
        respond_field(x, "Content-Location", "/items/%" PRId64, item->id);
    add_etag(x, item);
    return respond_body(x, status, "application/json", &body);
}

/* Conditions do not matter: a request that fails without them fails the same way (RFC 9110 13.2.1). */
static enum step respond_missing(struct exchange *x)
{
    return respond_problem(x, 404, NULL, "There is no item %" PRId64 ".", x->id);
}

/* The conditions in the order of RFC 9110 13.2.2. */
static bool check_conditions(struct exchange *x, const struct item_row *current)
{
    struct str match = str_of(&x->item.if_match), none_match = str_of(&x->item.if_none_match);
    if (match.len > 0 && !etag_list_matches(match, current->version, ETAG_STRONG))
        return refuse_request(x, 412, NULL, "The item has changed: it is at version %" PRId64 ". Get it again.",
                              current->version);
    if (none_match.len == 0 || !etag_list_matches(none_match, current->version, ETAG_WEAK))
        return true;
    if (!is_read(x))
        return refuse_request(x, 412, NULL, "If-None-Match does not hold: the item is at version %" PRId64 ".",
                              current->version);
    add_etag(x, current);
    respond_empty(x, 304);
    return false;
}

/* --- Queries. x->item.texts holds the parameters of a write. --- */

static enum step query_current(struct exchange *x, enum step (*on_result)(struct exchange *, const PGresult *))
{
    query_begin(&x->query, statement_name(SQL_ITEM_GET));
    query_add_int8(&x->query, x->id);
    return exchange_query(x, on_result);
}

/* The result of query_current(), if the item exists and its conditions hold. */
static bool take_current(struct exchange *x, struct item_row *item, const PGresult *result)
{
    if (PQntuples(result) > 0)
        return take_row(x, item, result, 0) && check_conditions(x, item);
    respond_missing(x);
    return false;
}

static void add_texts(struct exchange *x)
{
    const struct item_op *op = &x->item;
    query_add_text(&x->query, (struct str){op->texts.data, op->name_len});
    query_add_int8(&x->query, op->value);
    query_add_text(&x->query, (struct str){op->texts.data + op->name_len, op->texts.len - op->name_len});
}

static enum step on_current(struct exchange *x, const PGresult *result);

/* No row: the item is gone; or another writer changed its version meanwhile, so read the item again. */
static enum step on_written(struct exchange *x, const PGresult *result)
{
    struct item_op *op = &x->item;
    struct item_row item;
    if (PQntuples(result) == 0) {
        if (op->version == 0)
            return respond_missing(x);
        if (++op->attempts == ITEM_ATTEMPTS_MAX)
            return respond_problem(x, 503, NULL,
                                   "Other writers changed the item %d times meanwhile; try again.",
                                   ITEM_ATTEMPTS_MAX);
        return query_current(x, on_current);
    }
    if (x->method == HTTP_METHOD_DELETE)
        return respond_empty(x, 204);
    return take_row(x, &item, result, 0) ? respond_item(x, 200, &item) : STEP_RESPOND;
}

static enum step query_write(struct exchange *x)
{
    struct item_op *op = &x->item;
    bool is_delete = x->method == HTTP_METHOD_DELETE;
    query_begin(&x->query, statement_name(is_delete ? SQL_ITEM_DELETE : SQL_ITEM_REPLACE));
    query_add_int8(&x->query, x->id);
    if (!is_delete)
        add_texts(x);
    if (op->version != 0)
        query_add_int8(&x->query, op->version);
    else
        query_add_null(&x->query);
    return exchange_query(x, on_written);
}

/* The item before a write that depends on it. */
static enum step on_current(struct exchange *x, const PGresult *result)
{
    struct item_row item;
    if (!take_current(x, &item, result) || (x->method == HTTP_METHOD_PATCH && !item_body_keep_merged(x, &item)))
        return STEP_RESPOND;
    x->item.version = item.version;
    return query_write(x);
}

/* Without conditions the write does not depend on the item as it is now: one query is enough. */
static enum step write_if_conditions_hold(struct exchange *x)
{
    const struct item_op *op = &x->item;
    return op->if_match.len > 0 || op->if_none_match.len > 0 ? query_current(x, on_current) : query_write(x);
}

/* --- A page --- */

static int write_page(struct buf *body, const PGresult *result, int rows)
{
    struct item_row item = {.id = 0};
    int error = buf_puts(body, "{\"items\":[");
    for (int row = 0; row < rows && error == 0; row++) {
        bool is_item = item_row_read(&item, result, row);
        assert(is_item && "a row of the page has changed since its size was taken");
        error = row > 0 ? buf_puts(body, ",") : 0;
        error = error ?: item_row_write(body, &item);
    }
    /* The result has one row more than the page if there is a next page. */
    if (rows < PQntuples(result))
        return error ?: buf_printf(body, "],\"next\":%" PRId64 "}", item.id);
    return error ?: buf_puts(body, "],\"next\":null}");
}

static enum step on_page(struct exchange *x, const PGresult *result)
{
    struct item_row item;
    struct buf body;
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
    if (write_page(&body, result, rows) == 0)
        return respond_body(x, 200, "application/json", &body);
    buf_release(&body);
    return respond_no_memory(x);
}

enum step items_list(struct exchange *x)
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
    return exchange_query(x, on_page);
}

/* --- An item --- */

static enum step on_created(struct exchange *x, const PGresult *result)
{
    struct item_row item;
    return take_row(x, &item, result, 0) ? respond_item(x, 201, &item) : STEP_RESPOND;
}

enum step items_create(struct exchange *x)
{
    if (!begin(x) || !item_body_keep(x))
        return STEP_RESPOND;
    query_begin(&x->query, statement_name(SQL_ITEM_INSERT));
    add_texts(x);
    return exchange_query(x, on_created);
}

static enum step on_read(struct exchange *x, const PGresult *result)
{
    struct item_row item;
    return take_current(x, &item, result) ? respond_item(x, 200, &item) : STEP_RESPOND;
}

enum step item_read(struct exchange *x)
{
    return begin(x) && take_conditions(x) ? query_current(x, on_read) : STEP_RESPOND;
}

enum step item_replace(struct exchange *x)
{
    bool goes_on = begin(x) && take_conditions(x) && check_whole(x) && item_body_keep(x);
    return goes_on ? write_if_conditions_hold(x) : STEP_RESPOND;
}

enum step item_patch(struct exchange *x)
{
    bool goes_on = begin(x) && take_conditions(x) && item_body_take(x, &x->item.patch);
    return goes_on ? query_current(x, on_current) : STEP_RESPOND;
}

enum step item_delete(struct exchange *x)
{
    return begin(x) && take_conditions(x) ? write_if_conditions_hold(x) : STEP_RESPOND;
}
