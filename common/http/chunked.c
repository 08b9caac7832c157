#include "http/chunked.h"

#include <assert.h>
#include <errno.h>

#include "http/head.h"

enum state {
    SIZE_START,
    SIZE,
    EXT_BLANK, /* white space before a ';' */
    EXT_START,
    EXT_NAME,
    EXT_NAME_BLANK,
    EXT_EQUALS,
    EXT_VALUE,
    EXT_QUOTED,
    EXT_ESCAPED,
    EXT_QUOTED_END,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER_START,
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    LAST_LF,
    DONE,
};

/*
 * Chunk lines and trailers may take as many bytes as a head, and FRAMING_RATIO more for each byte of
 * body: chunks of one byte take five ("1 CR LF x CR LF"), and extensions without end are refused.
 */
enum { FRAMING_RATIO = 8 };

/* The chunk's length is known: llhttp has read it out of the hexadecimal digits. */
static int on_chunk_header(llhttp_t *parser)
{
    struct http_chunked *chunked = parser->data;
    chunked->chunk_left = parser->content_length;
    return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    struct http_chunked *chunked = parser->data;
    chunked->error = buf_append(chunked->body, at, len);
    return chunked->error == 0 ? 0 : -1;
}

static const llhttp_settings_t settings = {
    .on_chunk_header = on_chunk_header,
    .on_body = on_body,
};

void http_chunked_start(struct http_chunked *chunked, const struct http_limits *limits, struct buf *body)
{
    /* llhttp decodes chunks behind a head only. The request's own was taken apart by another parser. */
    static const char head[] = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    *chunked = (struct http_chunked){.limits = limits, .body = body, .state = SIZE_START};
    llhttp_init(&chunked->parser, HTTP_REQUEST, &settings);
    chunked->parser.data = chunked;
    llhttp_errno_t error = llhttp_execute(&chunked->parser, head, sizeof(head) - 1);
    assert(error == HPE_OK && "llhttp takes the head of a chunked request");
    (void)error;
}

bool http_chunked_is_done(const struct http_chunked *chunked)
{
    return chunked->state == DONE;
}

