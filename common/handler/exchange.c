#include "handler/exchange.h"

#include <assert.h>

#include "handler/respond.h"
#include "handler/routes.h"

void exchange_init(struct exchange *x, const struct service *service, struct counters *counters)
{
    /* Field by field: to clear the arrays as well would cost more than the rest of /work?n=0. */
    x->request = NULL;
    x->service = service;
    x->counters = counters;
    x->method = HTTP_METHOD_GET;
    x->keep_alive = true;
    x->http_1_0 = false;
    x->on_result = NULL;
    x->on_waited = NULL;
    x->on_release = NULL;

    struct response *response = &x->response;
    response->status = 0;
    response->close = false;
    response->head_len = response->fields_len = response->text_len = 0;
    response->padding = 0;
    response->tail = "";
    response->bodiless = false;
    buf_init(&response->body, WORK_M_MAX);
}

static void release(struct exchange *x)
{
    if (x->on_release != NULL)
        x->on_release(x);
    x->on_release = NULL;
}

/* Frees what the handler holds as early as possible: the client may take long to read the response. */
static enum step release_at_response(struct exchange *x, enum step step)
{
    if (step == STEP_RESPOND)
        release(x);
    return step;
}

void exchange_deinit(struct exchange *x)
{
    release(x);
    response_release(&x->response);
}

bool exchange_wants_body(const struct http_request *request)
{
    return route_wants_body(request);
}

enum step exchange_start(struct exchange *x)
{
    assert(x->request != NULL && "exchange_start: set x->request first");
    x->method = x->request->method;
    x->http_1_0 = x->request->http_1_0;
    x->keep_alive = x->keep_alive && x->request->keep_alive;
    enum step step = route_start(x);
    x->request = NULL; /* its bytes belong to the codec */
    return release_at_response(x, step);
}

enum step exchange_query(struct exchange *x, enum step (*on_result)(struct exchange *, const PGresult *))
{
    x->on_result = on_result;
    return STEP_QUERY;
}

enum step exchange_wait(struct exchange *x, uint64_t ms, enum step (*on_waited)(struct exchange *))
{
    assert(x->on_result == NULL && "exchange_wait: before the first query");
    x->wait_ms = ms;
    x->on_waited = on_waited;
    return STEP_WAIT;
}

enum step exchange_waited(struct exchange *x)
{
    assert(x->on_waited != NULL && "exchange_waited: the exchange has not asked to wait");
    return release_at_response(x, x->on_waited(x));
}

enum step exchange_resume(struct exchange *x, const PGresult *result)
{
    assert(x->on_result != NULL && "exchange_resume: the exchange has asked for no query");
    if (PQresultStatus(result) != PGRES_TUPLES_OK) /* every statement returns rows */
        return release_at_response(x, respond_sql_error(x, result));
    return release_at_response(x, x->on_result(x, result));
}

enum step exchange_fail(struct exchange *x, enum exchange_failure failure)
{
    static const struct {
        int status;
        const char *detail;
    } responses[] = {
        [FAIL_UNAVAILABLE] = {503, "The database cannot be reached; try again later."},
        [FAIL_POOL_TIMEOUT] = {503,
                               "No database connection became free in time; send less load, or raise DB_POOL."},
        [FAIL_LOST] = {503,
                       "The connection to the database broke during the request, whose last query may or may "
                       "not have been carried out; try again."},
        [FAIL_QUERY_TIMEOUT] = {504,
                                "The database did not respond in time; ask for less, or raise QUERY_TIMEOUT."},
    };
    return release_at_response(
        x, respond_problem(x, responses[failure].status, NULL, "%s", responses[failure].detail));
}

enum exchange_failure exchange_failure_of_checkout(enum pool_outcome outcome)
{
    return outcome == POOL_TIMED_OUT ? FAIL_POOL_TIMEOUT : FAIL_UNAVAILABLE;
}

enum exchange_failure exchange_failure_of_query(const struct pg *pg)
{
    return pg->timed_out ? FAIL_QUERY_TIMEOUT : FAIL_LOST;
}

enum step exchange_refuse(struct exchange *x, struct http_refusal refusal)
{
    x->keep_alive = false;
    x->method = refusal.is_head ? HTTP_METHOD_HEAD : x->method;
    return respond_problem(x, refusal.status, NULL, "%s", refusal.detail);
}

void exchange_close_after(struct exchange *x)
{
    x->keep_alive = false;
}
