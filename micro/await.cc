/*
 * async/await against a state machine written by hand: the same three steps in a circle, as a C++20 coroutine,
 * as a switch over the state, and as a stackful coroutine. A step mixes a number; or it makes a system call,
 * too, the shortest that there is. The driver calls each through what the model gives for it:
 * coroutine_handle::resume(), a function, co_resume().
 */
#include <coroutine>
#include <initializer_list>

#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"

extern "C" {
#include "co/co.h"
}

namespace
{

enum { STACK_BYTES = 64 * 1024 };

struct work {
    uint64_t value;
    bool calls; /* the kernel, once a step */
};

inline void mix(struct work &work, unsigned by)
{
    work.value ^= work.value << by;
    if (work.calls)
        syscall(SYS_getppid);
}

/* -- async/await */

struct task {
    struct promise_type {
        task get_return_object()
        {
            return {std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        std::suspend_always initial_suspend() noexcept
        {
            return {};
        }
        std::suspend_always final_suspend() noexcept
        {
            return {};
        }
        void return_void()
        {
        }
        void unhandled_exception()
        {
            abort();
        }
        static inline size_t frame_bytes;
        static void *operator new(size_t size)
        {
            frame_bytes = size;
            return ::operator new(size);
        }
    };
    std::coroutine_handle<promise_type> handle;
};

/* The awaited step: this task has its next turn when the driver resumes it. */
using turn = std::suspend_always;

__attribute__((noinline)) task await_steps(struct work &work)
{
    for (;;) {
        mix(work, 13);
        co_await turn{};
        mix(work, 7);
        co_await turn{};
        mix(work, 17);
        co_await turn{};
    }
}

/* For what it takes to begin and end one. */
__attribute__((noinline)) task await_nothing()
{
    co_return;
}

/* -- By hand */

struct machine {
    struct work work;
    unsigned state;
};

__attribute__((noinline)) void machine_step(struct machine *machine)
{
    switch (machine->state) {
    case 0:
        mix(machine->work, 13);
        machine->state = 1;
        return;
    case 1:
        mix(machine->work, 7);
        machine->state = 2;
        return;
    default:
        mix(machine->work, 17);
        machine->state = 0;
        return;
    }
}

/* -- Stackful */

bool ends;

void stackful_steps(void *arg)
{
    struct work *work = static_cast<struct work *>(arg);
    while (!ends) {
        mix(*work, 13);
        co_suspend();
        mix(*work, 7);
        co_suspend();
        mix(*work, 17);
        co_suspend();
    }
}

/* -- Measuring */

const uint64_t seed = 88172645463325252u; /* of xorshift */

void report(const char *model, bool calls, void (*steps)(void *, uint64_t), void *arg, uint64_t count)
{
    bench_report_parts("step of a task", model, calls ? "one system call" : "no system call", steps, arg, count,
                       1);
}

void await_driver(void *arg, uint64_t count)
{
    task *running = static_cast<task *>(arg);
    for (uint64_t i = 0; i < count; i++)
        running->handle.resume();
}

void measure_await(bool calls, uint64_t count)
{
    struct work work = {seed, calls};
    task task = await_steps(work);
    report("stackless coroutine", calls, await_driver, &task, count);
    task.handle.destroy();
}

void machine_driver(void *arg, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        machine_step(static_cast<machine *>(arg));
}

void measure_machine(bool calls, uint64_t count)
{
    struct machine machine = {{seed, calls}, 0};
    report("step machine", calls, machine_driver, &machine, count);
}

void stackful_driver(void *arg, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        co_resume(static_cast<co *>(arg));
}

void measure_stackful(bool calls, uint64_t count)
{
    struct work work = {seed, calls};
    struct co_stacks stacks;
    bench_check(-co_stacks_init(&stacks, STACK_BYTES, 1), "co_stacks_init");
    ends = false;
    struct co *co = co_new(&stacks, stackful_steps, &work);
    bench_check(co == NULL ? errno : 0, "co_new");
    report("stackful coroutine", calls, stackful_driver, co, count);
    ends = true;
    while (co_resume(co)) {
    }
    co_stacks_deinit(&stacks);
}

task (*volatile create)() = await_nothing; /* the compiler must not see that nothing happens */

/* A frame from the heap, run to its end and given back. */
void creation_driver(void *, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        task task = create();
        task.handle.resume();
        task.handle.destroy();
    }
}

/* As large as the compiler makes it. */
void report_frame()
{
    struct work work = {1, false};
    task task = await_steps(work);
    bench_report("memory per task", "stackless coroutine", "its frame", "bytes",
                 static_cast<double>(task::promise_type::frame_bytes));
    task.handle.destroy();
}

} // namespace

/* With the word `frame` its size alone. */
int main(int, char **argv)
{
    if (*bench_start(argv) != nullptr) {
        report_frame();
        return 0;
    }
    for (bool calls : {false, true}) {
        const uint64_t count = bench_count(calls ? 200000 : 20000000);
        measure_machine(calls, count);
        measure_await(calls, count);
        measure_stackful(calls, count);
    }
    bench_report_parts("task creation", "stackless coroutine", "frame from the heap", creation_driver, NULL,
                       bench_count(5000000), 1);
}
