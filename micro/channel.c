/*
 * Ping-pong over two bounded channels of one place each. Between threads a channel is a mutex and two condition
 * variables, and the threads share a CPU or do not. The kept-awake variant has a thread of SCHED_IDLE on each
 * CPU, which does nothing and stops as soon as another is ready: what is then saved was waking an idle CPU.
 * Between coroutines the same channel needs no lock.
 */
#include <stdatomic.h>

#include "bench.h"
#include "co/co.h"

static uint64_t rounds;

struct channel {
    pthread_mutex_t mutex;
    pthread_cond_t put, taken;
    bool full;
    int value;
};

#define CHANNEL                                                                                                \
    {                                                                                                          \
        .mutex = PTHREAD_MUTEX_INITIALIZER, .put = PTHREAD_COND_INITIALIZER, .taken = PTHREAD_COND_INITIALIZER \
    }

static struct channel there = CHANNEL, back = CHANNEL;

static void channel_put(struct channel *channel, int value)
{
    pthread_mutex_lock(&channel->mutex);
    while (channel->full)
        pthread_cond_wait(&channel->taken, &channel->mutex);
    channel->full = true;
    channel->value = value;
    pthread_cond_signal(&channel->put);
    pthread_mutex_unlock(&channel->mutex);
}

static int channel_take(struct channel *channel)
{
    pthread_mutex_lock(&channel->mutex);
    while (!channel->full)
        pthread_cond_wait(&channel->put, &channel->mutex);
    channel->full = false;
    int value = channel->value;
    pthread_cond_signal(&channel->taken);
    pthread_mutex_unlock(&channel->mutex);
    return value;
}

static void *answer(void *arg)
{
    int cpu = *(int *)arg;
    if (cpu >= 0)
        bench_pin(cpu);
    for (uint64_t i = 0; i < rounds; i++)
        channel_put(&back, channel_take(&there));
    return NULL;
}

static void *ask(void *arg)
{
    int cpu = *(int *)arg;
    if (cpu >= 0)
        bench_pin(cpu);
    for (uint64_t i = 0; i < rounds; i++) {
        channel_put(&there, (int)i);
        channel_take(&back);
    }
    return NULL;
}

static void report(const char *model, const char *variant, uint64_t begin)
{
    bench_report_each("channel hand-over", model, variant, begin, 2 * rounds);
}

/* A CPU of -1: wherever the kernel puts it. */
static void between_threads(const char *variant, int first, int second)
{
    pthread_t threads[2];
    uint64_t begin = clock_ns();
    bench_check(pthread_create(&threads[0], NULL, answer, &second), "pthread_create");
    bench_check(pthread_create(&threads[1], NULL, ask, &first), "pthread_create");
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    report("thread", variant, begin);
}

static atomic_bool awake;

static void *keep_awake(void *arg)
{
    bench_pin(*(int *)arg);
    const struct sched_param none = {0};
    bench_check(pthread_setschedparam(pthread_self(), SCHED_IDLE, &none), "SCHED_IDLE");
    while (atomic_load_explicit(&awake, memory_order_relaxed)) {
    }
    return NULL;
}

static void between_threads_kept_awake(int first, int second)
{
    pthread_t keepers[2];
    int cpus[2] = {first, second};
    atomic_store(&awake, true);
    for (int i = 0; i < 2; i++)
        bench_check(pthread_create(&keepers[i], NULL, keep_awake, &cpus[i]), "pthread_create");
    between_threads("two CPUs that are kept awake", first, second);
    atomic_store(&awake, false);
    for (int i = 0; i < 2; i++)
        pthread_join(keepers[i], NULL);
}

/* The same channel, where a coroutine that waits for it suspends, and one that changes it wakes the other. */
struct co_channel {
    bool full;
    int value;
    struct co_list waiting;
};

static struct co_channel co_there, co_back;
static struct co_list ready;

static coroutine_fn void co_channel_wait(struct co_channel *channel, bool full)
{
    while (channel->full != full) {
        co_list_push(&channel->waiting, co_running());
        co_suspend();
    }
}

static void co_channel_changed(struct co_channel *channel)
{
    channel->full = !channel->full;
    struct co *next = co_list_pop(&channel->waiting);
    if (next != NULL)
        co_list_push(&ready, next);
}

static coroutine_fn void co_channel_put(struct co_channel *channel, int value)
{
    co_channel_wait(channel, false);
    channel->value = value;
    co_channel_changed(channel);
}

static coroutine_fn int co_channel_take(struct co_channel *channel)
{
    co_channel_wait(channel, true);
    int value = channel->value;
    co_channel_changed(channel);
    return value;
}

static coroutine_fn void co_answer(void *arg)
{
    uint64_t count = *(uint64_t *)arg;
    for (uint64_t i = 0; i < count; i++)
        co_channel_put(&co_back, co_channel_take(&co_there));
}

static coroutine_fn void co_ask(void *arg)
{
    uint64_t count = *(uint64_t *)arg;
    for (uint64_t i = 0; i < count; i++) {
        co_channel_put(&co_there, (int)i);
        co_channel_take(&co_back);
    }
}

static void between_coroutines(void)
{
    struct co_stacks stacks;
    bench_check(-co_stacks_init(&stacks, 64 * 1024, 2), "co_stacks_init");
    rounds = bench_count(1000000);
    void (*mains[2])(void *) = {co_answer, co_ask};
    for (int i = 0; i < 2; i++) {
        struct co *co = co_new(&stacks, mains[i], &rounds);
        bench_check(co == NULL ? errno : 0, "co_new");
        co_list_push(&ready, co);
    }
    uint64_t begin = clock_ns();
    for (struct co *co; (co = co_list_pop(&ready)) != NULL;)
        co_resume(co);
    report("stackful coroutine", "in one thread", begin);
    co_stacks_deinit(&stacks);
}

int main(int argc, char **argv)
{
    (void)argc;
    bench_start(argv);
    rounds = bench_count(5000);
    int first = bench_cpu(0), second = bench_cpu(1);
    between_threads("one CPU", first, first);
    between_threads("not pinned", -1, -1);
    if (second >= 0) {
        between_threads("two CPUs", first, second);
        between_threads_kept_awake(first, second);
    }
    between_coroutines();
}
