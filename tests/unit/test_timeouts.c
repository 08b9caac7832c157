/* How long each wait may take, and the one timer that follows the earliest deadline. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "server/timeouts.h"

static const struct config config = {.header_timeout = 10, .idle_timeout = 75, .write_timeout = 30};
static const struct http_limits limits = {.max_header_bytes = 1024, .max_body_bytes = 1024};

static enum timeout after(const char *bytes, bool draining)
{
    struct http_codec codec;
    http_init(&codec, &limits);
    assert_true(http_feed(&codec, bytes, strlen(bytes)) != HTTP_EVENT_REFUSED);
    enum timeout timeout = timeout_of_read(&codec, draining);
    http_deinit(&codec);
    return timeout;
}

static void a_read_has_the_time_of_what_it_waits_for(void **state)
{
    (void)state;
    static const char head[] = "POST /items HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
    assert_int_equal(after("", false), TIMEOUT_IDLE);
    assert_int_equal(after("", true), TIMEOUT_LAST_CALL);
    assert_int_equal(after("POST /it", false), TIMEOUT_HEAD);
    assert_int_equal(after("POST /it", true), TIMEOUT_HEAD);
    assert_int_equal(after(head, false), TIMEOUT_BODY);
    assert_int_equal(after(head, true), TIMEOUT_BODY);
    assert_int_equal(timeout_of_linger(false), TIMEOUT_LINGER);
    assert_int_equal(timeout_of_linger(true), TIMEOUT_LAST_CALL);
}

static void lengths_are_those_of_the_settings(void **state)
{
    (void)state;
    assert_int_equal(timeout_ms(&config, TIMEOUT_IDLE), 75000);
    assert_int_equal(timeout_ms(&config, TIMEOUT_HEAD), 10000);
    assert_int_equal(timeout_ms(&config, TIMEOUT_BODY), 10000);
    assert_int_equal(timeout_ms(&config, TIMEOUT_WRITE), 30000);
    assert_int_equal(timeout_ms(&config, TIMEOUT_CONNECT), 5000);
    assert_int_equal(timeout_ms(&config, TIMEOUT_NONE), 0);
}

static void the_timer_follows_the_earliest_deadline(void **state)
{
    (void)state;
    struct timeouts timeouts;
    struct deadline idle = {0}, head = {0};
    uint64_t delay = 0;
    timeouts_init(&timeouts, &config);
    assert_false(timeouts_move_timer(&timeouts, 1000, UINT64_MAX, &delay));
    timeouts_arm(&timeouts, TIMEOUT_IDLE, &idle, 1000);
    assert_true(timeouts_move_timer(&timeouts, 1000, UINT64_MAX, &delay));
    assert_int_equal(delay, 75000);
    timeouts_arm(&timeouts, TIMEOUT_HEAD, &head, 2000);
    assert_true(timeouts_move_timer(&timeouts, 2000, UINT64_MAX, &delay));
    assert_int_equal(delay, 10000);
    /* Forward only: a deadline that is put off leaves the timer where it is. */
    timeouts_arm(&timeouts, TIMEOUT_HEAD, &head, 5000);
    assert_false(timeouts_move_timer(&timeouts, 5000, UINT64_MAX, &delay));
    /* What else the loop waits for counts, too; what is due already fires at once. */
    assert_true(timeouts_move_timer(&timeouts, 6000, 5500, &delay));
    assert_int_equal(delay, 0);
    timeouts_timer_fired(&timeouts);
    assert_true(timeouts_move_timer(&timeouts, 6000, UINT64_MAX, &delay));
    assert_int_equal(delay, 9000);
    assert_null(timeouts_take_expired(&timeouts, TIMEOUT_HEAD, 14999));
    assert_ptr_equal(timeouts_take_expired(&timeouts, TIMEOUT_HEAD, 15000), &head);
    timeouts_arm(&timeouts, TIMEOUT_NONE, &idle, 16000);
    assert_false(deadline_is_armed(&idle));
}

/* An attempt to connect goes on in several steps, and ends when its first step said. */
static void a_deadline_may_be_given_as_a_moment(void **state)
{
    (void)state;
    struct timeouts timeouts;
    struct deadline first = {0}, second = {0};
    timeouts_init(&timeouts, &config);
    timeouts_arm_at(&timeouts, TIMEOUT_CONNECT, &second, 7000);
    timeouts_arm_at(&timeouts, TIMEOUT_CONNECT, &first, 6000);
    assert_ptr_equal(timeouts_take_expired(&timeouts, TIMEOUT_CONNECT, 9000), &first);
    assert_ptr_equal(timeouts_take_expired(&timeouts, TIMEOUT_CONNECT, 9000), &second);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_read_has_the_time_of_what_it_waits_for),
        cmocka_unit_test(lengths_are_those_of_the_settings),
        cmocka_unit_test(the_timer_follows_the_earliest_deadline),
        cmocka_unit_test(a_deadline_may_be_given_as_a_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
