/* The requests of a load: paths that take turns, or the mix of crud.h; and whether a response is as it should
 * be. */
#ifndef PACE_REQUESTS_H
#define PACE_REQUESTS_H

#include <stdatomic.h>

#include "crud.h"
#include "errors.h"
#include "options.h"
#include "response.h"

enum { HOST_FIELD_MAX = 300 };

/* A path as two requests: the second says that it is the last of its connection. */
struct path {
    char *request, *last_request;
    size_t len, last_len;
    atomic_llong body_len; /* that a response must have; -1: not known yet */
};

/* Shared by all threads. */
struct requests {
    const struct options *options;
    char host[HOST_FIELD_MAX]; /* the field Host */
    struct path *paths;
    struct path injected;
};

/* One thread's. */
struct requester {
    struct requests *shared;
    unsigned next_path;
    uint64_t made;
    struct crud crud;
};

/* The request that a response belongs to. */
struct asked {
    const char *bytes;
    size_t len;
    struct path *path; /* NULL with crud */
    struct crud_request crud;
    char *text; /* with crud, CRUD_REQUEST_MAX bytes for the request */
};

/* 0 or -ENOMEM. */
__attribute__((warn_unused_result)) int requests_init(struct requests *requests, const struct options *options);

void requests_deinit(struct requests *requests);

void requester_init(struct requester *requester, struct requests *requests, unsigned thread);

void requester_deinit(struct requester *requester);

/* `is_last`: the connection is to be closed after it. */
void requester_next(struct requester *requester, struct asked *asked, bool is_last);

/* A plain request for the first path (with crud, for the first item), which is in no sequence. */
void requester_plain(struct requester *requester, struct asked *asked);

/* ERROR_NONE, ERROR_STATUS or ERROR_LENGTH, and then a sentence in `why`. */
enum error_kind requester_check(struct requester *requester, const struct asked *asked,
                                const struct response *response, char *why, size_t size);

#endif
