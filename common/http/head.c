/*
 * llhttp parses the head. Checks that it leaves out, or does differently from version to version, are here:
 *
 * - Its check of the version is off: a higher minor version of HTTP/1 is to be read as 1.1 (RFC 9110 2.5), and
 *   another major version is a 505. 8.1 has that flag, too, without a function that sets it.
 * - It reads a request line without a version as HTTP/0.9, skips line ends before the method and all spaces
 *   before the target and the version, and takes RTSP for HTTP: see on_version_complete().
 * - It checks neither the form of a target nor every character of it: see parse_target().
 * - 8.1 takes LF alone for the end of some lines, a line that begins with white space for part of the one
 *   before (which can hide a field), and a field without a name: http_head_scan() sees both ends of each line.
 * - Before 9.4 it refuses a tab after the value of Content-Length: parse_bytes() leaves such white space out.
 * - Its reasons for a refusal are for programmers, and differ. After a refusal, and only then, the explain
 *   functions look for the fault, and for the status of a method that llhttp does not know.
 */
#include "http/head.h"

#include <llhttp.h>

enum { TARGET_MAX = 8192 }; /* RFC 9112 3 recommends at least 8000 for the whole line */

/* A head on its way through llhttp. */
struct parse {
    struct str line; /* the request line without CR LF */
    struct str target, name, value;
    enum http_field field; /* of name */
    struct http_fields *fields;
    bool line_is_good; /* llhttp has got past the request line, and nothing is wrong with it */
};

long http_head_scan(struct http_scan *scan, struct str bytes)
{
    while (scan->seen < bytes.len) {
        const char *start = bytes.ptr + scan->seen, *line = bytes.ptr + scan->line;
        const char *newline = memchr(start, '\n', bytes.len - scan->seen);
        if (newline == NULL) {
            scan->seen = bytes.len;
            break;
        }
        if (newline == bytes.ptr || newline[-1] != '\r')
            return HTTP_HEAD_BARE_LF;
        scan->seen = (size_t)(newline - bytes.ptr) + 1;
        if (newline == line + 1)
            return (long)scan->seen;
        scan->has_odd_line |= http_is(*line, HTTP_BLANK) || *line == ':';
        scan->line = scan->seen;
    }
    return HTTP_HEAD_UNFINISHED;
}

/* False for a method that the router does not tell apart. */
static bool find_method(const llhttp_t *parser, enum http_method *method)
{
    static const enum http_method methods[] = {
        [HTTP_GET] = HTTP_METHOD_GET,         [HTTP_HEAD] = HTTP_METHOD_HEAD,
        [HTTP_POST] = HTTP_METHOD_POST,       [HTTP_PUT] = HTTP_METHOD_PUT,
        [HTTP_PATCH] = HTTP_METHOD_PATCH,     [HTTP_DELETE] = HTTP_METHOD_DELETE,
        [HTTP_OPTIONS] = HTTP_METHOD_OPTIONS,
    };
    size_t known = parser->method;
    if (known >= sizeof(methods) / sizeof(methods[0]))
        return false;
    *method = methods[known];
    return *method != HTTP_METHOD_GET || known == HTTP_GET; /* the table's gaps are zero, as GET is */
}

static bool starts_with_scheme(struct str target, struct str scheme)
{
    return target.len >= scheme.len && str_eq_nocase((struct str){target.ptr, scheme.len}, scheme);
}

/* Absolute-form: cuts scheme and authority off. The authority counts in place of Host (RFC 9112 3.2.2). */
static bool cut_authority(struct str *target, struct http_refusal *refusal)
{
    const struct str http = STR("http://"), https = STR("https://");
    if (starts_with_scheme(*target, https)) /* RFC 9110 7.4: not without TLS */
        return http_refuse(refusal, 421,
                           "An https URL must not be asked for without TLS; ask for an http URL.");
    if (!starts_with_scheme(*target, http))
        return http_refuse(refusal, 400,
                           "The request target is neither a path that begins with '/' nor an http URL.");
    struct str rest = {target->ptr + http.len, target->len - http.len};
    size_t len = 0;
    while (len < rest.len && rest.ptr[len] != '/' && rest.ptr[len] != '?')
        len++;
    if (!http_authority_is_valid((struct str){rest.ptr, len}))
        return http_refuse(refusal, 400, "The request target's host and port are not valid.");
    *target = (struct str){rest.ptr + len, rest.len - len};
    return true;
}

