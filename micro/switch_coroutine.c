/*
 * From coroutine to coroutine: co_switch() alone, and with what co_resume() and co_suspend() look after. A
 * switch is one direction: there and back are two.
 */
#include "bench.h"
#include "co/co.h"
#include "co/co_switch.h"

enum { STACK_BYTES = 64 * 1024 };

static void *thread_context, *other_context;

static void switch_back(void *arg)
{
    (void)arg;
    for (;;)
        co_switch(&other_context, thread_context);
}

static void switch_there(void *arg, uint64_t count)
{
    (void)arg;
    for (uint64_t i = 0; i < count; i++)
        co_switch(&thread_context, other_context);
}

static void measure_switch(uint64_t count)
{
    char *stack = aligned_alloc(4096, STACK_BYTES);
    bench_check(stack == NULL ? ENOMEM : 0, "aligned_alloc");
    other_context = co_context_new(stack, STACK_BYTES, switch_back, NULL);
    bench_report_parts("context switch", "stackful coroutine", "co_switch", switch_there, NULL, count, 2);
    free(stack);
}

static bool ends;

static void suspend(void *arg)
{
    (void)arg;
    while (!ends)
        co_suspend();
}

static void resume(void *co, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        co_resume(co);
}

static void measure_resume(uint64_t count)
{
    struct co_stacks stacks;
    bench_check(-co_stacks_init(&stacks, STACK_BYTES, 1), "co_stacks_init");
    struct co *co = co_new(&stacks, suspend, NULL);
    bench_check(co == NULL ? errno : 0, "co_new");
    bench_report_parts("context switch", "stackful coroutine", "co_resume and co_suspend", resume, co, count,
                       2);
    ends = true;
    co_resume(co);
    co_stacks_deinit(&stacks);
}

int main(int argc, char **argv)
{
    (void)argc;
    bench_start(argv);
    measure_switch(bench_count(10000000));
    measure_resume(bench_count(10000000));
}
