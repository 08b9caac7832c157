/*
 * The raw bytes of a head, checked before llhttp sees them.
 *
 * Why: llhttp 8.1 takes a line that begins with white space as part of the one before (which can hide
 * a Content-Length), takes empty field names, and neither 8.1 nor 9.2 looks at the Host field, at
 * sizes, or at the HTTP version. A request that two parsers may read differently is refused here.
 */
#include "http/head.h"

#include <arpa/inet.h>

enum { TARGET_MAX = 8192 }; /* RFC 9112 3 recommends at least 8000 for the whole line */

enum byte_class {
    TOKEN = 1,  /* RFC 9110 5.6.2 */
    VALUE = 2,  /* RFC 9110 5.5: field-vchar, SP, HTAB */
    TARGET = 4, /* RFC 3986: what a path or a query may hold, '%' included */
    NAME = 8,   /* RFC 3986 3.2.2: what a registered name may hold, without '%' */
};

/* clang-format off */
static const unsigned char byte_classes[256] = {
    ['0' ... '9'] = TOKEN | VALUE | TARGET | NAME,
    ['A' ... 'Z'] = TOKEN | VALUE | TARGET | NAME,
    ['a' ... 'z'] = TOKEN | VALUE | TARGET | NAME,
    ['-'] = TOKEN | VALUE | TARGET | NAME, ['.'] = TOKEN | VALUE | TARGET | NAME,
    ['_'] = TOKEN | VALUE | TARGET | NAME, ['~'] = TOKEN | VALUE | TARGET | NAME,
    ['!'] = TOKEN | VALUE | TARGET | NAME, ['$'] = TOKEN | VALUE | TARGET | NAME,
    ['&'] = TOKEN | VALUE | TARGET | NAME, ['\''] = TOKEN | VALUE | TARGET | NAME,
    ['*'] = TOKEN | VALUE | TARGET | NAME, ['+'] = TOKEN | VALUE | TARGET | NAME,
    ['('] = VALUE | TARGET | NAME, [')'] = VALUE | TARGET | NAME, [','] = VALUE | TARGET | NAME,
    [';'] = VALUE | TARGET | NAME, ['='] = VALUE | TARGET | NAME,
    [':'] = VALUE | TARGET, ['@'] = VALUE | TARGET, ['/'] = VALUE | TARGET, ['?'] = VALUE | TARGET,
    ['%'] = TOKEN | VALUE | TARGET,
    ['#'] = TOKEN | VALUE, ['^'] = TOKEN | VALUE, ['`'] = TOKEN | VALUE, ['|'] = TOKEN | VALUE,
    ['"'] = VALUE, ['<'] = VALUE, ['>'] = VALUE, ['['] = VALUE, ['\\'] = VALUE, [']'] = VALUE,
    ['{'] = VALUE, ['}'] = VALUE, [' '] = VALUE, ['\t'] = VALUE,
    [0x80 ... 0xff] = VALUE,
};
/* clang-format on */

static bool is(char c, enum byte_class class)
{
    return (byte_classes[(unsigned char)c] & class) != 0;
}

bool http_is_token_char(char c)
{
    return is(c, TOKEN);
}

