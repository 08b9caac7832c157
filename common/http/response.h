/*
 * A response as bytes: a head, a body, and for /work a run of padding that takes no memory.
 *
 * The server sends it with as many vectored writes as the socket wants:
 *
 *     while ((count = response_iov(response, sent, iov, RESPONSE_IOV_MAX)) > 0)
 *         sent += writev(fd, iov, count);
 */
#ifndef WB_RESPONSE_H
#define WB_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/buf.h"

enum {
    RESPONSE_HEAD_MAX = 512,
    RESPONSE_FIELDS_MAX = 192,
    RESPONSE_TEXT_MAX = 896, /* holds every problem document, so that "out of memory" can be said */
    RESPONSE_IOV_MAX = 16,
};

struct response {
    /* public, read-only */
    int status;
    bool close; /* close the connection once this is sent (the head says so too) */

    /* private */
    char head[RESPONSE_HEAD_MAX];
    size_t head_len;
    char fields[RESPONSE_FIELDS_MAX]; /* extra field lines, on their way into the head */
    size_t fields_len;
    char text[RESPONSE_TEXT_MAX]; /* a body too short for the heap */
    size_t text_len;
    struct buf body;  /* any other body */
    size_t padding;   /* bytes of padding after text and body */
    const char *tail; /* static; after the padding */
    bool bodiless;    /* HEAD, 204, 304: lengths are announced and nothing is sent */
};

/* Fills iov with what comes after the first `sent` bytes; 0 when all is sent. */
size_t response_iov(const struct response *response, uint64_t sent, struct iovec *iov, size_t max);

/* For a connection that cannot have an exchange: a complete 503 with Retry-After, as static bytes. */
struct iovec response_overloaded(void);

/* The reason phrase of RFC 9110 15: "Not Found" for 404; "Unknown" for a status that no server sends. */
const char *http_status_text(int status);

/* Frees what the response holds. */
void response_release(struct response *response);

#endif
