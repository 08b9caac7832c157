/* Many queries under way on one connection, against a real PostgreSQL. Skipped without DATABASE_URL. */
#include "pg_admin.h"

#include "db/pg_pipeline.h"

enum { DEPTH = 8 };

static struct pg pg;
static int owners[DEPTH]; /* their addresses are what the pipeline keeps */
static uint64_t tickets[DEPTH];

static int connect_pipeline(void **state)
{
    (void)state;
    if (database_url == NULL)
        return 0;
    pg_init(&pg, &counters);
    assert_int_equal(pg_pipeline_init(&pg, DEPTH), 0);
    if (start(&pg, database_url) != PG_DONE)
        fail_msg("%s", pg.error);
    return 0;
}

static int close_pipeline(void **state)
{
    (void)state;
    if (database_url == NULL)
        return 0;
    pg_close(&pg);
    pg_pipeline_deinit(&pg);
    return 0;
}

/* Query number i, which reads or updates row id. */
static void add(int i, enum statement statement, int32_t id)
{
    struct query query;
    query_begin(&query, statement_name(statement));
    query_add_int4(&query, id);
    assert_true(pg_pipeline_add(&pg, &query, &owners[i], &tickets[i]));
}

static void add_delayed(int i, enum statement statement, int32_t id, double seconds)
{
    struct query query;
    query_begin(&query, statement_name(statement));
    query_add_int4(&query, id);
    query_add_float8(&query, seconds);
    assert_true(pg_pipeline_add(&pg, &query, &owners[i], &tickets[i]));
}

/* The payload is no JSON: an error. */
static void add_broken(int i)
{
    struct query query;
    query_begin(&query, statement_name(SQL_ITEM_INSERT));
    query_add_text(&query, STR("broken"));
    query_add_int8(&query, 1);
    query_add_text(&query, STR("{"));
    assert_true(pg_pipeline_add(&pg, &query, &owners[i], &tickets[i]));
}

static enum pg_event send_all(void)
{
    return drive(&pg, pg_pipeline_send(&pg));
}

static enum pg_event next(void)
{
    return drive(&pg, pg_pipeline_next(&pg));
}

static void assert_row(int i, int32_t id)
{
    assert_ptr_equal(pg.pipeline->owner, &owners[i]);
    assert_non_null(pg.result);
    assert_value(&pg, id);
}

static void assert_all_done(void)
{
    assert_int_equal(pg.pipeline->count, 0);
    assert_int_equal(pg_pipeline_next(&pg), PG_WANT_READ);
    assert_null(pg.result);
}

static int64_t hits(int32_t id)
{
    char sql[80];
    snprintf(sql, sizeof sql, "SELECT hits FROM world WHERE id = %d", id);
    return ask(sql);
}

static void results_come_in_order(void **state)
{
    (void)state;
    need_database();
    uint64_t queries = counters.value[COUNT_QUERIES];
    for (int i = 0; i < DEPTH; i++)
        add(i, SQL_WORK_READ, 100 + i);
    assert_int_equal(pg.pipeline->count, DEPTH);
    enum pg_event event = send_all();
    for (int i = 0; i < DEPTH; i++, event = next()) {
        assert_int_equal(event, PG_DONE);
        assert_row(i, 100 + i);
        if (i == DEPTH - 1)
            break;
    }
    assert_all_done();
    assert_int_equal(counters.value[COUNT_QUERIES], queries + DEPTH);
}

/* libpq 17 sends all that one turn of a loop has added at once; both read all at once. */
static void one_write_and_one_read_for_all(void **state)
{
    (void)state;
    need_database();
    if (PQsslInUse(pg.conn)) {
        print_message("the connection is encrypted: OpenSSL makes its own system calls\n");
        skip();
    }
    sends = 0;
    for (int i = 0; i < DEPTH; i++)
        add(i, SQL_WORK_READ, 1 + i);
    assert_int_equal(pg_pipeline_send(&pg), PG_WANT_READ);
#ifdef LIBPQ_HAS_SEND_PIPELINE_SYNC
    assert_int_equal(sends, 1);
#else
    assert_int_equal(sends, DEPTH);
#endif
    for (int i = 0; i < DEPTH; i++)
        assert_int_equal(i == 0 ? send_all() : next(), PG_DONE);
    assert_all_done();
}

