/* The libpq step machine against a server of our own, which can be made to misbehave. */
#include "pg_test.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"

enum manner { ONE_BYTE_AT_A_TIME, SPEAKS_UNASKED, NEVER_READS, SAYS_NOTHING, REFUSES };

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
#define REFUSAL          "E\0\0\0\44SFATAL\0VFATAL\0C28P01\0Mno entry\0\0"
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
    if (server->manner == REFUSES) {
        say(fd, REFUSAL, sizeof REFUSAL - 1);
    } else if (server->manner != SAYS_NOTHING) {
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
    assert_int_equal(query_read_int4(PQgetvalue(pg.result, 0, 0)), 0x01020304);
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
    assert_failure(&pg, "", "server closed the connection unexpectedly", "log");
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
    query_begin(&query, statement_name(SQL_ITEM_INSERT));
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
    assert_failure(&pg, "", "Connection refused", "is PostgreSQL running there? `db/local start`");
    pg_close(&pg);
    assert_int_equal(connect_to(&pg, "host=/nonexistent user=u"), PG_FAILED);
    assert_failure(&pg, "", "No such file or directory", "is PostgreSQL running there?");
    pg_close(&pg);
}

/* The addresses of a host: 127.0.0.2, then 127.0.0.1, where the server listens. */
static struct addrinfo *two_addresses(void)
{
    static struct sockaddr_in sockets[2];
    static struct addrinfo list[2];
    for (int i = 0; i < 2; i++) {
        sockets[i] =
            (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 - i)};
        list[i] = (struct addrinfo){.ai_family = AF_INET, .ai_addr = (struct sockaddr *)&sockets[i]};
    }
    list[0].ai_next = &list[1];
    return list;
}

static struct pg_target target_of(const struct server *server)
{
    char error[256];
    struct pg_target target;
    assert_true(pg_target_init(&target, server->url, "test", error));
    target.prepare = statements_prepare(0);
    return target;
}

static void every_address_is_tried(void **state)
{
    (void)state;
    struct pg pg;
    struct server server;
    server_start(&server, SPEAKS_UNASKED);
    struct pg_target target = target_of(&server);
    pg_init(&pg, &counters);
    assert_int_equal(drive(&pg, pg_connect_start(&pg, &target, two_addresses())), PG_DONE);
    pg_close(&pg);
    server_stop(&server);
}

/* Each address has PG_CONNECT_MS of its own, however many steps it takes. */
static void a_silent_address_is_left_for_the_next(void **state)
{
    (void)state;
    struct pg pg;
    struct server server;
    server_start(&server, SPEAKS_UNASKED);
    struct pg_target target = target_of(&server);
    struct sockaddr_in address;
    socklen_t len = sizeof address;
    getsockname(server.listener, (struct sockaddr *)&address, &len);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
    int silent = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(silent, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(silent, 1), 0);

    pg_init(&pg, &counters);
    enum pg_event event = pg_connect_start(&pg, &target, two_addresses());
    uint64_t first_ends = pg.connect_by_ms;
    while (event == PG_WANT_WRITE) {
        wait_for(pg_socket(&pg), POLLIN | POLLOUT);
        event = pg_step(&pg);
    }
    assert_int_equal(event, PG_WANT_READ);
    assert_int_equal(pg.connect_by_ms, first_ends); /* a step puts nothing off */
    usleep(2000);
    assert_int_equal(drive(&pg, pg_timed_out(&pg)), PG_DONE);
    assert_true(pg.connect_by_ms > first_ends);
    pg_close(&pg);

    /* After the last one there is none. */
    struct addrinfo *addresses = two_addresses();
    addresses->ai_next = NULL;
    event = pg_connect_start(&pg, &target, addresses);
    assert_int_equal(event, PG_WANT_WRITE);
    assert_int_equal(pg_timed_out(&pg), PG_FAILED);
    assert_failure(&pg, "", "no response from 127.0.0.1", "firewall");
    pg_close(&pg);
    close(silent);
    server_stop(&server);
}

/* As for libpq: another address is no answer to a wrong password. */
static void a_refusal_by_the_server_is_final(void **state)
{
    (void)state;
    struct pg pg;
    struct server server;
    server_start(&server, REFUSES);
    struct pg_target target = target_of(&server);
    struct addrinfo *addresses = two_addresses();
    static struct addrinfo again;
    again = *addresses;
    addresses = addresses->ai_next; /* 127.0.0.1 refuses; 127.0.0.2 would be unreachable */
    addresses->ai_next = &again;
    again.ai_next = NULL;
    pg_init(&pg, &counters);
    assert_int_equal(drive(&pg, pg_connect_start(&pg, &target, addresses)), PG_FAILED);
    assert_failure(&pg, "28P01", "no entry", "check the user and password");
    pg_close(&pg);
    server_stop(&server);
}

static int setup(void **state)
{
    (void)state;
    alarm(60);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_may_come_byte_by_byte),
        cmocka_unit_test(a_notice_leaves_an_idle_session_alone),
        cmocka_unit_test(closing_does_not_wait_for_a_full_socket),
        cmocka_unit_test(a_silent_server_can_be_left_while_connecting),
        cmocka_unit_test(a_closed_port_says_what_to_do),
        cmocka_unit_test(every_address_is_tried),
        cmocka_unit_test(a_silent_address_is_left_for_the_next),
        cmocka_unit_test(a_refusal_by_the_server_is_final),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
