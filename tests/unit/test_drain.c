/* From start to end: what each signal means in each phase. Its time limits are those of a setting of 1 s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <unistd.h>

#include "base/log.h"
#include "server/drain.h"

static struct app app;
static struct drain drain;
static sigset_t signals;

/* The news that another thread sends with SIGUSR1, taken as a server's main thread takes it. */
static int take_signal(void)
{
    struct timespec timeout;
    return sigtimedwait(&signals, NULL, drain_timeout(&drain, &timeout));
}

static int setup(void **state)
{
    (void)state;
    log_init("test_drain", LOG_LEVEL_ERROR);
    app.config.drain_timeout = 1;
    drain_block_signals(&signals);
    drain_init(&drain, &app, 2);
    return 0;
}

static void start(void)
{
    drain_part_is_up(&drain);
    assert_int_equal(drain_step(&drain, take_signal()), DRAIN_WAIT);
    drain_part_is_up(&drain);
    assert_int_equal(drain_step(&drain, take_signal()), DRAIN_LISTEN);
}

static void it_listens_once_every_part_is_up(void **state)
{
    (void)state;
    assert_int_equal(drain_timeout_ms(&drain), -1);
    start();
    assert_int_equal(drain_step(&drain, SIGUSR1), DRAIN_WAIT);
    assert_null(drain_timeout(&drain, &(struct timespec){0}));
}

static void a_signal_during_the_start_ends_the_process_with_0(void **state)
{
    (void)state;
    assert_int_equal(drain_step(&drain, SIGTERM), DRAIN_LEAVE);
    assert_int_equal(drain.status, 0);
}

static void a_drain_ends_when_every_part_has_ended(void **state)
{
    (void)state;
    start();
    assert_int_equal(drain_step(&drain, SIGINT), DRAIN_BEGIN);
    drain_part_has_ended(&drain);
    assert_int_equal(drain_step(&drain, take_signal()), DRAIN_WAIT);
    drain_part_has_ended(&drain);
    assert_int_equal(drain_step(&drain, take_signal()), DRAIN_END);
    assert_int_equal(drain.status, 0);
}

static void a_second_signal_ends_the_process_with_1(void **state)
{
    (void)state;
    log_init("test_drain", LOG_LEVEL_ERROR);
    start();
    assert_int_equal(drain_step(&drain, SIGTERM), DRAIN_BEGIN);
    assert_int_equal(drain_step(&drain, SIGTERM), DRAIN_LEAVE);
    assert_int_equal(drain.status, 1);
}

static void the_last_call_comes_before_the_end_of_the_time(void **state)
{
    (void)state;
    start();
    assert_int_equal(drain_step(&drain, SIGTERM), DRAIN_BEGIN);
    assert_in_range(drain_timeout_ms(&drain), 1, 200);
    assert_int_equal(take_signal(), -1);
    assert_int_equal(drain_step(&drain, -1), DRAIN_LAST_CALL);
    assert_int_equal(drain_step(&drain, SIGUSR1), DRAIN_WAIT);
    assert_in_range(drain_timeout_ms(&drain), 1, 800);
    assert_int_equal(take_signal(), -1);
    assert_int_equal(drain_step(&drain, -1), DRAIN_LEAVE);
    assert_int_equal(drain.status, 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(it_listens_once_every_part_is_up, setup),
        cmocka_unit_test_setup(a_signal_during_the_start_ends_the_process_with_0, setup),
        cmocka_unit_test_setup(a_drain_ends_when_every_part_has_ended, setup),
        cmocka_unit_test_setup(a_second_signal_ends_the_process_with_1, setup),
        cmocka_unit_test_setup(the_last_call_comes_before_the_end_of_the_time, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