static void a_query_may_be_added_while_others_are_under_way(void **state)
{
    (void)state;
    need_database();
    for (int round = 0; round < 3 * DEPTH; round++) { /* around the ring */
        add(0, SQL_WORK_READ, 7);
        add(1, SQL_WORK_READ, 8);
        assert_int_equal(send_all(), PG_DONE);
        assert_row(0, 7);
        add(2, SQL_WORK_READ, 9);
        assert_int_equal(next(), PG_DONE);
        assert_row(1, 8);
        assert_int_not_equal(pg_pipeline_send(&pg), PG_FAILED);
        assert_int_equal(next(),
                         PG_DONE); /* no wait before it: the result may have been read with the one before */
        assert_row(2, 9);
    }
    assert_all_done();
}

static void an_error_ends_its_query_alone(void **state)
{
    (void)state;
    need_database();
    int64_t before = hits(41), after = hits(42);
    add(0, SQL_WORK_WRITE, 41);
    add_broken(1);
    add(2, SQL_WORK_WRITE, 42);
    assert_int_equal(send_all(), PG_DONE);
    assert_row(0, 41);
    assert_int_equal(next(), PG_DONE);
    assert_ptr_equal(pg.pipeline->owner, &owners[1]);
    assert_string_equal(PQresultErrorField(pg.result, PG_DIAG_SQLSTATE), "22P02");
    assert_int_equal(next(), PG_DONE);
    assert_row(2, 42);
    assert_all_done();
    assert_int_equal(hits(41), before + 1);
    assert_int_equal(hits(42), after + 1);
}

/* A result is given out when the database has committed, not before. */
static void a_result_is_committed(void **state)
{
    (void)state;
    need_database();
    int64_t before = hits(43);
    add(0, SQL_WORK_WRITE, 43);
    add_delayed(1, SQL_WORK_READ_DELAYED, 1, 0.2);
    assert_int_equal(send_all(), PG_DONE);
    assert_row(0, 43);
    assert_int_equal(hits(43), before + 1);
    assert_int_equal(next(), PG_DONE);
    assert_all_done();
}

static void an_abandoned_query_has_no_owner(void **state)
{
    (void)state;
    need_database();
    add(0, SQL_WORK_READ, 51);
    add(1, SQL_WORK_READ, 52);
    pg_pipeline_abandon(&pg, tickets[0]);
    assert_int_equal(send_all(), PG_DONE);
    assert_null(pg.pipeline->owner);
    assert_int_equal(next(), PG_DONE);
    assert_row(1, 52);
    assert_all_done();
}

static void a_result_may_be_taken_over(void **state)
{
    (void)state;
    need_database();
    add(0, SQL_WORK_READ, 61);
    add(1, SQL_WORK_READ, 62);
    assert_int_equal(send_all(), PG_DONE);
    PGresult *taken = pg_take_result(&pg);
    assert_null(pg.result);
    assert_int_equal(next(), PG_DONE);
    assert_row(1, 62);
    assert_int_equal(query_read_int4(PQgetvalue(taken, 0, 0)), value_of(61));
    PQclear(taken);
    assert_all_done();
}

static void the_time_of_the_first_query_is_known(void **state)
{
    (void)state;
    need_database();
    assert_true(pg.pipeline->head_since_ns == 0);
    add(0, SQL_WORK_READ, 1);
    uint64_t first = pg.pipeline->head_since_ns;
    assert_true(first != 0);
    add(1, SQL_WORK_READ, 1);
    assert_true(pg.pipeline->head_since_ns == first);
    assert_int_equal(send_all(), PG_DONE);
    assert_true(pg.pipeline->head_since_ns > first);
    assert_int_equal(next(), PG_DONE);
    assert_true(pg.pipeline->head_since_ns == 0);
    assert_all_done();
}