/* Fields that say where a message ends or goes must not come after it. RFC 9110 6.5.1 */
static bool is_forbidden_trailer(struct str name)
{
    return str_eq_nocase(name, STR("content-length")) || str_eq_nocase(name, STR("transfer-encoding")) ||
           str_eq_nocase(name, STR("host"));
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Behind the size, or behind all of an extension. White space is right only where an extension follows. */
static int after_size(char c)
{
    return c == '\r' ? SIZE_LF : c == ';' ? EXT_START : is_blank(c) ? EXT_BLANK : -1;
}

/*
 * RFC 9112 7.1.1: *( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] ). What it says is dropped,
 * but one that is not well-formed may end elsewhere for another parser: a quote that is not closed, say.
 */
static int after_extension_byte(enum state state, char c)
{
    switch (state) {
    case EXT_BLANK:
        return is_blank(c) || c == ';' ? after_size(c) : -1;
    case EXT_START:
        return is_blank(c) ? EXT_START : http_is_token_char(c) ? EXT_NAME : -1;
    case EXT_NAME:
        if (http_is_token_char(c))
            return EXT_NAME;
        return c == '=' ? EXT_EQUALS : is_blank(c) ? EXT_NAME_BLANK : after_size(c);
    case EXT_NAME_BLANK:
        return is_blank(c) ? EXT_NAME_BLANK : c == '=' ? EXT_EQUALS : c == ';' ? EXT_START : -1;
    case EXT_EQUALS:
        if (is_blank(c))
            return EXT_EQUALS;
        return c == '"' ? EXT_QUOTED : http_is_token_char(c) ? EXT_VALUE : -1;
    case EXT_VALUE:
        return http_is_token_char(c) ? EXT_VALUE : after_size(c);
    case EXT_QUOTED:
        if (c == '"')
            return EXT_QUOTED_END;
        return c == '\\' ? EXT_ESCAPED : http_is_value_char(c) ? EXT_QUOTED : -1;
    case EXT_ESCAPED:
        return http_is_value_char(c) ? EXT_QUOTED : -1;
    case EXT_QUOTED_END:
        return after_size(c);
    default:
        return -1;
    }
}

/* A byte of a chunk line: the state after it; -1 when it may not stand there. */
static int after_size_byte(enum state state, char c)
{
    switch (state) {
    case SIZE_START:
        return str_hex_digit(c) >= 0 ? SIZE : -1;
    case SIZE:
        return str_hex_digit(c) >= 0 ? SIZE : after_size(c);
    case SIZE_LF:
        return c == '\n' ? DATA : -1; /* TRAILER_START if the size is 0 */
    case DATA_CR:
        return c == '\r' ? DATA_LF : -1;
    case DATA_LF:
        return c == '\n' ? SIZE_START : -1;
    default:
        return after_extension_byte(state, c);
    }
}

/* The same for a trailer; it is otherwise not looked at. */
static int after_trailer_byte(struct http_chunked *chunked, char c)
{
    switch ((enum state)chunked->state) {
    case TRAILER_START:
        if (c == '\r')
            return LAST_LF;
        chunked->name_len = 0;
        if (c == ':')
            return -1;
        /* fall through */
    case TRAILER_NAME:
        if (c == ':')
            return is_forbidden_trailer((struct str){chunked->name, chunked->name_len}) ? -1 : TRAILER_VALUE;
        if (chunked->name_len < sizeof(chunked->name))
            chunked->name[chunked->name_len++] = c;
        return http_is_token_char(c) ? TRAILER_NAME : -1;
    case TRAILER_VALUE:
        return http_is_value_char(c) ? TRAILER_VALUE : c == '\r' ? TRAILER_LF : -1;
    case TRAILER_LF:
        return c == '\n' ? TRAILER_START : -1;
    case LAST_LF:
        return c == '\n' ? DONE : -1;
    default:
        return -1;
    }
}

/*
 * Extensions and trailers are dropped (RFC 9112 7.1.1 and 7.1.2 allow both), and llhttp never sees
 * them: 8.1 refuses a quoted extension value, which 9.2 takes.
 */
static bool is_dropped(enum state next)
{
    return (next >= EXT_BLANK && next <= EXT_QUOTED_END) || (next >= TRAILER_START && next <= TRAILER_LF);
}

static bool feed_llhttp(struct http_chunked *chunked, const char *bytes, size_t len,
                        struct http_refusal *refusal)
{
    if (llhttp_execute(&chunked->parser, bytes, len) == HPE_OK)
        return true;
    if (chunked->error == -ENOMEM)
        return http_refuse(refusal, 503, "The server is out of memory; try again later.");
    if (chunked->state == SIZE)
        return http_refuse(refusal, 400, "A chunk's size does not fit 64 bits; send smaller chunks.");
    return http_refuse(refusal, 400, llhttp_get_error_reason(&chunked->parser));
}

/* One byte of a line; the size at its end is known once llhttp has seen it. */
static bool read_line_byte(struct http_chunked *chunked, const char *at, struct http_refusal *refusal)
{
    bool in_trailer = chunked->state >= TRAILER_START;
    size_t allowed = chunked->limits->max_header_bytes + FRAMING_RATIO * chunked->body->len;
    if (++chunked->framing_bytes > allowed)
        return in_trailer ? http_refuse(refusal, 431,
                                        "The trailers are longer than the server's limit; leave them out.")
                          : http_refuse(refusal, 413,
                                        "The chunk lines are too long for what they carry; send larger "
                                        "chunks without extensions.");
    int next = in_trailer ? after_trailer_byte(chunked, *at) : after_size_byte(chunked->state, *at);
    if (next < 0)
        return in_trailer
                   ? http_refuse(refusal, 400, "A trailer is not a well-formed field that may stand there.")
                   : http_refuse(refusal, 400,
                                 "A chunk is not framed as its size in hexadecimal digits, "
                                 "CR LF, that many bytes, CR LF.");
    if (!is_dropped(next) && !feed_llhttp(chunked, at, 1, refusal))
        return false;
    if (next == DATA && chunked->chunk_left == 0)
        next = TRAILER_START;
    if (next == DATA && chunked->chunk_left > chunked->limits->max_body_bytes - chunked->body->len)
        return http_refuse(refusal, 413, "The body is longer than the server's limit; send a shorter one.");
    chunked->state = (uint8_t)next;
    return true;
}

long http_chunked_read(struct http_chunked *chunked, const char *bytes, size_t len,
                       struct http_refusal *refusal)
{
    size_t at = 0;
    while (at < len && chunked->state != DONE) {
        if (chunked->state != DATA) {
            if (!read_line_byte(chunked, bytes + at, refusal))
                return -1;
            at++;
            continue;
        }
        size_t piece = len - at < chunked->chunk_left ? len - at : (size_t)chunked->chunk_left;
        if (!feed_llhttp(chunked, bytes + at, piece, refusal))
            return -1;
        at += piece;
        chunked->chunk_left -= piece;
        if (chunked->chunk_left == 0)
            chunked->state = DATA_CR;
    }
    return (long)at;
}
