/* The coroutine runtime: order, registers, depth, number, nesting, and that misuse aborts. */
#include "co_test.h"

#include <pthread.h>
#include <unwind.h>

#include "co/co.h"
#include "co/co_tools.h"

enum { STACK_BYTES = 256 * 1024, STACKS_KEPT = 64 };
#ifdef CO_TSAN
enum { MANY = 1000 }; /* TSan keeps megabytes for each fiber and has 8,128 at most */
#else
enum { MANY = 10000 };
#endif

static struct co_stacks stacks;

static struct co *start(void (*entry)(void *), void *arg)
{
    struct co *co = co_new(&stacks, entry, arg);
    assert_non_null(co);
    return co;
}

/* -- order ---------------------------------------------------------------------------------------- */

static void append_three(void *arg)
{
    static const char *const letters[] = {"a", "b", "c"};
    char *log = arg;
    for (int i = 0; i < 3; i++) {
        strcat(log, letters[i]);
        co_suspend();
    }
}

static void test_yields_in_order(void **state)
{
    (void)state;
    char log[16] = "";
    struct co *co = start(append_three, log);
    assert_true(strcmp(log, "") == 0);
    for (int i = 1; i <= 3; i++) {
        assert_true(co_resume(co));
        assert_int_equal(strlen(log), i);
    }
    assert_false(co_resume(co));
    assert_true(strcmp(log, "abc") == 0);
}

static void check_running(void *arg)
{
    struct co **expected = arg;
    assert_ptr_equal(co_running(), *expected);
    assert_int_equal((uintptr_t)__builtin_frame_address(0) % 16, 0);
    co_suspend();
    assert_ptr_equal(co_running(), *expected);
}

static void test_knows_who_runs(void **state)
{
    (void)state;
    struct co *co;
    co = start(check_running, &co);
    assert_null(co_running());
    assert_true(co_resume(co));
    assert_null(co_running());
    assert_false(co_resume(co));
}

/* -- registers ------------------------------------------------------------------------------------ */

#if defined(__x86_64__)
enum { REGISTERS = 6 }; /* rbx rbp r12 r13 r14 r15 */
__asm__(".text\n"
        ".type hold_registers, @function\n"
        "hold_registers:\n"
        "push %rbp\n push %rbx\n push %r12\n push %r13\n push %r14\n push %r15\n push %rsi\n"
        "mov 0(%rdi), %rbx\n mov 8(%rdi), %rbp\n mov 16(%rdi), %r12\n"
        "mov 24(%rdi), %r13\n mov 32(%rdi), %r14\n mov 40(%rdi), %r15\n"
        "mov %rcx, %rdi\n call *%rdx\n"
        "pop %rsi\n"
        "mov %rbx, 0(%rsi)\n mov %rbp, 8(%rsi)\n mov %r12, 16(%rsi)\n"
        "mov %r13, 24(%rsi)\n mov %r14, 32(%rsi)\n mov %r15, 40(%rsi)\n"
        "pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbx\n pop %rbp\n ret\n"
        ".size hold_registers, . - hold_registers\n");