/* OPTIONS of a URL that ends in its host is about the server as a whole, as "*" is (RFC 9112 3.2.4). */
static bool parse_target(struct str target, struct http_request *request, struct http_refusal *refusal)
{
    const struct str server = STR("*");
    bool is_options = request->method == HTTP_METHOD_OPTIONS;
    if (target.len > TARGET_MAX)
        return http_refuse(refusal, 414, "The request target is longer than 8192 bytes; shorten it.");
    if (is_options && str_eq(target, server))
        target.len = 0;
    else if (target.len == 0 || target.ptr[0] != '/')
        if (!cut_authority(&target, refusal))
            return false;
    for (size_t i = 0; i < target.len; i++)
        if (!http_is(target.ptr[i], HTTP_TARGET))
            return http_refuse(refusal, 400,
                               target.ptr[i] == '#'
                                   ? "The request target has a fragment; leave out '#' and what follows."
                                   : "The request target holds a character that must be percent-encoded.");
    const char *mark = target.len > 0 ? memchr(target.ptr, '?', target.len) : NULL;
    size_t path_len = mark != NULL ? (size_t)(mark - target.ptr) : target.len;
    request->path = (struct str){target.ptr, path_len};
    if (path_len == 0)
        request->path = is_options && mark == NULL ? server : STR("/");
    if (mark != NULL)
        request->query = (struct str){mark + 1, target.len - path_len - 1};
    return true;
}

/* The problem with a byte that no value may hold. */
static const char *explain_byte(char c)
{
    return c == '\r' ? "A CR stands without an LF after it; end every line in CR LF."
                     : "The head holds a control character; remove it.";
}

static bool is_version(struct str text)
{
    return text.len == 8 && str_starts_with(text, STR("HTTP/")) && text.ptr[6] == '.' && text.ptr[5] >= '0' &&
           text.ptr[5] <= '9' && text.ptr[7] >= '0' && text.ptr[7] <= '9';
}

/* Why a line is not exactly: method SP target SP version (RFC 9112 3). NULL: it is. */
static const char *explain_line_shape(struct str line, struct str *target, struct str *version)
{
    struct str method;
    size_t spaces = 0;
    for (size_t i = 0; i < line.len; i++) {
        if (!http_is(line.ptr[i], HTTP_VALUE))
            return explain_byte(line.ptr[i]);
        spaces += line.ptr[i] == ' ';
    }
    if (spaces != 2)
        return "The request line is not a method, a target and a version with one space between.";
    str_cut(&line, ' ', &method);
    str_cut(&line, ' ', target);
    *version = line;
    for (size_t i = 0; i < method.len; i++)
        if (!http_is(method.ptr[i], HTTP_TOKEN))
            return "The method holds a character that must not stand in one; use GET or POST, say.";
    if (method.len == 0)
        return "The request line has no method; begin it with one.";
    return is_version(*version) ? NULL
                                : "The request line does not end in an HTTP version; end it in HTTP/1.1.";
}

/* Whether what a well-formed request line says is served here, and says the target well. */
static bool check_request_line(const llhttp_t *parser, char major, struct str target,
                               struct http_request *request, struct http_refusal *refusal)
{
    if (major != '1')
        return http_refuse(refusal, 505, "This version of HTTP is not served; use HTTP/1.1.");
    if (llhttp_get_errno(parser) == HPE_INVALID_METHOD || !find_method(parser, &request->method))
        return http_refuse(
            refusal, 501, "This method is not known here; use GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS.");
    return parse_target(target, request, refusal);
}

