/*
 * Deadlines that all have the same length: a list in the order in which they end.
 *
 * A server has few different time-outs and many connections. One list for each time-out makes
 * arming, disarming and finding the next to expire O(1), with no heap and no system call, where a
 * timer for each connection would cost a heap operation for each request.
 *
 * Not thread-safe: a list belongs to one event loop. The entry is embedded in its owner.
 */
#ifndef WB_DEADLINE_H
#define WB_DEADLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct deadline {
    struct deadline *prev, *next; /* NULL when not armed */
    uint64_t at_ms;               /* on the clock of clock_ms() */
};

struct deadline_list {
    struct deadline head;
    uint64_t length_ms;
};

void deadline_list_init(struct deadline_list *list, uint64_t length_ms);

/* (Re-)arms: the entry leaves the list it was in and goes to the end of this one. */
void deadline_arm(struct deadline_list *list, struct deadline *entry, uint64_t now_ms);

/* The same for a moment that is not `length_ms` from now. Steps over each entry of the list that ends later. */
void deadline_arm_at(struct deadline_list *list, struct deadline *entry, uint64_t at_ms);

/* Does nothing when it is not armed. */
void deadline_disarm(struct deadline *entry);

static inline bool deadline_is_armed(const struct deadline *entry)
{
    return entry->next != NULL;
}

/* Takes an entry whose time has come out of the list; NULL when there is none (yet). */
struct deadline *deadline_take_expired(struct deadline_list *list, uint64_t now_ms);

/* When the next one ends (clock_ms()), UINT64_MAX when the list is empty. */
uint64_t deadline_next_ms(const struct deadline_list *list);

#endif
