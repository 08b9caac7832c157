/*
 * The time-outs of a server: how long each wait may take, the same in all three servers, and for the
 * event loops the deadlines that follow from them.
 */
#ifndef WB_TIMEOUTS_H
#define WB_TIMEOUTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/deadline.h"
#include "http/codec.h"
#include "server/config.h"

enum timeout {
    TIMEOUT_NONE,
    TIMEOUT_IDLE,      /* IDLE_TIMEOUT, between two requests */
    TIMEOUT_LAST_CALL, /* in place of TIMEOUT_IDLE and TIMEOUT_LINGER in a drain */
    TIMEOUT_HEAD,      /* HEADER_TIMEOUT, for the head of a request */
    TIMEOUT_BODY,      /* HEADER_TIMEOUT again, for the body */
    TIMEOUT_WRITE,     /* WRITE_TIMEOUT, without the client taking a byte */
    TIMEOUT_LINGER,    /* for the client to close after the last response */
    TIMEOUT_QUERY,     /* QUERY_TIMEOUT */
    TIMEOUT_CONNECT,   /* for one address of the database: ends at pg->connect_by_ms */
    TIMEOUT_RETRY,     /* before accept(2) is tried again when descriptors or memory have run out */
    TIMEOUTS
};

/* Milliseconds; 0 for TIMEOUT_NONE. */
uint64_t timeout_ms(const struct config *config, enum timeout timeout);

/* A read waits for one of these: the next request, the rest of a head, or the rest of a body. */
enum timeout timeout_of_read(const struct http_codec *codec, bool draining);

/* How long the client has to close its side. */
enum timeout timeout_of_linger(bool draining);

/*
 * The deadlines of one event loop, one list for each time-out, and the one timer that follows the
 * earliest of them. Times are those of the loop's clock, in ms; the deadline is embedded in its owner.
 */
struct timeouts {
    struct deadline_list lists[TIMEOUTS];
    uint64_t timer_ms; /* when the loop's timer fires; UINT64_MAX when it is not armed */
};

void timeouts_init(struct timeouts *timeouts, const struct config *config);

/* (Re-)arms; TIMEOUT_NONE disarms. */
void timeouts_arm(struct timeouts *timeouts, enum timeout timeout, struct deadline *deadline, uint64_t now_ms);

/* The same, to end at `at_ms`. */
void timeouts_arm_at(struct timeouts *timeouts, enum timeout timeout, struct deadline *deadline,
                     uint64_t at_ms);

/* A deadline of this time-out that has ended, disarmed; NULL when there is none. */
struct deadline *timeouts_take_expired(struct timeouts *timeouts, enum timeout timeout, uint64_t now_ms);

/*
 * Whether the loop's timer has to be set before the loop sleeps, to fire in `*delay_ms`: it would otherwise
 * fire after the earliest deadline, or after `other_ms` (UINT64_MAX: never), or not at all.
 *
 * The timer only ever moves forward. Most deadlines are put off by the next request long before they
 * end, so the timer then fires early, finds nothing to do and is set again: a few times in the length
 * of a time-out, where moving it back would cost every request.
 */
bool timeouts_move_timer(struct timeouts *timeouts, uint64_t now_ms, uint64_t other_ms, uint64_t *delay_ms);

/* The timer has fired: it is no longer armed. */
void timeouts_timer_fired(struct timeouts *timeouts);

#endif