#elif defined(__aarch64__)
enum { REGISTERS = 19 }; /* x19-x29, d8-d15 */
__asm__(".text\n"
        ".type hold_registers, %function\n"
        "hold_registers:\n"
        "sub sp, sp, #176\n"
        "stp x19, x20, [sp, #0]\n stp x21, x22, [sp, #16]\n stp x23, x24, [sp, #32]\n"
        "stp x25, x26, [sp, #48]\n stp x27, x28, [sp, #64]\n stp x29, x30, [sp, #80]\n"
        "stp d8, d9, [sp, #96]\n stp d10, d11, [sp, #112]\n stp d12, d13, [sp, #128]\n"
        "stp d14, d15, [sp, #144]\n str x1, [sp, #160]\n"
        "ldp x19, x20, [x0, #0]\n ldp x21, x22, [x0, #16]\n ldp x23, x24, [x0, #32]\n"
        "ldp x25, x26, [x0, #48]\n ldp x27, x28, [x0, #64]\n ldr x29, [x0, #80]\n"
        "ldp d8, d9, [x0, #88]\n ldp d10, d11, [x0, #104]\n ldp d12, d13, [x0, #120]\n"
        "ldp d14, d15, [x0, #136]\n"
        "mov x0, x3\n blr x2\n"
        "ldr x1, [sp, #160]\n"
        "stp x19, x20, [x1, #0]\n stp x21, x22, [x1, #16]\n stp x23, x24, [x1, #32]\n"
        "stp x25, x26, [x1, #48]\n stp x27, x28, [x1, #64]\n str x29, [x1, #80]\n"
        "stp d8, d9, [x1, #88]\n stp d10, d11, [x1, #104]\n stp d12, d13, [x1, #120]\n"
        "stp d14, d15, [x1, #136]\n"
        "ldp x19, x20, [sp, #0]\n ldp x21, x22, [sp, #16]\n ldp x23, x24, [sp, #32]\n"
        "ldp x25, x26, [sp, #48]\n ldp x27, x28, [sp, #64]\n ldp x29, x30, [sp, #80]\n"
        "ldp d8, d9, [sp, #96]\n ldp d10, d11, [sp, #112]\n ldp d12, d13, [sp, #128]\n"
        "ldp d14, d15, [sp, #144]\n add sp, sp, #176\n ret\n"
        ".size hold_registers, . - hold_registers\n");
#endif

#if defined(__x86_64__) || defined(__aarch64__)
/* Fills every register that a function has to preserve, calls it, and writes down what they hold then. */
void hold_registers(const uint64_t *in, uint64_t *out, void (*function)(void *), void *arg);

static void fill(uint64_t *pattern, uint64_t salt)
{
    for (int i = 0; i < REGISTERS; i++)
        pattern[i] = salt * 0x0101010101010101u + (uint64_t)i;
}

static void yield(void *unused)
{
    (void)unused;
    co_suspend();
}

static void resume(void *co)
{
    (void)co_resume(co);
}

static void hold_while_suspended(void *arg)
{
    (void)arg;
    for (uint64_t salt = 0x80; salt < 0x84; salt++) {
        uint64_t in[REGISTERS], out[REGISTERS] = {0};
        fill(in, salt);
        hold_registers(in, out, yield, NULL);
        assert_memory_equal(in, out, sizeof in);
    }
}

static void test_registers_survive(void **state)
{
    (void)state;
    struct co *co = start(hold_while_suspended, NULL);
    for (uint64_t salt = 0x10; salt < 0x15; salt++) {
        uint64_t in[REGISTERS], out[REGISTERS] = {0};
        fill(in, salt);
        hold_registers(in, out, resume, co);
        assert_memory_equal(in, out, sizeof in);
    }
}
#endif

#if defined(__x86_64__)
/* The rounding modes of SSE and of the x87 unit (bits 13-14 and 10-11). */
static void set_rounding(unsigned mode)
{
    unsigned mxcsr;
    unsigned short control;
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    __asm__ volatile("fnstcw %0" : "=m"(control));
    mxcsr = (mxcsr & ~(3u << 13)) | mode << 13;
    control = (unsigned short)((control & ~(3u << 10)) | mode << 10);
    __asm__ volatile("ldmxcsr %0" ::"m"(mxcsr));
    __asm__ volatile("fldcw %0" ::"m"(control));
}

static bool rounding_is(unsigned mode)
{
    unsigned mxcsr;
    unsigned short control;
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    __asm__ volatile("fnstcw %0" : "=m"(control));
    return (mxcsr >> 13 & 3) == mode && (control >> 10 & 3) == mode;
}

static void round_up(void *arg)
{
    (void)arg;
    assert_true(rounding_is(3)); /* inherited from its maker */
    set_rounding(2);
    co_suspend();
    assert_true(rounding_is(2));
}

static void test_floating_point_control_survives(void **state)
{
    (void)state;
    set_rounding(3);
    struct co *co = start(round_up, NULL);
    set_rounding(1);
    assert_true(co_resume(co));
    assert_true(rounding_is(1));
    assert_false(co_resume(co));
    assert_true(rounding_is(1));
    set_rounding(0);
}
#endif

