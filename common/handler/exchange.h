/*
 * An exchange: one request and its response, as a step machine that never waits.
 *
 *     exchange_init(&x, service, counters);
 *     x.request = &codec.request;
 *     for (step = exchange_start(&x); step == STEP_QUERY; step = exchange_resume(&x, result))
 *         result = ...run x.query, however this server waits...;
 *     ...send x.response...
 *     exchange_deinit(&x);
 *
 * An exchange that asks for its first query needs a database connection from the pool, keeps it for
 * all its queries, and gives it back when it responses. If the database cannot answer, call
 * exchange_fail() in place of exchange_resume().
 *
 * No function here blocks, yields or reads a clock. The memory is the caller's; whatever happens,
 * a response results (from static storage when memory has run out).
 */
#ifndef WB_EXCHANGE_H
#define WB_EXCHANGE_H

#include <libpq-fe.h>

#include "base/counters.h"
#include "db/pool.h"
#include "db/query.h"
#include "handler/items/items.h"
#include "handler/service.h"
#include "handler/step.h"
#include "handler/work.h"
#include "http/codec.h"
#include "http/response.h"

enum exchange_failure {
    FAIL_UNAVAILABLE,   /* no database connection is up: 503 */
    FAIL_POOL_TIMEOUT,  /* none became free in POOL_TIMEOUT: 503 */
    FAIL_LOST,          /* the connection broke; the query may or may not have run: 503 */
    FAIL_QUERY_TIMEOUT, /* no result in QUERY_TIMEOUT: 504 */
};

struct exchange {
    /* set by the server before exchange_start */
    const struct http_request *request;

    /* for the server to read */
    struct query query;       /* after STEP_QUERY */
    struct response response; /* after STEP_RESPOND */

    /* private to common/ */
    const struct service *service;
    struct counters *counters;
    enum http_method method;
    bool keep_alive;
    bool http_1_0;
    enum step (*on_result)(struct exchange *, const PGresult *);
    void (*on_release)(struct exchange *); /* frees what the handler holds; may be NULL */
    union {
        struct work work;
        struct item_op item;
    };
};

void exchange_init(struct exchange *x, const struct service *service, struct counters *counters);

/* Reads x->request and keeps no slice of it. */
__attribute__((warn_unused_result)) enum step exchange_start(struct exchange *x);

/* `result` is the caller's and may be cleared afterwards. */
__attribute__((warn_unused_result)) enum step exchange_resume(struct exchange *x, const PGresult *result);

/* In place of resume (or of start's query): the database did not answer. Always STEP_RESPOND. */
enum step exchange_fail(struct exchange *x, enum exchange_failure failure);

/* The failure of an exchange that the pool gave no connection. */
enum exchange_failure exchange_failure_of_checkout(enum pool_outcome outcome);

/* The failure of an exchange whose query ended in PG_FAILED. */
enum exchange_failure exchange_failure_of_query(const struct pg *pg);

/*
 * For http_limits.wants_body: whether there is anything to do with this request's body. When false, its
 * answer does not depend on the body.
 */
bool exchange_wants_body(const struct http_request *request);

/* In place of start: the codec refused the bytes, or a 408. Always STEP_RESPOND, and response.close. */
enum step exchange_refuse(struct exchange *x, struct http_refusal refusal);

/* Makes the response end the connection (a drain). Before exchange_start or between steps. */
void exchange_close_after(struct exchange *x);

/* Releases what it holds; exchange_init may follow. */
void exchange_deinit(struct exchange *x);

#endif
