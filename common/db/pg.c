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

enum state {
    CLOSED,
    CONNECTING,
    PREPARING, /* the session is there; its statements are not */
    READY,
    QUERYING,
    BROKEN, /* pg->error says why */
};

/*
 * The one place that changes the state. Nothing but pg_close() leads out of BROKEN, so that the first
 * reason stands.
 */
static void move(struct pg *pg, enum state state)
{
    if (pg->state != BROKEN || state == CLOSED)
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

static bool is_error(const PGresult *result)
{
    return result != NULL && PQresultStatus(result) == PGRES_FATAL_ERROR;
}

/* By severity and not by SQLSTATE: 57P01 and its like are always FATAL, and so are others (25P03). */
static bool ends_session(const PGresult *result)
{
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    return severity != NULL && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0);
}

/*
 * A prepared statement that is gone (26000: DEALLOCATE, a pooler between) or whose columns have other types by
 * now (0A000: "cached plan must not change result type") fails for ever in this session. In a new one it
 * is prepared anew.
 */
static bool has_stale_statement(const PGresult *error)
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

static void remember(struct pg *pg, const PGresult *error)
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
    if (pg->state == READY && ends_session(notice)) {
        remember(pg, notice);
        move(pg, BROKEN);
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

static enum pg_event fail(struct pg *pg)
{
    if (pg->state != BROKEN) {
        if (is_error(pg->result)) {
            remember(pg, pg->result);
        } else {
            const char *message = PQerrorMessage(pg->conn);
            copy_line(pg->error, sizeof pg->error, message);
            find_sqlstate(pg->sqlstate, message);
        }
    }
    move(pg, BROKEN);
    return PG_FAILED;
}

static void clear_result(struct pg *pg)
{
    PQclear(pg->result);
    pg->result = NULL;
}

/*
 * One statement can have two results: its own, and an error when the commit after it failed. Of two
 * errors the first says more: libpq adds one of its own when the connection is lost.
 */
static void keep_result(struct pg *pg, PGresult *result)
{
    if (pg->result == NULL || (is_error(result) && !is_error(pg->result))) {
        PQclear(pg->result);
        pg->result = result;
    } else {
        PQclear(result);
    }
}

/* The server is ready for the next query: it has sent the result of this one, and committed. */
static enum pg_event finish(struct pg *pg)
{
    if (pg->result == NULL)
        return fail(pg);
    if (is_error(pg->result) && (PQstatus(pg->conn) != CONNECTION_OK || has_stale_statement(pg->result)))
        return fail(pg);
    if (pg->state == PREPARING) {
        if (is_error(pg->result))
            return fail(pg);
        clear_result(pg);
        pg->is_read_only = is_read_only(pg->conn, false);
    } else {
        if (is_error(pg->result) && is_read_only_error(pg->result))
            pg->is_read_only = is_read_only(pg->conn, true);
        counters_add(pg->counters, COUNT_QUERIES, 1);
        counters_add(pg->counters, COUNT_QUERY_NS, clock_ns() - pg->sent_ns);
    }
    move(pg, READY);
    return PG_DONE;
}

/*
 * Takes what has arrived so far; PQgetResult() is only called when it cannot wait.
 *
 * `alive` says that reading went well. What was read before the connection broke still counts, up to
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
        keep_result(pg, result);
    }
    if (!alive || flushed < 0 || PQstatus(pg->conn) != CONNECTION_OK)
        return fail(pg);
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
        return fail(pg);
    move(pg, PREPARING);
    return collect(pg, true);
}

static void close_socket(struct pg *pg)
{
    if (pg->socket >= 0)
        close(pg->socket);
    pg->socket = -1;
}

/* What pg_socket() hands out is the socket that libpq has now. */
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
    pg->connect_by_ms = clock_ms() + PG_CONNECT_MS;
    pg->conn = PQconnectStartParams(keywords, values, 1);
    move(pg, CONNECTING);
    if (pg->conn == NULL)
        return pg_give_up(pg, "out of memory");
    PQsetNoticeReceiver(pg->conn, on_notice, pg);
    PQsetErrorVerbosity(pg->conn, PQERRORS_VERBOSE);
    if (PQstatus(pg->conn) == CONNECTION_BAD)
        return fail(pg);
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
        fail(pg);
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
    assert(pg->state == CLOSED && "pg_connect_start: the last connection was not closed");
    pg->target = target;
    pg->next_address = addresses;
    enum pg_event event = connect_next(pg);
    return event == PG_FAILED ? address_failed(pg) : event;
}

enum pg_event pg_send(struct pg *pg, const struct query *query)
{
    /* Text has the same bytes in both formats, so all parameters and results go as binary. */
    static const int binary[QUERY_PARAMS_MAX] = {1, 1, 1, 1, 1, 1};
    assert((pg->state == READY || pg->state == BROKEN) && "pg_send: not connected, or a query is under way");
    clear_result(pg);
    if (pg->state == BROKEN)
        return PG_FAILED;
    pg->sent_ns = clock_ns();
    move(pg, QUERYING);
    if (!PQsendQueryPrepared(pg->conn, query->statement, query->count, query->values, query->lengths, binary,
                             1))
        return fail(pg);
    return collect(pg, true);
}

/* No query is under way, so this is a notice, a changed parameter, or the end of the session. */
static enum pg_event idle_step(struct pg *pg)
{
    bool alive = consume(pg);
    PQisBusy(pg->conn); /* parses what came and calls on_notice() */
    if (pg->state == BROKEN || !alive || PQstatus(pg->conn) != CONNECTION_OK)
        return fail(pg);
    return PG_WANT_READ;
}

enum pg_event pg_step(struct pg *pg)
{
    switch ((enum state)pg->state) {
    case CONNECTING:
        return connect_step(pg);
    case PREPARING:
    case QUERYING:
        return collect(pg, consume(pg));
    case READY:
        return idle_step(pg);
    case BROKEN:
        return PG_FAILED;
    case CLOSED:
        break;
    }
    assert(!"pg_step: there is no connection");
    return PG_FAILED;
}

enum pg_event pg_give_up(struct pg *pg, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(pg->error, sizeof pg->error, format, args);
    va_end(args);
    move(pg, BROKEN);
    return PG_FAILED;
}

enum pg_event pg_timed_out(struct pg *pg)
{
    if (pg->state == QUERYING) {
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
    clear_result(pg);
    /*
     * PQfinish() says good-bye only on an established session, and puts libpq back into blocking mode
     * only after that: a full socket costs the message, not time (fe-connect.c, closePGconn).
     */
    PQfinish(pg->conn);
    close_socket(pg);
    pg->conn = NULL;
    move(pg, CLOSED);
}
