#include "handler/routes.h"

#include <stdio.h>

#include "handler/exchange.h"
#include "handler/items/body.h"
#include "handler/items/items.h"
#include "handler/respond.h"
#include "handler/status.h"
#include "handler/work.h"

struct route {
    enum http_method method;
    struct str path; /* may end in "{id}": decimal digits, 1..2^63-1, no leading zero */
    bool (*takes_body)(const struct http_request *); /* by the header fields; NULL: there is no body to take */
    enum step (*start)(struct exchange *);
};

#define ID "{id}"

/* The routes of a path stand together. /work, the hot path, stands first. */
static const struct route routes[] = {
    {HTTP_METHOD_GET, STR("/work"), NULL, work_start},
    {HTTP_METHOD_GET, STR("/items"), NULL, items_list},
    {HTTP_METHOD_POST, STR("/items"), item_body_is_acceptable, items_create},
    {HTTP_METHOD_GET, STR("/items/" ID), NULL, item_read},
    {HTTP_METHOD_PUT, STR("/items/" ID), item_body_is_acceptable, item_replace},
    {HTTP_METHOD_PATCH, STR("/items/" ID), item_body_is_acceptable, item_patch},
    {HTTP_METHOD_DELETE, STR("/items/" ID), NULL, item_delete},
    {HTTP_METHOD_GET, STR("/healthz"), NULL, status_healthz},
    {HTTP_METHOD_GET, STR("/readyz"), NULL, status_readyz},
    {HTTP_METHOD_GET, STR("/stats"), NULL, status_stats},
    {HTTP_METHOD_GET, STR("/metrics"), NULL, status_metrics},
};

enum { ROUTES = sizeof routes / sizeof *routes };

/* The longest path of the table, each byte of it percent-encoded. */
enum { PATH_ROOM = 3 * sizeof("/items/9223372036854775807") };

/*
 * A percent-encoded letter, digit or "-._~" is the byte itself (RFC 3986 6.2.2.2): "/%77ork" is "/work". No
 * path of the table has another byte that may be encoded. Two hexadecimal digits follow each percent sign of
 * `path`. A path of more than PATH_ROOM bytes is not decoded: no route has it.
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

/* *id is only set if the pattern has one. */
static bool matches(struct str pattern, struct str path, int64_t *id)
{
    if (pattern.ptr[pattern.len - 1] != '}')
        return str_eq(path, pattern);
    pattern.len -= strlen(ID);
    if (!str_starts_with(path, pattern))
        return false;
    struct str digits = {path.ptr + pattern.len, path.len - pattern.len};
    uint64_t number;
    if (!str_to_u64(digits, &number) || digits.ptr[0] == '0' || number > INT64_MAX)
        return false;
    *id = (int64_t)number;
    return true;
}

/*
 * The route; or NULL, with the methods that the path has routes for in *allowed: a set of bits such as
 * 1 << HTTP_METHOD_GET.
 */
static const struct route *find_route(enum http_method method, struct str path, int64_t *id, unsigned *allowed)
{
    enum http_method wanted = method == HTTP_METHOD_HEAD ? HTTP_METHOD_GET : method;
    *allowed = 0;
    for (const struct route *route = routes; route < routes + ROUTES; route++) {
        if (!matches(route->path, path, id))
            continue;
        if (route->method == wanted)
            return route;
        *allowed |= 1u << route->method;
    }
    return NULL;
}

static enum step respond_allowed(struct exchange *x, unsigned allowed)
{
    static const char *const names[] = {
        [HTTP_METHOD_GET] = "GET",        [HTTP_METHOD_HEAD] = "HEAD",   [HTTP_METHOD_POST] = "POST",
        [HTTP_METHOD_PUT] = "PUT",        [HTTP_METHOD_PATCH] = "PATCH", [HTTP_METHOD_DELETE] = "DELETE",
        [HTTP_METHOD_OPTIONS] = "OPTIONS"};
    char allow[64] = "";
    size_t len = 0;
    allowed |= 1u << HTTP_METHOD_OPTIONS;
    if (allowed & 1u << HTTP_METHOD_GET)
        allowed |= 1u << HTTP_METHOD_HEAD;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (allowed & 1u << i)
            len += (size_t)snprintf(allow + len, sizeof allow - len, "%s%s", len > 0 ? ", " : "", names[i]);
    respond_field(x, "Allow", "%s", allow);
    if (x->method == HTTP_METHOD_OPTIONS)
        return respond_empty(x, 204);
    return respond_problem(x, 405, NULL, "The resource takes only these methods: %s.", allow);
}

static enum step respond_not_found(struct exchange *x)
{
    char paths[160] = "";
    size_t len = 0;
    for (size_t i = 0; i < ROUTES; i++) {
        struct str path = routes[i].path;
        if (i > 0 && str_eq(path, routes[i - 1].path))
            continue;
        bool is_last = str_eq(path, routes[ROUTES - 1].path);
        const char *separator = i == 0 ? "" : is_last ? " and " : ", ";
        len += (size_t)snprintf(paths + len, sizeof paths - len, "%s%.*s", separator, STR_ARG(path));
    }
    return respond_problem(x, 404, NULL, "There is nothing here: the paths are %s.", paths);
}

/* RFC 9110 9.3.7: OPTIONS * asks about the server as a whole. */
static enum step respond_server_options(struct exchange *x)
{
    unsigned all = 0;
    for (size_t i = 0; i < ROUTES; i++)
        all |= 1u << routes[i].method;
    return respond_allowed(x, all);
}

enum step route_start(struct exchange *x)
{
    char room[PATH_ROOM];
    unsigned allowed;
    if (!str_is_percent_encoded(x->request->path) || !str_is_percent_encoded(x->request->query))
        return respond_problem(x, 400, NULL,
                               "A percent sign in a URL must be followed by two hexadecimal digits.");
    struct str path = decode_path(x->request->path, room);
    const struct route *route = find_route(x->method, path, &x->id, &allowed);
    if (route != NULL)
        return route->start(x);
    if (str_eq(path, STR("*")))
        return respond_server_options(x);
    if (allowed == 0)
        return respond_not_found(x);
    if (x->method == HTTP_METHOD_OPTIONS && allowed & 1u << HTTP_METHOD_PATCH)
        respond_field(x, "Accept-Patch", ITEM_ACCEPT_PATCH); /* RFC 5789 3.1 */
    return respond_allowed(x, allowed);
}

bool route_wants_body(const struct http_request *request)
{
    char room[PATH_ROOM];
    int64_t id;
    unsigned allowed;
    if (!str_is_percent_encoded(request->path))
        return false;
    const struct route *route = find_route(request->method, decode_path(request->path, room), &id, &allowed);
    return route != NULL && route->takes_body != NULL && route->takes_body(request);
}
