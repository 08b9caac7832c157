/*
 * The switch: saves what the calling convention says a function preserves, changes the stack pointer,
 * loads the same from the other stack. A call that returns somewhere else.
 *
 * co_switch_x86_64.S and co_switch_aarch64.S do that in user space in a few nanoseconds;
 * co_switch_portable.c does it with ucontext(3) on other machines (or with -DCO_PORTABLE), at the price
 * of two system calls for the signal mask, which nothing here changes.
 */
#ifndef WB_CO_SWITCH_H
#define WB_CO_SWITCH_H

#include <stddef.h>

/*
 * Suspends the running context, stores where it can be continued in *from, and continues `to`. Never
 * inlined (it is in a file of its own), so no compiler carries the address of a thread-local variable
 * or anything else that it believes to be in a caller-saved register over it.
 */
void co_switch(void **from, void *to);

/*
 * Lays out a context at the top of a fresh stack: switching to it calls entry(arg), which must not
 * return. The top (stack + size) is aligned to 16 bytes. Floating-point control is the caller's.
 */
void *co_context_new(void *stack, size_t size, void (*entry)(void *), void *arg);

#endif
