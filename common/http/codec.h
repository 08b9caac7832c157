/*
 * HTTP/1.1 as the server side of a connection reads it (RFC 9110, RFC 9112): bytes in, requests out.
 *
 * The codec is handed bytes and never reads any. It gives out one request at a time, and keeps what a client
 * pipelines after it (at most HTTP_PIPELINE_MAX bytes) until the response is sent.
 *
 *     event = http_feed(codec, bytes, len)      after a read
 *     HTTP_EVENT_MORE        read again
 *     HTTP_EVENT_CONTINUE    send HTTP_100_CONTINUE, then read again
 *     HTTP_EVENT_REQUEST     codec->request is complete: respond, then event = http_next(codec)
 *     HTTP_EVENT_REFUSED     respond with codec->refusal, then close
 *
 * llhttp parses a head when its last byte has arrived: in one pass, over bytes that lie in one piece, so that
 * the request is slices of them and an idle connection needs no parser. See head.h, fields.h and chunked.h.
 *
 * Memory: an idle codec holds no heap. A head that arrives in one read is not copied.
 */
#ifndef WB_HTTP_CODEC_H
#define WB_HTTP_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "http/chunked.h"

enum http_method {
    HTTP_METHOD_GET,
    HTTP_METHOD_HEAD,
    HTTP_METHOD_POST,
    HTTP_METHOD_PUT,
    HTTP_METHOD_PATCH,
    HTTP_METHOD_DELETE,
    HTTP_METHOD_OPTIONS,
};

enum {
    HTTP_READ_BYTES = 16 * 1024, /* what each server offers to one read, so that none has the larger buffer */
    HTTP_PIPELINE_MAX = 64 * 1024,
};

#define HTTP_100_CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"

/*
 * A complete request. The slices point into the bytes that were fed or into the codec: they are
 * valid until the next call with this codec and, if the bytes came from the caller's buffer, until
 * that buffer is used again. exchange_start() keeps none of them.
 */
struct http_request {
    enum http_method method;
    struct str path;         /* as sent, percent-encoding untouched: "/items/7"; "*" for OPTIONS * */
    struct str query;        /* without the '?'; ptr is NULL when there was no '?' */
    struct str fields;       /* all field lines, for http_next_value() */
    struct str content_type; /* ptr is NULL when absent */
    struct str body;         /* decoded from chunks; ptr is NULL when no field said that there is one */
    bool keep_alive;         /* what the client asks for (RFC 9112 9.3) */
    bool http_1_0;
};

enum http_event { HTTP_EVENT_MORE, HTTP_EVENT_CONTINUE, HTTP_EVENT_REQUEST, HTTP_EVENT_REFUSED };

struct http_limits {
    size_t max_header_bytes;
    size_t max_body_bytes;
    /*
     * Whether a client that asks before it sends a body (Expect: 100-continue) shall send it. Else the
     * request is given out with an empty one and is the connection's last. NULL: always.
     */
    bool (*wants_body)(const struct http_request *request);
};

/* Why a request was refused: an HTTP status and a sentence (static storage) that says what to change. */
struct http_refusal {
    int status;
    const char *detail;
    bool is_head; /* the method is HEAD: the response has no body (RFC 9110 9.3.2), whatever is wrong */
};

/* How far the search for a head's end has come, so that no byte is looked at twice. All zero at first. */
struct http_scan {
    size_t seen;                  /* bytes looked at */
    size_t line;                  /* where the line begins that has no end yet */
    bool has_odd_line;            /* a line begins with white space or a colon */
    bool request_line_is_checked; /* before the rest of the head has arrived */
};

struct http_codec {
    /* public, read-only */
    struct http_request request;
    struct http_refusal refusal;

    /* private to codec.c */
    const struct http_limits *limits;
    struct buf in;      /* bytes not yet consumed: an unfinished head, or pipelined requests */
    size_t in_start;    /* where in `in` the request at hand begins */
    size_t in_used;     /* bytes of `in` from there that belong to it, once that is known */
    struct buf body;    /* of a request that came in several reads, or in chunks */
    uint64_t body_left; /* bytes to come of a body with a length */
    struct http_scan scan;
    struct http_chunked chunked;
    uint8_t state;
    uint8_t empty_lines; /* before the request line */
};

/* `limits` must outlive the codec, which must not be moved in memory. */
void http_init(struct http_codec *codec, const struct http_limits *limits);
void http_deinit(struct http_codec *codec);

/*
 * Not while a request is given out (see http_hold). After HTTP_EVENT_REFUSED: never again.
 * `len` is at most HTTP_PIPELINE_MAX, here and in http_hold: one read.
 */
enum http_event http_feed(struct http_codec *codec, const char *bytes, size_t len);

/* The response to the request that was given out is sent: forget the request, go on with what was pipelined. */
enum http_event http_next(struct http_codec *codec);

/*
 * Keeps bytes that arrive while a request is given out. Returns the number of bytes now held, so that
 * the caller can stop reading at HTTP_PIPELINE_MAX; or -ENOMEM, or -EMSGSIZE if the caller did not stop:
 * then close the connection.
 */
__attribute__((warn_unused_result)) long http_hold(struct http_codec *codec, const char *bytes, size_t len);

/* HEADER_TIMEOUT has passed, and http_phase() is not IDLE: makes codec->refusal a 408. */
void http_time_out(struct http_codec *codec);

/*
 * How far the request at hand has arrived. It decides what a time-out means: silence for an idle connection,
 * else a 408; and a body has a deadline of its own. IDLE as well while a request is given out.
 */
enum http_phase {
    HTTP_PHASE_IDLE, /* nothing of it */
    HTTP_PHASE_HEAD, /* part of the head */
    HTTP_PHASE_BODY, /* the head; more of the body is awaited */
};
enum http_phase http_phase(const struct http_codec *codec);

/*
 * Takes field lines off the front of *fields until one of that name (in any case) is found, and puts its
 * value in *value. False when there is none. A field that is a list may stand in several lines (RFC 9110
 * 5.3):
 *
 *     for (struct str rest = request->fields, value; http_next_value(&rest, STR("If-Match"), &value);)
 */
bool http_next_value(struct str *fields, struct str name, struct str *value);

#endif
