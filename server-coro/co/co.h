/*
 * Stackful coroutines: functions that can stop in the middle (co_suspend) and be continued where they
 * stopped (co_resume). They run one at a time on the thread that made them; there is no scheduler here.
 *
 *     struct co *co = co_new(&stacks, serve, connection);
 *     co_resume(co);      runs serve(connection) until it yields or returns
 *     co_resume(co);      goes on after that co_suspend()
 *
 * The policy is here and in co.c; how registers are exchanged is co_switch.h, where stacks come from is
 * co_stack.h. ASan, TSan and Valgrind are told of every stack and every switch. Misuse ends the process
 * with a sentence, because going on would run on the stack of another.
 *
 * A function that may yield is marked `coroutine_fn`: call it from coroutines only, and expect that
 * everything the coroutine does not own has changed when it returns.
 */
#ifndef WB_CO_H
#define WB_CO_H

#include <stdbool.h>

#include "co_stack.h"

#define coroutine_fn

struct co;

/*
 * Makes a coroutine that will call entry(arg). It does not run yet. NULL with errno set if no stack is
 * to be had (ENOMEM: also when vm.max_map_count is reached). `stacks` must outlive it.
 *
 * The handle is valid until entry returns: the coroutine then frees itself.
 */
__attribute__((warn_unused_result)) struct co *co_new(struct co_stacks *stacks, void (*entry)(void *),
                                                      void *arg);

/*
 * Runs it until it yields (true) or ends (false: the handle is void). May be called from within another
 * coroutine. Aborts if it is running or has resumed the caller, has ended, or belongs to another thread.
 */
bool co_resume(struct co *co);

/* Goes back to the caller of co_resume() for the running coroutine. Aborts outside of coroutines. */
coroutine_fn void co_suspend(void);

/* The running coroutine; NULL outside of coroutines. */
struct co *co_running(void);

/*
 * Coroutines that are to be resumed, first come, first served. One that becomes able to run while
 * another one runs is put into such a list: resuming it on the spot would nest without a bound.
 */
struct co_list {
    struct co *first, *last;
};

/* A coroutine can be in one list at a time; a second push aborts. */
void co_list_push(struct co_list *list, struct co *co);

/* NULL when the list is empty. */
struct co *co_list_pop(struct co_list *list);

#endif
