/* /items: create, read, replace, patch, delete and list items as JSON. common/API.md has the contract. */
#ifndef WB_ITEMS_H
#define WB_ITEMS_H

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
    ITEM_PAGE_BYTES = 1024 * 1024, /* of payloads: the item that exceeds this is the last of its page */
    ITEM_ATTEMPTS_MAX = 100,       /* of a write that others overtake; in each round one writer succeeds */
};

/* State of an exchange about items, kept between its steps. Small, since each connection has one. */
struct item_op {
    int64_t version; /* the version that the write replaces; 0: any */
    int64_t value;
    struct buf texts; /* the name, then the payload as JSON: the text parameters of the query */
    size_t name_len;
    struct buf if_match, if_none_match; /* copies of the fields; empty if absent */
    json_t *patch;                      /* of PATCH; else NULL */
    unsigned limit;                     /* items per page */
    unsigned attempts;
};

/* /items */
enum step items_list(struct exchange *x);
enum step items_create(struct exchange *x);

/* /items/{id}: x->id */
enum step item_read(struct exchange *x);
enum step item_replace(struct exchange *x);
enum step item_patch(struct exchange *x);
enum step item_delete(struct exchange *x);

#endif
