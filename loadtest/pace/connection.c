#include "connection.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"

/*
 * An idle one is reset (SO_LINGER of 0 s, socket(7)). Else 10,000 of them would be in TIME_WAIT, and the kernel
 * would end these a minute later, all at once, in the middle of another run.
 */
static void close_socket(const struct connection *connection)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (connection->kind == CONNECTION_IDLE)
        setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(connection->fd);
}

void connection_close(struct connection *connection)
{
    if (connection->state != CONNECTION_CLOSED)
        close_socket(connection);
    connection->state = CONNECTION_CLOSED;
    connection->fd = -1;
}

__attribute__((format(printf, 4, 5))) static enum connection_event
fail(struct connection *connection, struct wire *wire, enum error_kind kind, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(wire->why, sizeof wire->why, format, arguments);
    va_end(arguments);
    wire->failure = kind;
    connection_close(connection);
    return CONNECTION_FAILED;
}

/* `error` is an errno, of that kind. */
static enum connection_event fail_by(struct connection *connection, struct wire *wire, enum error_kind kind,
                                     int error)
{
    return fail(connection, wire, kind, "%s: %s; %s", wire->target->text, strerror(error), error_advice(kind));
}

static enum connection_event fail_to_connect(struct connection *connection, struct wire *wire, int error)
{
    return fail_by(connection, wire, error_of_connect(error), error);
}

static enum connection_event fail_to_transfer(struct connection *connection, struct wire *wire, int error)
{
    return fail_by(connection, wire, error_of_transfer(error), error);
}

/* Edge-triggered, for reading and writing at once: no further call of epoll_ctl(2) in a connection's life. */
static int watch(struct connection *connection, const struct wire *wire)
{
    struct epoll_event wanted = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = connection};
    return epoll_ctl(wire->epoll, EPOLL_CTL_ADD, connection->fd, &wanted) == 0 ? 0 : -errno;
}

enum connection_event connection_open(struct connection *connection, struct wire *wire)
{
    bool is_slow = connection->kind == CONNECTION_SLOW;
    bool chooses = wire->many_sources || connection->kind != CONNECTION_ACTIVE;
    int fd = target_connect(wire->target, chooses ? wire->opened : -1, is_slow ? SLOW_BUFFER : 0);
    if (fd < 0)
        return fail_to_connect(connection, wire, -fd);
    connection->fd = fd;
    connection->state = CONNECTION_OPENING;
    connection->made = 0;
    wire->opened++;
    wire->tally->total_connections++;
    response_init(&connection->response, connection->response.content);
    int error = is_slow ? 0 : watch(connection, wire);
    return error == 0 ? CONNECTION_GOES_ON : fail_to_connect(connection, wire, -error);
}

static bool must_wait(int error)
{
    return error == EAGAIN || error == ENOTCONN; /* ENOTCONN: connect(2) has not ended */
}

/* Sends the rest of the request. */
static enum connection_event push(struct connection *connection, struct wire *wire)
{
    const struct asked *asked = &connection->asked;
    ssize_t len = send(connection->fd, asked->bytes + connection->written, asked->len - connection->written,
                       MSG_NOSIGNAL | MSG_DONTWAIT);
    if (len < 0 && must_wait(errno))
        return CONNECTION_GOES_ON;
    if (len < 0)
        return connection->state == CONNECTION_OPENING ? fail_to_connect(connection, wire, errno)
                                                       : fail_to_transfer(connection, wire, errno);
    if (connection->written == 0) {
        connection->made++;
        wire->tally->total_sent++;
    }
    connection->written += (size_t)len;
    connection->state = connection->written == asked->len ? CONNECTION_WAITING : CONNECTION_SENDING;
    return CONNECTION_GOES_ON;
}

enum connection_event connection_send(struct connection *connection, struct wire *wire, uint64_t due_ns)
{
    connection->has_request = true;
    connection->written = 0;
    connection->sent_ns = clock_ns(); /* a user waits for the connection, too */
    connection->due_ns = due_ns != 0 ? due_ns : connection->sent_ns;
    if (connection->state == CONNECTION_CLOSED) {
        enum connection_event event = connection_open(connection, wire);
        return event == CONNECTION_FAILED ? event : push(connection, wire); /* on loopback it may be open now */
    }
    connection->state = CONNECTION_SENDING;
    return push(connection, wire);
}

