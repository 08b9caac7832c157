/*
 * The pipe brigade: 500 tasks and a first one stand in a ring of pipes and hand on one byte. A hop is one
 * task's read and write, and what wakes the task for it. One thread alone does the same reads and writes
 * without waiting, which is the pipe's own part.
 */
#include <sys/resource.h>
#include <unistd.h>

#include "co/co.h"
#include "task.h"

enum { TASKS = 501 };

static int pipes[TASKS][2]; /* task i reads pipe i and writes the next one */
static uint64_t laps;

static void pass_on(int task)
{
    char byte;
    bench_check(read(pipes[task][0], &byte, 1) == 1 ? 0 : errno, "read");
    bench_check(write(pipes[(task + 1) % TASKS][1], &byte, 1) == 1 ? 0 : errno, "write");
}

static void put_in(void)
{
    bench_check(write(pipes[0][1], "", 1) == 1 ? 0 : errno, "write");
}

static void take_out(void)
{
    char byte;
    bench_check(read(pipes[0][0], &byte, 1) == 1 ? 0 : errno, "read");
}

static void report(const char *model, const char *variant, uint64_t begin)
{
    bench_report_each("pipe brigade per hop", model, variant, begin, laps * TASKS);
}

static void alone(void)
{
    put_in();
    uint64_t begin = clock_ns();
    for (uint64_t i = 0; i < laps * TASKS; i++)
        pass_on((int)(i % TASKS));
    report("one thread alone", "the pipe's own part", begin);
    take_out();
}

static void *thread_main(void *arg)
{
    for (uint64_t i = 0; i < laps; i++)
        pass_on((int)(intptr_t)arg);
    return NULL;
}

static void threads(void)
{
    pthread_t others[TASKS];
    for (int i = 1; i < TASKS; i++)
        bench_check(task_thread(&others[i], thread_main, (void *)(intptr_t)i), "pthread_create");
    put_in();
    uint64_t begin = clock_ns();
    for (uint64_t i = 0; i < laps; i++)
        pass_on(0);
    for (int i = 1; i < TASKS; i++)
        pthread_join(others[i], NULL);
    report("thread", "blocking read", begin);
    take_out();
}

/* A task on the loop, of either kind. */
struct member {
    uv_poll_t poll;
    struct co *co;
    int number;
    uint64_t left;
};

static struct member members[TASKS];

/* Without a task that listens, the loop ends. */
static bool passed_on(struct member *member)
{
    pass_on(member->number);
    if (--member->left > 0)
        return true;
    uv_close((uv_handle_t *)&member->poll, NULL);
    return false;
}

static void on_readable_pass(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    passed_on(poll->data);
}

static coroutine_fn void coroutine_main(void *arg)
{
    do
        co_suspend();
    while (passed_on(arg));
}

static void on_readable_resume(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    struct member *member = poll->data;
    co_resume(member->co);
}

/* With libuv's watches, which stay armed, as in the servers. */
static void on_loop(const char *model, uv_poll_cb on_readable)
{
    uv_loop_t loop;
    struct co_stacks stacks;
    bench_check(-uv_loop_init(&loop), "uv_loop_init");
    bench_check(-co_stacks_init(&stacks, TASK_STACK_BYTES, TASKS), "co_stacks_init");
    for (int i = 0; i < TASKS; i++) {
        members[i] = (struct member){.number = i, .left = laps};
        bench_check(-uv_poll_init(&loop, &members[i].poll, pipes[i][0]), "uv_poll_init");
        members[i].poll.data = &members[i];
        uv_poll_start(&members[i].poll, UV_READABLE, on_readable);
        if (on_readable == on_readable_resume) {
            members[i].co = co_new(&stacks, coroutine_main, &members[i]);
            bench_check(members[i].co == NULL ? errno : 0, "co_new");
            co_resume(members[i].co);
        }
    }
    put_in();
    uint64_t begin = clock_ns();
    uv_run(&loop, UV_RUN_DEFAULT);
    report(model, "libuv", begin);
    take_out();
    bench_check(-uv_loop_close(&loop), "uv_loop_close");
    co_stacks_deinit(&stacks);
}

int main(int argc, char **argv)
{
    (void)argc;
    bench_start(argv);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    for (int i = 0; i < TASKS; i++)
        bench_check(pipe(pipes[i]) == 0 ? 0 : errno, "pipe");
    laps = bench_count(50);
    alone();
    threads();
    on_loop("stackful coroutine", on_readable_resume);
    on_loop("callback", on_readable_pass);
}
