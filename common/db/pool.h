/*
 * The policy of the database connections, the same in all three servers: which request gets which
 * connection, which one is next, and when a lost connection is tried again.
 *
 * First come, first served: a freed connection goes straight to the longest waiter, so that no
 * newcomer overtakes it. Of several idle connections the pool takes the one used last (its caches are
 * warm). A lost connection is tried again after a delay that doubles from 50 ms to 1 s. When no
 * connection is up and the last attempt failed, the pool refuses a checkout at once. The first attempt
 * decides whether the server starts: no second one begins before the first has ended.
 *
 * With a `depth` above 1 that many requests share a connection (pg_pipeline.h): a request joins the
 * connection that has the fewest, and keeps its place until it has its response. The first query of a
 * pipeline delays all behind it, so a connection whose first query has been under way for 20 ms is chosen
 * last. From shortly before QUERY_TIMEOUT, when the database itself ends that query, it gets no new requests,
 * and a quarter of a second after it is stuck: to be given up, with all its queries. A session that cannot
 * write gets no new requests either, so that it can be made anew.
 *
 * Nothing here waits, connects or locks. An event loop has a pool of its own; the threaded server
 * shares one under a mutex. Times are those of clock_ns() and are handed in. The pool writes the log
 * lines about the database: one when a connection is lost, one when the database goes away, one when it
 * is back, and none for each attempt in between.
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
    SLOT_BUSY, /* checked out, by one request or several */
    SLOT_STATES
};

struct pool_slot {
    struct pg pg;
    unsigned index;
    bool suspect; /* may have died unseen while idle: look at its socket before use (see pool_checkout) */

    /* private to pool.c */
    enum pool_slot_state state;
    unsigned users;    /* requests that have it */
    unsigned losses;   /* how often it was lost while it was up */
    unsigned failures; /* attempts since it was last up */
    uint64_t retry_at_ns;
    uint64_t idle_since_ns;
    uint64_t connected_ns;
    uint64_t losses_seen;   /* pool->losses when it became idle */
    struct pool_slot *next; /* in the stack of idle slots */
};

enum pool_outcome {
    POOL_GRANTED,     /* waiter->slot is the waiter's */
    POOL_QUEUED,      /* another call will name the waiter */
    POOL_UNAVAILABLE, /* no connection is up, and the last attempt to make one failed */
    POOL_TIMED_OUT,   /* no connection became free in POOL_TIMEOUT */
};

/* A request that waits for a connection. Embedded in its owner, zeroed; must stay put while queued. */
struct pool_waiter {
    struct pool_waiter *prev, *next;
    uint64_t since_ns;
    struct pool_slot *slot; /* the connection that the pool granted, else NULL */
    unsigned slot_losses;   /* slot->losses then: if it is another now, the connection was lost, and the place
                               with it */
    enum pool_outcome outcome;
};

enum pool_state {
    POOL_UNTRIED, /* no attempt to connect has been made */
    POOL_PROVING, /* the first attempt is under way */
    POOL_UP,      /* the last attempt succeeded */
    POOL_FAILING, /* the last attempt failed */
    POOL_STOPPED, /* pool_stop(): nothing is connected any more */
};

struct pool_settings {
    unsigned size;
    unsigned depth;           /* requests that share a connection at most: 1, or above 1 for a pipeline each */
    unsigned timeout_s;       /* POOL_TIMEOUT */
    unsigned query_timeout_s; /* QUERY_TIMEOUT */
    int worker;               /* for the log: slot 3 of worker 0 is "0.3"; -1 where there are no workers: "3" */
    const char *where;        /* for the log: the database's address. Must outlive the pool. */
    struct counters *counters;
};

struct pool {
    /* public, read-only */
    struct pool_slot *slots;
    struct pool_settings settings;
    enum pool_state state;

    /* private to pool.c */
    unsigned count[SLOT_STATES]; /* slots in each state */
    struct pool_slot *idle;
    struct pool_waiter queue; /* head of the circular list of waiters */
    uint64_t losses;          /* connections lost so far */
};

/* 0 or -ENOMEM. Every slot starts as due to be connected. */
__attribute__((warn_unused_result)) int pool_init(struct pool *pool, const struct pool_settings *settings);

/* From now on no slot becomes due. Connections stay as they are. */
void pool_stop(struct pool *pool);

/* Closes every connection. No request may be waiting. */
void pool_deinit(struct pool *pool);

/*
 * waiter->outcome, which is never POOL_TIMED_OUT here.
 *
 * A granted slot is `suspect` when it was idle for more than a second, or when another connection was
 * lost since (the database may have been restarted). An event loop that watches idle connections has
 * seen its end already. A server without a watcher polls the socket with time-out 0 and, if it is
 * readable, calls pg_step(): after PG_FAILED it calls pool_lost() and checks out another connection,
 * since nothing has been sent.
 */
enum pool_outcome pool_checkout(struct pool *pool, struct pool_waiter *waiter, uint64_t now_ns);

/*
 * Gives an intact connection back, from SLOT_BUSY or SLOT_CONNECTING. Returns the waiter that was
 * given the place (its outcome is POOL_GRANTED), for the caller to wake; NULL if there is none. With a depth
 * above 1 there may be places for more: call pool_take_granted() until it gives NULL.
 */
struct pool_waiter *pool_checkin(struct pool *pool, struct pool_slot *slot, uint64_t now_ns);

/* Another waiter that was given a place, for the caller to wake; NULL when there is none. */
struct pool_waiter *pool_take_granted(struct pool *pool, uint64_t now_ns);

/*
 * Whether a connection is to be lost (pool_lost) in place of being given back by its last user, although it is
 * intact: its session cannot write, which default_transaction_read_only decided when it began and a new session
 * may find changed, or cannot run a statement any more. While the database stays read-only, each connection in
 * use is made anew about once per second.
 */
bool pool_is_worn(const struct pool_slot *slot, uint64_t now_ns);

/*
 * With a depth above 1: when the connection is to be given up, unless its first query has its result before;
 * UINT64_MAX when no query is under way. Needs no lock. pool_find_stuck() gives a connection for which that
 * time has come: call pg_give_up() and pool_lost() until it gives NULL.
 */
uint64_t pool_stuck_ns(const struct pool *pool, const struct pool_slot *slot);
struct pool_slot *pool_find_stuck(const struct pool *pool, uint64_t now_ns);

/*
 * The connection has broken or could not be made (any state but SLOT_DOWN), for the reason in
 * slot->pg.error, or is worn. Closes it, so stop the watcher of its socket before. It will be due again.
 */
void pool_lost(struct pool *pool, struct pool_slot *slot, uint64_t now_ns);

/*
 * The next waiter that has waited too long, or for which no connection is left; NULL when there is
 * none. Call until NULL after pool_lost() and when time passes. Its outcome says which.
 */
struct pool_waiter *pool_take_turned_away(struct pool *pool, uint64_t now_ns);

/* A slot whose time to (re)connect has come, now SLOT_CONNECTING; NULL when there is none. */
struct pool_slot *pool_take_due(struct pool *pool, uint64_t now_ns);

/* When pool_take_due() or pool_take_turned_away() will next have something; UINT64_MAX for never. */
uint64_t pool_next_ns(const struct pool *pool);

/* For an event loop: the same or pool_find_stuck(), on clock_ms(), rounded up so that no timer fires early. */
uint64_t pool_next_ms(const struct pool *pool);

/* The first attempt to connect has failed, and no connection has been up: the server cannot start. */
bool pool_start_failed(const struct pool *pool);

#endif
