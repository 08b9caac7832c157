#include "http/fields.h"

#include <arpa/inet.h>

const char http_bad_framing[] =
    "Content-Length must be one decimal number, Transfer-Encoding must be chunked; send one of them, once: "
    "Transfer-Encoding must not stand beside Content-Length.";

/* Classes of bytes in the grammars of RFC 9110 and RFC 3986. */
enum {
    WORD = HTTP_TOKEN | HTTP_VALUE,
    PART = HTTP_VALUE | HTTP_TARGET,
    NAME = HTTP_VALUE | HTTP_TARGET | HTTP_NAME,
    ANY = HTTP_TOKEN | NAME,
};

/* clang-format off */
const unsigned char http_byte_classes[256] = {
    ['0' ... '9'] = ANY, ['A' ... 'Z'] = ANY, ['a' ... 'z'] = ANY,
    ['-'] = ANY, ['.'] = ANY, ['_'] = ANY, ['~'] = ANY, ['!'] = ANY, ['$'] = ANY, ['&'] = ANY, ['\''] = ANY,
    ['*'] = ANY, ['+'] = ANY,
    ['('] = NAME, [')'] = NAME, [','] = NAME, [';'] = NAME, ['='] = NAME,
    [':'] = PART, ['@'] = PART, ['/'] = PART, ['?'] = PART,
    ['%'] = WORD | HTTP_TARGET,
    ['#'] = WORD, ['^'] = WORD, ['`'] = WORD, ['|'] = WORD,
    ['"'] = HTTP_VALUE, ['<'] = HTTP_VALUE, ['>'] = HTTP_VALUE, ['['] = HTTP_VALUE, ['\\'] = HTTP_VALUE,
    [']'] = HTTP_VALUE, ['{'] = HTTP_VALUE, ['}'] = HTTP_VALUE,
    [' '] = HTTP_VALUE | HTTP_BLANK, ['\t'] = HTTP_VALUE | HTTP_BLANK,
    [0x80 ... 0xff] = HTTP_VALUE,
};
/* clang-format on */

/* Each of the names has a length of its own. */
enum http_field http_field_find(struct str name)
{
    static const struct {
        const char *name;
        enum http_field field;
    } by_length[] = {
        [4] = {"host", HTTP_FIELD_HOST},
        [6] = {"expect", HTTP_FIELD_EXPECT},
        [10] = {"connection", HTTP_FIELD_CONNECTION},
        [12] = {"content-type", HTTP_FIELD_CONTENT_TYPE},
        [14] = {"content-length", HTTP_FIELD_CONTENT_LENGTH},
        [17] = {"transfer-encoding", HTTP_FIELD_TRANSFER_ENCODING},
    };
    if (name.len >= sizeof(by_length) / sizeof(by_length[0]) || by_length[name.len].name == NULL)
        return HTTP_FIELD_OTHER;
    bool same = str_eq_nocase(name, (struct str){by_length[name.len].name, name.len});
    return same ? by_length[name.len].field : HTTP_FIELD_OTHER;
}

static bool has_seen(const struct http_fields *fields, enum http_field field)
{
    return (fields->seen & 1u << field) != 0;
}

/*
 * RFC 9112 6.1 and 6.3: without chunked at the end nobody can tell where the body ends. An empty element
 * (", chunked") would be right (RFC 9110 5.6.1), but parsers differ on it and no client sends one.
 */
static bool read_transfer_encoding(struct http_fields *fields, struct str value)
{
    const struct str chunked = STR("chunked");
    if (fields->request->http_1_0)
        return http_refuse(fields->refusal, 400, "HTTP/1.0 has no Transfer-Encoding; use Content-Length.");
    fields->chunked = str_eq_nocase(value, chunked);
    if (fields->chunked)
        return true;
    struct str coding = STR("");
    bool has_other = false, ends_chunked = false;
    while (str_cut(&value, ',', &coding)) {
        coding = str_trim(coding);
        ends_chunked = str_eq_nocase(coding, chunked);
        has_other |= coding.len > 0 && !ends_chunked;
    }
    if (has_other && ends_chunked)
        return http_refuse(fields->refusal, 501,
                           "A transfer coding other than chunked is not known here; use chunked alone.");
    return http_refuse(fields->refusal, 400, http_bad_framing);
}

