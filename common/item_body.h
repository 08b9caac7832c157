/* What the body of POST, PUT and PATCH has to be. Private to item.c. */
#ifndef WB_ITEM_BODY_H
#define WB_ITEM_BODY_H

#include <jansson.h>
#include <stdbool.h>

#include "exchange.h"

/*
 * Reads and checks the request's body by x->method, and for PUT against x->item.id. True: *out is an
 * object whose members are those of an item, each of the right type and size; the caller's. False: it
 * has been answered, and *out is as it was.
 */
bool item_body_take(struct exchange *x, json_t **out);

/* Answers 422 with the member that is to blame; false. */
bool item_refuse(struct exchange *x, const char *member, const char *detail);

/* Answers 503. */
enum step item_answer_no_memory(struct exchange *x);

#endif
