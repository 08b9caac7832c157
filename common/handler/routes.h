/*
 * Routing: one table says which function handles a method on a path, and whether a body comes with it.
 *
 * The 404 sentence, Allow, 405, OPTIONS and route_wants_body() derive from the table. HEAD goes wherever
 * GET does. Routes know all handlers, and of the handler layer only exchange.c knows the routes.
 */
#ifndef WB_ROUTES_H
#define WB_ROUTES_H

#include <stdbool.h>

#include "handler/step.h"
#include "http/codec.h"

struct exchange;

/* Starts the handler of x->request, or responds with 204 (OPTIONS), 400, 404 or 405. */
enum step route_start(struct exchange *x);

/* Whether the request's handler will read its body. */
bool route_wants_body(const struct http_request *request);

#endif
