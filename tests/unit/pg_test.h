/*
 * What the tests of the libpq step machine share: a driver that waits as a server would.
 *
 * poll(), recv() and send() are the test's own: they prove that libpq is never driven into waiting, and
 * count its system calls.
 */
#ifndef WB_PG_TEST_H
#define WB_PG_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <assert.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "db/pg_advice.h"
#include "handler/statements.h"

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

/* After pg_init(). */
static enum pg_event start(struct pg *pg, const char *url)
{
    char error[256];
    struct pg_target target;
    assert_true(pg_target_init(&target, url, "test", error));
    target.prepare = statements_prepare(0);
    return drive(pg, pg_connect_start(pg, &target, NULL));
}

static __attribute__((unused)) enum pg_event connect_to(struct pg *pg, const char *url)
{
    pg_init(pg, &counters);
    return start(pg, url);
}

static __attribute__((unused)) enum pg_event send_read(struct pg *pg, int32_t id)
{
    struct query query;
    query_begin(&query, statement_name(SQL_WORK_READ));
    query_add_int4(&query, id);
    return pg_send(pg, &query);
}

static __attribute__((unused)) enum pg_event read_row(struct pg *pg, int32_t id)
{
    return drive(pg, send_read(pg, id));
}

/* `sqlstate` is "" when the server gave none. */
static __attribute__((unused)) void assert_failure(const struct pg *pg, const char *sqlstate, const char *error,
                                                   const char *advice)
{
    if (strstr(pg->error, error) == NULL || strchr(pg->error, '\n') != NULL)
        fail_msg("'%s' is not one line with '%s'", pg->error, error);
    if (strstr(pg_advice(pg), advice) == NULL)
        fail_msg("'%s' is not '%s'", pg_advice(pg), advice);
    assert_string_equal(pg->sqlstate, sqlstate);
}

#endif
