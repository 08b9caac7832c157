/* Stacks: the guard, the pool, memory that is given back, and what happens when none is to be had. */
#include "co_test.h"

#include <errno.h>

#include "co/co.h"
#include "co/co_tools.h"

enum { SIZE = 64 * 1024 };

static void test_sizes_are_whole_pages(void **state)
{
    (void)state;
    struct co_stacks stacks;
    struct co_stack stack;
    assert_int_equal(co_stacks_init(&stacks, SIZE - 1, 1, 0), 0);
    assert_int_equal(co_stack_get(&stacks, &stack), 0);
    assert_true(stack.size >= SIZE - 1);
    assert_int_equal((uintptr_t)stack.base % (size_t)sysconf(_SC_PAGESIZE), 0);
    memset(stack.base, 1, stack.size); /* all of it is usable */
    co_stack_put(&stacks, &stack);
    co_stacks_deinit(&stacks);
}

static void test_a_free_stack_is_used_again(void **state)
{
    (void)state;
    struct co_stacks stacks;
    struct co_stack a, b;
    assert_int_equal(co_stacks_init(&stacks, SIZE, 1, 0), 0);
    assert_int_equal(co_stack_get(&stacks, &a), 0);
    char *base = a.base;
    co_stack_put(&stacks, &a);
    assert_int_equal(co_stack_get(&stacks, &b), 0);
    assert_ptr_equal(b.base, base);
    co_stack_put(&stacks, &b);
    co_stacks_deinit(&stacks);
}

static void test_at_most_keep_are_kept(void **state)
{
    (void)state;
    struct co_stacks stacks;
    struct co_stack held[4];
    assert_int_equal(co_stacks_init(&stacks, SIZE, 2, 0), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(co_stack_get(&stacks, &held[i]), 0);
    for (int i = 0; i < 4; i++)
        co_stack_put(&stacks, &held[i]);
    assert_int_equal(stacks.free_count, 2);
    co_stacks_deinit(&stacks);
}

/* Memory that was given back reads as zeros. */
static void test_deep_pages_are_given_back(void **state)
{
    (void)state;
    struct co_stacks stacks;
    struct co_stack stack;
    assert_int_equal(co_stacks_init(&stacks, SIZE, 1, 0), 0);
    assert_int_equal(co_stack_get(&stacks, &stack), 0);
    memset(stack.base, 0xAA, stack.size);
    co_stack_put(&stacks, &stack);
    assert_int_equal(co_stack_get(&stacks, &stack), 0);
    for (size_t i = 0; i < stack.size / 2; i++)
        assert_int_equal(stack.base[i], 0);
    co_stack_put(&stacks, &stack);
    co_stacks_deinit(&stacks);
}

/* Requests take and put back the same few stacks: no system call and no page fault for those. */
static void test_the_last_free_stacks_stay_as_they_are(void **state)
{
    (void)state;
    struct co_stacks stacks;
    struct co_stack held[3];
    assert_int_equal(co_stacks_init(&stacks, SIZE, 3, 1), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(co_stack_get(&stacks, &held[i]), 0);
        held[i].base[0] = 1;
    }
    for (int i = 0; i < 3; i++)
        co_stack_put(&stacks, &held[i]);
    for (int round = 0; round < 2; round++) {
        struct co_stack taken;
        assert_int_equal(held[0].base[0], 0);
        assert_int_equal(held[1].base[0], 0);
        assert_int_equal(held[2].base[0], 1);
        assert_int_equal(co_stack_get(&stacks, &taken), 0);
        assert_ptr_equal(taken.base, held[2].base);
        co_stack_put(&stacks, &taken);
    }
    co_stacks_deinit(&stacks);
}

/* One that was taken from below is trimmed again when others lie above it. */
static void test_a_stack_is_trimmed_again(void **state)
{
    (void)state;
    struct co_stacks stacks;
    struct co_stack a, b;
    assert_int_equal(co_stacks_init(&stacks, SIZE, 2, 1), 0);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(co_stack_get(&stacks, &b), 0);
        assert_int_equal(co_stack_get(&stacks, &a), 0);
        a.base[0] = 1;
        co_stack_put(&stacks, &a);
        assert_int_equal(a.base[0], 1);
        co_stack_put(&stacks, &b);
        assert_int_equal(a.base[0], 0);
    }
    co_stacks_deinit(&stacks);
}

__attribute__((noinline)) static int overflow(int level)
{
    volatile char frame[512];
    frame[0] = (char)level;
    return level == 100000 ? 0 : overflow(level + 1) + frame[0];
}

static void run_overflow(void *arg)
{
    (void)arg;
    (void)overflow(0);
}

static void overflow_a_stack(void)
{
    struct co_stacks stacks;
    if (co_stacks_init(&stacks, SIZE, 1, 0) != 0)
        return;
    /* Stacks are mapped downwards: what lies under the guard of the first is the second. */
    struct co *first = co_new(&stacks, run_overflow, NULL);
    struct co *second = co_new(&stacks, run_overflow, NULL);
    if (first == NULL || second == NULL)
        return;
    (void)co_resume(first);
}

static void test_overflow_hits_the_guard(void **state)
{
    (void)state;
    char line[256];
    assert_int_equal(die(overflow_a_stack, line), SIGSEGV);
}

static void jump_over_a_page(void)
{
    struct co_stacks stacks;
    struct co_stack stack;
    if (co_stacks_init(&stacks, SIZE, 1, 0) != 0 || co_stack_get(&stacks, &stack) != 0)
        return;
    ((volatile char *)stack.base)[-12 * 1024] = 1;
}

static void test_guard_is_wider_than_a_frame(void **state)
{
    (void)state;
    char line[256];
    assert_int_equal(die(jump_over_a_page, line), SIGSEGV);
}

static void test_no_memory_is_an_error(void **state)
{
    (void)state;
    struct co_stacks stacks;
    struct co_stack stack;
    assert_int_equal(co_stacks_init(&stacks, (size_t)1 << 50, 1, 0), 0); /* more than any address space has */
    assert_int_equal(co_stack_get(&stacks, &stack), -ENOMEM);
    errno = 0;
    assert_null(co_new(&stacks, run_overflow, NULL));
    assert_int_equal(errno, ENOMEM);
    co_stacks_deinit(&stacks);
}

static void test_limit_is_about_what_can_be_mapped(void **state)
{
    (void)state;
    size_t limit = co_stack_limit();
    assert_true(limit > 1000);
    assert_true(limit < (size_t)1 << 31);
}

int main(void)
{
    alarm(120);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes_are_whole_pages),
        cmocka_unit_test(test_a_free_stack_is_used_again),
        cmocka_unit_test(test_at_most_keep_are_kept),
        cmocka_unit_test(test_deep_pages_are_given_back),
        cmocka_unit_test(test_the_last_free_stacks_stay_as_they_are),
        cmocka_unit_test(test_a_stack_is_trimmed_again),
        cmocka_unit_test(test_overflow_hits_the_guard),
        cmocka_unit_test(test_guard_is_wider_than_a_frame),
        cmocka_unit_test(test_no_memory_is_an_error),
        cmocka_unit_test(test_limit_is_about_what_can_be_mapped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
