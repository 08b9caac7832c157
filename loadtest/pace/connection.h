/*
 * A connection to the server: opened, one request sent, its response read. It decides nothing about time: the
 * worker says when to send, and is told how it ended. Nothing here blocks.
 */
#ifndef PACE_CONNECTION_H
#define PACE_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "requests.h"
#include "response.h"
#include "tally.h"
#include "target.h"

enum { RECEIVE_BYTES = 64 * 1024, SLOW_BYTES = 100, SLOW_BUFFER = 2048 };

enum connection_kind {
    CONNECTION_ACTIVE,
    CONNECTION_IDLE, /* one request when it is opened, then none */
    CONNECTION_SLOW, /* reads SLOW_BYTES at a time */
};

enum connection_state {
    CONNECTION_CLOSED,
    CONNECTION_OPENING, /* connect(2) has not ended; a request may be there already */
    CONNECTION_OPEN,    /* no request */
    CONNECTION_SENDING, /* the kernel has not taken all of the request yet */
    CONNECTION_WAITING, /* for the response */
};

struct connection {
    int fd;
    enum connection_kind kind;
    enum connection_state state;
    bool has_request;
    bool was_up;       /* was open once; an idle one: and made its request */
    unsigned made;     /* requests so far on this connection */
    uint64_t due_ns;   /* of the request */
    uint64_t sent_ns;  /* when its first byte was given to the kernel; 0: not yet */
    uint64_t retry_ns; /* of a closed one: not to be opened before */
    size_t written;
    struct asked asked;
    struct response response;
};

/* How a step ended. */
enum connection_event {
    CONNECTION_GOES_ON,
    CONNECTION_READY,    /* opened, and there is no request */
    CONNECTION_ANSWERED, /* the response is in connection->response; the connection is open or closed */
    CONNECTION_LEFT,     /* the server closed an open connection that had no request */
    CONNECTION_FAILED,   /* kind and sentence are in struct wire; the connection is closed */
};

/* State that the connections of one thread share. */
struct wire {
    const struct target *target;
    int epoll;
    struct tally *tally;
    bool many_sources; /* choose local addresses */
    long opened;       /* connections so far, which chooses the next local address */
    enum error_kind failure;
    char why[FIRST_ERROR_MAX];
    char buffer[RECEIVE_BYTES];
};

/* Opens a closed connection. CONNECTION_GOES_ON or CONNECTION_FAILED. */
enum connection_event connection_open(struct connection *connection, struct wire *wire);

/* Gives it the request in connection->asked, which was due at due_ns (0: now), and sends what can be sent. A
 * closed connection is opened first. */
enum connection_event connection_send(struct connection *connection, struct wire *wire, uint64_t due_ns);

/* After epoll_wait(2), once for each event; the events are edges. */
enum connection_event connection_advance(struct connection *connection, struct wire *wire, uint32_t events);

/* Reads a little, of a slow connection. */
enum connection_event connection_sip(struct connection *connection, struct wire *wire);

void connection_close(struct connection *connection);

#endif
