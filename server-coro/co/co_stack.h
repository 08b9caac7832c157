/*
 * Stacks for coroutines: mapped, with a guard below them that turns an overflow into SIGSEGV, and kept
 * for reuse when a coroutine ends.
 *
 * Not thread-safe: each event loop has a pool of its own.
 */
#ifndef WB_CO_STACK_H
#define WB_CO_STACK_H

#include <stddef.h>

struct co_stack {
    char *base;  /* lowest usable byte, right above the guard */
    size_t size; /* usable bytes, a multiple of the page size */
    /* for the tools, which know a stack for as long as it is mapped (co_tools.h) */
    unsigned valgrind_id;
    void *tsan_fiber;
};

struct co_stacks {
    size_t size;   /* usable bytes of each stack */
    size_t keep;   /* free stacks that are kept at most */
    size_t intact; /* of these, how many with all the memory that they have touched */

    /* private to co_stack.c */
    struct co_stack *free; /* the last one is taken next */
    size_t free_count;
    size_t trimmed; /* the first of them, which have their topmost pages only */
};

/*
 * Every stack will have at least `size` bytes. At most `keep` free ones are kept mapped. The `intact` of them
 * that were put back last have all the memory that they ever touched, the others their topmost pages. 0 or
 * -ENOMEM.
 */
__attribute__((warn_unused_result)) int co_stacks_init(struct co_stacks *stacks, size_t size, size_t keep,
                                                       size_t intact);

/* Unmaps the free stacks. None may be in use. */
void co_stacks_deinit(struct co_stacks *stacks);

/* The free stack that was put back last, or a new one; its contents are undefined. 0 or -ENOMEM. Does not
 * block. */
__attribute__((warn_unused_result)) int co_stack_get(struct co_stacks *stacks, struct co_stack *stack);

/* Takes a stack back. */
void co_stack_put(struct co_stacks *stacks, const struct co_stack *stack);

/*
 * How many stacks this process can map: what vm.max_map_count leaves, seen from now. A guard that is
 * a mapping of its own makes it two for each stack; MADV_GUARD_INSTALL (Linux 6.13) needs none.
 */
size_t co_stack_limit(void);

#endif
