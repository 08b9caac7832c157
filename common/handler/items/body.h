/*
 * The body of POST, PUT and PATCH: what it must be, and the item that results. Private to handler/items.
 *
 * A bool function that takes an exchange returns false if the response is made.
 */
#ifndef WB_ITEM_BODY_H
#define WB_ITEM_BODY_H

#include <jansson.h>
#include <stdbool.h>

#include "handler/exchange.h"
#include "handler/items/row.h"

#define ITEM_ACCEPT_PATCH "application/merge-patch+json, application/json"

/* Whether the header fields announce JSON without a content coding. */
bool item_body_is_acceptable(const struct http_request *request);

/*
 * Reads the request's body and checks the members that x->method takes (for PUT against x->id). *out, owned by
 * the caller, becomes an object whose members have the types and sizes of an item's. If the result is false,
 * *out is untouched.
 */
bool item_body_take(struct exchange *x, json_t **out);

/* Reads the body of a POST or PUT, which is a complete item, into x->item for the query. */
bool item_body_keep(struct exchange *x);

/*
 * Merges x->item.patch into `current` (RFC 7396 on {"name","value","payload"}) and puts the result into x->item
 * for the query. The stored payload is only parsed if the patch changes a part of it.
 */
bool item_body_keep_merged(struct exchange *x, const struct item_row *current);

#endif
