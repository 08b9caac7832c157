/* An item as the database gives it and as JSON shows it. Private to item.c; pure functions. */
#ifndef WB_ITEM_ROW_H
#define WB_ITEM_ROW_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

/* The slices point into the result that it was read from. */
struct item_row {
    int64_t id;
    struct str name;
    int64_t value;
    struct str payload; /* JSON */
    int64_t version;
    int64_t updated_at; /* microseconds since 2000-01-01 UTC, PostgreSQL's epoch */
};

/* Row number `row` of a binary result with ITEM_COLUMNS (sql.c). False if it has another shape. */
bool item_row_read(struct item_row *item, const PGresult *result, int row);

/* No more bytes than this are written for it. */
size_t item_row_json_max(const struct item_row *item);

/* Appends {"id":...,"name":...,"value":...,"payload":...,"updated_at":...}. 0 or what buf_append() says. */
__attribute__((warn_unused_result)) int item_row_write(struct buf *buf, const struct item_row *item);

#endif
