/*
 * What libuv takes to call a callback. With one idle handle each call is a turn of the loop, in which libuv
 * asks epoll without waiting; with a hundred, the turn is shared by so many that what is left is the call.
 */
#include <uv.h>

#include "bench.h"

enum { HANDLES_MOST = 100 };

static uint64_t calls, wanted;

static void on_idle(uv_idle_t *idle)
{
    if (++calls >= wanted)
        uv_stop(idle->loop);
}

static void measure(const char *variant, int handles, uint64_t count)
{
    uv_loop_t loop;
    static uv_idle_t idle[HANDLES_MOST];
    bench_check(-uv_loop_init(&loop), "uv_loop_init");
    for (int i = 0; i < handles; i++) {
        uv_idle_init(&loop, &idle[i]);
        uv_idle_start(&idle[i], on_idle);
    }
    calls = 0;
    wanted = count;
    uint64_t begin = clock_ns();
    uv_run(&loop, UV_RUN_DEFAULT);
    bench_report_each("context switch", "callback", variant, begin, calls);
    for (int i = 0; i < handles; i++)
        uv_close((uv_handle_t *)&idle[i], NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    bench_check(-uv_loop_close(&loop), "uv_loop_close");
}

int main(int argc, char **argv)
{
    (void)argc;
    bench_start(argv);
    measure("libuv: 1 of 100 in a turn of the loop", HANDLES_MOST, bench_count(10000000));
    measure("libuv: a turn of the loop for each", 1, bench_count(200000));
}
