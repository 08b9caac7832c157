/*
 * The libpq step machine against a real PostgreSQL (DATABASE_URL, as `db/local run` sets it), and
 * against a server of our own where the real one cannot be made to misbehave.
 *
 * poll(), recv() and send() are this program's own: they prove that libpq is never driven into
 * waiting, and count its system calls.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "pg.h"

static const char *database_url;
static PGconn *admin;
static struct counters counters;
static unsigned sends, receives;

ssize_t send(int fd, const void *bytes, size_t len, int flags)
{
    sends++;
    return sendto(fd, bytes, len, flags, NULL, 0);
}

ssize_t recv(int fd, void *bytes, size_t len, int flags)
{
    receives++;
    return recvfrom(fd, bytes, len, flags, NULL, NULL);
}

/* libpq's blocking calls wait here; this program itself waits in ppoll(). */
int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    assert(timeout == 0 && "libpq was driven into waiting");
    return ppoll(fds, count, &(struct timespec){0}, NULL);
}

/* -- driving ------------------------------------------------------------------------------------ */

static void wait_for(int fd, short events)
{
    struct pollfd wanted = {.fd = fd, .events = events};
    assert_int_equal(ppoll(&wanted, 1, &(struct timespec){.tv_sec = 10}, NULL), 1);
}

/* How often it asked for each. */
static struct {
    unsigned reads, writes;
} wanted;

static enum pg_event drive(struct pg *pg, enum pg_event event)
{
    wanted.reads = wanted.writes = 0;
    for (; event == PG_WANT_READ || event == PG_WANT_WRITE; event = pg_step(pg)) {
        event == PG_WANT_READ ? wanted.reads++ : wanted.writes++;
        wait_for(pg_socket(pg), event == PG_WANT_READ ? POLLIN : POLLIN | POLLOUT);
    }
    return event;
}

static enum pg_event connect_to(struct pg *pg, const char *url)
{
    char error[256];
    struct pg_target target;
    assert_true(pg_target_init(&target, url, "test", error));
    pg_init(pg, &counters);
    return drive(pg, pg_connect_start(pg, &target, NULL));
}

static void connect_well(struct pg *pg)
{
    if (connect_to(pg, database_url) != PG_DONE)
        fail_msg("%s", pg->error);
}

static enum pg_event send_read(struct pg *pg, int32_t id)
{
    struct query query;
    query_begin(&query, SQL_WORK_READ);
    query_add_int4(&query, id);
    return pg_send(pg, &query);
}

static enum pg_event read_row(struct pg *pg, int32_t id)
{
    return drive(pg, send_read(pg, id));
}

static int32_t value_of(int32_t id)
{
    return (int32_t)((int64_t)id * 48271 % 2147483647);
}

static void assert_value(const struct pg *pg, int32_t id)
{
    assert_int_equal(PQresultStatus(pg->result), PGRES_TUPLES_OK);
    assert_int_equal(PQntuples(pg->result), 1);
    assert_int_equal(PQgetlength(pg->result, 0, 0), 4);
    assert_int_equal(sql_read_int4(PQgetvalue(pg->result, 0, 0)), value_of(id));
}

static void assert_failure(const struct pg *pg, enum pg_cause cause, const char *error, const char *advice)
{
    if (strstr(pg->error, error) == NULL || strchr(pg->error, '\n') != NULL)
        fail_msg("'%s' is not one line with '%s'", pg->error, error);
    if (strstr(pg_advice(pg), advice) == NULL)
        fail_msg("'%s' is not '%s'", pg_advice(pg), advice);
    assert_int_equal(pg->cause, cause);
}

/* -- another session, and other ways to reach the database --------------------------------------- */

static int64_t ask(const char *sql)
{
    /* PQexec() waits, in poll() above: this session waits by itself. */
    assert_true(PQsendQuery(admin, sql));
    int64_t answer = 0;
    for (;;) {
        while (PQflush(admin) == 1)
            wait_for(PQsocket(admin), POLLIN | POLLOUT);
        while (PQisBusy(admin)) {
            wait_for(PQsocket(admin), POLLIN);
            assert_true(PQconsumeInput(admin));
        }
        PGresult *result = PQgetResult(admin);
        if (result == NULL)
            return answer;
        if (PQresultStatus(result) == PGRES_FATAL_ERROR)
            fail_msg("%s: %s", sql, PQresultErrorMessage(result));
        if (PQntuples(result) == 1)
            answer = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
        PQclear(result);
    }
}

