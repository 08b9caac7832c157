/* The pool's policy, on a clock of its own: nothing here connects to anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/log.h"
#include "db/pool.h"

enum { SIZE = 3, TIMEOUT_S = 2 };
#define MS UINT64_C(1000000)
#define S  UINT64_C(1000000000)

static struct pool pool;
static struct counters counters;
static uint64_t now;

static uint64_t count(enum counter counter)
{
    return counters.value[counter];
}

static int setup(void **state)
{
    (void)state;
    counters = (struct counters){0};
    now = 1000 * S;
    const struct pool_settings settings = {
        .size = SIZE, .timeout_s = TIMEOUT_S, .worker = -1, .where = "nowhere", .counters = &counters};
    log_init("test_pool", LOG_LEVEL_ERROR);
    return pool_init(&pool, &settings);
}

static int teardown(void **state)
{
    (void)state;
    pool_deinit(&pool);
    return 0;
}

static struct pool_slot *connect_one(void)
{
    struct pool_slot *slot = pool_take_due(&pool, now);
    assert_non_null(slot);
    assert_null(pool_checkin(&pool, slot, now));
    return slot;
}

static void connect_all(void)
{
    for (int i = 0; i < SIZE; i++)
        connect_one();
    assert_null(pool_take_due(&pool, now));
}

static struct pool_slot *checkout(void)
{
    struct pool_waiter waiter;
    assert_int_equal(pool_checkout(&pool, &waiter, now), POOL_GRANTED);
    assert_non_null(waiter.slot);
    return waiter.slot;
}

static void fail_all_attempts(void)
{
    struct pool_slot *slot;
    while ((slot = pool_take_due(&pool, now)) != NULL)
        pool_lost(&pool, slot, now);
}

static void all_slots_are_due_at_the_start(void **state)
{
    (void)state;
    assert_true(pool_next_ns(&pool) <= now);
    connect_all();
    assert_int_equal(count(COUNT_DB_CONNECTS), SIZE);
    assert_true(pool_next_ns(&pool) == UINT64_MAX);
}

static void the_connection_used_last_is_taken_first(void **state)
{
    (void)state;
    connect_all();
    struct pool_slot *first = checkout(), *second = checkout();
    assert_ptr_not_equal(first, second);
    assert_null(pool_checkin(&pool, second, now));
    assert_null(pool_checkin(&pool, first, now));
    assert_ptr_equal(checkout(), first);
    assert_ptr_equal(checkout(), second);
    assert_int_equal(count(COUNT_POOL_WAITS), 0);
}

static void waiters_are_served_in_order(void **state)
{
    (void)state;
    struct pool_waiter waiters[4];
    connect_all();
    struct pool_slot *slots[] = {checkout(), checkout(), checkout()};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pool_checkout(&pool, &waiters[i], now + i * MS), POOL_QUEUED);
        assert_null(waiters[i].slot);
    }
    now += 10 * MS;
    for (int i = 0; i < 3; i++) {
        assert_ptr_equal(pool_checkin(&pool, slots[i], now), &waiters[i]);
        assert_int_equal(waiters[i].outcome, POOL_GRANTED);
        assert_ptr_equal(waiters[i].slot, slots[i]);
        assert_false(slots[i]->suspect);
    }
    /* A newcomer does not overtake. */
    struct pool_waiter newcomer;
    assert_int_equal(pool_checkout(&pool, &newcomer, now), POOL_QUEUED);
    assert_ptr_equal(pool_checkin(&pool, slots[1], now), &waiters[3]);
    assert_ptr_equal(pool_checkin(&pool, slots[0], now), &newcomer);
    assert_int_equal(count(COUNT_POOL_WAITS), 5);
    assert_int_equal(count(COUNT_POOL_WAIT_NS), (10 + 9 + 8 + 7) * MS);
}

static void a_wait_ends_after_the_timeout(void **state)
{
    (void)state;
    struct pool_waiter early, late;
    connect_all();
    for (int i = 0; i < SIZE; i++)
        checkout();
    pool_checkout(&pool, &early, now);
    pool_checkout(&pool, &late, now + S);
    assert_true(pool_next_ns(&pool) == now + TIMEOUT_S * S);
    assert_null(pool_take_turned_away(&pool, now + TIMEOUT_S * S - 1));
    now += TIMEOUT_S * S;
    assert_ptr_equal(pool_take_turned_away(&pool, now), &early);
    assert_int_equal(early.outcome, POOL_TIMED_OUT);
    assert_null(early.slot);
    assert_null(pool_take_turned_away(&pool, now));
    assert_true(pool_next_ns(&pool) == now + S);
    assert_ptr_equal(pool_take_turned_away(&pool, now + S), &late);
    assert_true(pool_next_ns(&pool) == UINT64_MAX);
    assert_int_equal(count(COUNT_POOL_TIMEOUTS), 2);
    assert_int_equal(count(COUNT_POOL_WAIT_NS), 2 * TIMEOUT_S * S);
}

