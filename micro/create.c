/*
 *     create          begins and ends a task that does nothing, again and again
 *     create many     starts 100,000 of them
 */
#include "co/co.h"
#include "task.h"

enum { MANY = 100000, ALIVE = 64, POOL = 16 };

static struct co_stacks stacks;

static void *thread_main(void *arg)
{
    return arg;
}

static void coroutine_main(void *arg)
{
    (void)arg;
}

static coroutine_fn void coroutine_waits(void *arg)
{
    (void)arg;
    co_suspend();
}

static void thread(void)
{
    pthread_t thread;
    bench_check(task_thread(&thread, thread_main, NULL), "pthread_create");
    pthread_join(thread, NULL);
}

static void coroutine(void)
{
    struct co *co = co_new(&stacks, coroutine_main, NULL);
    bench_check(co == NULL ? errno : 0, "co_new");
    co_resume(co);
}

static struct task_state *state_new(void)
{
    struct task_state *state = malloc(sizeof *state);
    bench_check(state == NULL ? ENOMEM : 0, "malloc");
    state->exchange.request = NULL;
    __asm__ volatile("" : : "g"(state) : "memory"); /* the compiler would leave out both */
    return state;
}

static void state(void)
{
    free(state_new());
}

static void (*task)(void); /* that is measured */

static void tasks(void *arg, uint64_t count)
{
    (void)arg;
    for (uint64_t i = 0; i < count; i++)
        task();
}

static void one_by_one(const char *model, const char *variant, void (*which)(void), uint64_t count)
{
    task = which;
    bench_report_parts("task creation", model, variant, tasks, NULL, count, 1);
}

/* With --quick fewer are started, and their time is multiplied. */
static void report_many(const char *model, const char *variant, uint64_t begin, uint64_t count)
{
    double each = (double)(clock_ns() - begin) / (double)count;
    bench_report("time to start 100000 tasks", model, variant, "ms", each * MANY / 1e6);
}

static void many_threads(void)
{
    static pthread_t alive[ALIVE];
    const uint64_t count = bench_count(MANY);
    uint64_t begin = clock_ns();
    for (uint64_t i = 0; i < count; i++) {
        if (i >= ALIVE)
            pthread_join(alive[i % ALIVE], NULL);
        bench_check(task_thread(&alive[i % ALIVE], thread_main, NULL), "pthread_create");
    }
    report_many("thread", "at most 64 alive", begin, count);
    for (uint64_t i = 0; i < ALIVE; i++)
        pthread_join(alive[i], NULL);
}

/* A pool of threads that take tasks from a queue; a task has nothing to do, so its number is the queue. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t given, finished;
    uint64_t waiting, done;
    bool ends;
} pool = {.mutex = PTHREAD_MUTEX_INITIALIZER,
          .given = PTHREAD_COND_INITIALIZER,
          .finished = PTHREAD_COND_INITIALIZER};

static void *pool_main(void *arg)
{
    pthread_mutex_lock(&pool.mutex);
    for (;;) {
        while (pool.waiting == 0 && !pool.ends)
            pthread_cond_wait(&pool.given, &pool.mutex);
        if (pool.ends)
            break;
        pool.waiting--;
        pthread_mutex_unlock(&pool.mutex); /* here a task would run */
        pthread_mutex_lock(&pool.mutex);
        pool.done++;
        pthread_cond_signal(&pool.finished);
    }
    pthread_mutex_unlock(&pool.mutex);
    return arg;
}

static void pool_give(void)
{
    pthread_mutex_lock(&pool.mutex);
    pool.waiting++;
    pthread_cond_signal(&pool.given);
    pthread_mutex_unlock(&pool.mutex);
}

static void pool_await(uint64_t done)
{
    pthread_mutex_lock(&pool.mutex);
    while (pool.done < done)
        pthread_cond_wait(&pool.finished, &pool.mutex);
    pthread_mutex_unlock(&pool.mutex);
}

static void pool_task(void)
{
    uint64_t before = pool.done; /* no other task is under way */
    pool_give();
    pool_await(before + 1);
}

static pthread_t pool_threads[POOL];

static void pool_begin(void)
{
    for (int i = 0; i < POOL; i++)
        bench_check(task_thread(&pool_threads[i], pool_main, NULL), "pthread_create");
}

static void pool_end(void)
{
    pthread_mutex_lock(&pool.mutex);
    pool.ends = true;
    pthread_cond_broadcast(&pool.given);
    pthread_mutex_unlock(&pool.mutex);
    for (int i = 0; i < POOL; i++)
        pthread_join(pool_threads[i], NULL);
}

static void many_pool_tasks(void)
{
    const uint64_t count = bench_count(MANY);
    uint64_t begin = clock_ns();
    for (uint64_t i = 0; i < count; i++)
        pool_give();
    pool_await(count);
    report_many("thread", "a pool of 16", begin, count);
}

/* The first call finds that the stack was needed, the second that nobody has needed it since. */
static void coroutine_on_new_stack(void)
{
    coroutine();
    co_stacks_shrink(&stacks, 1);
    co_stacks_shrink(&stacks, 1);
}

/* All alive at once: each has run until it waits. */
static void many_coroutines(void)
{
    static struct co *alive[MANY];
    uint64_t begin = clock_ns();
    uint64_t count = 0;
    for (; count < bench_count(MANY); count++) {
        alive[count] = co_new(&stacks, coroutine_waits, NULL);
        if (alive[count] == NULL)
            break; /* vm.max_map_count: memory.c says how many there can be */
        co_resume(alive[count]);
    }
    if (count == bench_count(MANY))
        report_many("stackful coroutine", "all alive at once", begin, count);
    while (count > 0)
        co_resume(alive[--count]);
}

static void many_states(void)
{
    static struct task_state *alive[MANY];
    const uint64_t count = bench_count(MANY);
    uint64_t begin = clock_ns();
    for (uint64_t i = 0; i < count; i++)
        alive[i] = state_new();
    report_many("callback", "all alive at once", begin, count);
    for (uint64_t i = 0; i < count; i++)
        free(alive[i]);
}

static void each(void)
{
    one_by_one("thread", "new", thread, bench_count(3000));
    pool_begin();
    one_by_one("thread", "of a pool", pool_task, bench_count(5000));
    pool_end();
    bench_check(-co_stacks_init(&stacks, TASK_STACK_BYTES, 1), "co_stacks_init");
    one_by_one("stackful coroutine", "stack of a pool", coroutine, bench_count(1000000));
    co_stacks_deinit(&stacks);
    bench_check(-co_stacks_init(&stacks, TASK_STACK_BYTES, 0), "co_stacks_init");
    one_by_one("stackful coroutine", "new stack", coroutine_on_new_stack, bench_count(5000));
    co_stacks_deinit(&stacks);
    one_by_one("callback", "malloc and free of its state", state, bench_count(5000000));
}

static void many(void)
{
    many_threads();
    pool_begin();
    many_pool_tasks();
    pool_end();
    bench_check(-co_stacks_init(&stacks, TASK_STACK_BYTES, 0), "co_stacks_init");
    many_coroutines();
    co_stacks_deinit(&stacks);
    many_states();
}

int main(int argc, char **argv)
{
    (void)argc;
    char **words = bench_start(argv);
    if (*words == NULL)
        each();
    else
        many();
}
