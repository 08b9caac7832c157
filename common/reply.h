/*
 * A reply as bytes: a head, a body, and for /work a run of padding that takes no memory.
 *
 * The server sends it with as many vectored writes as the socket wants:
 *
 *     while ((count = reply_iov(reply, sent, iov, REPLY_IOV_MAX)) > 0)
 *         sent += writev(fd, iov, count);
 */
#ifndef WB_REPLY_H
#define WB_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "buf.h"

enum {
    REPLY_HEAD_MAX = 512,
    REPLY_FIELDS_MAX = 192,
    REPLY_TEXT_MAX = 896, /* holds every problem document, so that "out of memory" can be said */
    REPLY_IOV_MAX = 16,
};

struct reply {
    /* public, read-only */
    int status;
    bool close; /* close the connection once this is sent (the head says so too) */

    /* private */
    char head[REPLY_HEAD_MAX];
    size_t head_len;
    char fields[REPLY_FIELDS_MAX]; /* extra field lines, on their way into the head */
    size_t fields_len;
    char text[REPLY_TEXT_MAX]; /* a body too short for the heap */
    size_t text_len;
    struct buf body;  /* any other body */
    size_t padding;   /* bytes of padding behind text and body */
    const char *tail; /* static; behind the padding */
    bool bodiless;    /* HEAD, 204, 304: lengths are announced and nothing is sent */
};

/* Fills iov with what comes after the first `sent` bytes; 0 when all is sent. */
size_t reply_iov(const struct reply *reply, uint64_t sent, struct iovec *iov, size_t max);

/* Bytes on the wire, head included. */
uint64_t reply_size(const struct reply *reply);

/* For a connection that cannot have an exchange: a complete 503 with Retry-After, as static bytes. */
struct iovec reply_overloaded(void);

/* Frees what the reply holds. */
void reply_release(struct reply *reply);

#endif