static void who_asks_before_the_first_connection_waits(void **state)
{
    (void)state;
    struct pool_waiter waiter;
    assert_int_equal(pool_checkout(&pool, &waiter, now), POOL_QUEUED);
    struct pool_slot *slot = pool_take_due(&pool, now);
    assert_ptr_equal(pool_checkin(&pool, slot, now), &waiter);
    assert_ptr_equal(waiter.slot, slot);
    assert_int_equal(count(COUNT_DB_CONNECTS), 1);
}

static void without_a_database_all_are_refused_at_once(void **state)
{
    (void)state;
    struct pool_waiter queued, refused;
    assert_int_equal(pool_checkout(&pool, &queued, now), POOL_QUEUED);
    assert_null(pool_take_turned_away(&pool, now));
    fail_all_attempts();
    assert_true(pool_next_ns(&pool) <= now);
    assert_ptr_equal(pool_take_turned_away(&pool, now), &queued);
    assert_int_equal(queued.outcome, POOL_UNAVAILABLE);
    assert_null(pool_take_turned_away(&pool, now));
    assert_int_equal(pool_checkout(&pool, &refused, now), POOL_UNAVAILABLE);
    assert_null(refused.slot);
    assert_int_equal(count(COUNT_DB_LOST), 0);
    assert_int_equal(count(COUNT_POOL_TIMEOUTS), 0);
    assert_int_equal(count(COUNT_POOL_WAITS), 1);
    /* The next success ends it. */
    now += 50 * MS;
    connect_one();
    checkout();
}

/* The first attempt decides whether the server starts: the others wait for it. */
static void nothing_else_is_tried_before_the_first_attempt_has_ended(void **state)
{
    (void)state;
    struct pool_slot *first = pool_take_due(&pool, now);
    assert_non_null(first);
    assert_null(pool_take_due(&pool, now));
    assert_true(pool_next_ns(&pool) == UINT64_MAX && pool_next_ms(&pool) == UINT64_MAX);
    assert_false(pool_start_failed(&pool));
    assert_null(pool_checkin(&pool, first, now));
    assert_non_null(pool_take_due(&pool, now));
    assert_false(pool_start_failed(&pool));
}

static void a_failure_of_the_first_attempt_is_told(void **state)
{
    (void)state;
    pool_lost(&pool, pool_take_due(&pool, now), now);
    assert_true(pool_start_failed(&pool));
}

static void after_a_first_connection_no_failure_is_one_of_the_start(void **state)
{
    (void)state;
    struct pool_slot *first = connect_one();
    fail_all_attempts();
    assert_false(pool_start_failed(&pool));
    pool_lost(&pool, first, now);
    fail_all_attempts();
    assert_false(pool_start_failed(&pool));
}

static void a_stopped_pool_connects_nothing(void **state)
{
    (void)state;
    struct pool_slot *slot = connect_one();
    pool_stop(&pool);
    pool_lost(&pool, slot, now);
    assert_null(pool_take_due(&pool, now + S));
    assert_true(pool_next_ms(&pool) == UINT64_MAX);
}

/* A read-only session is made anew once it is a second old, and only when a request gives it back. */
static void a_read_only_session_wears_out(void **state)
{
    (void)state;
    struct pool_slot *slot = pool_take_due(&pool, now);
    slot->pg.is_read_only = true;
    assert_false(pool_is_worn(slot, now));
    assert_null(pool_checkin(&pool, slot, now));
    assert_ptr_equal(checkout(), slot);
    assert_false(pool_is_worn(slot, now + S));
    assert_true(pool_is_worn(slot, now + S + 1));
    slot->pg.is_read_only = false;
    assert_false(pool_is_worn(slot, now + S + 1));
}

/* A timer that fires a moment early would find nothing to do. */
static void milliseconds_are_rounded_up(void **state)
{
    (void)state;
    connect_all();
    now += S;
    pool_lost(&pool, &pool.slots[0], now);
    assert_true(pool_next_ns(&pool) == now);
    assert_true(pool_next_ms(&pool) == now / MS + 1);
}

