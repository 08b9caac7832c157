/* The switch for machines without one in assembly: ucontext(3). */
#if defined(CO_PORTABLE) || !(defined(__x86_64__) || defined(__aarch64__))

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

#include "co_switch.h"

struct first {
    ucontext_t context;
    void (*entry)(void *);
    void *arg;
};

void co_switch(void **from, void *to)
{
    ucontext_t here; /* lives exactly as long as the context is suspended: in this frame */
    *from = &here;
    if (swapcontext(&here, to) != 0) {
        perror("co_switch: swapcontext");
        abort();
    }
}

/* makecontext(3) hands over ints only. */
static void first_frame(unsigned high, unsigned low)
{
    const struct first *first = (const struct first *)(((uintptr_t)high << 16 << 16) | low);
    first->entry(first->arg);
    abort();
}

void *co_context_new(void *stack, size_t size, void (*entry)(void *), void *arg)
{
    size_t below = (size - sizeof(struct first)) & ~(size_t)15;
    struct first *first = (struct first *)((char *)stack + below);
    first->entry = entry;
    first->arg = arg;
    if (getcontext(&first->context) != 0) {
        perror("co_context_new: getcontext");
        abort();
    }
    first->context.uc_stack.ss_sp = stack;
    first->context.uc_stack.ss_size = below;
    first->context.uc_link = NULL;
    uintptr_t address = (uintptr_t)first;
    makecontext(&first->context, (void (*)(void))first_frame, 2, (unsigned)(address >> 16 >> 16),
                (unsigned)address);
    return &first->context;
}

#endif