static void terminate(const struct pg *pg)
{
    char sql[80];
    snprintf(sql, sizeof sql, "SELECT pg_terminate_backend(%d, 10000)::int", PQbackendPID(pg->conn));
    assert_int_equal(ask(sql), 1);
}

/* DATABASE_URL as key=value with one setting changed. */
static const char *url_with(const char *keyword, const char *value)
{
    static char url[2048];
    size_t len = 0;
    PQconninfoOption *options = PQconninfoParse(database_url, NULL);
    for (PQconninfoOption *option = options; option->keyword != NULL; option++) {
        const char *from = strcmp(option->keyword, keyword) == 0 ? value : option->val;
        if (from == NULL)
            continue;
        len += (size_t)snprintf(url + len, sizeof url - len, "%s='", option->keyword);
        for (; *from != '\0'; from++) {
            if (*from == '\'' || *from == '\\')
                url[len++] = '\\';
            url[len++] = *from;
        }
        len += (size_t)snprintf(url + len, sizeof url - len, "' ");
    }
    PQconninfoFree(options);
    return url;
}

static void need_database(void)
{
    if (database_url == NULL) {
        print_message("DATABASE_URL is not set: run this as `db/local run PROGRAM`\n");
        skip();
    }
}

/* -- a real database ------------------------------------------------------------------------------ */

static void connects_under_its_name(void **state)
{
    (void)state;
    struct pg pg;
    need_database();
    connect_well(&pg);
    assert_string_equal(PQparameterStatus(pg.conn, "application_name"), "waitbench-test");
    assert_string_equal(PQparameterStatus(pg.conn, "client_encoding"), "UTF8");
    assert_true(PQisnonblocking(pg.conn));
    assert_null(pg.result);
    pg_close(&pg);
    assert_int_equal(pg_socket(&pg), -1);
}

static void reads_a_row(void **state)
{
    (void)state;
    struct pg pg;
    need_database();
    connect_well(&pg);
    uint64_t queries = counters.value[COUNT_QUERIES], ns = counters.value[COUNT_QUERY_NS];
    for (int32_t id = 99999; id <= 100000; id++) {
        assert_int_equal(read_row(&pg, id), PG_DONE);
        assert_value(&pg, id);
    }
    assert_int_equal(counters.value[COUNT_QUERIES], queries + 2);
    assert_true(counters.value[COUNT_QUERY_NS] > ns);
    pg_close(&pg);
}

static void writes_a_row(void **state)
{
    (void)state;
    struct pg pg;
    struct query query;
    need_database();
    connect_well(&pg);
    int64_t before = ask("SELECT hits FROM world WHERE id = 17");
    query_begin(&query, SQL_WORK_WRITE);
    query_add_int4(&query, 17);
    assert_int_equal(drive(&pg, pg_send(&pg, &query)), PG_DONE);
    assert_value(&pg, 17);
    assert_int_equal(ask("SELECT hits FROM world WHERE id = 17"), before + 1);
    pg_close(&pg);
}

static void a_query_is_one_send_and_one_recv(void **state)
{
    (void)state;
    struct pg pg;
    need_database();
    connect_well(&pg);
    if (PQsslInUse(pg.conn)) {
        pg_close(&pg);
        print_message("the connection is encrypted: OpenSSL makes its own system calls\n");
        skip();
    }
    sends = receives = 0;
    for (int32_t id = 1; id <= 1000; id++) {
        assert_int_equal(read_row(&pg, id), PG_DONE);
        assert_int_equal(wanted.reads, 1);
        assert_int_equal(wanted.writes, 0);
    }
    assert_int_equal(sends, 1000);
    assert_int_equal(receives, 1000);
    pg_close(&pg);
}

