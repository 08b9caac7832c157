/*
 * Who has which database connection, and who is next: the policy, the same in all three servers.
 *
 * First come, first served: a freed connection goes straight to the longest waiter, so that no
 * newcomer overtakes it. Of several idle connections the one used last is taken (its caches are
 * warm). A lost connection is tried again after a delay that doubles from 50 ms to 1 s.
 * When no connection is up and the last attempt failed, a checkout is refused at once.
 *
 * Pure bookkeeping: nothing here waits, connects or locks. An event loop has a pool of its own; the
 * threaded server shares one under a mutex. Time is handed in (clock_ns()).
 */
#ifndef WB_POOL_H
#define WB_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/pg.h"

enum pool_slot_state {
    SLOT_DOWN,       /* waits for retry_at_ns */
    SLOT_CONNECTING, /* given out by pool_take_due() */
    SLOT_IDLE,
    SLOT_BUSY, /* checked out */
};

struct pool_slot {
    struct pg pg;
    unsigned index;
    bool suspect; /* may have died unseen while idle: look at its socket before use (see pool_checkout) */

    /* private to pool.c */
    enum pool_slot_state state;
    unsigned failures; /* attempts since it was last up */
    uint64_t retry_at_ns;
    uint64_t idle_since_ns;
    uint64_t connected_ns;
    uint64_t losses_seen;   /* pool->losses when it became idle */
    struct pool_slot *next; /* in the stack of idle slots */
};

/* One who waits for a connection. Embedded in its owner, zeroed; must stay put while queued. */
struct pool_waiter {
    struct pool_waiter *prev, *next;
    uint64_t since_ns;
    struct pool_slot *slot; /* what it was given; NULL if it was turned away (see POOL_*) */
    enum pool_outcome { POOL_GRANTED, POOL_QUEUED, POOL_UNAVAILABLE, POOL_TIMED_OUT } outcome;
};

struct pool {
    struct pool_slot *slots;
    unsigned size;
    struct counters *counters;

    /* private to pool.c */
    struct pool_slot *idle;
    struct pool_waiter queue; /* head of the circular list of waiters */
    unsigned up;              /* idle or busy */
    unsigned down;            /* in SLOT_DOWN */
    uint64_t losses;          /* connections lost so far */
    bool failing;             /* the last attempt to connect failed */
    uint64_t timeout_ns;
};

/* 0 or -ENOMEM. All slots start as due to be connected. */
__attribute__((warn_unused_result)) int pool_init(struct pool *pool, unsigned size, unsigned timeout_s,
                                                  struct counters *counters);

/* Closes every connection. Nobody may be waiting. */
void pool_deinit(struct pool *pool);

/*
 * POOL_GRANTED: waiter->slot is the caller's. POOL_QUEUED: the caller waits until another call
 * names this waiter. POOL_UNAVAILABLE: no connection is up.
 *
 * A granted slot is `suspect` when it was idle for more than a second, or when another connection was
 * lost since (the database may have been restarted). An event loop that watches idle connections has
 * seen it already; who has no watcher polls the socket with time-out 0 and, if it is readable, calls
 * pg_step(): PG_FAILED means pool_lost() and another checkout, nothing having been sent.
 */
enum pool_outcome pool_checkout(struct pool *pool, struct pool_waiter *waiter, uint64_t now_ns);

/*
 * Gives an intact connection back, from SLOT_BUSY or SLOT_CONNECTING. Returns the waiter that was
 * given it (answer POOL_GRANTED), for the caller to wake; NULL if it is idle now.
 */
struct pool_waiter *pool_checkin(struct pool *pool, struct pool_slot *slot, uint64_t now_ns);

/*
 * The connection is gone or could not be made (any state but DOWN). Closes it, so stop the watcher of
 * its socket before. It will be due again.
 */
void pool_lost(struct pool *pool, struct pool_slot *slot, uint64_t now_ns);

/*
 * The next waiter who has waited too long, or for whom no connection is left (call until NULL,
 * after pool_lost() and when time passes). Its answer is POOL_TIMED_OUT or POOL_UNAVAILABLE.
 */
struct pool_waiter *pool_take_turned_away(struct pool *pool, uint64_t now_ns);

/* Leaves the queue (the one who waited is gone). Does nothing if it is not queued. */
void pool_abandon(struct pool *pool, struct pool_waiter *waiter);

/* A slot whose time to (re)connect has come, now SLOT_CONNECTING; NULL when there is none. */
struct pool_slot *pool_take_due(struct pool *pool, uint64_t now_ns);

/* When pool_take_due or pool_take_turned_away will next have something; UINT64_MAX for never. */
uint64_t pool_next_ns(const struct pool *pool);

#endif
