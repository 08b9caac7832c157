/* One client: a coroutine that reads a request, runs its queries and sends the response, in a plain loop. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "server.h"

/* Yields until the socket takes more. False when the client took nothing for WRITE_TIMEOUT. */
static coroutine_fn bool wait_writable(struct connection *c)
{
    int before, now = app_untaken(c->watch->fd);
    c->reading = TIMEOUT_NONE;
    do {
        before = now;
        watch_arm(c->watch, TIMEOUT_WRITE);
        if (watch_wait(c->watch, UV_WRITABLE) == 0)
            return true;
        now = app_untaken(c->watch->fd);
    } while (now < before);
    return false;
}

/* Yields until something is sent. False when the client is gone or takes nothing. */
static coroutine_fn bool send_some(struct connection *c, struct iovec *iov, size_t count, uint64_t *sent)
{
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = count};
    for (;;) {
        ssize_t more = sendmsg(c->watch->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (more >= 0) {
            *sent += (uint64_t)more;
            return true;
        }
        if (errno != EINTR && (errno != EAGAIN || !wait_writable(c)))
            return false;
    }
}

static coroutine_fn bool send_response(struct connection *c, const struct response *response)
{
    struct iovec iov[RESPONSE_IOV_MAX];
    uint64_t sent = 0;
    size_t count;
    while ((count = response_iov(response, sent, iov, RESPONSE_IOV_MAX)) > 0)
        if (!send_some(c, iov, count, &sent))
            return false;
    return true;
}

static coroutine_fn bool send_continue(struct connection *c)
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
static coroutine_fn void linger(struct connection *c)
{
    size_t total = 0;
    shutdown(c->watch->fd, SHUT_WR);
    watch_arm(c->watch, timeout_of_linger(c->worker->draining));
    while (total < APP_LINGER_BYTES && watch_wait(c->watch, UV_READABLE) == 0) {
        ssize_t len = recv(c->watch->fd, c->worker->read_buffer, HTTP_READ_BYTES, MSG_DONTWAIT);
        if (len == 0 || (len < 0 && errno != EAGAIN && errno != EINTR))
            return;
        total += len > 0 ? (size_t)len : 0;
    }
}

/* Responds to what the codec gave out. False when the connection is to be closed. */
static coroutine_fn bool respond(struct connection *c, enum http_event event)
{
    struct worker *worker = c->worker;
    struct session session = {.database = &worker->database};
    struct exchange x;
    enum step step;
    c->reading = TIMEOUT_NONE;
    exchange_init(&x, &worker->app->service, worker->counters);
    if (event == HTTP_EVENT_REFUSED) {
        step = exchange_refuse(&x, c->codec.refusal);
    } else {
        x.request = &c->codec.request;
        if (worker->draining)
            exchange_close_after(&x);
        step = exchange_start(&x);
    }
    while (step == STEP_QUERY) {
        const PGresult *result = database_query(&session, &x.query);
        if (worker->draining)
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

/* Sets the time limit of the next read. More bytes of the same part have the deadline of the first. */
static void limit_read(struct connection *c)
{
    enum timeout reading = timeout_of_read(&c->codec, c->worker->draining);
    if (reading != c->reading)
        watch_arm(c->watch, reading);
    c->reading = reading;
}

/*
 * Yields for bytes of the client and feeds them to the codec. False when the connection is at its end.
 * Waits before it reads: a read that finds nothing would be one system call more per request.
 */
static coroutine_fn bool receive(struct connection *c, enum http_event *event)
{
    limit_read(c);
    if (watch_wait(c->watch, UV_READABLE) != 0) {
        if (http_phase(&c->codec) == HTTP_PHASE_IDLE)
            return false;
        http_time_out(&c->codec);
        *event = HTTP_EVENT_REFUSED;
        return true;
    }
    ssize_t len = recv(c->watch->fd, c->worker->read_buffer, HTTP_READ_BYTES, MSG_DONTWAIT);
    if (len > 0) {
        *event = http_feed(&c->codec, c->worker->read_buffer, (size_t)len);
        return true;
    }
    *event = HTTP_EVENT_MORE;
    return len < 0 && errno == EAGAIN;
}

static coroutine_fn void serve(struct connection *c)
{
    enum http_event event = HTTP_EVENT_MORE;
    unsigned pipelined = 0;
    for (;;) {
        switch (event) {
        case HTTP_EVENT_CONTINUE:
            if (!send_continue(c))
                return;
            /* fall through */
        case HTTP_EVENT_MORE:
            pipelined = 0;
            if (!receive(c, &event))
                return;
            break;
        case HTTP_EVENT_REQUEST:
        case HTTP_EVENT_REFUSED:
            if (!respond(c, event))
                return;
            if (++pipelined % APP_REQUESTS_PER_TURN == 0)
                wait_turn(c->worker);
            event = http_next(&c->codec);
            break;
        }
    }
}

static coroutine_fn void connection_main(void *arg)
{
    struct watch *watch = arg;
    struct worker *worker = watch->worker;
    struct connection c = {.worker = worker, .co = co_running(), .watch = watch};
    LIST_INSERT_HEAD(&worker->connections, &c, entry);
    http_init(&c.codec, &worker->app->limits);
    serve(&c);
    http_deinit(&c.codec);
    LIST_REMOVE(&c, entry);
    int fd = watch->fd;
    watch_close(watch);
    close(fd);
    counters_connection_closed(worker->counters);
    worker_end_if_done(worker);
}

int connection_open(struct worker *worker, int fd)
{
    struct watch *watch = watch_open(worker, fd);
    if (watch == NULL)
        return -ENOMEM;
    if (wait_spawn(worker, &worker->stacks, connection_main, watch))
        return 0;
    watch_close(watch);
    return -ENOMEM;
}

void connection_drain(struct connection *c)
{
    if (c->reading == TIMEOUT_IDLE)
        limit_read(c); /* TIMEOUT_LAST_CALL now */
}
