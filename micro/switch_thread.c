/* From thread to thread: two threads take turns. A switch is one direction: there and back are two. */
#include <unistd.h>

#include "bench.h"
#include "futex.h"

/* A way to take turns: give(to) and await(own), with threads 0 and 1. */
struct way {
    const char *name;
    void (*give)(unsigned to);
    void (*await)(unsigned own);
};

static uint64_t rounds;

static atomic_uint futex_turn;

static void futex_give(unsigned to)
{
    turn_give(&futex_turn, to);
}

static void futex_await(unsigned own)
{
    turn_await(&futex_turn, own);
}

static int pipes[2][2]; /* by its reader */

static void pipe_give(unsigned to)
{
    bench_check(write(pipes[to][1], "", 1) == 1 ? 0 : errno, "write");
}

static void pipe_await(unsigned own)
{
    char byte;
    bench_check(read(pipes[own][0], &byte, 1) == 1 ? 0 : errno, "read");
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turned = PTHREAD_COND_INITIALIZER;
static unsigned turn;

static void condition_give(unsigned to)
{
    pthread_mutex_lock(&mutex);
    turn = to;
    pthread_cond_signal(&turned);
    pthread_mutex_unlock(&mutex);
}

static void condition_await(unsigned own)
{
    pthread_mutex_lock(&mutex);
    while (turn != own)
        pthread_cond_wait(&turned, &mutex);
    pthread_mutex_unlock(&mutex);
}

static void *answer(void *arg)
{
    const struct way *way = arg;
    for (uint64_t i = 0; i < rounds; i++) {
        way->await(1);
        way->give(0);
    }
    return NULL;
}

static void measure(struct way *way)
{
    pthread_t other;
    bench_check(pthread_create(&other, NULL, answer, way), "pthread_create");
    uint64_t begin = clock_ns();
    for (uint64_t i = 0; i < rounds; i++) {
        way->give(1);
        way->await(0);
    }
    bench_report_each("context switch", "thread", way->name, begin, 2 * rounds);
    pthread_join(other, NULL);
}

int main(int argc, char **argv)
{
    (void)argc;
    bench_start(argv);
    rounds = bench_count(10000);
    for (int i = 0; i < 2; i++)
        bench_check(pipe(pipes[i]) == 0 ? 0 : errno, "pipe");
    static struct way ways[] = {
        {"futex", futex_give, futex_await},
        {"pipe", pipe_give, pipe_await},
        {"condition variable", condition_give, condition_await},
    };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        measure(&ways[i]);
}