/* -- depth and number ----------------------------------------------------------------------------- */

static uint64_t sum_down(uint64_t depth)
{
    volatile uint64_t here[16] = {depth};
    if (depth == 0) {
        co_suspend();
        return 0;
    }
    return here[0] + sum_down(depth - 1);
}

static void recurse(void *arg)
{
    uint64_t *depth = arg;
    *depth = sum_down(*depth);
}

static void test_deep_recursion(void **state)
{
    (void)state;
    uint64_t depth = 300; /* frames of at least 128 bytes, up to 700 under ASan: fits in 256 KiB */
    struct co *co = start(recurse, &depth);
    assert_true(co_resume(co));
    assert_false(co_resume(co));
    assert_int_equal(depth, 300 * 301 / 2);
}

static void count_twice(void *arg)
{
    int *count = arg;
    ++*count;
    co_suspend();
    ++*count;
}

static void test_many_at_once(void **state)
{
    (void)state;
    static struct co *all[MANY];
    int count = 0;
    for (int i = 0; i < MANY; i++)
        all[i] = start(count_twice, &count);
    for (int i = 0; i < MANY; i++)
        assert_true(co_resume(all[i]));
    assert_int_equal(count, MANY);
    for (int i = MANY - 1; i >= 0; i--)
        assert_false(co_resume(all[i]));
    assert_int_equal(count, 2 * MANY);
}

/* -- nesting and lists ---------------------------------------------------------------------------- */

static void resume_inner(void *arg)
{
    char *log = arg;
    struct co *inner = start(append_three, log);
    while (co_resume(inner)) {
        strcat(log, "|");
        co_suspend();
    }
    strcat(log, ".");
}

static void test_nested_resume(void **state)
{
    (void)state;
    char log[16] = "";
    struct co *outer = start(resume_inner, log);
    int yields = 0;
    while (co_resume(outer))
        yields++;
    assert_int_equal(yields, 3);
    assert_true(strcmp(log, "a|b|c|.") == 0);
}

static void test_list_is_first_come_first_served(void **state)
{
    (void)state;
    struct co_list list = {0};
    int count = 0;
    struct co *a = start(count_twice, &count), *b = start(count_twice, &count);
    assert_null(co_list_pop(&list));
    co_list_push(&list, a);
    co_list_push(&list, b);
    assert_ptr_equal(co_list_pop(&list), a);
    co_list_push(&list, a);
    assert_ptr_equal(co_list_pop(&list), b);
    assert_ptr_equal(co_list_pop(&list), a);
    assert_null(co_list_pop(&list));
    for (int i = 0; i < 2; i++)
        (void)co_resume(a), (void)co_resume(b);
    assert_int_equal(count, 4);
}

/* -- unwinding ------------------------------------------------------------------------------------ */

static _Unwind_Reason_Code count_frame(struct _Unwind_Context *context, void *arg)
{
    (void)context;
    return ++*(int *)arg < 100 ? _URC_NO_REASON : _URC_END_OF_STACK;
}

static void unwind(void *arg)
{
    int *frames = arg;
    _Unwind_Reason_Code end = _Unwind_Backtrace(count_frame, frames);
    assert_int_equal(end, _URC_END_OF_STACK);
}

static void test_backtrace_ends_at_the_first_frame(void **state)
{
    (void)state;
    int frames = 0;
    assert_false(co_resume(start(unwind, &frames)));
    /* unwind, run, co_first_frame; inlining may take some away, but nothing lies above */
    assert_true(frames >= 2 && frames <= 5);
}

/* -- threads -------------------------------------------------------------------------------------- */

static _Thread_local int thread_local_count;

static void count_thread_local(void *arg)
{
    (void)arg;
    for (int i = 0; i < 1000; i++) {
        thread_local_count++;
        co_suspend();
    }
}

