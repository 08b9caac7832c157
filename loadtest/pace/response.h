/*
 * One HTTP/1.1 response after another, out of the bytes of a connection. llhttp reads them; nothing is kept of
 * a body unless it is asked for.
 *
 *     response_init(&response, NULL);
 *     switch (response_feed(&response, bytes, len, &used)) {   `used` < len: bytes after the response
 *     case RESPONSE_DONE: ... response.status, response.body_len ...; response_next(&response);
 *
 * No function blocks.
 */
#ifndef PACE_RESPONSE_H
#define PACE_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <llhttp.h>

enum { RESPONSE_BODY_MAX = 64 * 1024, RESPONSE_LOCATION_MAX = 64 };

/* What is kept where a response's content is checked; what is longer is cut off. Texts end with NUL. */
struct response_content {
    char location[RESPONSE_LOCATION_MAX]; /* fields Location and Content-Location; "" without */
    char content_location[RESPONSE_LOCATION_MAX];
    char media[RESPONSE_LOCATION_MAX]; /* field Content-Type */
    char name[RESPONSE_LOCATION_MAX];  /* of the field that is read */
    char *value;                       /* where its value is kept; NULL: nowhere */
    size_t body_len;
    char body[RESPONSE_BODY_MAX + 1]; /* last: of most responses only the first pages are ever touched */
};

enum response_event { RESPONSE_MORE, RESPONSE_DONE, RESPONSE_WRONG };

struct response {
    llhttp_t parser;
    bool is_done;
    bool has_begun; /* a byte of it has come */
    unsigned status;
    uint64_t body_len; /* bytes, without chunk sizes */
    bool keeps_alive;
    struct response_content *content; /* NULL: nothing is kept */
};

/* `response` must stay where it is. `content` is the caller's; NULL: nothing is kept. */
void response_init(struct response *response, struct response_content *content);

/* Before the response to the next request. */
void response_next(struct response *response);

/* Reads bytes of one response. *used: those that belong to it; fewer than len only with RESPONSE_DONE or
 * RESPONSE_WRONG (not HTTP/1.1). Responses with status 1xx come before the response and are skipped. */
enum response_event response_feed(struct response *response, const char *bytes, size_t len, size_t *used);

/* The server has closed the connection: RESPONSE_DONE where that ends the body, else RESPONSE_WRONG, or
 * RESPONSE_MORE when no byte of a response had come. */
enum response_event response_end(struct response *response);

/* Why it is not HTTP/1.1, a constant. */
const char *response_why_wrong(const struct response *response);

#endif