static void large_values_go_in_pieces(void **state)
{
    (void)state;
    struct pg pg;
    struct query query;
    enum { SIZE = 3 << 20 };
    need_database();
    connect_well(&pg);
    const int small = 32768; /* far below the payload, and not so low that delayed acknowledgements rule */
    setsockopt(pg_socket(&pg), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    setsockopt(pg_socket(&pg), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    char *payload = malloc(SIZE);
    assert_non_null(payload);
    for (size_t i = 0; i < SIZE; i++)
        payload[i] = (char)('a' + i % 26);
    payload[0] = payload[SIZE - 1] = '"';
    query_begin(&query, SQL_ITEM_INSERT);
    query_add_text(&query, STR("large"));
    query_add_int8(&query, -1);
    query_add_text(&query, (struct str){payload, SIZE});
    assert_int_equal(drive(&pg, pg_send(&pg, &query)), PG_DONE);
    assert_int_equal(PQresultStatus(pg.result), PGRES_TUPLES_OK);
    assert_true(wanted.writes > 1);
    assert_true(wanted.reads > 1);
    assert_int_equal(PQgetlength(pg.result, 0, 3), SIZE);
    assert_memory_equal(PQgetvalue(pg.result, 0, 3), payload, SIZE);
    free(payload);
    /* The connection is as good as new. */
    query_begin(&query, SQL_ITEM_DELETE);
    query_add_int8(&query, sql_read_int8(PQgetvalue(pg.result, 0, 0)));
    query_add_null(&query);
    assert_int_equal(drive(&pg, pg_send(&pg, &query)), PG_DONE);
    assert_int_equal(PQntuples(pg.result), 1);
    pg_close(&pg);
}

static void an_sql_error_is_a_result(void **state)
{
    (void)state;
    struct pg pg;
    struct query query;
    need_database();
    connect_well(&pg);
    query_begin(&query, SQL_ITEM_INSERT);
    query_add_text(&query, STR("broken"));
    query_add_int8(&query, 1);
    query_add_text(&query, STR("{"));
    assert_int_equal(drive(&pg, pg_send(&pg, &query)), PG_DONE);
    assert_int_equal(PQresultStatus(pg.result), PGRES_FATAL_ERROR);
    assert_string_equal(PQresultErrorField(pg.result, PG_DIAG_SQLSTATE), "22P02");
    assert_int_equal(read_row(&pg, 5), PG_DONE);
    assert_value(&pg, 5);
    pg_close(&pg);
}

static void a_session_that_ends_while_idle_says_why(void **state)
{
    (void)state;
    struct pg pg;
    need_database();
    connect_well(&pg);
    terminate(&pg);
    wait_for(pg_socket(&pg), POLLIN);
    assert_int_equal(pg_step(&pg), PG_FAILED);
    assert_failure(&pg, PG_CAUSE_REFUSED, "terminating connection due to administrator command", "log");
    assert_int_equal(pg_step(&pg), PG_FAILED);
    assert_int_equal(read_row(&pg, 1), PG_FAILED);
    pg_close(&pg);
}

static void a_session_that_ends_unnoticed_fails_the_next_query(void **state)
{
    (void)state;
    struct pg pg;
    need_database();
    connect_well(&pg);
    terminate(&pg);
    uint64_t queries = counters.value[COUNT_QUERIES];
    assert_int_equal(read_row(&pg, 1), PG_FAILED);
    assert_failure(&pg, PG_CAUSE_REFUSED, "terminating connection due to administrator command", "log");
    assert_int_equal(counters.value[COUNT_QUERIES], queries);
    pg_close(&pg);
}

static void a_session_that_ends_during_a_query_fails(void **state)
{
    (void)state;
    struct pg pg;
    struct query query;
    need_database();
    connect_well(&pg);
    query_begin(&query, SQL_WORK_WRITE_DELAYED);
    query_add_int4(&query, 23);
    query_add_float8(&query, 10);
    enum pg_event event = pg_send(&pg, &query);
    assert_int_equal(event, PG_WANT_READ);
    terminate(&pg);
    assert_int_equal(drive(&pg, event), PG_FAILED);
    assert_failure(&pg, PG_CAUSE_REFUSED, "terminating connection due to administrator command", "log");
    pg_close(&pg);
}

static void an_answer_that_came_before_the_end_counts(void **state)
{
    (void)state;
    struct pg pg;
    need_database();
    connect_well(&pg);
    assert_int_equal(send_read(&pg, 31), PG_WANT_READ);
    wait_for(pg_socket(&pg), POLLIN);
    terminate(&pg);
    assert_int_equal(pg_step(&pg), PG_DONE);
    assert_value(&pg, 31);
    assert_int_equal(read_row(&pg, 31), PG_FAILED);
    pg_close(&pg);
}

/*
 * CommandComplete comes before the commit. A deferred trigger runs in between: when it fails, the
 * client first sees a row and "INSERT 0 1", then that all of it was in vain.
 */
static enum pg_event insert_with_failing_commit(struct pg *pg, const char *at_commit)
{
    char sql[256];
    struct query query;
    ask("DROP SCHEMA IF EXISTS test_pg CASCADE");
    ask("CREATE SCHEMA test_pg");
    ask("CREATE TABLE test_pg.items (LIKE public.items INCLUDING ALL)");
    snprintf(
        sql, sizeof sql,
        "CREATE FUNCTION test_pg.at_commit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN %s; RETURN NULL; END'",
        at_commit);
    ask(sql);
    ask("CREATE CONSTRAINT TRIGGER late AFTER INSERT ON test_pg.items DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION test_pg.at_commit()");
    if (connect_to(pg, url_with("options", "-c search_path=test_pg,public")) != PG_DONE)
        fail_msg("%s", pg->error);
    query_begin(&query, SQL_ITEM_INSERT);
    query_add_text(&query, STR("never"));
    query_add_int8(&query, 1);
    query_add_text(&query, STR("null"));
    enum pg_event event = drive(pg, pg_send(pg, &query));
    assert_int_equal(ask("SELECT count(*) FROM test_pg.items"), 0);
    ask("DROP SCHEMA test_pg CASCADE");
    return event;
}

static void a_commit_that_fails_is_an_error(void **state)
{
    (void)state;
    struct pg pg;
    need_database();
    assert_int_equal(insert_with_failing_commit(&pg, "RAISE division_by_zero"), PG_DONE);
    assert_int_equal(PQresultStatus(pg.result), PGRES_FATAL_ERROR);
    assert_string_equal(PQresultErrorField(pg.result, PG_DIAG_SQLSTATE), "22012");
    assert_int_equal(read_row(&pg, 3), PG_DONE);
    pg_close(&pg);
}

static void a_session_that_ends_at_commit_acknowledges_nothing(void **state)
{
    (void)state;
    struct pg pg;
    need_database();
    assert_int_equal(
        insert_with_failing_commit(&pg, "PERFORM pg_terminate_backend(pg_backend_pid()), pg_sleep(5)"),
        PG_FAILED);
    assert_failure(&pg, PG_CAUSE_REFUSED, "terminating connection", "log");
    pg_close(&pg);
}

static void a_refused_connection_says_what_to_do(void **state)
{
    (void)state;
    struct pg pg;
    need_database();
    assert_int_equal(connect_to(&pg, url_with("password", "wrong")), PG_FAILED);
    assert_failure(&pg, PG_CAUSE_REFUSED, "28P01: password authentication failed",
                   "check the user and password");
    pg_close(&pg);
    assert_int_equal(connect_to(&pg, url_with("dbname", "absent")), PG_FAILED);
    assert_failure(&pg, PG_CAUSE_REFUSED, "3D000: database \"absent\" does not exist", "create that database");
    pg_close(&pg);
    assert_int_equal(connect_to(&pg, url_with("options", "-c search_path=nowhere")), PG_FAILED);
    assert_failure(&pg, PG_CAUSE_SCHEMA, "relation \"world\" does not exist", "load db/schema.sql");
    pg_close(&pg);
    assert_int_equal(connect_to(&pg, url_with("sslmode", "nonsense")), PG_FAILED);
    assert_failure(&pg, PG_CAUSE_REFUSED, "invalid sslmode value", "check DATABASE_URL");
    pg_close(&pg);

    ask("DROP ROLE IF EXISTS test_pg");
    ask("CREATE ROLE test_pg LOGIN CONNECTION LIMIT 0 PASSWORD 'secret'");
    char url[2048];
    database_url = strcpy(url, url_with("user", "test_pg"));
    enum pg_event event = connect_to(&pg, url_with("password", "secret"));
    database_url = getenv("DATABASE_URL");
    ask("DROP ROLE test_pg");
    assert_int_equal(event, PG_FAILED);
    assert_failure(&pg, PG_CAUSE_REFUSED, "53300: too many connections", "lower DB_POOL");
    pg_close(&pg);
}

/* -- a server of our own ---------------------------------------------------------------------------- */

enum manner { ONE_BYTE_AT_A_TIME, SPEAKS_UNASKED, NEVER_READS, SAYS_NOTHING };

struct server {
    int listener;
    enum manner manner;
    int stop[2];
    char url[128];
    pthread_t thread;
};

static void say(int fd, const void *bytes, size_t len)
{
    assert_int_equal(sendto(fd, bytes, len, MSG_NOSIGNAL, NULL, 0), len);
}

/* Reads one message with its type (0 for the start-up message, which has none); its body is dropped. */
static int hear(int fd, bool typed)
{
    unsigned char head[5] = {0};
    size_t want = typed ? 5 : 4;
    if (recvfrom(fd, head + 5 - want, want, MSG_WAITALL, NULL, NULL) != (ssize_t)want)
        return -1;
    size_t left = ((size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4]) - 4;
    char body[8192];
    assert_true(left <= sizeof body);
    if (left > 0 && recvfrom(fd, body, left, MSG_WAITALL, NULL, NULL) != (ssize_t)left)
        return -1;
    return head[0];
}

#define READY_FOR_QUERY  "Z\0\0\0\5I"
#define AUTHENTICATED    "R\0\0\0\10\0\0\0\0"
#define COMMAND_COMPLETE "C\0\0\0\14PREPARE\0"
#define NOTICE           "N\0\0\0\24SWARNING\0Mmind\0\0"
/* BindComplete, RowDescription of one int4 named v, DataRow of 4 bytes, CommandComplete */
#define ROW                                                                                                    \
    "2\0\0\0\4"                                                                                                \
    "T\0\0\0\32\0\1v\0\0\0\0\0\0\0\0\0\0\27\0\4\377\377\377\377\0\1"                                           \
    "D\0\0\0\16\0\1\0\0\0\4\1\2\3\4"                                                                           \
    "C\0\0\0\15SELECT 1\0" READY_FOR_QUERY

static void *serve(void *arg)
{
    struct server *server = arg;
    char byte;
    int fd = accept(server->listener, NULL, NULL);
    assert_true(fd >= 0);
    hear(fd, false);
    if (server->manner != SAYS_NOTHING) {
        say(fd, AUTHENTICATED READY_FOR_QUERY, sizeof AUTHENTICATED READY_FOR_QUERY - 1);
        assert_int_equal(hear(fd, true), 'Q');
        say(fd, COMMAND_COMPLETE READY_FOR_QUERY, sizeof COMMAND_COMPLETE READY_FOR_QUERY - 1);
    }
    if (server->manner == SPEAKS_UNASKED)
        say(fd, NOTICE, sizeof NOTICE - 1);
    if (server->manner == ONE_BYTE_AT_A_TIME) {
        while (hear(fd, true) != 'S')
            continue;
        for (size_t i = 0; i < sizeof ROW - 1; i++) {
            say(fd, &ROW[i], 1);
            usleep(1000); /* so that each byte is a packet and an event */
        }
    }
    assert_int_equal(read(server->stop[0], &byte, 1), 0);
    close(fd);
    return NULL;
}

static void server_start(struct server *server, enum manner manner)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    server->manner = manner;
    server->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(server->listener, 1), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &len), 0);
    snprintf(server->url, sizeof server->url,
             "host=127.0.0.1 port=%d user=u dbname=d sslmode=disable gssencmode=disable",
             ntohs(address.sin_port));
    assert_int_equal(pipe(server->stop), 0);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void server_stop(struct server *server)
{
    close(server->stop[1]);
    pthread_join(server->thread, NULL);
    close(server->stop[0]);
    close(server->listener);
}