/* Says what is wrong with a request line that llhttp refuses, or takes although it is not well-formed. */
static void explain_request_line(const llhttp_t *parser, struct str line, struct http_request *request,
                                 struct http_refusal *refusal)
{
    struct str target, version;
    const char *wrong = explain_line_shape(line, &target, &version);
    if (wrong != NULL)
        http_refuse(refusal, 400, wrong);
    else if (check_request_line(parser, version.ptr[5], target, request, refusal))
        http_refuse(refusal, 400, "The request target is not well-formed; send a path that begins with '/'.");
}

/* The problem with a field line; NULL: none, and *at is moved after it. The head's end stops each loop. */
static const char *explain_field_line(const char **at)
{
    const char *p = *at;
    if (http_is(*p, HTTP_BLANK))
        return "A line of the head begins with white space; write each field on one line.";
    if (*p == ':')
        return "A field has no name; put one before the colon.";
    while (http_is(*p, HTTP_TOKEN))
        p++;
    if (http_is(*p, HTTP_BLANK))
        return "White space stands between a field's name and its colon; remove it.";
    if (*p != ':')
        return "A field line is not a name (a token), a colon and a value.";
    p++;
    while (http_is(*p, HTTP_VALUE))
        p++;
    if (p[0] != '\r' || p[1] != '\n')
        return explain_byte(*p);
    *at = p + 2;
    return NULL;
}

/* The first line that is not well-formed is the fault, before what the callbacks found in other lines. */
static void explain_fields(const struct parse *parse)
{
    struct str lines = parse->fields->request->fields;
    const char *wrong = NULL;
    for (const char *at = lines.ptr, *end = at + lines.len; at < end && wrong == NULL;)
        wrong = explain_field_line(&at);
    if (wrong == NULL && parse->fields->refusal->status == 0)
        wrong = http_bad_framing; /* of well-formed lines llhttp refuses no other */
    if (wrong != NULL)
        http_refuse(parse->fields->refusal, 400, wrong);
}

/* A span may come in pieces; those of a head that lies in memory as a whole are neighbours. */
static void extend(struct str *span, const char *at, size_t len)
{
    if (span->ptr == NULL)
        span->ptr = at;
    span->len = (size_t)(at + len - span->ptr);
}

static int on_url(llhttp_t *parser, const char *at, size_t len)
{
    struct parse *parse = parser->data;
    extend(&parse->target, at, len);
    return 0;
}

/* All of the request line but its end has been read. Nothing else may stand in it, which the lengths tell. */
static int on_version_complete(llhttp_t *parser)
{
    struct parse *parse = parser->data;
    struct http_request *request = parse->fields->request;
    struct str line = parse->line, target = parse->target;
    const struct str version = STR(" HTTP/1.1");
    const char *end = target.ptr + target.len;
    if (line.ptr[0] == '\r' || target.ptr[-2] == ' ' || end + version.len != line.ptr + line.len ||
        memcmp(end, version.ptr, strlen(" HTTP/")) != 0)
        explain_request_line(parser, line, request, parse->fields->refusal);
    else
        parse->line_is_good = check_request_line(parser, end[6], target, request, parse->fields->refusal);
    request->http_1_0 = parser->http_minor == 0;
    return parse->line_is_good ? 0 : -1;
}

static int on_header_field(llhttp_t *parser, const char *at, size_t len)
{
    struct parse *parse = parser->data;
    extend(&parse->name, at, len);
    return 0;
}

/* Pauses at a Content-Length: see parse_bytes(). */
static int on_header_field_complete(llhttp_t *parser)
{
    struct parse *parse = parser->data;
    if (!parse->line_is_good) /* there was no version, which is HTTP/0.9 for llhttp */
        return -1;
    parse->field = http_field_find(parse->name);
    return parse->field == HTTP_FIELD_CONTENT_LENGTH ? HPE_PAUSED : 0;
}

