/* What the body of POST, PUT and PATCH has to be, and what it makes of an item. Private to item.c. */
#ifndef WB_ITEM_BODY_H
#define WB_ITEM_BODY_H

#include <jansson.h>
#include <stdbool.h>

#include "handler/exchange.h"
#include "handler/items/row.h"

#define ITEM_ACCEPT_PATCH "application/merge-patch+json, application/json"

/* Whether the fields say that the body is JSON as it is, not in some coding. */
bool item_body_is_acceptable(const struct http_request *request);

/* A function below that returns false has answered the request. */

/*
 * Reads and checks the request's body by x->method, and for PUT against x->item.id. *out becomes an
 * object whose members are those of an item, each of the right type and size; the caller's. It is not
 * touched where false is returned.
 */
bool item_body_take(struct exchange *x, json_t **out);

/* Puts what the body of a POST or PUT says into x->item, for the query: it is all there will be. */
bool item_body_keep(struct exchange *x, const json_t *body);

/*
 * The same with x->item.patch merged into `current`: RFC 7396 on {"name","value","payload"}. A payload
 * that the patch does not go into is not even read.
 */
bool item_body_keep_merged(struct exchange *x, const struct item_row *current);

/* Answers 503. */
enum step item_respond_no_memory(struct exchange *x);

#endif