static void an_answer_may_come_byte_by_byte(void **state)
{
    (void)state;
    struct pg pg;
    struct server server;
    server_start(&server, ONE_BYTE_AT_A_TIME);
    assert_int_equal(connect_to(&pg, server.url), PG_DONE);
    assert_int_equal(read_row(&pg, 1), PG_DONE);
    assert_true(wanted.reads > 20);
    assert_int_equal(sql_read_int4(PQgetvalue(pg.result, 0, 0)), 0x01020304);
    pg_close(&pg);
    server_stop(&server);
}

static void a_notice_leaves_an_idle_session_alone(void **state)
{
    (void)state;
    struct pg pg;
    struct server server;
    server_start(&server, SPEAKS_UNASKED);
    assert_int_equal(connect_to(&pg, server.url), PG_DONE);
    receives = 0;
    wait_for(pg_socket(&pg), POLLIN);
    assert_int_equal(pg_step(&pg), PG_WANT_READ);
    assert_int_equal(receives, 1);
    server_stop(&server);
    wait_for(pg_socket(&pg), POLLIN);
    assert_int_equal(pg_step(&pg), PG_FAILED);
    assert_failure(&pg, PG_CAUSE_NETWORK, "server closed the connection unexpectedly", "log");
    pg_close(&pg);
}

