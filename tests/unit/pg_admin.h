/* What the tests against a real PostgreSQL share: a session beside the one that is tested. */
#ifndef WB_PG_ADMIN_H
#define WB_PG_ADMIN_H

#include "pg_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *database_url;
static PGconn *admin;

static int32_t value_of(int32_t id)
{
    return (int32_t)((int64_t)id * 48271 % 2147483647);
}

static void assert_value(const struct pg *pg, int32_t id)
{
    assert_int_equal(PQresultStatus(pg->result), PGRES_TUPLES_OK);
    assert_int_equal(PQntuples(pg->result), 1);
    assert_int_equal(PQgetlength(pg->result, 0, 0), 4);
    assert_int_equal(query_read_int4(PQgetvalue(pg->result, 0, 0)), value_of(id));
}

/* What another session sees. */
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

static void need_database(void)
{
    if (database_url == NULL) {
        print_message("DATABASE_URL is not set: run this as `db/local run PROGRAM`\n");
        skip();
    }
}

static void ignore_notice(void *arg, const PGresult *notice)
{
    (void)arg;
    (void)notice;
}

static int setup(void **state)
{
    (void)state;
    alarm(120);
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

#endif
