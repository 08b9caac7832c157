/* One client: a thread that reads a request, runs its queries and sends the response, in a plain loop. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "server.h"

static bool is_draining(const struct connection *c)
{
    return atomic_load(&c->server->draining);
}

static uint64_t length_ms(const struct connection *c, enum timeout timeout)
{
    return timeout_ms(&c->server->app.config, timeout);
}

static void set_read_timeout(const struct connection *c, uint64_t ms)
{
    struct timeval timeout = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
}

/* Blocks until the socket takes more. False when the client took nothing for WRITE_TIMEOUT. */
static bool wait_writable(const struct connection *c)
{
    struct pollfd ready = {.fd = c->fd, .events = POLLOUT};
    int before, now = app_untaken(c->fd);
    do {
        before = now;
        if (poll(&ready, 1, (int)length_ms(c, TIMEOUT_WRITE)) != 0)
            return true;
        now = app_untaken(c->fd);
    } while (now < before);
    return false;
}

/* Blocks until something is sent. False when the client is gone or takes nothing. */
static bool send_some(const struct connection *c, struct iovec *iov, size_t count, uint64_t *sent)
{
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = count};
    for (;;) {
        ssize_t more = sendmsg(c->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (more >= 0) {
            *sent += (uint64_t)more;
            return true;
        }
        if (errno != EINTR && (errno != EAGAIN || !wait_writable(c)))
            return false;
    }
}

static bool send_response(const struct connection *c, const struct response *response)
{
    struct iovec iov[RESPONSE_IOV_MAX];
    uint64_t sent = 0;
    size_t count;
    while ((count = response_iov(response, sent, iov, RESPONSE_IOV_MAX)) > 0)
        if (!send_some(c, iov, count, &sent))
            return false;
    return true;
}

static bool send_continue(const struct connection *c)
{
    const uint64_t len = sizeof HTTP_100_CONTINUE - 1;
    uint64_t sent = 0;
    while (sent < len) {
        struct iovec iov = {.iov_base = (char *)HTTP_100_CONTINUE + sent, .iov_len = len - sent};
        if (!send_some(c, &iov, 1, &sent))
            return false;
    }
    return true;
}

/*
 * Closing a socket that still holds unread bytes makes the kernel send a reset, which can destroy
 * the response before the client has read it (RFC 9112 9.6): say that nothing more comes, then read on
 * until the client has closed too.
 */
static void linger(const struct connection *c)
{
    char ignored[4096];
    size_t total = 0;
    uint64_t end = clock_ms() + length_ms(c, timeout_of_linger(is_draining(c))), now;
    shutdown(c->fd, SHUT_WR);
    while (total < APP_LINGER_BYTES && (now = clock_ms()) < end) {
        set_read_timeout(c, end - now);
        ssize_t len = recv(c->fd, ignored, sizeof ignored, 0);
        if (len <= 0)
            return;
        total += (size_t)len;
    }
}

/* Blocks for at least `ms`. */
static void sleep_for(uint64_t ms)
{
    struct timespec end = clock_timespec(clock_ns() + ms * 1000000);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) == EINTR) {
    }
}

/* Responds to what the codec gave out. False when the connection is to be closed. */
static bool respond(struct connection *c, struct http_codec *codec, enum http_event event)
{
    struct session session = {.database = &c->server->database};
    struct exchange x;
    enum step step;
    exchange_init(&x, &c->server->app.service, c->counters);
    if (event == HTTP_EVENT_REFUSED) {
        step = exchange_refuse(&x, codec->refusal);
    } else {
        x.request = &codec->request;
        if (is_draining(c))
            exchange_close_after(&x);
        step = exchange_start(&x);
    }
    if (step == STEP_WAIT) {
        sleep_for(x.wait_ms);
        if (is_draining(c))
            exchange_close_after(&x);
        step = exchange_waited(&x);
    }
    while (step == STEP_QUERY) {
        const PGresult *result = database_query(&session, &x.query);
        if (is_draining(c))
            exchange_close_after(&x);
        step = result != NULL ? exchange_resume(&x, result) : exchange_fail(&x, session.failure);
    }
    database_release(&session); /* before sending: a slow reader must not hold a connection */

    bool sent = send_response(c, &x.response);
    bool closes = x.response.close;
    exchange_deinit(&x);
    if (sent && closes)
        linger(c);
    return sent && !closes;
}

