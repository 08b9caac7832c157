#include "http/chunked.h"

#include "http/fields.h"

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
    TRAILER_START, /* the first state of the trailers: the chunks are over */
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    LAST_LF,
    DONE,
    BAD,
};

/*
 * Chunk lines and trailers may take as many bytes as a head, and FRAMING_RATIO more for each byte of
 * body: chunks of one byte take five ("1 CR LF x CR LF"), and extensions without end are refused.
 */
enum { FRAMING_RATIO = 8 };

bool http_chunked_is_done(const struct http_chunked *chunked)
{
    return chunked->state == DONE;
}

/* Fields that say where a message ends or goes must not come after it. RFC 9110 6.5.1 */
static bool is_forbidden_trailer(struct str name)
{
    enum http_field field = http_field_find(name);
    return field == HTTP_FIELD_CONTENT_LENGTH || field == HTTP_FIELD_TRANSFER_ENCODING ||
           field == HTTP_FIELD_HOST;
}

/* After the size, or after all of an extension. White space is right only where an extension follows. */
static enum state after_size(char c)
{
    return c == '\r' ? SIZE_LF : c == ';' ? EXT_START : http_is(c, HTTP_BLANK) ? EXT_BLANK : BAD;
}

/*
 * RFC 9112 7.1.1: *( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] ). An extension is
 * dropped, but one that is not well-formed may end elsewhere for another parser: a quote that is not closed,
 * say.
 */
static enum state after_extension_byte(enum state state, char c)
{
    switch (state) {
    case EXT_BLANK:
        return http_is(c, HTTP_BLANK) || c == ';' ? after_size(c) : BAD;
    case EXT_START:
        return http_is(c, HTTP_BLANK) ? EXT_START : http_is(c, HTTP_TOKEN) ? EXT_NAME : BAD;
    case EXT_NAME:
        if (http_is(c, HTTP_TOKEN))
            return EXT_NAME;
        return c == '=' ? EXT_EQUALS : http_is(c, HTTP_BLANK) ? EXT_NAME_BLANK : after_size(c);
    case EXT_NAME_BLANK:
        return http_is(c, HTTP_BLANK) ? EXT_NAME_BLANK : c == '=' ? EXT_EQUALS : c == ';' ? EXT_START : BAD;
    case EXT_EQUALS:
        if (http_is(c, HTTP_BLANK))
            return EXT_EQUALS;
        return c == '"' ? EXT_QUOTED : http_is(c, HTTP_TOKEN) ? EXT_VALUE : BAD;
    case EXT_VALUE:
        return http_is(c, HTTP_TOKEN) ? EXT_VALUE : after_size(c);
    case EXT_QUOTED:
        if (c == '"')
            return EXT_QUOTED_END;
        return c == '\\' ? EXT_ESCAPED : http_is(c, HTTP_VALUE) ? EXT_QUOTED : BAD;
    case EXT_ESCAPED:
        return http_is(c, HTTP_VALUE) ? EXT_QUOTED : BAD;
    default: /* EXT_QUOTED_END */
        return after_size(c);
    }
}

/* A byte of a trailer's name. RFC 9112 7.1.2 lets trailers be dropped; nothing else is asked of them. */
static enum state after_name_byte(struct http_chunked *chunked, char c)
{
    if (c == ':' && chunked->name_len > 0)
        return is_forbidden_trailer((struct str){chunked->name, chunked->name_len}) ? BAD : TRAILER_VALUE;
    if (chunked->name_len < sizeof(chunked->name))
        chunked->name[chunked->name_len++] = c;
    return http_is(c, HTTP_TOKEN) ? TRAILER_NAME : BAD;
}

/* The state after a byte that is not data. */
static enum state after_byte(struct http_chunked *chunked, char c)
{
    switch ((enum state)chunked->state) {
    case SIZE_START:
        return str_hex_digit(c) >= 0 ? SIZE : BAD;
    case SIZE:
        return str_hex_digit(c) >= 0 ? SIZE : after_size(c);
    case SIZE_LF:
        return c != '\n' ? BAD : chunked->left > 0 ? DATA : TRAILER_START;
    case DATA_CR:
        return c == '\r' ? DATA_LF : BAD;
    case DATA_LF:
        return c == '\n' ? SIZE_START : BAD;
    case TRAILER_START:
        chunked->name_len = 0;
        return c == '\r' ? LAST_LF : after_name_byte(chunked, c);
    case TRAILER_NAME:
        return after_name_byte(chunked, c);
    case TRAILER_VALUE:
        return http_is(c, HTTP_VALUE) ? TRAILER_VALUE : c == '\r' ? TRAILER_LF : BAD;
    case TRAILER_LF:
        return c == '\n' ? TRAILER_START : BAD;
    case LAST_LF:
        return c == '\n' ? DONE : BAD;
    default:
        return after_extension_byte(chunked->state, c);
    }
}

static bool read_line_byte(struct http_chunked *chunked, const struct http_limits *limits, size_t body_len,
                           char c, struct http_refusal *refusal)
{
    bool in_trailer = chunked->state >= TRAILER_START;
    if (++chunked->framing_bytes > limits->max_header_bytes + FRAMING_RATIO * body_len)
        return in_trailer ? http_refuse(refusal, 431,
                                        "The trailers are longer than the server's limit; leave them out.")
                          : http_refuse(refusal, 413,
                                        "The chunk lines are too long for what they carry; send larger "
                                        "chunks without extensions.");
    chunked->state = (uint8_t)after_byte(chunked, c);
    if (chunked->state == BAD)
        return in_trailer
                   ? http_refuse(refusal, 400, "A trailer is not a well-formed field that may stand there.")
                   : http_refuse(refusal, 400,
                                 "A chunk is not framed as its size in hexadecimal digits, "
                                 "CR LF, that many bytes, CR LF.");
    if (chunked->state == SIZE && __builtin_mul_overflow(chunked->left, 16, &chunked->left))
        return http_refuse(refusal, 400, "A chunk's size does not fit 64 bits; send smaller chunks.");
    if (chunked->state == SIZE)
        chunked->left += (unsigned)str_hex_digit(c);
    if (chunked->state == DATA && chunked->left > limits->max_body_bytes - body_len)
        return http_refuse(refusal, 413, "The body is longer than the server's limit; send a shorter one.");
    return true;
}

long http_chunked_read(struct http_chunked *chunked, const struct http_limits *limits, struct buf *body,
                       const char *bytes, size_t len, struct http_refusal *refusal)
{
    size_t at = 0;
    while (at < len && chunked->state != DONE) {
        if (chunked->state != DATA) {
            if (!read_line_byte(chunked, limits, body->len, bytes[at], refusal))
                return -1;
            at++;
            continue;
        }
        size_t piece = len - at < chunked->left ? len - at : (size_t)chunked->left;
        if (buf_append(body, bytes + at, piece) != 0) {
            http_refuse(refusal, 503, HTTP_OUT_OF_MEMORY);
            return -1;
        }
        at += piece;
        chunked->left -= piece;
        if (chunked->left == 0)
            chunked->state = DATA_CR;
    }
    return (long)at;
}