static void attempts_back_off_from_50_ms_to_1_s(void **state)
{
    (void)state;
    static const unsigned delays[] = {50, 100, 200, 400, 800, 1000, 1000, 1000};
    connect_one(), connect_one();
    for (size_t i = 0; i < sizeof delays / sizeof *delays; i++) {
        struct pool_slot *slot = pool_take_due(&pool, now);
        assert_non_null(slot);
        pool_lost(&pool, slot, now);
        assert_true(pool_next_ns(&pool) == now + delays[i] * MS);
        assert_null(pool_take_due(&pool, now + delays[i] * MS - 1));
        now += delays[i] * MS;
    }
    /* Once it was up, it starts from the beginning. */
    struct pool_slot *slot = connect_one();
    now += S;
    pool_lost(&pool, slot, now);
    assert_ptr_equal(pool_take_due(&pool, now), slot);
    pool_lost(&pool, slot, now);
    assert_true(pool_next_ns(&pool) == now + 50 * MS);
}

static void a_lost_connection_is_remade_at_once(void **state)
{
    (void)state;
    connect_all();
    now += S;
    struct pool_slot *busy = checkout();
    pool_lost(&pool, busy, now);
    assert_int_equal(count(COUNT_DB_LOST), 1);
    assert_ptr_equal(pool_take_due(&pool, now), busy);
    /* The others go on, and the one in the middle of the stack of idle ones can go, too. */
    struct pool_slot *top = checkout(), *bottom = checkout();
    pool_checkin(&pool, bottom, now);
    pool_checkin(&pool, top, now);
    pool_lost(&pool, bottom, now);
    assert_ptr_equal(checkout(), top);
    struct pool_waiter waiter;
    assert_int_equal(pool_checkout(&pool, &waiter, now), POOL_QUEUED);
    assert_ptr_equal(pool_take_turned_away(&pool, now + TIMEOUT_S * S), &waiter);
}

static void one_that_dies_young_is_not_remade_without_end(void **state)
{
    (void)state;
    struct pool_slot *slot = connect_one();
    connect_one(), connect_one();
    now += 1 * MS;
    pool_lost(&pool, slot, now);
    assert_null(pool_take_due(&pool, now));
    assert_true(pool_next_ns(&pool) == now + 49 * MS);
    assert_ptr_equal(pool_take_due(&pool, now + 49 * MS), slot);
}

static void who_asks_just_after_a_loss_waits(void **state)
{
    (void)state;
    struct pool_waiter waiter;
    connect_all();
    now += S;
    for (int i = 0; i < SIZE; i++)
        pool_lost(&pool, &pool.slots[i], now);
    /* Nobody knows yet whether the database is gone. */
    assert_int_equal(pool_checkout(&pool, &waiter, now), POOL_QUEUED);
    fail_all_attempts();
    assert_ptr_equal(pool_take_turned_away(&pool, now), &waiter);
    assert_int_equal(pool_checkout(&pool, &waiter, now), POOL_UNAVAILABLE);
    assert_int_equal(count(COUNT_DB_LOST), SIZE);
}

static void an_idle_connection_becomes_suspect(void **state)
{
    (void)state;
    connect_all();
    struct pool_slot *slot = checkout();
    assert_false(slot->suspect);
    pool_checkin(&pool, slot, now);
    now += S;
    assert_false(checkout()->suspect);
    pool_checkin(&pool, slot, now);
    now += S + 1;
    assert_true(checkout()->suspect); /* more than a second */
    pool_checkin(&pool, slot, now);
    assert_false(checkout()->suspect);

    struct pool_slot *other = checkout();
    pool_checkin(&pool, slot, now);
    pool_lost(&pool, other, now);
    assert_true(checkout()->suspect); /* another was lost while this one was idle */
    pool_checkin(&pool, slot, now);
    assert_false(checkout()->suspect);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_slots_are_due_at_the_start, setup, teardown),
        cmocka_unit_test_setup_teardown(the_connection_used_last_is_taken_first, setup, teardown),
        cmocka_unit_test_setup_teardown(waiters_are_served_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(a_wait_ends_after_the_timeout, setup, teardown),
        cmocka_unit_test_setup_teardown(who_asks_before_the_first_connection_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(without_a_database_all_are_refused_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_else_is_tried_before_the_first_attempt_has_ended, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_failure_of_the_first_attempt_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(after_a_first_connection_no_failure_is_one_of_the_start, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_stopped_pool_connects_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_read_only_session_wears_out, setup, teardown),
        cmocka_unit_test_setup_teardown(milliseconds_are_rounded_up, setup, teardown),
        cmocka_unit_test_setup_teardown(attempts_back_off_from_50_ms_to_1_s, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lost_connection_is_remade_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_dies_young_is_not_remade_without_end, setup, teardown),
        cmocka_unit_test_setup_teardown(who_asks_just_after_a_loss_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(an_idle_connection_becomes_suspect, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