bool http_is_value_char(char c)
{
    return is(c, VALUE);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

long http_head_scan(struct http_scan *scan, struct str bytes)
{
    while (scan->seen < bytes.len) {
        const char *start = bytes.ptr + scan->seen;
        const char *newline = memchr(start, '\n', bytes.len - scan->seen);
        if (newline == NULL) {
            scan->seen = bytes.len;
            break;
        }
        size_t at = (size_t)(newline - bytes.ptr);
        if (at == 0 || newline[-1] != '\r')
            return HTTP_HEAD_BARE_LF;
        if (at == scan->line + 1)
            return (long)at + 1;
        scan->seen = scan->line = at + 1;
    }
    return HTTP_HEAD_UNFINISHED;
}

/* HEAD answers as GET does; the rest is what the router tells apart. */
static bool find_method(struct str token, enum http_method *method)
{
    static const struct str names[] = {
        [HTTP_METHOD_GET] = STR("GET"),         [HTTP_METHOD_HEAD] = STR("HEAD"),
        [HTTP_METHOD_POST] = STR("POST"),       [HTTP_METHOD_PUT] = STR("PUT"),
        [HTTP_METHOD_PATCH] = STR("PATCH"),     [HTTP_METHOD_DELETE] = STR("DELETE"),
        [HTTP_METHOD_OPTIONS] = STR("OPTIONS"),
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (str_eq(names[i], token)) {
            *method = (enum http_method)i;
            return true;
        }
    }
    return false;
}

/* "HTTP/" DIGIT "." DIGIT, of which two are served. */
static bool check_version(struct str version, bool *http_1_0, struct http_refusal *refusal)
{
    if (version.len != 8 || !str_starts_with(version, STR("HTTP/")) || !is_digit(version.ptr[5]) ||
        version.ptr[6] != '.' || !is_digit(version.ptr[7]))
        return http_refuse(refusal, 400,
                           "The request line does not end in an HTTP version; end it in HTTP/1.1.");
    if (version.ptr[5] != '1') /* a higher minor version is to be read as 1.1: RFC 9110 2.5 */
        return http_refuse(refusal, 505, "This version of HTTP is not served; use HTTP/1.1.");
    *http_1_0 = version.ptr[7] == '0';
    return true;
}

/* What is wrong with the byte that ended a line, a field's name or its value too early. */
static const char *blame(const char *at)
{
    if (*at == '\r')
        return "A CR stands without an LF behind it; end every line in CR LF.";
    return "The head holds a control character; remove it.";
}

/* The line must be exactly: method SP target SP version. RFC 9112 3 */
static bool split_request_line(struct str line, struct str *target, struct http_request *request,
                               struct http_refusal *refusal)
{
    struct str method, version;
    size_t spaces = 0;
    for (size_t i = 0; i < line.len; i++) {
        if (!is(line.ptr[i], VALUE))
            return http_refuse(refusal, 400, blame(line.ptr + i));
        spaces += line.ptr[i] == ' ';
    }
    if (spaces != 2)
        return http_refuse(refusal, 400,
                           "The request line is not a method, a target and a version with one space between.");
    str_cut(&line, ' ', &method);
    str_cut(&line, ' ', target);
    version = line;
    if (method.len == 0)
        return http_refuse(refusal, 400, "The request line has no method.");
    for (size_t i = 0; i < method.len; i++)
        if (!is(method.ptr[i], TOKEN))
            return http_refuse(refusal, 400, "The method holds a character that a token may not hold.");
    if (!check_version(version, &request->http_1_0, refusal))
        return false;
    if (!find_method(method, &request->method))
        return http_refuse(
            refusal, 501, "This method is not known here; use GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS.");
    if (target->len > TARGET_MAX)
        return http_refuse(refusal, 414, "The request target is longer than 8192 bytes; shorten it.");
    return true;
}

/* One field line; *at is moved behind it. The head's own end stops every loop. Returns what is wrong. */
static const char *check_field_line(const char **at)
{
    const char *p = *at;
    if (*p == ' ' || *p == '\t')
        return "A line of the head begins with white space; write each field on one line.";
    if (*p == ':')
        return "A field has no name; put one before the colon.";
    while (is(*p, TOKEN))
        p++;
    if (*p == ' ' || *p == '\t')
        return "White space stands between a field's name and its colon; remove it.";
    if (*p != ':')
        return "A field line is not a name (a token), a colon and a value.";
    p++;
    while (is(*p, VALUE))
        p++;
    if (p[0] != '\r' || p[1] != '\n')
        return blame(p);
    *at = p + 2;
    return NULL;
}

bool http_fields_check(struct str fields, struct http_refusal *refusal)
{
    for (const char *at = fields.ptr, *end = at + fields.len; at < end;) {
        const char *wrong = check_field_line(&at);
        if (wrong != NULL)
            return http_refuse(refusal, 400, wrong);
    }
    return true;
}

/* "v1.x" of RFC 3986 3.2.2: an address of a kind that is yet to come. */
static bool is_future_address(struct str address)
{
    size_t i = 1;
    while (i < address.len && str_hex_digit(address.ptr[i]) >= 0)
        i++;
    if (i == 1 || i + 1 >= address.len || address.ptr[i] != '.')
        return false;
    for (i++; i < address.len; i++)
        if (!is(address.ptr[i], NAME) && address.ptr[i] != ':')
            return false;
    return true;
}

/* "[::1]" with the brackets. */
static bool is_address_literal(struct str host)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr binary;
    if (host.len < 3 || host.ptr[host.len - 1] != ']')
        return false;
    struct str address = {host.ptr + 1, host.len - 2};
    if (address.ptr[0] == 'v' || address.ptr[0] == 'V')
        return is_future_address(address);
    if (address.len >= sizeof(text))
        return false;
    memcpy(text, address.ptr, address.len);
    text[address.len] = '\0';
    return inet_pton(AF_INET6, text, &binary) == 1;
}

/* An IPv4 address is a registered name as far as its characters go. */
static bool is_registered_name(struct str host)
{
    for (size_t i = 0; i < host.len; i++)
        if (!is(host.ptr[i], NAME) && host.ptr[i] != '%')
            return false;
    return str_is_percent_encoded(host);
}

/* RFC 3986 3.2.3 lets a port be empty, and TCP has no more than 16 bits of it. */
static bool is_port(struct str digits)
{
    uint64_t port = 0;
    return digits.len == 0 || (str_to_u64(digits, &port) && port <= UINT16_MAX);
}

bool http_authority_is_valid(struct str authority)
{
    struct str host = authority;
    for (size_t i = authority.len; i > 0 && authority.ptr[i - 1] != ']'; i--) {
        if (authority.ptr[i - 1] == ':') {
            host.len = i - 1;
            if (!is_port((struct str){authority.ptr + i, authority.len - i}))
                return false;
            break;
        }
    }
    if (host.len == 0) /* RFC 9110 4.2.1: no http URL is without a host */
        return false;
    return host.ptr[0] == '[' ? is_address_literal(host) : is_registered_name(host);
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
    if (is_options && str_eq(target, server))
        target.len = 0;
    else if (target.len == 0 || target.ptr[0] != '/')
        if (!cut_authority(&target, refusal))
            return false;
    for (size_t i = 0; i < target.len; i++) {
        if (target.ptr[i] == '#')
            return http_refuse(refusal, 400,
                               "The request target has a fragment; leave out '#' and what follows.");
        if (!is(target.ptr[i], TARGET))
            return http_refuse(refusal, 400,
                               "The request target holds a character that must be percent-encoded.");
    }
    const char *mark = target.len > 0 ? memchr(target.ptr, '?', target.len) : NULL;
    size_t path_len = mark != NULL ? (size_t)(mark - target.ptr) : target.len;
    request->path = (struct str){target.ptr, path_len};
    if (path_len == 0)
        request->path = is_options && mark == NULL ? server : STR("/");
    if (mark != NULL)
        request->query = (struct str){mark + 1, target.len - path_len - 1};
    return true;
}

bool http_request_line_parse(struct str head, struct http_request *request, struct http_refusal *refusal)
{
    const char *newline = memchr(head.ptr, '\n', head.len);
    struct str line = {head.ptr, (size_t)(newline - 1 - head.ptr)}, target;
    return split_request_line(line, &target, request, refusal) && parse_target(target, request, refusal);
}
