/* /items: ordinary CRUD over JSON. API.md says what each request answers. */
#ifndef WB_ITEM_H
#define WB_ITEM_H

#include <jansson.h>
#include <stdint.h>

#include "base/buf.h"
#include "handler/step.h"

struct exchange;

enum {
    ITEM_NAME_MAX = 200, /* characters: Unicode code points */
    ITEM_PAYLOAD_DEPTH_MAX = 32,
    ITEM_LIST_LIMIT = 20,
    ITEM_LIST_LIMIT_MAX = 100,
    ITEM_PAGE_BYTES = 1024 * 1024, /* of payloads: with the item that takes it past this, a page ends */
    ITEM_ATTEMPTS_MAX =
        100, /* of a write that other writers keep overtaking: each round, one of them is done */
};

/* What an exchange about items keeps between its steps. Small: there is one for each connection. */
struct item_op {
    int64_t id;
    int64_t version; /* the one that the write replaces; 0 for whatever is there */
    int64_t value;
    struct buf texts; /* the name, then the payload as JSON: what the query's parameters point to */
    size_t name_len;
    struct buf if_match, if_none_match; /* copies of the fields; empty when absent */
    json_t *patch;                      /* of PATCH; NULL otherwise */
    unsigned limit;                     /* of a page */
    unsigned attempts;
};

/* /items */
enum step item_collection_start(struct exchange *x);

/* /items/{id}; `id` has been checked: 1..2^63-1. */
enum step item_start(struct exchange *x, int64_t id);

#endif
