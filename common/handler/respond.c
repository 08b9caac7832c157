#include "handler/respond.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "base/log.h"
#include "base/put.h"
#include "http/date.h"
#include "http/problem.h"

void respond_field(struct exchange *x, const char *name, const char *format, ...)
{
    struct response *response = &x->response;
    char *end = response->fields + response->fields_len;
    size_t room = sizeof response->fields - response->fields_len;
    va_list args;
    va_start(args, format);
    size_t len = (size_t)snprintf(end, room, "%s: ", name);
    if (len < room)
        len += (size_t)vsnprintf(end + len, room - len, format, args);
    if (len < room)
        len += (size_t)snprintf(end + len, room - len, "\r\n");
    va_end(args);
    assert(len < room && "the fields of a response are longer than RESPONSE_FIELDS_MAX");
    response->fields_len += len;
}

static enum counter status_counter(int status)
{
    return status < 300   ? COUNT_RESPONSES_2XX
           : status < 400 ? COUNT_RESPONSES_3XX
           : status < 500 ? COUNT_RESPONSES_4XX
                          : COUNT_RESPONSES_5XX;
}

/* Writes the head; the body is in place. */
static enum step finish(struct exchange *x, int status, const char *media_type)
{
    struct response *response = &x->response;
    uint64_t length = response->text_len + response->body.len + response->padding + strlen(response->tail);
    bool has_no_content = status == 204 || status == 304;
    response->status = status;
    response->close |= !x->keep_alive;
    response->bodiless = x->method == HTTP_METHOD_HEAD || has_no_content;

    char *end = put_str(response->head, "HTTP/1.1 ");
    end = put_u64(end, (uint64_t)status);
    *end++ = ' ';
    end = put_str(end, http_status_text(status));
    /* Without this a cache may guess for how long it can reuse the response (RFC 9111 4.2.2). */
    end = put_str(end, "\r\nCache-Control: no-cache\r\nDate: ");
    end = put_str(end, http_date(time(NULL)));
    if (!has_no_content) {
        end = put_str(end, "\r\nContent-Type: ");
        end = put_str(end, media_type);
        end = put_str(end, "\r\nContent-Length: ");
        end = put_u64(end, length);
    }
    end = put_str(end, "\r\n");
    end = put(end, response->fields, response->fields_len);
    if (response->close)
        end = put_str(end, "Connection: close\r\n");
    else if (x->http_1_0)
        end = put_str(end, "Connection: keep-alive\r\n");
    end = put_str(end, "\r\n");
    response->head_len = (size_t)(end - response->head);
    assert(response->head_len <= sizeof response->head &&
           "the head of a response is longer than RESPONSE_HEAD_MAX");

    counters_add(x->counters, COUNT_REQUESTS, 1);
    counters_add(x->counters, status_counter(status), 1);
    return STEP_RESPOND;
}

enum step respond_body(struct exchange *x, int status, const char *media_type, struct buf *body)
{
    x->response.body = *body;
    buf_init(body, body->max);
    return finish(x, status, media_type);
}

enum step respond_empty(struct exchange *x, int status)
{
    return finish(x, status, "");
}

enum step respond_padded(struct exchange *x, const char *text, uint64_t padding, const char *tail)
{
    struct response *response = &x->response;
    response->text_len = strlen(text);
    assert(response->text_len <= sizeof response->text && "a short body is longer than response.text");
    memcpy(response->text, text, response->text_len);
    response->padding = padding;
    response->tail = tail;
    return finish(x, 200, "application/json");
}

enum step respond_problem(struct exchange *x, int status, const char *member, const char *format, ...)
{
    struct response *response = &x->response;
    va_list args;
    response_release(response);
    va_start(args, format);
    response->text_len = problem_write(response->text, sizeof response->text, status, member, format, args);
    va_end(args);
    if (status == 503)
        respond_field(x, "Retry-After", "1");
    return finish(x, status, PROBLEM_MEDIA_TYPE);
}

enum step respond_no_memory(struct exchange *x)
{
    return respond_problem(x, 503, NULL, "The server has no memory left for this request; try again later.");
}

enum step respond_bad_params(struct exchange *x, const struct params *params)
{
    return respond_problem(x, 400, params->culprit[0] != '\0' ? params->culprit : NULL, "%s", params->error);
}

enum step respond_sql_error(struct exchange *x, const PGresult *result)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    bool is_of_libpq = state == NULL && PQresultStatus(result) == PGRES_FATAL_ERROR; /* no memory for it, say */
    if (state == NULL)
        state = "";
    if (message == NULL)
        message = PQresStatus(PQresultStatus(result));
    /* https://www.postgresql.org/docs/current/errcodes-appendix.html */
    static const struct {
        const char *prefix;
        int status;
        const char *detail;
    } meanings[] = {
        {"57014", 504,
         "The database cancelled the query because it took too long; ask for less, or try again."},
        {"25006", 503, "The database is read-only at the moment (a standby?); try again later."},
        {"25P02", 503, "The database is in a failed transaction; try again."},
        {"40", 503, "The query collided with another one and was not carried out; try again."},
        {"53", 503, "The database is out of resources (disk, memory or connections); try again later."},
        {"55", 503, "The database cannot do this at the moment; try again later."},
        {"57", 503, "The database is shutting down or starting; try again."},
        {"58", 503, "The database has trouble with its system; try again later."},
        {"08", 503, "The connection to the database broke; try again."},
        {"42P01", 503, "A table is missing: load db/schema.sql and db/seed.sql into the database."},
        {"", 500, "The database refused the query; the server's log says why."},
    };
    size_t i = 0;
    while (strncmp(state, meanings[i].prefix, strlen(meanings[i].prefix)) != 0)
        i++;
    log_warn("query %s failed: %s (SQLSTATE %s)", x->query.statement, message, state);
    if (is_of_libpq)
        return respond_problem(
            x, 503, NULL,
            "This server could not take the result of a query, which may or may not have been "
            "carried out; try again later.");
    return respond_problem(x, meanings[i].status, NULL, "%s", meanings[i].detail);
}
