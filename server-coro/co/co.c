#include "co.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "co_switch.h"
#include "co_tools.h"

enum co_state { CO_SUSPENDED, CO_RUNNING, CO_RESUMING, CO_ENDED };

/* Lives at the top of its own stack, in a page that is touched anyway. */
struct co {
    void *context; /* while suspended: what co_switch() continues */
    enum co_state state;
    void (*entry)(void *);
    void *arg;
    struct co *resumer;    /* the coroutine that resumed it; NULL for the thread itself */
    void *resumer_context; /* what to continue on a yield */
    struct co **home;      /* which thread it belongs to: the address of its `running` */
    struct co_stack stack;
    struct co_stacks *stacks;
    struct co_list *list;
    struct co *next; /* in the list */

    /* for the tools */
    void *fake_stack;
    const void *resumer_base;
    size_t resumer_size;
    void *resumer_fiber;
};

static _Thread_local struct co *running;

__attribute__((noreturn, cold)) static void misuse(const char *sentence)
{
    fprintf(stderr, "coroutine misuse: %s\n", sentence);
    abort();
}

/* The first function on the stack of a coroutine. Never returns: there is nothing to return to. */
tsan_ignores static void run(void *arg)
{
    struct co *self = arg;
    asan_switch_finish(NULL, &self->resumer_base, &self->resumer_size);
    self->entry(self->arg);
    if (self->list != NULL)
        misuse("a coroutine has ended while it is queued to be resumed");
    self->state = CO_ENDED;
    asan_switch_start(NULL, self->resumer_base, self->resumer_size);
    tsan_fiber_switch(self->resumer_fiber);
    co_switch(&self->context, self->resumer_context);
    misuse("a coroutine that has ended went on");
}

struct co *co_new(struct co_stacks *stacks, void (*entry)(void *), void *arg)
{
    struct co_stack stack;
    int error = co_stack_get(stacks, &stack);
    if (error != 0) {
        errno = -error;
        return NULL;
    }
    size_t below = (stack.size - sizeof(struct co)) & ~(size_t)15;
    struct co *co = (struct co *)(stack.base + below);
    *co = (struct co){
        .context = co_context_new(stack.base, below, run, co),
        .state = CO_SUSPENDED,
        .entry = entry,
        .arg = arg,
        .home = &running,
        .stack = stack,
        .stacks = stacks,
    };
    return co;
}

static void co_free(struct co *co)
{
    struct co_stack stack = co->stack; /* co itself is in there */
    co_stack_put(co->stacks, &stack);
}

static void check_resumable(const struct co *co)
{
    if (co->home != &running)
        misuse("co_resume() of a coroutine that belongs to another thread");
    switch (co->state) {
    case CO_SUSPENDED:
        return;
    case CO_RUNNING:
        misuse("co_resume() of the running coroutine by itself");
    case CO_RESUMING:
        misuse("co_resume() of a coroutine that has resumed the caller and waits for it");
    case CO_ENDED:
        misuse("co_resume() of a coroutine that has ended");
    }
    misuse("co_resume() of something that is no coroutine");
}

__attribute__((noinline)) bool co_resume(struct co *co)
{
    check_resumable(co);
    if (co->list != NULL)
        misuse("co_resume() of a coroutine that is queued to be resumed");
    struct co *resumer = running;
    if (resumer != NULL)
        resumer->state = CO_RESUMING;
    co->resumer = resumer;
    co->resumer_fiber = tsan_fiber_running();
    co->state = CO_RUNNING;
    running = co;

    void *fake_stack = NULL;
    asan_switch_start(&fake_stack, co->stack.base, co->stack.size);
    tsan_fiber_switch(co->stack.tsan_fiber);
    co_switch(&co->resumer_context, co->context);
    asan_switch_finish(fake_stack, NULL, NULL);

    running = resumer;
    if (resumer != NULL)
        resumer->state = CO_RUNNING;
    if (co->state != CO_ENDED)
        return true;
    co_free(co);
    return false;
}

__attribute__((noinline)) void co_suspend(void)
{
    struct co *self = running;
    if (self == NULL)
        misuse("co_suspend() outside of a coroutine");
    self->state = CO_SUSPENDED;
    asan_switch_start(&self->fake_stack, self->resumer_base, self->resumer_size);
    tsan_fiber_switch(self->resumer_fiber);
    co_switch(&self->context, self->resumer_context);
    asan_switch_finish(self->fake_stack, &self->resumer_base, &self->resumer_size);
}

struct co *co_running(void)
{
    return running;
}

void co_list_push(struct co_list *list, struct co *co)
{
    if (co->list != NULL)
        misuse("a coroutine was queued twice");
    co->list = list;
    co->next = NULL;
    if (list->last != NULL)
        list->last->next = co;
    else
        list->first = co;
    list->last = co;
}

struct co *co_list_pop(struct co_list *list)
{
    struct co *co = list->first;
    if (co == NULL)
        return NULL;
    list->first = co->next;
    if (list->first == NULL)
        list->last = NULL;
    co->list = NULL;
    return co;
}
