/*
 * How handlers make their responses. Private to common/handler. A respond_ function ends the exchange and
 * returns STEP_RESPOND, so that a handler says `return respond_problem(x, 404, ...)`.
 */
#ifndef WB_RESPOND_H
#define WB_RESPOND_H

#include "handler/exchange.h"
#include "handler/params.h"

/*
 * Adds a field line ("ETag", "\"%lld\"") to the response, before the respond_ function that ends it. Fields of
 * more than RESPONSE_FIELDS_MAX bytes are a programmer's error.
 */
__attribute__((format(printf, 3, 4))) void respond_field(struct exchange *x, const char *name,
                                                         const char *format, ...);

/* Takes the bytes of *body, which is empty afterwards. */
enum step respond_body(struct exchange *x, int status, const char *media_type, struct buf *body);

/* 204, 304: a head without a body. */
enum step respond_empty(struct exchange *x, int status);

/*
 * 200 and JSON of three parts: `text` (at most RESPONSE_TEXT_MAX bytes), `padding` times "x", `tail` (static).
 * Takes no memory.
 */
enum step respond_padded(struct exchange *x, const char *text, uint64_t padding, const char *tail);

/* A problem document: see problem_write() in http/problem.h. Adds Retry-After to a 503. */
__attribute__((format(printf, 4, 5))) enum step respond_problem(struct exchange *x, int status,
                                                                const char *member, const char *format, ...);

/*
 * The same in a function that checks a request, whose result says whether the handler goes on: false. A macro,
 * so that a static analyser sees the value.
 */
#define refuse_request(...) (respond_problem(__VA_ARGS__), false)

/* 503: memory has run out. */
enum step respond_no_memory(struct exchange *x);

/* 400 with params->error, after a function of params.h has returned false. */
enum step respond_bad_params(struct exchange *x, const struct params *params);

/* 503, 504 or 500, by the SQLSTATE of a result that is an error. */
enum step respond_sql_error(struct exchange *x, const PGresult *result);

#endif
