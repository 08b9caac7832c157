/* An item as a row of the database, and that row as JSON. Private to handler/items; pure functions. */
#ifndef WB_ITEM_ROW_H
#define WB_ITEM_ROW_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

/* The slices point into the result. */
struct item_row {
    int64_t id;
    struct str name;
    int64_t value;
    struct str payload; /* JSON */
    int64_t version;
    int64_t updated_at; /* microseconds since 2000-01-01 UTC, PostgreSQL's epoch */
};

/* Reads row number `row` of a binary result of ITEM_COLUMNS (statements.c). False if it has another shape. */
bool item_row_read(struct item_row *item, const PGresult *result, int row);

/* The most bytes that item_row_write() appends for the item. */
size_t item_row_json_max(const struct item_row *item);

/* Appends {"id":...,"name":...,"value":...,"payload":...,"updated_at":...}. 0, or the error of buf_append(). */
__attribute__((warn_unused_result)) int item_row_write(struct buf *buf, const struct item_row *item);

#endif
