/*
 * A chunked body (RFC 9112 7.1), decoded as it arrives. Private to the codec.
 *
 * Without llhttp: 8.1 refuses quoted extension values, which 9.2 takes; neither takes white space before
 * an extension, or bounds what chunk lines and trailers add to the body; and a trailer must be checked as a
 * field is. Hexadecimal digits and a byte count are left.
 */
#ifndef WB_HTTP_CHUNKED_H
#define WB_HTTP_CHUNKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct http_limits;
struct http_refusal;

/* All zero before the first byte of the body. */
struct http_chunked {
    uint64_t left;        /* bytes of the chunk's data still to come */
    size_t framing_bytes; /* of lines seen: bounded, see chunked.c */
    uint8_t state;
    uint8_t name_len; /* of the trailer field at hand */
    char name[18];    /* its first bytes */
};

/*
 * Appends what it decodes to *body, which must be empty at first and may hold limits->max_body_bytes.
 * Returns how many of the bytes belong to the body: fewer than `len` only when it is done. On -1
 * *refusal says why, and the decoder must not be used any more.
 */
__attribute__((warn_unused_result)) long http_chunked_read(struct http_chunked *chunked,
                                                           const struct http_limits *limits, struct buf *body,
                                                           const char *bytes, size_t len,
                                                           struct http_refusal *refusal);

bool http_chunked_is_done(const struct http_chunked *chunked);

#endif