/* connect(2) has ended. */
static enum connection_event opened(struct connection *connection, struct wire *wire)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        error = errno;
    if (error != 0)
        return fail_to_connect(connection, wire, error);
    connection->state = connection->has_request ? CONNECTION_SENDING : CONNECTION_OPEN;
    return connection->has_request ? push(connection, wire) : CONNECTION_READY;
}

static enum connection_event answered(struct connection *connection)
{
    connection->has_request = false;
    connection->state = CONNECTION_OPEN;
    if (!connection->response.keeps_alive)
        connection_close(connection);
    return CONNECTION_ANSWERED;
}

/* A part of the response, or bytes that nobody asked for. */
static enum connection_event read_bytes(struct connection *connection, struct wire *wire, const char *bytes,
                                        size_t len)
{
    size_t used = 0;
    if (connection->state != CONNECTION_WAITING)
        return fail(connection, wire, ERROR_LENGTH, "%zu bytes came that nobody asked for", len);
    switch (response_feed(&connection->response, bytes, len, &used)) {
    case RESPONSE_MORE:
        return CONNECTION_GOES_ON;
    case RESPONSE_WRONG:
        return fail(connection, wire, ERROR_PARSE, "a response is not HTTP/1.1 (%s); it goes on: %.*s",
                    response_why_wrong(&connection->response), (int)(len < 40 ? len : 40), bytes);
    default:
        if (used < len)
            return fail(connection, wire, ERROR_LENGTH, "%zu bytes came after the end of a response",
                        len - used);
        return answered(connection);
    }
}

static enum connection_event end(struct connection *connection, struct wire *wire)
{
    if (!connection->has_request) {
        connection_close(connection);
        return CONNECTION_LEFT;
    }
    if (connection->state == CONNECTION_WAITING && response_end(&connection->response) == RESPONSE_DONE)
        return answered(connection);
    return fail(connection, wire, ERROR_CLOSED, "%s: %s", wire->target->text, error_advice(ERROR_CLOSED));
}

/* Edge-triggered: a read that is filled has perhaps left something, and one that is not has emptied the socket
 * (epoll(7)), but for the end of the stream. *more: whether another read may bring something. */
static enum connection_event receive(struct connection *connection, struct wire *wire, size_t most,
                                     bool is_at_end, bool *more)
{
    ssize_t len = recv(connection->fd, wire->buffer, most, MSG_DONTWAIT);
    *more = len > 0 && ((size_t)len == most || is_at_end);
    if (len < 0 && errno == EAGAIN)
        return CONNECTION_GOES_ON;
    if (len == 0 || (len < 0 && !connection->has_request)) /* reset while it had no request: it was closed */
        return end(connection, wire);
    if (len < 0)
        return fail_to_transfer(connection, wire, errno);
    tally_bytes(wire->tally, (uint64_t)len, clock_ns());
    if (connection->kind == CONNECTION_SLOW)
        wire->tally->slow_bytes += (uint64_t)len;
    return read_bytes(connection, wire, wire->buffer, (size_t)len);
}

enum connection_event connection_advance(struct connection *connection, struct wire *wire, uint32_t events)
{
    enum connection_event event = CONNECTION_GOES_ON;
    if (connection->state == CONNECTION_OPENING)
        event = opened(connection, wire);
    else if (connection->state == CONNECTION_SENDING)
        event = push(connection, wire);
    bool is_at_end = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    bool more = connection->state != CONNECTION_OPENING && ((events & EPOLLIN) != 0 || is_at_end);
    while (event == CONNECTION_GOES_ON && connection->state != CONNECTION_CLOSED && more)
        event = receive(connection, wire, sizeof wire->buffer, is_at_end, &more);
    if (event == CONNECTION_ANSWERED && is_at_end) /* there will be no other edge for the end */
        connection_close(connection);
    return event;
}

enum connection_event connection_sip(struct connection *connection, struct wire *wire)
{
    enum connection_event event = CONNECTION_GOES_ON;
    if (connection->state == CONNECTION_OPENING || connection->state == CONNECTION_SENDING)
        event = push(connection, wire);
    bool more;
    if (event == CONNECTION_GOES_ON && connection->state == CONNECTION_WAITING)
        event = receive(connection, wire, SLOW_BYTES, false, &more);
    return event;
}
