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
    assert_int_equal(co_stacks_init(&stacks, SIZE - 1, 1), 0);
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
    assert_int_equal(co_stacks_init(&stacks, SIZE, 1), 0);
    assert_int_equal(co_stack_get(&stacks, &a), 0);
    char *base = a.base;
    co_stack_put(&stacks, &a);
    assert_int_equal(co_stack_get(&stacks, &b), 0);
    assert_ptr_equal(b.base, base);
    co_stack_put(&stacks, &b);
    co_stacks_deinit(&stacks);
}

/* As at the height of a load. */
static void take_and_put_back(struct co_stacks *stacks, int count)
{
    struct co_stack held[64];
    for (int i = 0; i < count; i++) {
        assert_int_equal(co_stack_get(stacks, &held[i]), 0);
        held[i].base[0] = 1;
    }
    for (int i = 0; i < count; i++)
        co_stack_put(stacks, &held[i]);
}

static void test_stacks_that_are_needed_stay_as_they_are(void **state)
{
    (void)state;
    struct co_stacks stacks;
    struct co_stack stack;
    assert_int_equal(co_stacks_init(&stacks, SIZE, 2), 0);
    for (int round = 0; round < 3; round++) {
        take_and_put_back(&stacks, 50);
        assert_int_equal(stacks.free_count, 50);
        co_stacks_shrink(&stacks, 100);
        assert_int_equal(stacks.free_count, 50);
    }
    assert_int_equal(co_stack_get(&stacks, &stack), 0);
    assert_int_equal(stack.base[0], 1);
    co_stack_put(&stacks, &stack);
    co_stacks_deinit(&stacks);
}

static void test_stacks_that_nobody_needs_go(void **state)
{
    (void)state;
    struct co_stacks stacks;
    assert_int_equal(co_stacks_init(&stacks, SIZE, 2), 0);
    take_and_put_back(&stacks, 50);
    co_stacks_shrink(&stacks, 100); /* all were needed */
    take_and_put_back(&stacks, 20);
    co_stacks_shrink(&stacks, 10); /* 28 were not, beside the two that are kept */
    assert_int_equal(stacks.free_count, 40);
    assert_true(co_stacks_has_spare(&stacks));
    co_stacks_shrink(&stacks, 100);
    assert_int_equal(stacks.free_count, 2);
    assert_false(co_stacks_has_spare(&stacks));
    take_and_put_back(&stacks, 3);
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
    if (co_stacks_init(&stacks, SIZE, 1) != 0)
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
    if (co_stacks_init(&stacks, SIZE, 1) != 0 || co_stack_get(&stacks, &stack) != 0)
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
    assert_int_equal(co_stacks_init(&stacks, (size_t)1 << 50, 1), 0); /* more than any address space has */
    assert_int_equal(co_stack_get(&stacks, &stack), -ENOMEM);
    errno = 0;
    assert_null(co_new(&stacks, run_overflow, NULL));
    assert_int_equal(errno, ENOMEM);
    co_stacks_deinit(&stacks);
}

static size_t maps_now(void)
{
    size_t lines = 0;
    FILE *file = fopen("/proc/self/maps", "r");
    assert_non_null(file);
    for (int c; (c = getc(file)) != EOF;)
        lines += c == '\n';
    fclose(file);
    return lines;
}

static void test_stacks_take_no_more_maps_than_is_said(void **state)
{
    (void)state;
    enum { COUNT = 100 };
    struct co_stacks stacks;
    struct co_stack taken[COUNT];
    assert_int_equal(co_stacks_init(&stacks, 32768, 0), 0);
    size_t before = maps_now();
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(co_stack_get(&stacks, &taken[i]), 0);
    assert_true(maps_now() <= before + COUNT * co_stack_maps() + 1);
    for (int i = 0; i < COUNT; i++)
        co_stack_put(&stacks, &taken[i]);
    co_stacks_deinit(&stacks);
}

int main(void)
{
    alarm(120);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes_are_whole_pages),
        cmocka_unit_test(test_a_free_stack_is_used_again),
        cmocka_unit_test(test_stacks_that_are_needed_stay_as_they_are),
        cmocka_unit_test(test_stacks_that_nobody_needs_go),
        cmocka_unit_test(test_overflow_hits_the_guard),
        cmocka_unit_test(test_guard_is_wider_than_a_frame),
        cmocka_unit_test(test_no_memory_is_an_error),
        cmocka_unit_test(test_stacks_take_no_more_maps_than_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
