/* What comes of accept(2), on descriptors of this process: nothing here serves anybody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "server/listen.h"

static struct app app;
static struct acceptor acceptor;
static struct counters *counters;
static uint64_t refused_before;

static uint64_t refused(void)
{
    return counters_total(COUNT_REFUSED) - refused_before;
}

static int setup(void **state)
{
    (void)state;
    log_init("test_listen", LOG_LEVEL_ERROR);
    app = (struct app){.service.max_connections = 2, .connection_limit = LIMIT_MAX_CONNECTIONS};
    app.config.host = "127.0.0.1";
    counters = counters_shard(0);
    refused_before = counters_total(COUNT_REFUSED);
    acceptor_init(&acceptor, &app, counters, open("/dev/null", O_RDONLY));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    while (counters_connections_open() > 0)
        counters_connection_closed(counters);
    acceptor_close(&acceptor);
    return 0;
}

/* A descriptor that acceptor_step() may take for a client's. */
static int client(void)
{
    return open("/dev/null", O_RDONLY);
}

static void clients_are_served_up_to_the_limit(void **state)
{
    (void)state;
    int fds[] = {client(), client(), client()};
    assert_int_equal(acceptor_step(&acceptor, fds[0]), ACCEPT_SERVE);
    assert_int_equal(acceptor_step(&acceptor, fds[1]), ACCEPT_SERVE);
    assert_int_equal(counters_connections_open(), 2);
    assert_int_equal(acceptor_step(&acceptor, fds[2]), ACCEPT_REFUSE);
    assert_int_equal(counters_connections_open(), 2);
    assert_int_equal(refused(), 1);
    counters_connection_closed(counters);
    assert_int_equal(acceptor_step(&acceptor, fds[2]), ACCEPT_SERVE);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
}

static void a_client_that_cannot_be_served_is_not_open(void **state)
{
    (void)state;
    int fd = client();
    assert_int_equal(acceptor_step(&acceptor, fd), ACCEPT_SERVE);
    struct limit_failure failure = limit_no_memory("malloc", 1);
    acceptor_refuse(&acceptor, &failure);
    assert_int_equal(counters_connections_open(), 0);
    assert_int_equal(refused(), 1);
    close(fd);
}

static void errors_of_one_client_are_passed_over(void **state)
{
    (void)state;
    static const int gone[] = {ECONNABORTED, EINTR, EPROTO, EPERM, ENETDOWN, EHOSTUNREACH};
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
        assert_int_equal(acceptor_step(&acceptor, -gone[i]), ACCEPT_AGAIN);
    assert_int_equal(acceptor_step(&acceptor, -EAGAIN), ACCEPT_DONE);
}

static void without_memory_it_pauses(void **state)
{
    (void)state;
    assert_int_equal(acceptor_step(&acceptor, -ENOMEM), ACCEPT_PAUSE);
    assert_int_equal(acceptor_step(&acceptor, -ENOBUFS), ACCEPT_PAUSE);
}

/* Lets the process open no descriptor beyond those that are open now. */
static rlim_t fill_file_table(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    rlim_t before = limit.rlim_cur;
    int lowest_free = client();
    close(lowest_free);
    limit.rlim_cur = (rlim_t)lowest_free;
    setrlimit(RLIMIT_NOFILE, &limit);
    return before;
}

static void without_descriptors_a_client_is_refused_on_the_spare_one(void **state)
{
    (void)state;
    rlim_t before = fill_file_table();
    assert_int_equal(client(), -1);
    assert_int_equal(acceptor_step(&acceptor, -EMFILE), ACCEPT_AGAIN);
    int fd = client(); /* there is room for one now, and accept(2) would take it */
    assert_true(fd >= 0);
    assert_int_equal(acceptor_step(&acceptor, fd), ACCEPT_REFUSE);
    close(fd);
    assert_int_equal(acceptor_step(&acceptor, -EAGAIN), ACCEPT_DONE);
    assert_int_equal(client(), -1); /* the spare one is back */

    /* No client was waiting after all. */
    assert_int_equal(acceptor_step(&acceptor, -ENFILE), ACCEPT_AGAIN);
    assert_int_equal(acceptor_step(&acceptor, -EAGAIN), ACCEPT_DONE);

    /* Another thread was faster. */
    assert_int_equal(acceptor_step(&acceptor, -EMFILE), ACCEPT_AGAIN);
    fd = client();
    assert_int_equal(acceptor_step(&acceptor, -EMFILE), ACCEPT_PAUSE);
    close(fd);
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){before, before});
    assert_int_equal(refused(), 1);
}

/* Some containers do not let a process attach a filter to its own socket (EPERM). */
static bool may_filter(void)
{
    struct sock_filter take = BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
    const struct sock_fprog program = {.len = 1, .filter = &take};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool may = setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0;
    close(fd);
    return may;
}

/* A connection that begins after listen_stop() never becomes one, and those before it are all accepted. */
static void a_stopped_listener_lets_nobody_in(void **state)
{
    (void)state;
    if (!may_filter())
        skip();
    app.config.port = 0;
    int listener = listen_open(&app, false);
    struct sockaddr_in address;
    socklen_t len = sizeof address;
    assert_true(listener >= 0);
    getsockname(listener, (struct sockaddr *)&address, &len);
    int early = socket(AF_INET, SOCK_STREAM, 0), late = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(connect(early, (struct sockaddr *)&address, len), 0);
    listen_stop(listener);
    assert_int_equal(connect(late, (struct sockaddr *)&address, len), -1);
    assert_int_equal(errno, EINPROGRESS);
    int accepted = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    assert_true(accepted >= 0);
    assert_int_equal(accept4(listener, NULL, NULL, SOCK_NONBLOCK), -1);
    assert_int_equal(errno, EAGAIN);
    close(accepted), close(early), close(late), close(listener);
}

static void a_second_server_on_the_port_is_found(void **state)
{
    (void)state;
    app.config.port = 0;
    int listener = listen_open(&app, true);
    struct sockaddr_in address;
    socklen_t len = sizeof address;
    getsockname(listener, (struct sockaddr *)&address, &len);
    app.config.port = ntohs(address.sin_port);
    assert_int_equal(listen_open(&app, false), -1);
    close(listener);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(clients_are_served_up_to_the_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(a_client_that_cannot_be_served_is_not_open, setup, teardown),
        cmocka_unit_test_setup_teardown(errors_of_one_client_are_passed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(without_memory_it_pauses, setup, teardown),
        cmocka_unit_test_setup_teardown(without_descriptors_a_client_is_refused_on_the_spare_one, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_stopped_listener_lets_nobody_in, setup, teardown),
        cmocka_unit_test_setup_teardown(a_second_server_on_the_port_is_found, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