/*
 * Sets the time limit of the next read; false when it has passed. Between requests the socket's own
 * time-out stays, so that a request costs one system call to read; within a request the time left is set
 * before each read.
 */
static bool limit_read(struct connection *c, const struct http_codec *codec)
{
    enum timeout reading = timeout_of_read(codec, is_draining(c));
    bool changed = reading != c->reading;
    c->reading = reading;
    if (reading == TIMEOUT_IDLE || reading == TIMEOUT_LAST_CALL) {
        if (changed)
            set_read_timeout(c, length_ms(c, reading));
        return true;
    }
    uint64_t now = clock_ms();
    if (changed)
        c->read_by_ms = now + length_ms(c, reading);
    if (now < c->read_by_ms)
        set_read_timeout(c, c->read_by_ms - now);
    return now < c->read_by_ms;
}

/* Blocks for bytes of the client and feeds them to the codec. False when the connection is at its end. */
static bool receive(struct connection *c, struct http_codec *codec, char bytes[HTTP_READ_BYTES],
                    enum http_event *event)
{
    bool is_mid_request = http_phase(codec) != HTTP_PHASE_IDLE;
    ssize_t len = -1;
    atomic_store(&c->idle, !is_mid_request); /* before looking whether a drain has begun: see end_idle */
    errno = EAGAIN;
    if (limit_read(c, codec)) {
        do {
            len = recv(c->fd, bytes, HTTP_READ_BYTES, 0);
        } while (len < 0 && errno == EINTR);
    }
    atomic_store(&c->idle, false);
    if (len > 0) {
        *event = http_feed(codec, bytes, (size_t)len);
        return true;
    }
    if (len == 0 || errno != EAGAIN || !is_mid_request)
        return false;
    http_time_out(codec);
    *event = HTTP_EVENT_REFUSED;
    return true;
}

static void serve(struct connection *c, struct http_codec *codec)
{
    char bytes[HTTP_READ_BYTES]; /* here, since the codec's request points into it */
    enum http_event event = HTTP_EVENT_MORE;
    for (;;) {
        switch (event) {
        case HTTP_EVENT_CONTINUE:
            if (!send_continue(c))
                return;
            /* fall through */
        case HTTP_EVENT_MORE:
            if (!receive(c, codec, bytes, &event))
                return;
            break;
        case HTTP_EVENT_REQUEST:
        case HTTP_EVENT_REFUSED:
            if (!respond(c, codec, event))
                return;
            event = http_next(codec);
            break;
        }
    }
}

void *connection_main(void *argument)
{
    struct connection *c = argument;
    struct server *server = c->server;
    struct http_codec codec;
    http_init(&codec, &server->app.limits);
    serve(c, &codec);
    http_deinit(&codec);

    pthread_mutex_lock(&server->connections_lock);
    close(c->fd); /* under the lock: connections_end_idle() must not meet a number that is reused by now */
    counters_connection_closed(c->counters);
    LIST_REMOVE(c, entry);
    bool is_last = is_draining(c) && LIST_EMPTY(&server->connections);
    pthread_mutex_unlock(&server->connections_lock);
    free(c);
    if (is_last)
        drain_part_has_ended(&server->drain);
    return NULL;
}

/* A connection that becomes idle later finds the drain, and TIMEOUT_LAST_CALL ends its read. */
void connections_end_idle(struct server *server)
{
    struct connection *c;
    pthread_mutex_lock(&server->connections_lock);
    LIST_FOREACH(c, &server->connections, entry)
    {
        if (atomic_load(&c->idle))
            shutdown(c->fd, SHUT_RD); /* the read ends; bytes that have arrived are still read */
    }
    pthread_mutex_unlock(&server->connections_lock);
}
