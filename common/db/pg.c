#include "db/pg.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "db/pg_needs.h"
#include "db/pg_pipeline.h"
#include "db/pg_private.h"

const int pg_binary[QUERY_PARAMS_MAX] = {1, 1, 1, 1, 1, 1};

void pg_move(struct pg *pg, enum pg_state state)
{
    if (pg->state != PG_BROKEN || state == PG_CLOSED)
        pg->state = state;
}

/* The first line, white space squeezed, so that it fits a log line and an error message. */
static void copy_line(char *to, size_t size, const char *from)
{
    size_t len = 0;
    while (*from == ' ' || *from == '\t' || *from == '\n')
        from++;
    for (; *from != '\0' && *from != '\n' && len + 1 < size; from++) {
        bool space = (unsigned char)*from <= ' ';
        if (space && len > 0 && to[len - 1] == ' ')
            continue;
        to[len++] = space ? ' ' : *from;
    }
    while (len > 0 && to[len - 1] == ' ')
        len--;
    to[len] = '\0';
}

bool pg_is_error(const PGresult *result)
{
    return result != NULL && PQresultStatus(result) == PGRES_FATAL_ERROR;
}

/* By severity and not by SQLSTATE: 57P01 and its like are always FATAL, and so are others (25P03). */
static bool ends_session(const PGresult *result)
{
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    return severity != NULL && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0);
}

bool pg_is_stale(const PGresult *error)
{
    const char *sqlstate = PQresultErrorField(error, PG_DIAG_SQLSTATE);
    return sqlstate != NULL && (strcmp(sqlstate, "26000") == 0 || strcmp(sqlstate, "0A000") == 0);
}

/*
 * A session keeps the default_transaction_read_only with which it began. (A standby that is promoted lets its
 * sessions write, so it does not count.) PostgreSQL reports the setting from release 14 on
 * (libpq-status.html); before that, only a write that fails tells: 25006.
 */
static bool is_read_only(const PGconn *conn, bool write_has_failed)
{
    const char *setting = PQparameterStatus(conn, "default_transaction_read_only");
    return setting != NULL ? strcmp(setting, "on") == 0 : write_has_failed;
}

static bool is_read_only_error(const PGresult *error)
{
    const char *sqlstate = PQresultErrorField(error, PG_DIAG_SQLSTATE);
    return sqlstate != NULL && strcmp(sqlstate, "25006") == 0;
}

void pg_remember(struct pg *pg, const PGresult *error)
{
    const char *message = PQresultErrorField(error, PG_DIAG_MESSAGE_PRIMARY);
    const char *sqlstate = PQresultErrorField(error, PG_DIAG_SQLSTATE);
    copy_line(pg->error, sizeof pg->error, message != NULL ? message : PQresultErrorMessage(error));
    snprintf(pg->sqlstate, sizeof pg->sqlstate, "%s", sqlstate != NULL ? sqlstate : "");
}

/* The reason why an idle session ends arrives as a notice; the end of file after it only says that it did. */
static void on_notice(void *arg, const PGresult *notice)
{
    struct pg *pg = arg;
    if (pg->state == PG_READY && ends_session(notice)) {
        pg_remember(pg, notice);
        pg_move(pg, PG_BROKEN);
    } else if (log_enabled(LOG_LEVEL_DEBUG)) {
        char line[256];
        copy_line(line, sizeof line, PQresultErrorMessage(notice));
        log_debug("database: %s", line);
    }
}

/*
 * libpq keeps the SQLSTATE of a refused connection to itself but writes it in a verbose message,
 * whatever the server's language: "... failed: FATAL:  28P01: password authentication failed ...".
 */
