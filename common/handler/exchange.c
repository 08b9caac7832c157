#include "handler/exchange.h"

#include <assert.h>
#include <string.h>

#include "handler/items/body.h"
#include "handler/respond.h"
#include "handler/status.h"

struct route {
    struct str path;
    enum step (*start)(struct exchange *);
};

static const struct route routes[] = {
    {STR("/work"), work_start},      {STR("/items"), item_collection_start}, {STR("/healthz"), status_healthz},
    {STR("/readyz"), status_readyz}, {STR("/stats"), status_stats},          {STR("/metrics"), status_metrics},
};

void exchange_init(struct exchange *x, const struct service *service, struct counters *counters)
{
    /* Field by field: clearing the arrays as well would cost more than the rest of a request. */
    x->request = NULL;
    x->service = service;
    x->counters = counters;
    x->method = HTTP_METHOD_GET;
    x->keep_alive = true;
    x->http_1_0 = false;
    x->on_result = NULL;
    x->on_release = NULL;

    struct response *response = &x->response;
    response->status = 0;
    response->close = false;
    response->head_len = response->fields_len = response->text_len = 0;
    response->padding = 0;
    response->tail = "";
    response->bodiless = false;
    buf_init(&response->body, WORK_M_MAX);
}

static void release(struct exchange *x)
{
    if (x->on_release != NULL)
        x->on_release(x);
    x->on_release = NULL;
}

/* Once there is a response, what the handler kept is of no use, and the client may take long to read. */
static enum step release_at_response(struct exchange *x, enum step step)
{
    if (step == STEP_RESPOND)
        release(x);
    return step;
}

void exchange_deinit(struct exchange *x)
{
    release(x);
    response_release(&x->response);
}

/* The longest path there is, each byte of it encoded. A longer one is left as it is and found nowhere. */
enum { PATH_ROOM = 3 * sizeof("/items/9223372036854775807") };

/*
 * A percent-encoded letter, digit or "-._~" means the same as the byte itself (RFC 3986 6.2.2.2), so
 * "/%77ork" is "/work". No path of ours has any other byte that may be encoded. Percent signs are
 * followed by two digits.
 */
static struct str decode_path(struct str path, char room[PATH_ROOM])
{
    if (memchr(path.ptr, '%', path.len) == NULL || path.len > PATH_ROOM)
        return path;
    size_t len = 0;
    for (size_t i = 0; i < path.len; i++) {
        char c = path.ptr[i];
        int byte = c == '%' ? str_hex_digit(path.ptr[i + 1]) << 4 | str_hex_digit(path.ptr[i + 2]) : 0;
        bool unreserved = (byte >= '0' && byte <= '9') || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z') ||
                          (byte != 0 && strchr("-._~", byte) != NULL);
        room[len++] = unreserved ? (char)byte : c;
        i += unreserved ? 2 : 0;
    }
    return (struct str){room, len};
}

/* "/items/7": one segment of digits behind the collection, without leading zeros. */
static bool path_is_item(struct str path, int64_t *id)
{
    const struct str prefix = STR("/items/");
    if (!str_starts_with(path, prefix))
        return false;
    struct str digits = {path.ptr + prefix.len, path.len - prefix.len};
    uint64_t number;
    if (!str_to_u64(digits, &number) || digits.ptr[0] == '0' || number > INT64_MAX)
        return false;
    *id = (int64_t)number;
    return true;
}

static enum step dispatch(struct exchange *x)
{
    char room[PATH_ROOM];
    if (!str_is_percent_encoded(x->request->path) || !str_is_percent_encoded(x->request->query))
        return respond_problem(x, 400, NULL,
                               "A percent sign in a URL must be followed by two hexadecimal digits.");
    struct str path = decode_path(x->request->path, room);
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
        if (str_eq(path, routes[i].path))
            return routes[i].start(x);
    int64_t id;
    if (path_is_item(path, &id))
        return item_start(x, id);
    if (str_eq(path, STR("*"))) /* OPTIONS *: the server as a whole (RFC 9110 9.3.7) */
        return respond_options(x, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    return respond_problem(x, 404, NULL,
                           "There is nothing here: the paths are /work, /items, /items/{id}, /healthz, "
                           "/readyz, /stats and /metrics.");
}

bool exchange_wants_body(const struct http_request *request)
{
    char room[PATH_ROOM];
    int64_t id;
    if (!str_is_percent_encoded(request->path))
        return false;
    struct str path = decode_path(request->path, room);
    switch (request->method) {
    case HTTP_METHOD_POST:
        return str_eq(path, STR("/items")) && item_body_is_acceptable(request);
    case HTTP_METHOD_PUT:
    case HTTP_METHOD_PATCH:
        return path_is_item(path, &id) && item_body_is_acceptable(request);
    default:
        return false;
    }
}

enum step exchange_start(struct exchange *x)
{
    assert(x->request != NULL && "exchange_start: set x->request first");
    x->method = x->request->method;
    x->http_1_0 = x->request->http_1_0;
    x->keep_alive = x->keep_alive && x->request->keep_alive;
    enum step step = dispatch(x);
    x->request = NULL; /* its bytes are not ours to keep */
    return release_at_response(x, step);
}

enum step exchange_resume(struct exchange *x, const PGresult *result)
{
    assert(x->on_result != NULL && "exchange_resume: the exchange has asked for no query");
    return release_at_response(x, x->on_result(x, result));
}

enum step exchange_fail(struct exchange *x, enum exchange_failure failure)
{
    static const struct {
        int status;
        const char *detail;
    } answers[] = {
        [FAIL_UNAVAILABLE] = {503, "The database cannot be reached; try again later."},
        [FAIL_POOL_TIMEOUT] = {503,
                               "No database connection became free in time; send less load, or raise DB_POOL."},
        [FAIL_LOST] = {503,
                       "The connection to the database broke during the request, whose last query may or may "
                       "not have been carried out; try again."},
        [FAIL_QUERY_TIMEOUT] = {504,
                                "The database did not answer in time; ask for less, or raise QUERY_TIMEOUT."},
    };
    return release_at_response(
        x, respond_problem(x, answers[failure].status, NULL, "%s", answers[failure].detail));
}

enum exchange_failure exchange_failure_of_checkout(enum pool_outcome outcome)
{
    return outcome == POOL_TIMED_OUT ? FAIL_POOL_TIMEOUT : FAIL_UNAVAILABLE;
}

enum exchange_failure exchange_failure_of_query(const struct pg *pg)
{
    return pg->timed_out ? FAIL_QUERY_TIMEOUT : FAIL_LOST;
}

enum step exchange_refuse(struct exchange *x, struct http_refusal refusal)
{
    x->keep_alive = false;
    x->method = refusal.is_head ? HTTP_METHOD_HEAD : x->method;
    return respond_problem(x, refusal.status, NULL, "%s", refusal.detail);
}

void exchange_close_after(struct exchange *x)
{
    x->keep_alive = false;
}
