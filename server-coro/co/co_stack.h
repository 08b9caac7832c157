/*
 * Stacks for coroutines: mapped, with a guard below them that turns an overflow into SIGSEGV, and kept
 * for reuse when a coroutine ends.
 *
 * Not thread-safe: each event loop has a pool of its own.
 */
#ifndef WB_CO_STACK_H
#define WB_CO_STACK_H

#include <stdbool.h>
#include <stddef.h>

struct co_stack {
    char *base;  /* lowest usable byte, right above the guard */
    size_t size; /* usable bytes, a multiple of the page size */
    /* for the tools, which know a stack for as long as it is mapped (co_tools.h) */
    unsigned valgrind_id;
    void *tsan_fiber;
};

struct co_stacks {
    size_t size; /* usable bytes of each stack */
    size_t keep; /* free stacks that are never given back */
    size_t free_count;

    /* private to co_stack.c */
    struct co_stack *free; /* the last one is taken next */
    size_t room;           /* of that array */
    size_t least_free;     /* since the last co_stacks_shrink() */
};

/* Every stack will have at least `size` bytes. 0 or -ENOMEM. */
__attribute__((warn_unused_result)) int co_stacks_init(struct co_stacks *stacks, size_t size, size_t keep);

/* Unmaps the free stacks. None may be in use. */
void co_stacks_deinit(struct co_stacks *stacks);

/* The free stack that was put back last, or a new one; its contents are undefined. 0 or -ENOMEM. Does not
 * block. */
__attribute__((warn_unused_result)) int co_stack_get(struct co_stacks *stacks, struct co_stack *stack);

/* The next co_stack_get() maps a new one: more of them are in use than ever, or than are kept. */
static inline bool co_stacks_are_used_up(const struct co_stacks *stacks)
{
    return stacks->free_count == 0;
}

/* Takes a stack back, with all the memory that it has touched. */
void co_stack_put(struct co_stacks *stacks, const struct co_stack *stack);

/*
 * Unmaps free stacks that nobody has needed since the last call, at most `most` of them, and leaves `keep`.
 * Call it now and then while co_stacks_has_spare(). To map a stack, touch its first pages and unmap it takes
 * 0.2 ms on a virtual machine: as long as the whole request. So a load keeps as many stacks as it needs at its
 * height, and they go when it has ended.
 */
void co_stacks_shrink(struct co_stacks *stacks, size_t most);

static inline bool co_stacks_has_spare(const struct co_stacks *stacks)
{
    return stacks->free_count > stacks->keep;
}

/*
 * How many maps a stack takes of vm.max_map_count: a guard that is a map of its own makes it two;
 * MADV_GUARD_INSTALL (Linux 6.13) needs none. Neighbouring stacks with such guards usually merge into one map,
 * but a stack that is unmapped between two others parts them, so each is counted as one.
 */
size_t co_stack_maps(void);

#endif