static void find_sqlstate(char sqlstate[6], const char *message)
{
    static const char code[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for (const char *at = message; (at = strstr(at, ":  ")) != NULL; at++) {
        if (strspn(at + 3, code) == 5 && at[8] == ':') {
            memcpy(sqlstate, at + 3, 5);
            sqlstate[5] = '\0';
            return;
        }
    }
    sqlstate[0] = '\0';
}

enum pg_event pg_fail(struct pg *pg)
{
    if (pg->state != PG_BROKEN) {
        if (pg_is_error(pg->result)) {
            pg_remember(pg, pg->result);
        } else {
            const char *message = PQerrorMessage(pg->conn);
            copy_line(pg->error, sizeof pg->error, message);
            find_sqlstate(pg->sqlstate, message);
        }
    }
    pg_move(pg, PG_BROKEN);
    return PG_FAILED;
}

void pg_clear_result(struct pg *pg)
{
    PQclear(pg->result);
    pg->result = NULL;
}

void pg_keep_result(struct pg *pg, PGresult *result)
{
    if (pg->result == NULL || (pg_is_error(result) && !pg_is_error(pg->result))) {
        PQclear(pg->result);
        pg->result = result;
    } else {
        PQclear(result);
    }
}

void pg_query_ended(struct pg *pg, uint64_t took_ns)
{
    if (pg_is_error(pg->result) && is_read_only_error(pg->result))
        pg->is_read_only = is_read_only(pg->conn, true);
    counters_add(pg->counters, COUNT_QUERIES, 1);
    counters_add(pg->counters, COUNT_QUERY_NS, took_ns);
}

/* The server is ready for the next query: it has sent the result of this one, and committed. */
static enum pg_event finish(struct pg *pg)
{
    if (pg->result == NULL)
        return pg_fail(pg);
    if (pg_is_error(pg->result) && (PQstatus(pg->conn) != CONNECTION_OK || pg_is_stale(pg->result)))
        return pg_fail(pg);
    if (pg->state == PG_PREPARING) {
        if (pg_is_error(pg->result))
            return pg_fail(pg);
        pg_clear_result(pg);
        pg->is_read_only = is_read_only(pg->conn, false);
        if (pg->pipeline != NULL && !PQenterPipelineMode(pg->conn))
            return pg_fail(pg);
    } else {
        pg_query_ended(pg, clock_ns() - pg->sent_ns);
    }
    pg_move(pg, PG_READY);
    return PG_DONE;
}

/*
 * Takes what has arrived so far; PQgetResult() is only called when it cannot wait.
 *
 * `alive` says that reading went well. Bytes read before the connection broke still count, up to
 * the ReadyForQuery that ends a response; without it, whether the query was committed is unknown
 * (CommandComplete comes before the commit of an implicit transaction), so that is a failure.
 */
static enum pg_event collect(struct pg *pg, bool alive)
{
    int flushed = PQflush(pg->conn); /* before PQisBusy(): a flush that would block reads, too */
    while (!PQisBusy(pg->conn)) {
        PGresult *result = PQgetResult(pg->conn);
        if (result == NULL)
            return finish(pg);
        pg_keep_result(pg, result);
    }
    if (!alive || flushed < 0 || PQstatus(pg->conn) != CONNECTION_OK)
        return pg_fail(pg);
    return flushed > 0 ? PG_WANT_WRITE : PG_WANT_READ;
}

/*
 * libpq makes room for 8 KiB and a TLS or GSS record may have 16: the rest of it would wait inside
 * libpq, with no event of the socket to announce it. PostgreSQL ends each response with a record
 * that fits (with 15 and 17 no size of response hung without this), but a proxy before it need not.
 */
static bool consume(struct pg *pg)
{
    if (!PQconsumeInput(pg->conn))
        return false;
    if (!PQsslInUse(pg->conn) && !PQgssEncInUse(pg->conn))
        return true;
    return !PQisBusy(pg->conn) || PQconsumeInput(pg->conn);
}

static enum pg_event prepare(struct pg *pg)
{
    char error[256];
    if (!pg_meets_needs(pg->conn, error))
        return pg_give_up(pg, "%s", error);
    PQsetErrorVerbosity(pg->conn, PQERRORS_DEFAULT);
    if (PQsetnonblocking(pg->conn, 1) != 0 || !PQsendQuery(pg->conn, pg->target->prepare))
        return pg_fail(pg);
    pg_move(pg, PG_PREPARING);
    return collect(pg, true);
}

static void close_socket(struct pg *pg)
{
    if (pg->socket >= 0)
        close(pg->socket);
    pg->socket = -1;
}

/* pg_socket() hands out a duplicate of the socket that libpq has now. */
static bool follow_socket(struct pg *pg)
{
    close_socket(pg);
    pg->socket = dup(PQsocket(pg->conn)); /* not F_DUPFD_CLOEXEC, which ThreadSanitizer does not know */
    return pg->socket >= 0 && fcntl(pg->socket, F_SETFD, FD_CLOEXEC) == 0;
}

static enum pg_event cannot_follow(struct pg *pg)
{
    return pg_give_up(pg, "no descriptor for its socket: %s", strerror(errno));
}

/* "::1", "fe80::1%2": as libpq's hostaddr takes it. */
static void format_address(const struct sockaddr *address, char text[64])
{
    const struct sockaddr_in *v4 = (const void *)address;
    const struct sockaddr_in6 *v6 = (const void *)address;
    text[0] = '\0';
    if (address->sa_family == AF_INET)
        inet_ntop(AF_INET, &v4->sin_addr, text, 64);
    if (address->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &v6->sin6_addr, text, 64);
    if (address->sa_family == AF_INET6 && v6->sin6_scope_id != 0)
        snprintf(text + strlen(text), 64 - strlen(text), "%%%u", v6->sin6_scope_id);
}

/* Begins with the next address, or with what target->url says where there is no name to resolve. */
static enum pg_event connect_next(struct pg *pg)
{
    char name[64], address[64] = "";
    snprintf(name, sizeof name, "waitbench-%s", pg->target->model);
    if (pg->next_address != NULL) {
        format_address(pg->next_address->ai_addr, address);
        pg->next_address = pg->next_address->ai_next;
    }
    /*
     * A later keyword wins over what the URL says; empty values count as absent. plan_cache_mode
     * stays as it is: the single-row statements get a generic plan after five runs by themselves, and
     * "LIMIT $2" must not have one (it would be planned for a tenth of the table).
     */
    const char *keywords[] = {"dbname", "fallback_application_name", "client_encoding", "hostaddr", NULL};
    const char *values[] = {pg->target->url, name, "UTF8", address, NULL};
    pg->error[0] = '\0';
    pg->sqlstate[0] = '\0';
    pg->timed_out = false;
    pg->is_stale = false;
    pg->connect_by_ms = clock_ms() + PG_CONNECT_MS;
    pg->conn = PQconnectStartParams(keywords, values, 1);
    pg_move(pg, PG_CONNECTING);
    if (pg->conn == NULL)
        return pg_give_up(pg, "out of memory");
    PQsetNoticeReceiver(pg->conn, on_notice, pg);
    PQsetErrorVerbosity(pg->conn, PQERRORS_VERBOSE);
    if (PQstatus(pg->conn) == CONNECTION_BAD)
        return pg_fail(pg);
    return follow_socket(pg) ? PG_WANT_WRITE : cannot_follow(pg);
}

/* This address has failed. A refusal by the server itself is final, as it is for libpq. */
static enum pg_event address_failed(struct pg *pg)
{
    enum pg_event event = PG_FAILED;
    while (event == PG_FAILED && pg->next_address != NULL && pg->sqlstate[0] == '\0') {
        pg_close(pg);
        event = connect_next(pg);
    }
    return event;
}

static enum pg_event connect_step(struct pg *pg)
{
    PostgresPollingStatusType status = PQconnectPoll(pg->conn);
    if (status == PGRES_POLLING_FAILED) {
        pg_fail(pg);
        return address_failed(pg);
    }
    if (!follow_socket(pg))
        return cannot_follow(pg);
    if (status == PGRES_POLLING_OK)
        return prepare(pg);
    return status == PGRES_POLLING_READING ? PG_WANT_READ : PG_WANT_WRITE;
}

void pg_init(struct pg *pg, struct counters *counters)
{
    *pg = (struct pg){.counters = counters, .socket = -1};
}

enum pg_event pg_connect_start(struct pg *pg, const struct pg_target *target, const struct addrinfo *addresses)
{
    assert(pg->state == PG_CLOSED && "pg_connect_start: the last connection was not closed");
    pg->target = target;
    pg->next_address = addresses;
    enum pg_event event = connect_next(pg);
    return event == PG_FAILED ? address_failed(pg) : event;
}

enum pg_event pg_send(struct pg *pg, const struct query *query)
{
    assert((pg->state == PG_READY || pg->state == PG_BROKEN) &&
           "pg_send: not connected, or a query is under way");
    pg_clear_result(pg);
    if (pg->state == PG_BROKEN)
        return PG_FAILED;
    pg->sent_ns = clock_ns();
    pg_move(pg, PG_QUERYING);
    if (!PQsendQueryPrepared(pg->conn, query->statement, query->count, query->values, query->lengths, pg_binary,
                             1))
        return pg_fail(pg);
    return collect(pg, true);
}

/* No query is under way, so this is a notice, a changed parameter, or the end of the session. */
static enum pg_event idle_step(struct pg *pg)
{
    bool alive = consume(pg);
    PQisBusy(pg->conn); /* parses what came and calls on_notice() */
    if (pg->state == PG_BROKEN || !alive || PQstatus(pg->conn) != CONNECTION_OK)
        return pg_fail(pg);
    return PG_WANT_READ;
}

enum pg_event pg_step(struct pg *pg)
{
    switch ((enum pg_state)pg->state) {
    case PG_CONNECTING:
        return connect_step(pg);
    case PG_QUERYING:
        if (pg->pipeline != NULL)
            return pg_pipeline_collect(pg, consume(pg));
        /* fall through */
    case PG_PREPARING:
        return collect(pg, consume(pg));
    case PG_READY:
        return idle_step(pg);
    case PG_BROKEN:
        return PG_FAILED;
    case PG_CLOSED:
        break;
    }
    assert(!"pg_step: there is no connection");
    return PG_FAILED;
}

PGresult *pg_take_result(struct pg *pg)
{
    PGresult *result = pg->result;
    pg->result = NULL;
    return result;
}

enum pg_event pg_give_up(struct pg *pg, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(pg->error, sizeof pg->error, format, args);
    va_end(args);
    pg_move(pg, PG_BROKEN);
    return PG_FAILED;
}

enum pg_event pg_timed_out(struct pg *pg)
{
    if (pg->state == PG_QUERYING) {
        pg->timed_out = true;
        return pg_give_up(pg, "no result in QUERY_TIMEOUT");
    }
    pg_give_up(pg, "no response from %s in %d ms", pg->target->where, PG_CONNECT_MS);
    return address_failed(pg);
}

int pg_socket(const struct pg *pg)
{
    return pg->socket;
}

void pg_close(struct pg *pg)
{
    assert((pg->pipeline == NULL || pg->pipeline->count == 0) && "pg_close: a query still has an owner");
    pg_clear_result(pg);
    /*
     * PQfinish() says good-bye only on an established session, and puts libpq back into blocking mode
     * only after that: a full socket costs the message, not time (fe-connect.c, closePGconn).
     */
    PQfinish(pg->conn);
    close_socket(pg);
    pg->conn = NULL;
    pg_move(pg, PG_CLOSED);
}
