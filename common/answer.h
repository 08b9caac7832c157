/*
 * How handlers make their replies. Private to common/. Each answer_ function ends the exchange and
 * returns STEP_REPLY, so that a handler says `return answer_problem(x, 404, ...)`.
 */
#ifndef WB_ANSWER_H
#define WB_ANSWER_H

#include "exchange.h"

/* Adds a field line ("ETag", "\"%lld\"") to the reply that follows. Too long is a programmer's error. */
__attribute__((format(printf, 3, 4))) void answer_field(struct exchange *x, const char *name,
                                                        const char *format, ...);

/* Takes the bytes of *body (which is empty afterwards) as application/json. */
enum step answer_json(struct exchange *x, int status, struct buf *body);

/* The same with another media type. */
enum step answer_body(struct exchange *x, int status, const char *media_type, struct buf *body);

/* 204, 304: a head and nothing else. */
enum step answer_empty(struct exchange *x, int status);

/* `text`, then `padding` bytes of padding, then `tail` (static): /work's body. text fits reply.text. */
enum step answer_padded(struct exchange *x, const char *text, uint64_t padding, const char *tail);

/*
 * application/problem+json (RFC 9457): {"type":"about:blank","title":...,"status":...,"detail":...}
 * with "member" where a parameter or a JSON member is to blame (else NULL). The detail is one sentence
 * that says what to change. 503 gets Retry-After by itself.
 */
__attribute__((format(printf, 4, 5))) enum step answer_problem(struct exchange *x, int status,
                                                               const char *member, const char *format, ...);

/* 405 with Allow: `allow` is "GET, HEAD, POST, OPTIONS". */
enum step answer_not_allowed(struct exchange *x, const char *allow);

/* The answer to OPTIONS: 204 with Allow. */
enum step answer_options(struct exchange *x, const char *allow);

/* What a result that is an SQL error means to the client: 503, 504 or 500 by its SQLSTATE. */
enum step answer_sql_error(struct exchange *x, const PGresult *result);

/* Sets x->query going: `on_result` is called with its result. Returns STEP_QUERY. */
enum step ask(struct exchange *x, enum step (*on_result)(struct exchange *, const PGresult *));

#endif
