#include "co_stack.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "co_tools.h"

/* linux/mman.h of 6.13; Debian 12 and 13 have older headers, kernels may be newer. */
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

enum {
    /* More than the biggest frame of our code or of a library, which could else step over the guard. */
    GUARD_BYTES = 16 * 1024,
};

static size_t page_size;
static size_t guard_size;
static bool light_guards; /* MADV_GUARD_INSTALL works */

static size_t round_up(size_t bytes)
{
    return (bytes + page_size - 1) & ~(page_size - 1);
}

/*
 * A result of 0 is not enough: emulators (qemu-user 7.2) ignore advice that they do not know. A guard
 * that is really there cannot be populated.
 */
static void probe(void)
{
    page_size = (size_t)sysconf(_SC_PAGESIZE);
    guard_size = round_up(GUARD_BYTES);
    void *page = mmap(NULL, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return;
    light_guards = madvise(page, page_size, MADV_GUARD_INSTALL) == 0 &&
                   madvise(page, page_size, MADV_POPULATE_READ) == -1 && errno == EFAULT;
    munmap(page, page_size);
}

static void probe_once(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, probe);
}

int co_stacks_init(struct co_stacks *stacks, size_t size, size_t keep)
{
    probe_once();
    size_t room = keep > 0 ? keep : 1;
    *stacks = (struct co_stacks){.size = round_up(size), .keep = keep, .room = room};
    stacks->free = malloc(room * sizeof *stacks->free);
    return stacks->free != NULL ? 0 : -ENOMEM;
}

/*
 * MAP_NORESERVE: most of a stack is never touched and must not count against the commit limit.
 * MAP_STACK: no transparent huge page (Linux 6.7), which would make 2 MiB of one touched page.
 */
static int stack_map(struct co_stack *stack, size_t size)
{
    char *map = mmap(NULL, guard_size + size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (map == MAP_FAILED)
        return -ENOMEM;
    if (light_guards ? madvise(map, guard_size, MADV_GUARD_INSTALL) : mprotect(map, guard_size, PROT_NONE)) {
        munmap(map, guard_size + size);
        return -ENOMEM;
    }
    stack->base = map + guard_size;
    stack->size = size;
    stack->valgrind_id = valgrind_stack_register(stack->base, stack->size);
    stack->tsan_fiber = tsan_fiber_new();
    return 0;
}

static void stack_unmap(const struct co_stack *stack)
{
    valgrind_stack_deregister(stack->valgrind_id);
    tsan_fiber_free(stack->tsan_fiber);
    munmap(stack->base - guard_size, guard_size + stack->size);
}

void co_stacks_deinit(struct co_stacks *stacks)
{
    while (stacks->free_count > 0)
        stack_unmap(&stacks->free[--stacks->free_count]);
    free(stacks->free);
    stacks->free = NULL;
}

int co_stack_get(struct co_stacks *stacks, struct co_stack *stack)
{
    if (stacks->free_count == 0)
        return stack_map(stack, stacks->size);
    *stack = stacks->free[--stacks->free_count];
    if (stacks->free_count < stacks->least_free)
        stacks->least_free = stacks->free_count;
    return 0;
}

/* False without memory. */
static bool make_room(struct co_stacks *stacks)
{
    if (stacks->free_count < stacks->room)
        return true;
    struct co_stack *more = realloc(stacks->free, 2 * stacks->room * sizeof *more);
    if (more == NULL)
        return false;
    stacks->free = more;
    stacks->room *= 2;
    return true;
}

void co_stack_put(struct co_stacks *stacks, const struct co_stack *stack)
{
    /* Frames that were left for good (the last one never returns) are still poisoned. */
    asan_unpoison(stack->base, stack->size);
    if (make_room(stacks))
        stacks->free[stacks->free_count++] = *stack;
    else
        stack_unmap(stack);
}

/* The first of the list have lain there longest. */
void co_stacks_shrink(struct co_stacks *stacks, size_t most)
{
    size_t unneeded = stacks->least_free > stacks->keep ? stacks->least_free - stacks->keep : 0;
    size_t count = unneeded < most ? unneeded : most;
    for (size_t i = 0; i < count; i++)
        stack_unmap(&stacks->free[i]);
    stacks->free_count -= count;
    memmove(stacks->free, stacks->free + count, stacks->free_count * sizeof *stacks->free);
    stacks->least_free = stacks->free_count;
}

size_t co_stack_maps(void)
{
    probe_once();
    return light_guards ? 1 : 2;
}