static int on_header_value(llhttp_t *parser, const char *at, size_t len)
{
    struct parse *parse = parser->data;
    extend(&parse->value, at, len);
    return 0;
}

static int on_header_value_complete(llhttp_t *parser)
{
    struct parse *parse = parser->data;
    struct str value = parse->value.ptr != NULL ? str_trim(parse->value) : STR("");
    bool good = http_field_read(parse->fields, parse->field, value);
    parse->name = parse->value = (struct str){0};
    parse->field = HTTP_FIELD_OTHER;
    return good ? 0 : -1;
}

/* The head is all that llhttp parses. Pausing also keeps it from acting on Upgrade. */
static int on_headers_complete(llhttp_t *parser)
{
    (void)parser;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_version_complete = on_version_complete,
    .on_header_field = on_header_field,
    .on_header_field_complete = on_header_field_complete,
    .on_header_value = on_header_value,
    .on_header_value_complete = on_header_value_complete,
    .on_headers_complete = on_headers_complete,
};

/* Gives llhttp a request line or a whole head, but for the white space around the value of Content-Length. */
static llhttp_errno_t parse_bytes(llhttp_t *parser, struct parse *parse, struct str bytes)
{
    const char *newline = memchr(bytes.ptr, '\n', bytes.len), *end = bytes.ptr + bytes.len;
    parse->line = (struct str){bytes.ptr, (size_t)(newline - 1 - bytes.ptr)};
    llhttp_init(parser, HTTP_REQUEST, &settings);
    parser->lenient_flags |= LENIENT_VERSION;
    parser->data = parse;
    llhttp_errno_t error = llhttp_execute(parser, bytes.ptr, bytes.len);
    while (error == HPE_PAUSED && parse->field == HTTP_FIELD_CONTENT_LENGTH) {
        const char *value = parse->name.ptr + parse->name.len + strlen(":");
        const char *cr = memchr(value, '\r', (size_t)(end - value));
        struct str digits = str_trim((struct str){value, (size_t)(cr - value)});
        llhttp_resume(parser);
        error = llhttp_execute(parser, digits.ptr, digits.len);
        if (error == HPE_OK)
            error = llhttp_execute(parser, cr, (size_t)(end - cr));
    }
    return error;
}

static bool request_line_is_good(const llhttp_t *parser, struct parse *parse)
{
    struct http_refusal *refusal = parse->fields->refusal;
    if (!parse->line_is_good && refusal->status == 0)
        explain_request_line(parser, parse->line, parse->fields->request, refusal);
    return parse->line_is_good;
}

bool http_request_line_check(struct str bytes, struct http_refusal *refusal)
{
    llhttp_t parser;
    struct http_request request = {0};
    struct http_fields fields = {.request = &request, .refusal = refusal};
    struct parse parse = {.fields = &fields};
    bytes.len = (size_t)((const char *)memchr(bytes.ptr, '\n', bytes.len) + 1 - bytes.ptr);
    parse_bytes(&parser, &parse, bytes);
    return request_line_is_good(&parser, &parse);
}

bool http_head_parse(struct str head, const struct http_scan *scan, const struct http_limits *limits,
                     struct http_fields *fields)
{
    llhttp_t parser;
    struct parse parse = {.fields = fields};
    *fields->request = (struct http_request){0};
    llhttp_errno_t error = parse_bytes(&parser, &parse, head);
    if (!request_line_is_good(&parser, &parse))
        return false;
    const char *lines = parse.line.ptr + parse.line.len + strlen("\r\n"), *end = head.ptr + head.len - 2;
    fields->request->fields = (struct str){lines, (size_t)(end - lines)};
    if (error != HPE_PAUSED || scan->has_odd_line) {
        explain_fields(&parse);
        return false;
    }
    return http_fields_finish(fields, parser.content_length, limits);
}