static void closing_does_not_wait_for_a_full_socket(void **state)
{
    (void)state;
    enum { SIZE = 32 << 20 };
    struct pg pg;
    struct server server;
    struct query query;
    server_start(&server, NEVER_READS);
    assert_int_equal(connect_to(&pg, server.url), PG_DONE);
    char *payload = calloc(1, SIZE);
    assert_non_null(payload);
    query_begin(&query, SQL_ITEM_INSERT);
    query_add_text(&query, STR("name"));
    query_add_int8(&query, 1);
    query_add_text(&query, (struct str){payload, SIZE});
    assert_int_equal(pg_send(&pg, &query), PG_WANT_WRITE);
    free(payload);
    for (int i = 0; i < 100; i++)
        assert_int_equal(pg_step(&pg), PG_WANT_WRITE);
    uint64_t before = clock_ms();
    pg_close(&pg);
    assert_true(clock_ms() - before < 1000);
    server_stop(&server);
}

static void a_silent_server_can_be_left_while_connecting(void **state)
{
    (void)state;
    char error[256];
    struct pg pg;
    struct server server;
    struct pg_target target;
    server_start(&server, SAYS_NOTHING);
    assert_true(pg_target_init(&target, server.url, "test", error));
    pg_init(&pg, &counters);
    enum pg_event event = pg_connect_start(&pg, &target, NULL);
    while (event == PG_WANT_WRITE) {
        wait_for(pg_socket(&pg), POLLIN | POLLOUT);
        event = pg_step(&pg);
    }
    assert_int_equal(event, PG_WANT_READ);
    assert_int_equal(pg_step(&pg), PG_WANT_READ); /* nothing has come, and nothing waits */
    pg_close(&pg);
    pg_close(&pg);
    server_stop(&server);
}

