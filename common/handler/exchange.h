/*
 * An exchange: one request and its response, as a step machine that never waits.
 *
 *     exchange_init(&x, service, counters);
 *     x.request = &codec.request;
 *     step = exchange_start(&x);
 *     if (step == STEP_WAIT) {
 *         ...let x.wait_ms pass, however this server waits...;
 *         step = exchange_waited(&x);
 *     }
 *     for (; step == STEP_QUERY; step = exchange_resume(&x, result))
 *         result = ...run x.query, however this server waits...;
 *     ...send x.response...
 *     exchange_deinit(&x);
 *
 * The server checks a database connection out of the pool for the first query of an exchange, runs all its
 * queries on that connection, and gives the connection back once there is a response. STEP_WAIT comes before
 * the first query, if at all: a waiting exchange holds no database connection. If the database cannot respond,
 * call exchange_fail() instead of exchange_resume().
 *
 * No function here blocks or yields. Some read a clock, without a system call: a response states its Date, and
 * /stats the uptime. The caller owns the structure. Every exchange ends in a response: without memory, in a
 * 503 that needs none.
 *
 * The handler layer, each part on those before it: service, step, statements, params; exchange.h and respond;
 * work, status, items/; routes; exchange.c.
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
    FAIL_POOL_TIMEOUT,  /* no database connection became free in POOL_TIMEOUT: 503 */
    FAIL_LOST,          /* the connection broke; the query may or may not have run: 503 */
    FAIL_QUERY_TIMEOUT, /* no result in QUERY_TIMEOUT: 504 */
};

struct exchange {
    /* set by the server before exchange_start */
    const struct http_request *request;

    /* for the server to read */
    struct query query;       /* after STEP_QUERY */
    uint64_t wait_ms;         /* after STEP_WAIT */
    struct response response; /* after STEP_RESPOND */

    /* private to common/handler */
    const struct service *service;
    struct counters *counters;
    enum http_method method;
    bool keep_alive;
    bool http_1_0;
    int64_t id; /* of the path, if its route has "{id}" */
    enum step (*on_result)(struct exchange *, const PGresult *);
    enum step (*on_waited)(struct exchange *);
    void (*on_release)(struct exchange *); /* frees what the handler holds; NULL: nothing */
    union {
        struct work work;
        struct item_op item;
    };
};

/* `service` and `counters` must outlive the exchange. */
void exchange_init(struct exchange *x, const struct service *service, struct counters *counters);

/* Reads x->request and keeps no slice of it. */
__attribute__((warn_unused_result)) enum step exchange_start(struct exchange *x);

/* The caller owns `result` and may clear it afterwards. */
__attribute__((warn_unused_result)) enum step exchange_resume(struct exchange *x, const PGresult *result);

/* After STEP_WAIT, at least wait_ms later. STEP_QUERY or STEP_RESPOND. */
__attribute__((warn_unused_result)) enum step exchange_waited(struct exchange *x);

/* Instead of resume: the database gave no result. Always STEP_RESPOND. */
enum step exchange_fail(struct exchange *x, enum exchange_failure failure);

/* The failure of an exchange that the pool gave no connection. */
enum exchange_failure exchange_failure_of_checkout(enum pool_outcome outcome);

/* The failure of an exchange whose query ended in PG_FAILED. */
enum exchange_failure exchange_failure_of_query(const struct pg *pg);

/*
 * For http_limits.wants_body: whether the handler will read the body. If false, the response does not depend
 * on the body.
 */
bool exchange_wants_body(const struct http_request *request);

/* Instead of start: the codec refused the bytes, or a 408. Always STEP_RESPOND, with response.close. */
enum step exchange_refuse(struct exchange *x, struct http_refusal refusal);

/* Makes the response close the connection (a drain). Before exchange_start or between steps. */
void exchange_close_after(struct exchange *x);

/* Frees what the exchange holds; exchange_init may follow. */
void exchange_deinit(struct exchange *x);

/*
 * For handlers: asks for x->query. `on_result` is called with the rows of its result; an SQL error ends the
 * exchange before. Returns STEP_QUERY.
 */
enum step exchange_query(struct exchange *x, enum step (*on_result)(struct exchange *, const PGresult *));

/*
 * For handlers, before their first query: lets `ms` milliseconds pass, as while another service works.
 * `on_waited` is called then. Returns STEP_WAIT.
 */
enum step exchange_wait(struct exchange *x, uint64_t ms, enum step (*on_waited)(struct exchange *));

#endif
