/* /items: ordinary CRUD over JSON. */
#ifndef WB_ITEM_H
#define WB_ITEM_H

#include <stdint.h>

#include "step.h"

struct exchange;

/* What an exchange about items keeps between its steps. */
struct item_op {
    int64_t id;
};

/* /items */
enum step item_collection_start(struct exchange *x);

/* /items/{id}; `id` has been checked: 1..2^63-1. */
enum step item_start(struct exchange *x, int64_t id);

#endif