static void a_closed_port_says_what_to_do(void **state)
{
    (void)state;
    struct pg pg;
    struct server server;
    server_start(&server, SAYS_NOTHING);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address;
    socklen_t len = sizeof address;
    getsockname(server.listener, (struct sockaddr *)&address, &len);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, len), 0); /* so that it does not wait for us */
    close(fd);
    server_stop(&server);
    assert_int_equal(connect_to(&pg, server.url), PG_FAILED);
    assert_failure(&pg, PG_CAUSE_NETWORK, "Connection refused",
                   "is PostgreSQL running there? `db/local start`");
    pg_close(&pg);
    assert_int_equal(connect_to(&pg, "host=/nonexistent user=u"), PG_FAILED);
    assert_failure(&pg, PG_CAUSE_NETWORK, "No such file or directory", "is PostgreSQL running there?");
    pg_close(&pg);
}

/* -- where the database is ---------------------------------------------------------------------------- */

static void clear_environment(void)
{
    static const char *const names[] = {"PGHOST", "PGHOSTADDR", "PGPORT",    "PGDATABASE",
                                        "PGUSER", "PGPASSWORD", "PGSERVICE", "PGSSLMODE"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
}

static void assert_target(const char *url, const char *host, const char *where)
{
    char error[256] = "";
    struct pg_target target;
    if (!pg_target_init(&target, url, "test", error))
        fail_msg("%s: %s", url, error);
    assert_string_equal(target.host, host);
    assert_string_equal(target.where, where);
}

static void a_target_is_what_libpq_would_take(void **state)
{
    (void)state;
    assert_target("postgresql://u:secret@db.example/app", "db.example", "db.example:5432/app");
    assert_target("postgresql://u:secret@127.0.0.1:15400/app", "", "127.0.0.1:15400/app");
    assert_target("postgresql://u@[::1]:15400/app", "", "[::1]:15400/app");
    assert_target("postgresql://u:secret@/app?host=/tmp/x&port=7", "", "/tmp/x:7/app");
    assert_target("host=db.example hostaddr=10.0.0.1 user=u", "", "db.example:5432/u");
    assert_target("hostaddr=10.0.0.1 dbname=app", "", "10.0.0.1:5432/app");
    assert_target("user=u host=@abstract", "", "@abstract:5432/u");
    assert_target("postgresql://u@/app", "", "local socket:5432/app");
    setenv("PGHOST", "from.env", 1);
    setenv("PGPORT", "99", 1);
    setenv("PGDATABASE", "envdb", 1);
    setenv("PGPASSWORD", "secret", 1);
    assert_target("", "from.env", "from.env:99/envdb");
    assert_target("host=db.example", "db.example", "db.example:99/envdb");
    assert_target("host='' user=u", "", "local socket:99/envdb");
    setenv("PGHOSTADDR", "10.0.0.2", 1);
    assert_target("host=db.example", "", "db.example:99/envdb");
    clear_environment();
}

static void assert_refused(const char *url, const char *sentence)
{
    char error[256] = "";
    struct pg_target target;
    assert_false(pg_target_init(&target, url, "test", error));
    if (strstr(error, sentence) == NULL || strstr(error, "secret") != NULL || strchr(error, '\n') != NULL)
        fail_msg("'%s' is not one line with '%s' and without the password", error, sentence);
}

static void a_malformed_target_is_refused_without_its_password(void **state)
{
    (void)state;
    assert_refused("postgresql://u:secret@a,b/app", "name one");
    assert_refused("host=a,b", "name one");
    assert_refused("service=app", "PGSERVICE");
    assert_refused("postgresql://u:secret@[::1/app", "DATABASE_URL is not a connection string");
    assert_refused("postgresql://u:secret@host:80:90@x/app?a=b", "DATABASE_URL");
    assert_refused("postgresql://u:secret%zz@host/app", "invalid percent-encoded token: \"...\"");
    assert_refused("host=x password=my secret", "missing \"=\" after \"...\"");
    assert_refused("mysql://u:secret@host/app", "DATABASE_URL is not a connection string");
}

/* -- all of it ---------------------------------------------------------------------------------------- */

static void ignore_notice(void *arg, const PGresult *notice)
{
    (void)arg;
    (void)notice;
}

static int setup(void **state)
{
    (void)state;
    alarm(120);
    clear_environment();
    sql_prepare_all();
    database_url = getenv("DATABASE_URL");
    if (database_url == NULL)
        return 0;
    admin = PQconnectStart(database_url);
    PostgresPollingStatusType want = PGRES_POLLING_WRITING;
    while (want == PGRES_POLLING_READING || want == PGRES_POLLING_WRITING) {
        wait_for(PQsocket(admin), want == PGRES_POLLING_READING ? POLLIN : POLLOUT);
        want = PQconnectPoll(admin);
    }
    if (want != PGRES_POLLING_OK) {
        print_error("%s", PQerrorMessage(admin));
        return -1;
    }
    PQsetNoticeReceiver(admin, ignore_notice, NULL);
    return PQsetnonblocking(admin, 1);
}

static int teardown(void **state)
{
    (void)state;
    PQfinish(admin);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(connects_under_its_name),
        cmocka_unit_test(reads_a_row),
        cmocka_unit_test(writes_a_row),
        cmocka_unit_test(a_query_is_one_send_and_one_recv),
        cmocka_unit_test(large_values_go_in_pieces),
        cmocka_unit_test(an_sql_error_is_a_result),
        cmocka_unit_test(a_session_that_ends_while_idle_says_why),
        cmocka_unit_test(a_session_that_ends_unnoticed_fails_the_next_query),
        cmocka_unit_test(a_session_that_ends_during_a_query_fails),
        cmocka_unit_test(an_answer_that_came_before_the_end_counts),
        cmocka_unit_test(a_commit_that_fails_is_an_error),
        cmocka_unit_test(a_session_that_ends_at_commit_acknowledges_nothing),
        cmocka_unit_test(a_refused_connection_says_what_to_do),
        cmocka_unit_test(an_answer_may_come_byte_by_byte),
        cmocka_unit_test(a_notice_leaves_an_idle_session_alone),
        cmocka_unit_test(closing_does_not_wait_for_a_full_socket),
        cmocka_unit_test(a_silent_server_can_be_left_while_connecting),
        cmocka_unit_test(a_closed_port_says_what_to_do),
        cmocka_unit_test(a_target_is_what_libpq_would_take),
        cmocka_unit_test(a_malformed_target_is_refused_without_its_password),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
