/*
 * One client: a coroutine that reads a request, runs its queries and sends the response, in a plain loop.
 *
 * The coroutine ends when nothing of a next request has arrived, and another one begins when something does: a
 * client that is silent holds a struct connection and no stack.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
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
    if (step == STEP_WAIT) {
        wait_for(worker, x.wait_ms);
        if (worker->draining)
            exchange_close_after(&x);
        step = exchange_waited(&x);
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
 * What the client has sent; or `error`, because the rest of a request has not come in time. Does not yield.
 * False when the client is gone.
 */
static bool receive(struct connection *c, int error, enum http_event *event)
{
    if (error != 0) {
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

/* Responds to every request that has arrived. False when the connection is to be closed. */
static coroutine_fn bool respond_to_all(struct connection *c, enum http_event event)
{
    unsigned responses = 0;
    while (event == HTTP_EVENT_REQUEST || event == HTTP_EVENT_REFUSED) {
        if (!respond(c, event))
            return false;
        if (++responses % APP_REQUESTS_PER_TURN == 0)
            wait_turn(c->worker);
        event = http_next(&c->codec);
    }
    return event != HTTP_EVENT_CONTINUE || send_continue(c);
}

/*
 * Serves a client that has sent something, until nothing of another request is there. False when the connection
 * is at its end. A read that finds nothing would be one system call more per request: the loop tells when there
 * is something to read.
 */
static coroutine_fn bool serve(struct connection *c)
{
    enum http_event event;
    int error = 0;
    while (receive(c, error, &event) && respond_to_all(c, event)) {
        if (http_phase(&c->codec) == HTTP_PHASE_IDLE)
            return true;
        limit_read(c);
        error = watch_wait(c->watch, UV_READABLE);
    }
    return false;
}

/* Does not yield. */
static void end(struct connection *c)
{
    struct worker *worker = c->worker;
    int fd = c->watch->fd;
    watch_close(c->watch);
    close(fd);
    http_deinit(&c->codec);
    LIST_REMOVE(c, entry);
    free(c);
    counters_connection_closed(worker->counters);
    worker_end_if_done(worker);
}

static void on_silence(struct watch *watch)
{
    end(watch->owner);
}

static void on_bytes(struct watch *watch);

/* Leaves the client without a coroutine until it sends something. Silence has its limit. */
static void rest(struct connection *c)
{
    limit_read(c);
    c->watch->on_unwaited = on_bytes;
    c->watch->on_overdue = on_silence;
    watch_unwaited(c->watch);
}

static coroutine_fn void connection_main(void *arg)
{
    struct connection *c = arg;
    c->co = co_running();
    bool is_kept = serve(c);
    c->co = NULL;
    if (is_kept)
        rest(c);
    else
        end(c);
}

/* There is no stack for its request. Reads before it closes: see linger(). */
static void turn_away(struct connection *c, const struct limit_failure *failure)
{
    struct iovec response = response_overloaded();
    acceptor_log_limit(&c->worker->acceptor, failure);
    (void)!recv(c->watch->fd, c->worker->read_buffer, HTTP_READ_BYTES, MSG_DONTWAIT);
    (void)!send(c->watch->fd, response.iov_base, response.iov_len, MSG_NOSIGNAL | MSG_DONTWAIT);
    end(c);
}

static void on_bytes(struct watch *watch)
{
    struct connection *c = watch->owner;
    watch->on_unwaited = NULL;
    watch->on_overdue = NULL;
    struct worker *worker = c->worker;
    struct limit_failure failure = limit_no_memory("mmap", worker->stacks.size);
    const struct limit_failure *short_of = NULL;
    if (co_stacks_are_used_up(&worker->stacks))
        short_of = headroom_short_inside(&worker->acceptor.headroom, clock_ms());
    if (short_of != NULL) {
        failure.error = 0; /* not tried */
        failure.met = short_of->met;
    }
    if (short_of != NULL || !wait_spawn(worker, &worker->stacks, connection_main, c))
        turn_away(c, &failure);
}

int connection_open(struct worker *worker, int fd)
{
    struct connection *c = calloc(1, sizeof *c);
    struct watch *watch = watch_open(worker, fd);
    if (c == NULL || watch == NULL) {
        free(c);
        if (watch != NULL)
            watch_close(watch);
        return -ENOMEM;
    }
    c->worker = worker;
    c->watch = watch;
    watch->owner = c;
    http_init(&c->codec, &worker->app->limits);
    LIST_INSERT_HEAD(&worker->connections, c, entry);
    rest(c);
    return 0;
}

void connection_drain(struct connection *c)
{
    if (c->reading == TIMEOUT_IDLE)
        limit_read(c); /* TIMEOUT_LAST_CALL now */
}
