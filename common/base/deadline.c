#include "base/deadline.h"

void deadline_list_init(struct deadline_list *list, uint64_t length_ms)
{
    list->head = (struct deadline){.prev = &list->head, .next = &list->head};
    list->length_ms = length_ms;
}

void deadline_disarm(struct deadline *entry)
{
    if (!deadline_is_armed(entry))
        return;
    entry->prev->next = entry->next;
    entry->next->prev = entry->prev;
    entry->prev = NULL;
    entry->next = NULL;
}

void deadline_arm_at(struct deadline_list *list, struct deadline *entry, uint64_t at_ms)
{
    deadline_disarm(entry);
    struct deadline *before = list->head.prev;
    while (before != &list->head && before->at_ms > at_ms)
        before = before->prev;
    entry->at_ms = at_ms;
    entry->prev = before;
    entry->next = before->next;
    before->next->prev = entry;
    before->next = entry;
}

void deadline_arm(struct deadline_list *list, struct deadline *entry, uint64_t now_ms)
{
    deadline_arm_at(list, entry, now_ms + list->length_ms);
}

struct deadline *deadline_take_expired(struct deadline_list *list, uint64_t now_ms)
{
    struct deadline *first = list->head.next;
    if (first == &list->head || first->at_ms > now_ms)
        return NULL;
    deadline_disarm(first);
    return first;
}

uint64_t deadline_next_ms(const struct deadline_list *list)
{
    const struct deadline *first = list->head.next;
    return first != &list->head ? first->at_ms : UINT64_MAX;
}
