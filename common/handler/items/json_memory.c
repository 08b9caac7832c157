#include "handler/items/json_memory.h"

#include <errno.h>
#include <setjmp.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdlib.h>

/* Precedes each allocation of jansson and links it with the others of the same parse, in a circle. */
struct block {
    alignas(max_align_t) struct block *prev;
    struct block *next;
};

struct parse {
    struct block blocks; /* head of the circle */
    jmp_buf out_of_memory;
};

/* The parse that this thread is in. A parse never yields, so no coroutine sees that of another. */
static _Thread_local struct parse *current;

static void unlink_block(struct block *block)
{
    block->prev->next = block->next;
    block->next->prev = block->prev;
}

static void *allocate(size_t size)
{
    struct block *block = size <= PTRDIFF_MAX - sizeof *block ? malloc(sizeof *block + size) : NULL;
    if (block == NULL) {
        if (current != NULL)
            longjmp(current->out_of_memory, 1);
        return NULL;
    }
    struct block *prev = current != NULL ? &current->blocks : block;
    block->prev = prev;
    block->next = current != NULL ? prev->next : block;
    block->next->prev = block;
    prev->next = block;
    return block + 1;
}

static void release(void *memory)
{
    if (memory == NULL)
        return;
    struct block *block = (struct block *)memory - 1;
    unlink_block(block);
    free(block);
}

/* Before main(): jansson requires both before there is a second thread, and reads the seed from a file. */
__attribute__((constructor)) static void set_up(void)
{
    json_set_alloc_funcs(allocate, release);
    json_object_seed(0);
}

static void free_all(const struct block *head)
{
    for (struct block *block = head->next, *next; block != head; block = next) {
        next = block->next;
        free(block);
    }
}

/* A function of its own: longjmp() loses changes of locals of the function that called setjmp() (C17 7.13.2.1).
 */
static int load(struct parse *parse, json_t **out, struct str text, size_t flags, json_error_t *error)
{
    if (setjmp(parse->out_of_memory) != 0)
        return -ENOMEM;
    *out = json_loadb(text.ptr, text.len, flags, error);
    return *out != NULL ? 0 : -EBADMSG;
}

int json_memory_load(json_t **out, struct str text, size_t flags, json_error_t *error)
{
    struct parse parse = {.blocks = {&parse.blocks, &parse.blocks}};
    current = &parse;
    int result = load(&parse, out, text, flags, error);
    current = NULL;
    if (result == -ENOMEM)
        free_all(&parse.blocks);
    else /* the tree's blocks stay linked with each other, but not with this stack frame */
        unlink_block(&parse.blocks);
    return result;
}
