/*
 * The load of WORKLOAD=crud: a mix of reads and writes of /items, and a check of every response. It is what
 * loadtest/crud.lua does for wrk; here each response is known to belong to its request.
 *
 * The table has the items 1 to `rows`, which are read, replaced and patched, and never deleted. A thread
 * deletes only what it created itself, once the creation was acknowledged; where it has nothing to delete, it
 * creates in place of that. One struct crud for each thread. No function blocks.
 */
#ifndef PACE_CRUD_H
#define PACE_CRUD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "options.h"
#include "response.h"

enum { CRUD_REQUEST_MAX = 1024, CRUD_WRONG_MAX = 200 };

struct crud {
    const struct options *options;
    const char *host;        /* value of the field Host; the caller's */
    unsigned short state[3]; /* of nrand48(3) */
    uint64_t made;           /* requests, and values that were written */
    long *created;           /* items that may be deleted */
    size_t created_count, created_size;
    uint64_t issued[OPERATIONS], answered[OPERATIONS], wrong;
    char first_wrong[CRUD_WRONG_MAX]; /* beginning of the first wrong response */
};

/* The operation of one request. */
struct crud_request {
    int operation;
    long item; /* that is read, replaced, patched or deleted; of a list, the item before the first */
    uint64_t value;
};

void crud_init(struct crud *crud, const struct options *options, const char *host, unsigned thread);

void crud_deinit(struct crud *crud);

/* Writes the next request to `text`, of CRUD_REQUEST_MAX bytes, and returns its length. */
size_t crud_next(struct crud *crud, struct crud_request *request, bool is_last, char *text);

/* Whether the response is what the request asked for; it is counted as answered or as wrong. */
bool crud_check(struct crud *crud, const struct crud_request *request, const struct response *response);

#endif
