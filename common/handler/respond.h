/*
 * How handlers make their responses. Private to common/. Each answer_ function ends the exchange and
 * returns STEP_RESPOND, so that a handler says `return respond_problem(x, 404, ...)`.
 */
#ifndef WB_RESPOND_H
#define WB_RESPOND_H

#include "handler/exchange.h"

/* Adds a field line ("ETag", "\"%lld\"") to the response that follows. Too long is a programmer's error. */
__attribute__((format(printf, 3, 4))) void respond_field(struct exchange *x, const char *name,
                                                         const char *format, ...);

/* Takes the bytes of *body (which is empty afterwards) as application/json. */
enum step respond_json(struct exchange *x, int status, struct buf *body);

/* The same with another media type. */
enum step respond_body(struct exchange *x, int status, const char *media_type, struct buf *body);

/* 204, 304: a head and nothing else. */
enum step respond_empty(struct exchange *x, int status);

/* `text`, then `padding` bytes of padding, then `tail` (static): /work's body. text fits response.text. */
enum step respond_padded(struct exchange *x, const char *text, uint64_t padding, const char *tail);

/*
 * application/problem+json (RFC 9457): {"type":"about:blank","title":...,"status":...,"detail":...}
 * with "member" where a parameter or a JSON member is to blame (else NULL). The detail is one sentence
 * that says what to change. 503 gets Retry-After by itself.
 */
__attribute__((format(printf, 4, 5))) enum step respond_problem(struct exchange *x, int status,
                                                                const char *member, const char *format, ...);

/* 405 with Allow: `allow` is "GET, HEAD, POST, OPTIONS". */
enum step respond_not_allowed(struct exchange *x, const char *allow);

/* The answer to OPTIONS: 204 with Allow. */
enum step respond_options(struct exchange *x, const char *allow);

/* What a result that is an SQL error means to the client: 503, 504 or 500 by its SQLSTATE. */
enum step respond_sql_error(struct exchange *x, const PGresult *result);

/* Sets x->query going: `on_result` is called with its result. Returns STEP_QUERY. */
enum step ask(struct exchange *x, enum step (*on_result)(struct exchange *, const PGresult *));

#endif
