#include "base/alarms.h"

#include <errno.h>
#include <stddef.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"

int alarms_init(struct alarms *alarms)
{
    *alarms = (struct alarms){.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)};
    return alarms->fd < 0 ? -errno : 0;
}

void alarms_deinit(struct alarms *alarms)
{
    close(alarms->fd);
}

/* The earlier of two roots, with the other among its children. Either may be NULL. */
static struct alarm *meld(struct alarm *a, struct alarm *b)
{
    if (a == NULL || b == NULL)
        return a != NULL ? a : b;
    struct alarm *root = a->at_ns <= b->at_ns ? a : b;
    struct alarm *child = root == a ? b : a;
    child->next = root->child;
    root->child = child;
    return root;
}

/* One root for a list of roots: by pairs from the first to the last, then all of these from the last to the
 * first. */
static struct alarm *meld_all(struct alarm *list)
{
    struct alarm *pairs = NULL, *root = NULL;
    while (list != NULL) {
        struct alarm *a = list, *b = list->next;
        list = b != NULL ? b->next : NULL;
        struct alarm *pair = meld(a, b);
        pair->next = pairs;
        pairs = pair;
    }
    while (pairs != NULL) {
        struct alarm *pair = pairs;
        pairs = pairs->next;
        root = meld(root, pair);
    }
    return root;
}

void alarms_add(struct alarms *alarms, struct alarm *alarm, uint64_t at_ns)
{
    *alarm = (struct alarm){.at_ns = at_ns};
    alarms->first = meld(alarms->first, alarm);
}

struct alarm *alarms_take_due(struct alarms *alarms, uint64_t now_ns)
{
    struct alarm *first = alarms->first;
    if (first == NULL || first->at_ns > now_ns)
        return NULL;
    alarms->first = meld_all(first->child);
    return first;
}

void alarms_set_timer(struct alarms *alarms)
{
    uint64_t next_ns =
        alarms->first != NULL ? alarms->first->at_ns : 0; /* 0 stops the timer, timerfd_settime(2) */
    if (next_ns == alarms->set_ns)
        return;
    struct itimerspec at = {.it_value = clock_timespec(next_ns)};
    int error = timerfd_settime(alarms->fd, TFD_TIMER_ABSTIME, &at, NULL) < 0 ? -errno : 0;
    must(error, "timerfd_settime");
    alarms->set_ns = next_ns;
}
