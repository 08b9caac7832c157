/*
 * The libpq step machine against a real PostgreSQL. Without DATABASE_URL (as `db/local run` sets it)
 * they are skipped.
 */
#include "pg_admin.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void connect_well(struct pg *pg)
{
    if (connect_to(pg, database_url) != PG_DONE)
        fail_msg("%s", pg->error);
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
    query_begin(&query, statement_name(SQL_WORK_WRITE));
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
    query_begin(&query, statement_name(SQL_ITEM_INSERT));
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
    query_begin(&query, statement_name(SQL_ITEM_DELETE));
    query_add_int8(&query, query_read_int8(PQgetvalue(pg.result, 0, 0)));
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
    query_begin(&query, statement_name(SQL_ITEM_INSERT));
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

/* What a pooler between, or a change of the table, does to a session's prepared statements. */
static void a_session_whose_statements_are_stale_fails(void **state)
{
    (void)state;
    struct pg pg;
    need_database();
    connect_well(&pg);
    assert_true(PQsendQuery(pg.conn, "DEALLOCATE ALL"));
    bool more = true;
    while (more) {
        while (PQisBusy(pg.conn)) {
            wait_for(pg_socket(&pg), POLLIN);
            assert_true(PQconsumeInput(pg.conn));
        }
        PGresult *result = PQgetResult(pg.conn);
        more = result != NULL;
        PQclear(result);
    }
    assert_int_equal(read_row(&pg, 1), PG_FAILED);
    assert_failure(&pg, "26000", "prepared statement \"work_read\" does not exist", "pooler");
    pg_close(&pg);
    connect_well(&pg);
    assert_int_equal(read_row(&pg, 1), PG_DONE);
    assert_value(&pg, 1);
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
    assert_failure(&pg, "57P01", "terminating connection due to administrator command", "log");
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
    assert_failure(&pg, "57P01", "terminating connection due to administrator command", "log");
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
    query_begin(&query, statement_name(SQL_WORK_WRITE_DELAYED));
    query_add_int4(&query, 23);
    query_add_float8(&query, 10);
    enum pg_event event = pg_send(&pg, &query);
    assert_int_equal(event, PG_WANT_READ);
    terminate(&pg);
    assert_int_equal(drive(&pg, event), PG_FAILED);
    assert_failure(&pg, "57P01", "terminating connection due to administrator command", "log");
    pg_close(&pg);
}

/* So that nothing else has its number while a watcher may still name it. */
static void the_descriptor_to_watch_outlives_a_broken_session(void **state)
{
    (void)state;
    struct pg pg;
    need_database();
    connect_well(&pg);
    int watched = pg_socket(&pg);
    terminate(&pg);
    wait_for(watched, POLLIN);
    while (pg_step(&pg) != PG_FAILED)
        wait_for(watched, POLLIN);
    assert_int_equal(pg_socket(&pg), watched);
    assert_int_equal(fcntl(watched, F_GETFD), FD_CLOEXEC);
    pg_close(&pg);
    assert_int_equal(pg_socket(&pg), -1);
    assert_int_equal(fcntl(watched, F_GETFD), -1);
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
    query_begin(&query, statement_name(SQL_ITEM_INSERT));
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
    assert_failure(&pg, "57P01", "terminating connection", "log");
    pg_close(&pg);
}

static void a_refused_connection_says_what_to_do(void **state)
{
    (void)state;
    struct pg pg;
    need_database();
    assert_int_equal(connect_to(&pg, url_with("password", "wrong")), PG_FAILED);
    assert_failure(&pg, "28P01", "28P01: password authentication failed", "check the user and password");
    pg_close(&pg);
    assert_int_equal(connect_to(&pg, url_with("dbname", "absent")), PG_FAILED);
    assert_failure(&pg, "3D000", "3D000: database \"absent\" does not exist", "create that database");
    pg_close(&pg);
    assert_int_equal(connect_to(&pg, url_with("options", "-c search_path=nowhere")), PG_FAILED);
    assert_failure(&pg, "42P01", "relation \"world\" does not exist", "load db/schema.sql");
    pg_close(&pg);
    assert_int_equal(connect_to(&pg, url_with("sslmode", "nonsense")), PG_FAILED);
    assert_failure(&pg, "", "invalid sslmode value", "check DATABASE_URL");
    pg_close(&pg);

    ask("DROP ROLE IF EXISTS test_pg");
    ask("CREATE ROLE test_pg LOGIN CONNECTION LIMIT 0 PASSWORD 'secret'");
    char url[2048];
    database_url = strcpy(url, url_with("user", "test_pg"));
    enum pg_event event = connect_to(&pg, url_with("password", "secret"));
    database_url = getenv("DATABASE_URL");
    ask("DROP ROLE test_pg");
    assert_int_equal(event, PG_FAILED);
    assert_failure(&pg, "53300", "53300: too many connections", "lower DB_POOL");
    pg_close(&pg);
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
        cmocka_unit_test(a_session_whose_statements_are_stale_fails),
        cmocka_unit_test(a_session_that_ends_while_idle_says_why),
        cmocka_unit_test(a_session_that_ends_unnoticed_fails_the_next_query),
        cmocka_unit_test(the_descriptor_to_watch_outlives_a_broken_session),
        cmocka_unit_test(a_session_that_ends_during_a_query_fails),
        cmocka_unit_test(an_answer_that_came_before_the_end_counts),
        cmocka_unit_test(a_commit_that_fails_is_an_error),
        cmocka_unit_test(a_session_that_ends_at_commit_acknowledges_nothing),
        cmocka_unit_test(a_refused_connection_says_what_to_do),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
