/* The floor: an empty call through a pointer, which no compiler can see through. */
#include "bench.h"

static void empty(void)
{
}

static void (*volatile function)(void) = empty;

static void call(void *arg, uint64_t count)
{
    (void)arg;
    for (uint64_t i = 0; i < count; i++)
        function();
}

int main(int argc, char **argv)
{
    (void)argc;
    bench_start(argv);
    bench_report_parts("context switch", "call", "empty, through a pointer", call, NULL, bench_count(50000000),
                       1);
}
