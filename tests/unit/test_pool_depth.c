/* The policy of connections that many requests share (DB_PIPELINE), on a clock of its own: nothing here
 * connects. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/log.h"
#include "db/pg_pipeline.h"
#include "db/pool.h"

enum { SIZE = 2, DEPTH = 3, QUERY_TIMEOUT_S = 5 };
#define MS UINT64_C(1000000)
#define S  UINT64_C(1000000000)

static struct pool pool;
static struct counters counters;
static uint64_t now;

static int setup(void **state)
{
    (void)state;
    counters = (struct counters){0};
    now = 1000 * S;
    const struct pool_settings settings = {
        .size = SIZE,
        .depth = DEPTH,
        .timeout_s = 2,
        .query_timeout_s = QUERY_TIMEOUT_S,
        .worker = -1,
        .where = "nowhere",
        .counters = &counters,
    };
    log_init("test_pool_depth", LOG_LEVEL_ERROR);
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

static struct pool_slot *checkout(void)
{
    struct pool_waiter waiter;
    assert_int_equal(pool_checkout(&pool, &waiter, now), POOL_GRANTED);
    assert_non_null(waiter.slot);
    assert_int_equal(waiter.slot_losses, waiter.slot->losses);
    return waiter.slot;
}

static void requests_are_spread(void **state)
{
    (void)state;
    connect_one(), connect_one();
    for (unsigned i = 0; i < SIZE * DEPTH; i++) {
        checkout();
        unsigned fewest = i / SIZE, most = i / SIZE + 1;
        for (unsigned j = 0; j < SIZE; j++)
            assert_in_range(pool.slots[j].users, fewest, most);
    }
    struct pool_waiter waiter;
    assert_int_equal(pool_checkout(&pool, &waiter, now), POOL_QUEUED);
    assert_ptr_equal(pool_checkin(&pool, &pool.slots[1], now), &waiter);
    assert_ptr_equal(waiter.slot, &pool.slots[1]);
    assert_int_equal(pool.slots[1].users, DEPTH);
}

static void one_connection_has_room_for_many(void **state)
{
    (void)state;
    struct pool_slot *slot = connect_one();
    for (int i = 0; i < DEPTH; i++)
        assert_ptr_equal(checkout(), slot);
    for (int i = 0; i < DEPTH; i++)
        assert_null(pool_checkin(&pool, slot, now));
    assert_int_equal(slot->users, 0);
}

static void a_new_connection_takes_as_many_as_have_room(void **state)
{
    (void)state;
    struct pool_waiter waiters[DEPTH + 1];
    for (int i = 0; i <= DEPTH; i++)
        assert_int_equal(pool_checkout(&pool, &waiters[i], now), POOL_QUEUED);
    struct pool_slot *slot = pool_take_due(&pool, now);
    assert_ptr_equal(pool_checkin(&pool, slot, now), &waiters[0]);
    for (int i = 1; i < DEPTH; i++)
        assert_ptr_equal(pool_take_granted(&pool, now), &waiters[i]);
    assert_null(pool_take_granted(&pool, now));
    assert_ptr_equal(pool_checkin(&pool, slot, now), &waiters[DEPTH]);
}

static void a_slow_connection_is_chosen_last(void **state)
{
    (void)state;
    struct pool_slot *slow = connect_one(), *other = connect_one();
    assert_ptr_equal(checkout(), slow);
    slow->pg.pipeline->head_since_ns = now;
    now += 20 * MS + 1;
    for (int i = 0; i < DEPTH; i++)
        assert_ptr_equal(checkout(), other);
    assert_ptr_equal(checkout(), slow); /* better than to wait */
}

/* The database ends the query at QUERY_TIMEOUT. Until that shows, nobody is to wait behind it. */
static void towards_the_time_out_a_connection_gets_no_more_requests(void **state)
{
    (void)state;
    struct pool_waiter waiters[DEPTH];
    struct pool_slot *slot = connect_one();
    checkout();
    slot->pg.pipeline->head_since_ns = now;
    now += QUERY_TIMEOUT_S * S - 100 * MS - 1;
    assert_ptr_equal(checkout(), slot);
    assert_null(pool_checkin(&pool, slot, now));
    now++;
    for (int i = 0; i < DEPTH; i++)
        assert_int_equal(pool_checkout(&pool, &waiters[i], now), POOL_QUEUED);
    slot->pg.pipeline->head_since_ns = 0;
    assert_ptr_equal(pool_checkin(&pool, slot, now), &waiters[0]);
    for (int i = 1; i < DEPTH; i++)
        assert_ptr_equal(pool_take_granted(&pool, now), &waiters[i]);
}

static void a_quarter_of_a_second_later_it_is_stuck(void **state)
{
    (void)state;
    struct pool_slot *slot = connect_one();
    assert_int_equal(pool_stuck_ns(&pool, slot), UINT64_MAX);
    slot->pg.pipeline->head_since_ns = now;
    uint64_t stuck = now + QUERY_TIMEOUT_S * S + 250 * MS;
    assert_int_equal(pool_stuck_ns(&pool, slot), stuck);
    assert_null(pool_find_stuck(&pool, stuck - 1));
    assert_ptr_equal(pool_find_stuck(&pool, stuck), slot);
    connect_one();
    assert_int_equal(pool_next_ms(&pool), stuck / MS + 1);
    slot->pg.pipeline->head_since_ns = 0;
    assert_int_equal(pool_next_ms(&pool), UINT64_MAX);
}

/* Else it would never be without users under load, and never be made anew. */
static void a_session_that_cannot_write_gets_no_more_requests(void **state)
{
    (void)state;
    struct pool_slot *spent = connect_one();
    assert_ptr_equal(checkout(), spent);
    assert_ptr_equal(checkout(), spent);
    spent->pg.is_read_only = true;
    now += S + 1;
    struct pool_waiter waiter;
    assert_int_equal(pool_checkout(&pool, &waiter, now), POOL_QUEUED);
    assert_false(pool_is_worn(spent, now));
    assert_null(pool_checkin(&pool, spent, now));
    assert_true(pool_is_worn(spent, now)); /* by its last user */
    pool_lost(&pool, spent, now);
    spent->pg.is_read_only = false;
    now += S;
    assert_ptr_equal(pool_checkin(&pool, pool_take_due(&pool, now), now), &waiter);
}

static void a_lost_connection_has_no_users(void **state)
{
    (void)state;
    struct pool_slot *slot = connect_one();
    unsigned losses = slot->losses;
    checkout(), checkout();
    pool_lost(&pool, slot, now);
    assert_int_equal(slot->users, 0);
    assert_int_equal(slot->losses, losses + 1);
    now += S;
    while (pool.slots[0].state != SLOT_IDLE)
        connect_one();
    assert_ptr_equal(checkout(), slot);
    assert_int_equal(slot->users, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(requests_are_spread),
        TEST(one_connection_has_room_for_many),
        TEST(a_new_connection_takes_as_many_as_have_room),
        TEST(a_slow_connection_is_chosen_last),
        TEST(towards_the_time_out_a_connection_gets_no_more_requests),
        TEST(a_quarter_of_a_second_later_it_is_stuck),
        TEST(a_session_that_cannot_write_gets_no_more_requests),
        TEST(a_lost_connection_has_no_users),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
