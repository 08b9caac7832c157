/*
 * The requests of one worker: which are sent now, on which connection, and what becomes of them. No function
 * blocks.
 */
#ifndef PACE_TRAFFIC_H
#define PACE_TRAFFIC_H

#include "worker.h"

bool traffic_is_closed_loop(const struct worker *worker);

/* The active connection that has been without a request for longest; NULL: all are busy. The caller starts a
 * request. */
struct connection *traffic_take_free(struct worker *worker);

/* Sends the next request of the sequence, which was due at due_ns, on a connection that is not in the ring. */
void traffic_start(struct worker *worker, struct connection *connection, uint64_t due_ns);

/* Sends a request that is in no sequence, on an idle or slow connection. */
void traffic_ask_plainly(struct worker *worker, struct connection *connection);

/* In an open loop: sends what is due, as far as there are connections. */
void traffic_dispatch(struct worker *worker);

/* The outcome of a step of a connection. */
void traffic_on_event(struct worker *worker, struct connection *connection, enum connection_event event);

/* CONNECTION_FAILED: the connection is closed, and opened again after a while; its request has failed. */
void traffic_on_failure(struct worker *worker, struct connection *connection, uint64_t now);

/* Ten times a second: time-outs, connections to be opened again, slow readers. */
void traffic_tick(struct worker *worker, uint64_t now);

/* When the drain has ended: what has no response yet is as old as it is. */
void traffic_give_up(struct worker *worker);

#endif