static void a_session_that_ends_fails_all_that_have_no_result(void **state)
{
    (void)state;
    need_database();
    add(0, SQL_WORK_READ, 71);
    add_delayed(1, SQL_WORK_WRITE_DELAYED, 72, 10);
    add(2, SQL_WORK_READ, 73);
    assert_int_equal(send_all(), PG_DONE);
    assert_row(0, 71);
    assert_int_equal(pg_pipeline_next(&pg), PG_WANT_READ);
    terminate(&pg);
    assert_int_equal(drive(&pg, PG_WANT_READ), PG_FAILED);
    assert_failure(&pg, "57P01", "terminating connection due to administrator command", "log");
    void *owner;
    for (int i = 1; i <= 2; i++) {
        assert_true(pg_pipeline_drop(&pg, &owner));
        assert_ptr_equal(owner, &owners[i]);
    }
    assert_false(pg_pipeline_drop(&pg, &owner));
}

static void results_that_came_before_the_end_count(void **state)
{
    (void)state;
    need_database();
    add(0, SQL_WORK_READ, 81);
    add(1, SQL_WORK_READ, 82);
    add_delayed(2, SQL_WORK_READ_DELAYED, 83, 10);
    assert_int_equal(pg_pipeline_send(&pg), PG_WANT_READ);
    usleep(200000); /* the first two are done, and their results are in the socket */
    terminate(&pg);
    assert_int_equal(drive(&pg, PG_WANT_READ), PG_DONE);
    assert_row(0, 81);
    assert_int_equal(next(), PG_DONE);
    assert_row(1, 82);
    assert_int_equal(next(), PG_FAILED);
    void *owner;
    assert_true(pg_pipeline_drop(&pg, &owner));
    assert_ptr_equal(owner, &owners[2]);
}

static void an_idle_session_that_ends_is_noticed(void **state)
{
    (void)state;
    struct query query;
    need_database();
    terminate(&pg);
    wait_for(pg_socket(&pg), POLLIN);
    assert_int_equal(pg_step(&pg), PG_FAILED);
    assert_failure(&pg, "57P01", "terminating connection due to administrator command", "log");
    query_begin(&query, statement_name(SQL_PING));
    assert_false(pg_pipeline_add(&pg, &query, owners, tickets));
    assert_int_equal(pg_pipeline_send(&pg), PG_FAILED);
}

/* The statement is gone for all of this session; the others of its statements may be run by queries that have a
 * place. */
static void a_stale_statement_fails_its_query_and_marks_the_session(void **state)
{
    (void)state;
    need_database();
    assert_true(PQsendQueryParams(pg.conn, "DEALLOCATE work_read", 0, NULL, NULL, NULL, NULL, 1));
    assert_true(PQpipelineSync(pg.conn));
    for (int ends = 0; ends < 2;) { /* NULL, and the sync */
        while (PQisBusy(pg.conn)) {
            wait_for(pg_socket(&pg), POLLIN);
            assert_true(PQconsumeInput(pg.conn));
        }
        PGresult *result = PQgetResult(pg.conn);
        ends += result == NULL || PQresultStatus(result) == PGRES_PIPELINE_SYNC;
        PQclear(result);
    }
    add(0, SQL_WORK_READ, 1);
    add(1, SQL_WORK_WRITE, 44);
    assert_int_equal(send_all(), PG_DONE);
    assert_ptr_equal(pg.pipeline->owner, &owners[0]);
    assert_null(pg.result);
    assert_true(pg.is_stale);
    assert_failure(&pg, "26000", "prepared statement \"work_read\" does not exist", "pooler");
    assert_int_equal(next(), PG_DONE);
    assert_row(1, 44);
    assert_all_done();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, connect_pipeline, close_pipeline)
    static const struct CMUnitTest tests[] = {
        TEST(results_come_in_order),
        TEST(one_write_and_one_read_for_all),
        TEST(a_query_may_be_added_while_others_are_under_way),
        TEST(an_error_ends_its_query_alone),
        TEST(a_result_is_committed),
        TEST(an_abandoned_query_has_no_owner),
        TEST(a_result_may_be_taken_over),
        TEST(the_time_of_the_first_query_is_known),
        TEST(a_session_that_ends_fails_all_that_have_no_result),
        TEST(results_that_came_before_the_end_count),
        TEST(an_idle_session_that_ends_is_noticed),
        TEST(a_stale_statement_fails_its_query_and_marks_the_session),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
