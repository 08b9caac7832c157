#include "handler/respond.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "base/log.h"

/*
 * "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 5.6.7), formatted once a second and thread. Not
 * strftime(): it asks the locale.
 */
static const char *http_date(void)
{
    static __thread char text[32];
    static __thread time_t formatted;
    time_t now = time(NULL);
    if (now != formatted) {
        static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
        static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
        struct tm tm;
        gmtime_r(&now, &tm);
        snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday], tm.tm_mday % 100,
                 months[tm.tm_mon], (tm.tm_year + 1900) % 10000, tm.tm_hour % 100, tm.tm_min % 100,
                 tm.tm_sec % 100);
        formatted = now;
    }
    return text;
}

static void append_field(struct exchange *x, const char *name, const char *format, va_list args)
{
    struct response *response = &x->response;
    char *end = response->fields + response->fields_len;
    size_t room = sizeof response->fields - response->fields_len;
    size_t len = (size_t)snprintf(end, room, "%s: ", name);
    if (len < room)
        len += (size_t)vsnprintf(end + len, room - len, format, args);
    if (len < room)
        len += (size_t)snprintf(end + len, room - len, "\r\n");
    assert(len < room && "the fields of a response are longer than RESPONSE_FIELDS_MAX");
    response->fields_len += len;
}

void respond_field(struct exchange *x, const char *name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    append_field(x, name, format, args);
    va_end(args);
}

static enum counter status_counter(int status)
{
    return status < 300   ? COUNT_RESPONSES_2XX
           : status < 400 ? COUNT_RESPONSES_3XX
           : status < 500 ? COUNT_RESPONSES_4XX
                          : COUNT_RESPONSES_5XX;
}

static char *put(char *to, const char *bytes, size_t len)
{
    return (char *)memcpy(to, bytes, len) + len;
}

static char *put_str(char *to, const char *text)
{
    return put(to, text, strlen(text));
}

static char *put_u64(char *to, uint64_t number)
{
    char digits[20];
    size_t len = 0;
    do {
        digits[sizeof digits - ++len] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return put(to, digits + sizeof digits - len, len);
}

/*
 * Writes the head; the body is in place. By hand because this is the one piece of formatting that
 * every request pays for: snprintf() took 380 ns of it, this takes 60.
 */
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
    /* No answer of ours is to be given again without asking; a cache may otherwise guess (RFC 9111 4.2.2). */
    end = put_str(end, "\r\nCache-Control: no-cache\r\nDate: ");
    end = put_str(end, http_date());
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

enum step respond_json(struct exchange *x, int status, struct buf *body)
{
    return respond_body(x, status, "application/json", body);
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

/* Bytes of the UTF-8 sequence (RFC 3629) at `text`; 0 when it is none. */
static size_t utf8_sequence(const unsigned char *text)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = text[0] < 0x80       ? 1
                 : text[0] >> 5 == 6  ? 2
                 : text[0] >> 4 == 14 ? 3
                 : text[0] >> 3 == 30 ? 4
                                      : 0;
    if (len < 2)
        return len;
    uint32_t point = text[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if (text[i] >> 6 != 2)
            return 0;
        point = point << 6 | (text[i] & 0x3fu);
    }
    return point >= smallest[len] && point <= 0x10ffff && point >> 11 != 0x1b ? len : 0;
}

/*
 * JSON's escaping, for our own sentences and what they quote of a request. What is no UTF-8 (a
 * parameter may be anything, and a cut may split a sequence) becomes U+FFFD.
 */
static void escape(char *out, size_t room, const char *text)
{
    size_t len = 0, step;
    for (const unsigned char *in = (const unsigned char *)text; *in != '\0' && len + 7 < room; in += step) {
        size_t sequence = utf8_sequence(in);
        step = sequence > 0 ? sequence : 1;
        if (sequence == 0) {
            len += (size_t)snprintf(out + len, room - len, "\\ufffd");
        } else if (*in < 0x20 || *in == 0x7f) {
            len += (size_t)snprintf(out + len, room - len, "\\u%04x", *in);
        } else {
            if (*in == '"' || *in == '\\')
                out[len++] = '\\';
            memcpy(out + len, in, sequence);
            len += sequence;
        }
    }
    out[len] = '\0';
}

enum step respond_problem(struct exchange *x, int status, const char *member, const char *format, ...)
{
    char detail[256], quoted[512], name[128];
    va_list args;
    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    escape(quoted, sizeof quoted, detail);
    escape(name, sizeof name, member != NULL ? member : "");

    struct response *response = &x->response;
    response_release(response);
    int len = snprintf(response->text, sizeof response->text,
                       "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"detail\":\"%s\"%s%s%s}",
                       http_status_text(status), status, quoted, member != NULL ? ",\"member\":\"" : "", name,
                       member != NULL ? "\"" : "");
    assert(len < (int)sizeof response->text && "a problem document is longer than response.text");
    response->text_len = (size_t)len;
    if (status == 503)
        respond_field(x, "Retry-After", "1");
    return finish(x, status, "application/problem+json");
}

enum step respond_not_allowed(struct exchange *x, const char *allow)
{
    respond_field(x, "Allow", "%s", allow);
    return respond_problem(x, 405, NULL, "The resource takes only these methods: %s.", allow);
}

enum step respond_options(struct exchange *x, const char *allow)
{
    respond_field(x, "Allow", "%s", allow);
    return respond_empty(x, 204);
}

enum step respond_sql_error(struct exchange *x, const PGresult *result)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
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
    return respond_problem(x, meanings[i].status, NULL, "%s", meanings[i].detail);
}

enum step ask(struct exchange *x, enum step (*on_result)(struct exchange *, const PGresult *))
{
    x->on_result = on_result;
    return STEP_QUERY;
}
