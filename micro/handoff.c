/*
 * Threads with cooperative scheduling: one thread of a process gives the CPU to another that it names. Linux
 * has no call for that. The nearest calls are measured, by name; and what was proposed or can be loaded is
 * looked for.
 */
#include "bench.h"
#include "futex.h"

static uint64_t rounds;
static atomic_uint turn;
static atomic_int yielding; /* threads that have not ended */

static void report(const char *variant, uint64_t begin)
{
    bench_report_each("cooperative threads", "thread", variant, begin, 2 * rounds);
}

static void *answer_by_futex(void *arg)
{
    for (uint64_t i = 0; i < rounds; i++) {
        turn_await(&turn, 1);
        turn_give(&turn, 0);
    }
    return arg;
}

/* The waker runs on until it waits itself, since both are on one CPU: then the kernel has one thread to choose.
 */
static void by_futex(const char *variant)
{
    pthread_t other;
    bench_check(pthread_create(&other, NULL, answer_by_futex, NULL), "pthread_create");
    uint64_t begin = clock_ns();
    for (uint64_t i = 0; i < rounds; i++) {
        turn_give(&turn, 1);
        turn_await(&turn, 0);
    }
    report(variant, begin);
    pthread_join(other, NULL);
}

/* Begins when both threads are there; ends when one has done its part. */
static void *yield(void *arg)
{
    atomic_fetch_add(&yielding, 1);
    while (atomic_load(&yielding) < 2)
        sched_yield();
    for (uint64_t i = 0; i < rounds; i++)
        sched_yield();
    return arg;
}

/* sched_yield() names nobody; with two threads on one CPU it can only be the other one. */
static void by_yield(const char *variant)
{
    pthread_t other;
    atomic_store(&yielding, 0);
    bench_check(pthread_create(&other, NULL, yield, NULL), "pthread_create");
    uint64_t begin = clock_ns();
    yield(NULL);
    pthread_join(other, NULL);
    report(variant, begin);
}

static void report_there(const char *what, bool there)
{
    bench_report("cooperative threads in this kernel", "thread", what, "1 or 0", there);
}

/* The threads that this one makes inherit it. With two such threads of one priority, only one of which ever is
 * ready, no other program takes the CPU between them. */
static void as_fifo(void)
{
    const struct sched_param lowest = {.sched_priority = sched_get_priority_min(SCHED_FIFO)};
    bool allowed = pthread_setschedparam(pthread_self(), SCHED_FIFO, &lowest) == 0;
    report_there("SCHED_FIFO is allowed", allowed);
    if (!allowed)
        return;
    by_futex("futex hand-off, SCHED_FIFO, one CPU");
    by_yield("sched_yield, SCHED_FIFO, one CPU");
    const struct sched_param none = {0};
    pthread_setschedparam(pthread_self(), SCHED_OTHER, &none);
}

/* Whether a name of the kernel begins so. Without /proc/kallsyms none is found. */
static bool kernel_has(const char *prefix)
{
    FILE *file = fopen("/proc/kallsyms", "re");
    if (file == NULL)
        return false;
    char name[256];
    bool found = false;
    while (!found && fscanf(file, "%*s %*s %255s%*[^\n]", name) == 1)
        found = strncmp(name, prefix, strlen(prefix)) == 0;
    fclose(file);
    return found;
}

/*
 * FUTEX_SWAP (proposed in 2020) and UMCG (2021) were never merged, so that they have no number that a program
 * could try: their functions are looked for by name.
 */
static void look_for_more(void)
{
    report_there("FUTEX_SWAP", kernel_has("futex_swap"));
    report_there("UMCG", kernel_has("umcg_") || kernel_has("__x64_sys_umcg_ctl"));
    FILE *state = fopen("/sys/kernel/sched_ext/state", "re");
    report_there("sched_ext", state != NULL);
    if (state != NULL)
        fclose(state);
}

int main(int argc, char **argv)
{
    (void)argc;
    bench_start(argv);
    rounds = bench_count(20000);
    bench_pin(bench_cpu(0));
    by_futex("futex hand-off, one CPU");
    by_yield("sched_yield, one CPU");
    as_fifo();
    look_for_more();
}
