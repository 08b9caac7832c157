/*
 * The raw bytes of a head, checked before llhttp sees them.
 *
 * Why: llhttp 8.1 takes a line that begins with white space as part of the one before (which can hide
 * a Content-Length), takes empty field names, and neither 8.1 nor 9.2 looks at the Host field, at
 * sizes, or at the HTTP version. A request that two parsers may read differently is refused here.
 */
#include "http_head.h"

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

/* The line must be exactly: method SP target SP version. RFC 9112 3 */
static bool check_request_line(struct str text, struct http_request_line *line, struct http_refusal *refusal)
{
    struct str method, version;
    size_t spaces = 0;
    for (size_t i = 0; i < text.len; i++)
        spaces += text.ptr[i] == ' ';
    if (spaces != 2)
        return http_refuse(refusal, 400,
                           "The request line is not a method, a target and a version with one space between.");
    str_cut(&text, ' ', &method);
    str_cut(&text, ' ', &line->target);
    version = text;
    if (method.len == 0)
        return http_refuse(refusal, 400, "The request line has no method.");
    for (size_t i = 0; i < method.len; i++)
        if (!is(method.ptr[i], TOKEN))
            return http_refuse(refusal, 400, "The method holds a character that a token may not hold.");
    if (!check_version(version, &line->http_1_0, refusal))
        return false;
    if (!find_method(method, &line->method))
        return http_refuse(
            refusal, 501, "This method is not known here; use GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS.");
    if (line->target.len > TARGET_MAX)
        return http_refuse(refusal, 414, "The request target is longer than 8192 bytes; shorten it.");
    return true;
}

/* What is wrong with the byte that ended a field's name or value. */
static const char *blame(const char *at)
{
    if (*at == '\r')
        return "A CR stands without an LF behind it; end every line in CR LF.";
    return "The head holds a control character; remove it.";
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

bool http_head_check(struct str head, struct http_request_line *line, struct http_refusal *refusal)
{
    const char *end = head.ptr + head.len - 2; /* the empty line */
    const char *newline = memchr(head.ptr, '\n', head.len);
    struct str first = {head.ptr, (size_t)(newline - 1 - head.ptr)};
    for (size_t i = 0; i < first.len; i++)
        if (!is(first.ptr[i], VALUE))
            return http_refuse(refusal, 400, blame(first.ptr + i));
    if (!check_request_line(first, line, refusal))
        return false;
    for (const char *at = newline + 1; at < end;) {
        const char *wrong = check_field_line(&at);
        if (wrong != NULL)
            return http_refuse(refusal, 400, wrong);
    }
    return true;
}

/* "[::1]" with the brackets. RFC 3986 also has IPvFuture, which nobody ever wrote. */
static bool is_ipv6_literal(struct str host)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (host.len < 2 || host.len - 2 >= sizeof(text) || host.ptr[host.len - 1] != ']')
        return false;
    memcpy(text, host.ptr + 1, host.len - 2);
    text[host.len - 2] = '\0';
    return inet_pton(AF_INET6, text, &address) == 1;
}

/* An IPv4 address is a registered name as far as its characters go. */
static bool is_registered_name(struct str host)
{
    for (size_t i = 0; i < host.len; i++) {
        if (is(host.ptr[i], NAME))
            continue;
        if (host.ptr[i] != '%' || host.len - i < 3 || str_hex_digit(host.ptr[i + 1]) < 0 ||
            str_hex_digit(host.ptr[i + 2]) < 0)
            return false;
        i += 2;
    }
    return true;
}

bool http_authority_is_valid(struct str authority, bool empty_host)
{
    struct str host = authority;
    for (size_t i = authority.len; i > 0 && authority.ptr[i - 1] != ']'; i--) {
        if (authority.ptr[i - 1] == ':') {
            host.len = i - 1;
            for (size_t digit = i; digit < authority.len; digit++)
                if (!is_digit(authority.ptr[digit]))
                    return false;
            break;
        }
    }
    if (host.len == 0)
        return empty_host;
    return host.ptr[0] == '[' ? is_ipv6_literal(host) : is_registered_name(host);
}

/* The length of "http://" or "https://" (RFC 9110 4.2; the case does not matter), or 0. */
static size_t scheme_len(struct str target)
{
    static const struct str schemes[] = {STR("http://"), STR("https://")};
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        size_t len = schemes[i].len;
        if (target.len >= len && str_eq_nocase((struct str){target.ptr, len}, schemes[i]))
            return len;
    }
    return 0;
}

/* Absolute-form: cuts scheme and authority off. The authority counts in place of Host (RFC 9112 3.2.2). */
static bool cut_authority(struct str *target, struct http_refusal *refusal)
{
    size_t scheme = scheme_len(*target);
    if (scheme == 0)
        return http_refuse(refusal, 400,
                           "The request target is neither a path that begins with '/' nor an "
                           "http or https URL.");
    struct str rest = {target->ptr + scheme, target->len - scheme};
    size_t len = 0;
    while (len < rest.len && rest.ptr[len] != '/' && rest.ptr[len] != '?')
        len++;
    if (!http_authority_is_valid((struct str){rest.ptr, len}, false))
        return http_refuse(refusal, 400, "The request target's host and port are not valid.");
    *target = (struct str){rest.ptr + len, rest.len - len};
    return true;
}

bool http_target_parse(const struct http_request_line *line, struct http_request *request,
                       struct http_refusal *refusal)
{
    struct str target = line->target;
    if (line->method == HTTP_METHOD_OPTIONS && str_eq(target, STR("*"))) {
        request->path = target;
        return true;
    }
    if (target.len == 0 || target.ptr[0] != '/')
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
    request->path = path_len > 0 ? (struct str){target.ptr, path_len} : STR("/");
    if (mark != NULL)
        request->query = (struct str){mark + 1, target.len - path_len - 1};
    return true;
}