static void *two_coroutines(void *arg)
{
    (void)arg;
    struct co_stacks own;
    assert_int_equal(co_stacks_init(&own, 65536, 2), 0);
    struct co *a = co_new(&own, count_thread_local, NULL), *b = co_new(&own, count_thread_local, NULL);
    assert_non_null(a);
    assert_non_null(b);
    while (co_resume(a))
        assert_true(co_resume(b));
    assert_false(co_resume(b));
    assert_int_equal(thread_local_count, 2000);
    co_stacks_deinit(&own);
    return NULL;
}

static void test_threads_have_their_own(void **state)
{
    (void)state;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, two_coroutines, NULL), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(thread_local_count, 0);
}

/* -- misuse --------------------------------------------------------------------------------------- */

static void end(void *arg)
{
    (void)arg;
}

static void resume_itself(void *arg)
{
    (void)arg;
    (void)co_resume(co_running());
}

static void resume_its_resumer(void *outer)
{
    (void)co_resume(outer);
}

static void resume_one_that_resumes_us(void *arg)
{
    (void)arg;
    (void)co_resume(start(resume_its_resumer, co_running()));
}

static void misuse_ended(void)
{
    struct co *co = start(end, NULL);
    (void)co_resume(co);
    (void)co_resume(co);
}

static void misuse_running(void)
{
    (void)co_resume(start(resume_itself, NULL));
}

static void misuse_resumer(void)
{
    (void)co_resume(start(resume_one_that_resumes_us, NULL));
}

static void misuse_yield(void)
{
    co_suspend();
}

static void misuse_queue(void)
{
    static struct co_list list;
    struct co *co = start(end, NULL);
    co_list_push(&list, co);
    co_list_push(&list, co);
}

static void misuse_queued(void)
{
    static struct co_list list;
    struct co *co = start(end, NULL);
    co_list_push(&list, co);
    (void)co_resume(co);
}

static void *resume_elsewhere(void *co)
{
    (void)co_resume(co);
    return NULL;
}

static void misuse_thread(void)
{
    pthread_t thread;
    (void)pthread_create(&thread, NULL, resume_elsewhere, start(end, NULL));
    (void)pthread_join(thread, NULL);
}

static void test_misuse_aborts_with_a_sentence(void **state)
{
    (void)state;
    static const struct {
        void (*function)(void);
        const char *sentence;
    } cases[] = {
        {misuse_ended, "co_resume() of a coroutine that has ended"},
        {misuse_running, "co_resume() of the running coroutine by itself"},
        {misuse_resumer, "co_resume() of a coroutine that has resumed the caller and waits for it"},
        {misuse_yield, "co_suspend() outside of a coroutine"},
        {misuse_queue, "a coroutine was queued twice"},
        {misuse_queued, "co_resume() of a coroutine that is queued to be resumed"},
        {misuse_thread, "co_resume() of a coroutine that belongs to another thread"},
    };
    /* An empty pool: to the child, ThreadSanitizer's fibers of the parent's stacks mean nothing. */
    co_stacks_deinit(&stacks);
    assert_int_equal(co_stacks_init(&stacks, STACK_BYTES, STACKS_KEPT), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[256];
        assert_int_equal(die(cases[i].function, line), SIGABRT);
        assert_true(strstr(line, cases[i].sentence) != NULL);
    }
}

int main(void)
{
    alarm(120); /* a coroutine that is never resumed must not hang the suite */
    if (co_stacks_init(&stacks, STACK_BYTES, STACKS_KEPT) != 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_yields_in_order),
        cmocka_unit_test(test_knows_who_runs),
#if defined(__x86_64__) || defined(__aarch64__)
        cmocka_unit_test(test_registers_survive),
#endif
#if defined(__x86_64__)
        cmocka_unit_test(test_floating_point_control_survives),
#endif
        cmocka_unit_test(test_deep_recursion),
        cmocka_unit_test(test_many_at_once),
        cmocka_unit_test(test_nested_resume),
        cmocka_unit_test(test_list_is_first_come_first_served),
        cmocka_unit_test(test_backtrace_ends_at_the_first_frame),
        cmocka_unit_test(test_threads_have_their_own),
        cmocka_unit_test(test_misuse_aborts_with_a_sentence),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    co_stacks_deinit(&stacks);
    return failed;
}