static bool read_connection(struct http_fields *fields, struct str value)
{
    struct str option;
    while (str_cut(&value, ',', &option)) {
        option = str_trim(option);
        fields->close |= str_eq_nocase(option, STR("close"));
        fields->keep_alive |= str_eq_nocase(option, STR("keep-alive"));
    }
    return true;
}

/* RFC 9110 10.1.1; an HTTP/1.0 client cannot mean it. */
static bool read_expect(struct http_fields *fields, struct str value)
{
    struct str expectation;
    while (!fields->request->http_1_0 && str_cut(&value, ',', &expectation)) {
        expectation = str_trim(expectation);
        if (expectation.len > 0 && !str_eq_nocase(expectation, STR("100-continue")))
            return http_refuse(fields->refusal, 417,
                               "The only expectation that can be met is 100-continue; leave out any other.");
        fields->expects_continue |= expectation.len > 0;
    }
    return true;
}

/* Empty where the URL has no authority (RFC 9110 7.2): this server is meant then. */
static bool read_host(struct http_fields *fields, struct str value)
{
    if (value.len > 0 && !http_authority_is_valid(value))
        return http_refuse(fields->refusal, 400,
                           "The Host field is not a host name or address with an optional port.");
    return true;
}

bool http_field_read(struct http_fields *fields, enum http_field field, struct str value)
{
    const unsigned framing = 1u << HTTP_FIELD_CONTENT_LENGTH | 1u << HTTP_FIELD_TRANSFER_ENCODING;
    bool repeated = has_seen(fields, field), framed = (fields->seen & framing) != 0;
    fields->seen |= 1u << field;
    if (framed && (1u << field & framing) != 0)
        return http_refuse(fields->refusal, 400, http_bad_framing);
    if (repeated && (field == HTTP_FIELD_HOST || field == HTTP_FIELD_CONTENT_TYPE))
        return http_refuse(fields->refusal, 400,
                           "A field that may stand in a head once stands there twice; send it once.");
    switch (field) {
    case HTTP_FIELD_HOST:
        return read_host(fields, value);
    case HTTP_FIELD_TRANSFER_ENCODING:
        return read_transfer_encoding(fields, value);
    case HTTP_FIELD_CONNECTION:
        return read_connection(fields, value);
    case HTTP_FIELD_EXPECT:
        return read_expect(fields, value);
    case HTTP_FIELD_CONTENT_TYPE:
        fields->request->content_type = value;
        return true;
    default:
        return true;
    }
}

bool http_fields_finish(struct http_fields *fields, uint64_t length, const struct http_limits *limits)
{
    struct http_request *request = fields->request;
    if (!has_seen(fields, HTTP_FIELD_HOST) && !request->http_1_0)
        return http_refuse(fields->refusal, 400, "The Host field is missing; HTTP/1.1 requires exactly one.");
    if (length > limits->max_body_bytes)
        return http_refuse(fields->refusal, 413,
                           "The body is longer than the server's limit; send a shorter one.");
    fields->length = length;
    fields->has_length = has_seen(fields, HTTP_FIELD_CONTENT_LENGTH);
    request->keep_alive = !fields->close && (!request->http_1_0 || fields->keep_alive);
    return true;
}

bool http_next_value(struct str *fields, struct str name, struct str *value)
{
    struct str line, found;
    while (str_cut(fields, '\n', &line)) {
        line.len--; /* the CR */
        str_cut(&line, ':', &found);
        if (!str_eq_nocase(found, name))
            continue;
        *value = str_trim(line);
        return true;
    }
    return false;
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
        if (!http_is(address.ptr[i], HTTP_NAME) && address.ptr[i] != ':')
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
        if (!http_is(host.ptr[i], HTTP_NAME) && host.ptr[i] != '%')
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
