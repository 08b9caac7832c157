#include "server/headroom.h"

#include <sys/mman.h>

void headroom_init(struct headroom *headroom, const char *proc_self)
{
    *headroom = (struct headroom){0};
    control_group_find(&headroom->memory, proc_self, "memory");
    if (limit_group_memory(&headroom->memory).value == 0)
        headroom->memory.version = 0;
}

/* Nothing of it is touched, so it costs two system calls and no memory. */
static bool can_map(void)
{
    void *map = mmap(NULL, HEADROOM_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return false;
    munmap(map, HEADROOM_BYTES);
    return true;
}

static bool is_short(const struct limit_met *met, uint64_t reserve)
{
    return met->value != 0 && met->used + reserve > met->value;
}

static void look(struct headroom *headroom)
{
    struct limit_met met = {0};
    if (headroom->memory.version != 0)
        met = limit_group_memory(&headroom->memory);
    uint64_t reserve = met.value / 16 > HEADROOM_BYTES ? met.value / 16 : HEADROOM_BYTES;
    headroom->is_half_gone = is_short(&met, reserve / 2);
    if (is_short(&met, reserve))
        headroom->short_of = (struct limit_failure){.call = "accept4", .kind = LIMIT_KIND_MEMORY, .met = met};
    else if (!can_map())
        headroom->short_of = limit_no_memory("mmap", HEADROOM_BYTES);
    else
        headroom->short_of = (struct limit_failure){0};
}

static void look_now_and_then(struct headroom *headroom, uint64_t now_ms)
{
    if (headroom->clients == 0 || now_ms >= headroom->next_ms) {
        headroom->clients = HEADROOM_CLIENTS;
        headroom->next_ms = now_ms + HEADROOM_MS;
        look(headroom);
    }
    headroom->clients--;
}

const struct limit_failure *headroom_short_of(struct headroom *headroom, uint64_t now_ms)
{
    look_now_and_then(headroom, now_ms);
    return headroom->short_of.call != NULL ? &headroom->short_of : NULL;
}

const struct limit_failure *headroom_short_inside(struct headroom *headroom, uint64_t now_ms)
{
    look_now_and_then(headroom, now_ms);
    return headroom->is_half_gone ? &headroom->short_of : NULL;
}
