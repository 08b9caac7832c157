/*
 * What the fields of a head mean: llhttp takes the head apart, this file looks at each field.
 *
 * Framing and Connection are decided here rather than read off llhttp: 8.1 takes "close<TAB>" for
 * keep-alive, and the versions differ in which pairs of framing fields they refuse.
 */
#include "http/head.h"

enum field {
    FIELD_HOST,
    FIELD_CONTENT_LENGTH,
    FIELD_TRANSFER_ENCODING,
    FIELD_CONNECTION,
    FIELD_EXPECT,
    FIELD_CONTENT_TYPE,
    FIELD_OTHER,
};

static const char bad_content_length[] =
    "Content-Length must stand there once, as one decimal number, and not beside Transfer-Encoding.";
static const char bad_transfer_encoding[] =
    "Transfer-Encoding must stand there once, end in chunked, and not stand beside Content-Length.";

struct parse {
    struct http_request *request;
    struct http_framing *framing;
    const struct http_limits *limits;
    struct http_refusal refusal; /* the first; status 0 while there is none */
    struct str name, value;      /* the field at hand */
    unsigned seen;               /* a bit for each enum field */
    bool close, keep_alive;      /* options of Connection */
};

static enum field find_field(struct str name)
{
    static const struct str names[] = {
        [FIELD_HOST] = STR("host"),
        [FIELD_CONTENT_LENGTH] = STR("content-length"),
        [FIELD_TRANSFER_ENCODING] = STR("transfer-encoding"),
        [FIELD_CONNECTION] = STR("connection"),
        [FIELD_EXPECT] = STR("expect"),
        [FIELD_CONTENT_TYPE] = STR("content-type"),
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (str_eq_nocase(names[i], name))
            return (enum field)i;
    return FIELD_OTHER;
}

static bool has_seen(const struct parse *parse, enum field field)
{
    return (parse->seen & 1u << field) != 0;
}

/* Only digits: "+5", "5, 5" and "" are shapes that another parser may read differently. RFC 9112 6.3 */
static bool read_content_length(struct parse *parse)
{
    if (!str_to_u64(parse->value, &parse->framing->length))
        return http_refuse(&parse->refusal, 400, bad_content_length);
    return true;
}

/*
 * RFC 9112 6.1 and 6.3: without chunked at the end nobody can tell where the body ends. An empty element
 * (", chunked") would be right (RFC 9110 5.6.1), but parsers differ on it and no client sends one.
 */
static bool read_transfer_encoding(struct parse *parse)
{
    const struct str chunked = STR("chunked");
    if (parse->request->http_1_0)
        return http_refuse(&parse->refusal, 400, "HTTP/1.0 has no Transfer-Encoding; use Content-Length.");
    parse->framing->chunked = str_eq_nocase(parse->value, chunked);
    if (parse->framing->chunked)
        return true;
    struct str rest = parse->value, coding = STR("");
    bool has_other = false, ends_chunked = false;
    while (str_cut(&rest, ',', &coding)) {
        coding = str_trim(coding);
        ends_chunked = str_eq_nocase(coding, chunked);
        has_other |= coding.len > 0 && !ends_chunked;
    }
    if (has_other && ends_chunked)
        return http_refuse(&parse->refusal, 501, "A transfer coding other than chunked is not known here.");
    return http_refuse(&parse->refusal, 400, bad_transfer_encoding);
}

static bool read_connection(struct parse *parse)
{
    struct str rest = parse->value, option;
    while (str_cut(&rest, ',', &option)) {
        option = str_trim(option);
        parse->close |= str_eq_nocase(option, STR("close"));
        parse->keep_alive |= str_eq_nocase(option, STR("keep-alive"));
    }
    return true;
}

/* RFC 9110 10.1.1; an HTTP/1.0 client cannot mean it. */
static bool read_expect(struct parse *parse)
{
    struct str rest = parse->value, expectation;
    while (!parse->request->http_1_0 && str_cut(&rest, ',', &expectation)) {
        expectation = str_trim(expectation);
        if (expectation.len > 0 && !str_eq_nocase(expectation, STR("100-continue")))
            return http_refuse(&parse->refusal, 417, "The only expectation that can be met is 100-continue.");
        parse->framing->expects_continue |= expectation.len > 0;
    }
    return true;
}

/* Empty where the URL has no authority (RFC 9110 7.2), and then this server is meant. */
static bool read_host(struct parse *parse)
{
    if (parse->value.len > 0 && !http_authority_is_valid(parse->value))
        return http_refuse(&parse->refusal, 400,
                           "The Host field is not a host name or address with an optional port.");
    return true;
}

static bool read_field(struct parse *parse)
{
    enum field field = find_field(parse->name);
    bool repeated = has_seen(parse, field);
    parse->seen |= 1u << field;
    if (repeated && field != FIELD_CONNECTION && field != FIELD_EXPECT && field != FIELD_OTHER)
        return http_refuse(&parse->refusal, 400, "A field that must stand in a head once stands there twice.");
    switch (field) {
    case FIELD_HOST:
        return read_host(parse);
    case FIELD_CONTENT_LENGTH:
        return read_content_length(parse);
    case FIELD_TRANSFER_ENCODING:
        return read_transfer_encoding(parse);
    case FIELD_CONNECTION:
        return read_connection(parse);
    case FIELD_EXPECT:
        return read_expect(parse);
    case FIELD_CONTENT_TYPE:
        parse->request->content_type = parse->value;
        return true;
    case FIELD_OTHER:
        return true;
    }
    return true;
}

/* llhttp gives a span in pieces; those of a head that lies in memory as a whole are neighbours. */
static void extend(struct str *span, const char *at, size_t len)
{
    if (span->ptr == NULL)
        span->ptr = at;
    span->len = (size_t)(at + len - span->ptr);
}

static int on_header_field(llhttp_t *parser, const char *at, size_t len)
{
    struct parse *parse = parser->data;
    extend(&parse->name, at, len);
    return 0;
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
    if (parse->value.ptr == NULL)
        parse->value = STR("");
    parse->value = str_trim(parse->value);
    bool read = read_field(parse);
    parse->name = parse->value = (struct str){0};
    return read ? 0 : -1;
}

/* The head is all that is wanted here; pausing also keeps llhttp from acting on Upgrade. */
static int on_headers_complete(llhttp_t *parser)
{
    (void)parser;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_header_value_complete = on_header_value_complete,
    .on_headers_complete = on_headers_complete,
};

/*
 * llhttp has stopped. All it still finds at fault is framing, at other places and in other words from
 * version to version (8.1 tells of both framing fields together only at the end of the head).
 */
static const char *explain(const struct parse *parse, const llhttp_t *parser)
{
    enum field field = find_field(parse->name);
    if (field == FIELD_CONTENT_LENGTH)
        return bad_content_length;
    if (field == FIELD_TRANSFER_ENCODING || has_seen(parse, FIELD_TRANSFER_ENCODING))
        return bad_transfer_encoding;
    return llhttp_get_error_reason(parser);
}

/* What no single field tells. */
static bool check_together(struct parse *parse)
{
    bool host = has_seen(parse, FIELD_HOST);
    struct http_framing *framing = parse->framing;
    if (!host && !parse->request->http_1_0)
        return http_refuse(&parse->refusal, 400, "The Host field is missing; HTTP/1.1 requires exactly one.");
    if (framing->chunked && has_seen(parse, FIELD_CONTENT_LENGTH))
        return http_refuse(&parse->refusal, 400, bad_transfer_encoding);
    if (framing->length > parse->limits->max_body_bytes)
        return http_refuse(&parse->refusal, 413,
                           "The body is longer than the server's limit; send a shorter one.");
    framing->has_length = has_seen(parse, FIELD_CONTENT_LENGTH);
    parse->request->keep_alive = !parse->close && (!parse->request->http_1_0 || parse->keep_alive);
    return true;
}

/* The line from `begin` to `end` without the white space that ends it. */
static llhttp_errno_t execute_line(llhttp_t *parser, const char *begin, const char *end)
{
    while (end[-1] == ' ' || end[-1] == '\t')
        end--;
    return llhttp_execute(parser, begin, (size_t)(end - begin));
}

/*
 * Two things are right and llhttp refuses them, so it gets to see them in another way: a minor version
 * above 1, which is to be read as 1 (RFC 9110 2.5), and a tab behind a Content-Length (RFC 9110 5.5),
 * which is left out like all white space that ends a line. Both are rare.
 */
static llhttp_errno_t execute(llhttp_t *parser, struct str head)
{
    const char *cr = memchr(head.ptr, '\r', head.len), *end = head.ptr + head.len;
    const char *begin = cr - 1;
    if (*begin <= '1' && memchr(head.ptr, '\t', head.len) == NULL)
        return llhttp_execute(parser, head.ptr, head.len);

    llhttp_errno_t error = llhttp_execute(parser, head.ptr, (size_t)(begin - head.ptr));
    if (error == HPE_OK)
        error = llhttp_execute(parser, *begin > '1' ? "1" : begin, 1);
    for (begin = cr; error == HPE_OK && begin < end; begin = cr) {
        cr = memchr(begin + 2, '\r', (size_t)(end - begin) - 2);
        if (cr == NULL)
            return llhttp_execute(parser, begin, (size_t)(end - begin));
        error = execute_line(parser, begin, cr);
    }
    return error;
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

bool http_head_parse(struct str head, const struct http_limits *limits, struct http_request *request,
                     struct http_framing *framing, struct http_refusal *refusal)
{
    struct parse parse = {.request = request, .framing = framing, .limits = limits};
    *request = (struct http_request){0};
    *framing = (struct http_framing){0};
    if (!http_request_line_parse(head, request, refusal))
        return false;
    const char *fields = (const char *)memchr(head.ptr, '\n', head.len) + 1, *end = head.ptr + head.len - 2;
    request->fields = (struct str){fields, (size_t)(end - fields)};
    if (!http_fields_check(request->fields, refusal))
        return false;

    llhttp_t parser;
    llhttp_init(&parser, HTTP_REQUEST, &settings);
    parser.data = &parse;
    llhttp_errno_t error = execute(&parser, head);
    if (error != HPE_PAUSED && parse.refusal.status == 0)
        http_refuse(&parse.refusal, 400, explain(&parse, &parser));
    if (parse.refusal.status == 0)
        check_together(&parse);
    *refusal = parse.refusal;
    return refusal->status == 0;
}
