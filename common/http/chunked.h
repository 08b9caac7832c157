/*
 * A chunked body (RFC 9112 7.1), decoded as it arrives. Private to the codec (http.c).
 *
 * llhttp decodes; before it sees a byte of a chunk line or a trailer, that byte is checked here. So
 * what lies behind the body is known to the byte, whichever llhttp it is.
 */
#ifndef WB_HTTP_CHUNKED_H
#define WB_HTTP_CHUNKED_H

#include <llhttp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct http_limits;
struct http_refusal;

struct http_chunked {
    llhttp_t parser;
    const struct http_limits *limits;
    struct buf *body;
    int error;            /* of the append to body */
    uint64_t chunk_left;  /* bytes of the chunk's data still to come */
    size_t framing_bytes; /* lines seen: bounded, see http_chunked.c */
    uint8_t state;
    uint8_t name_len; /* of the trailer field at hand */
    char name[20];    /* its first bytes */
};

/* Decoded bytes are appended to *body, which must be empty and outlive the decoding, as *limits must. */
void http_chunked_start(struct http_chunked *chunked, const struct http_limits *limits, struct buf *body);

/*
 * Returns how many of the bytes belong to the body: fewer than `len` only when it is done. On -1
 * *refusal says why, and the decoder must not be used any more.
 */
__attribute__((warn_unused_result)) long http_chunked_read(struct http_chunked *chunked, const char *bytes,
                                                           size_t len, struct http_refusal *refusal);

bool http_chunked_is_done(const struct http_chunked *chunked);

#endif
