/*
 * One client: bytes in, requests responded to one after another, bytes out.
 *
 * Reading stays on for the life of a connection, so a request costs no epoll_ctl(2). The codec holds
 * what arrives while a request is under way, up to a limit at which reading stops. A connection is never
 * closed while CONNECTION_HANDLING, so the connection is still there when a query has its result.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "server.h"

static uv_stream_t *stream_of(struct connection *c)
{
    return (uv_stream_t *)&c->tcp;
}

/* An iovec may be cast to a uv_buf_t (libuv's uv/unix.h). */
static uv_buf_t *bufs_of(struct iovec *iov)
{
    return (uv_buf_t *)iov;
}

/* -- jobs ----------------------------------------------------------------------------------------- */

static struct job *job_take(struct connection *c)
{
    struct worker *worker = c->worker;
    struct job *job = STAILQ_FIRST(&worker->free_jobs);
    if (job != NULL) {
        STAILQ_REMOVE_HEAD(&worker->free_jobs, entry);
        worker->free_job_count--;
    } else if ((job = malloc(job_bytes)) == NULL) {
        return NULL;
    }
    exchange_init(&job->exchange, &worker->app->service, worker->counters);
    job->waiter = (struct pool_waiter){0};
    job->deadline = (struct deadline){0};
    job->connection = c;
    job->sent = 0;
    return c->job = job;
}

static void job_release(struct connection *c)
{
    struct worker *worker = c->worker;
    struct job *job = c->job;
    c->job = NULL;
    exchange_deinit(&job->exchange);
    if (worker->free_job_count < JOBS_KEPT) {
        STAILQ_INSERT_HEAD(&worker->free_jobs, job, entry);
        worker->free_job_count++;
    } else {
        free(job);
    }
}

/* -- states --------------------------------------------------------------------------------------- */

static void on_connection_closed(uv_handle_t *handle)
{
    struct connection *c = handle->data;
    struct worker *worker = c->worker;
    if (c->job != NULL)
        job_release(c);
    LIST_REMOVE(c, entry);
    http_deinit(&c->codec);
    free(c);
    counters_connection_closed(worker->counters);
    worker_connection_closed(worker);
}

static enum timeout timeout_of(const struct connection *c, enum connection_state state)
{
    switch (state) {
    case CONNECTION_READING:
        return timeout_of_read(&c->codec, c->worker->draining);
    case CONNECTION_SENDING:
        return TIMEOUT_WRITE;
    case CONNECTION_LINGERING:
        return timeout_of_linger(c->worker->draining);
    default:
        return TIMEOUT_NONE;
    }
}

/* The one place that changes the state. It arms the deadline of the new state, from now. */
static void connection_move(struct connection *c, enum connection_state state)
{
    if (c->state == CONNECTION_CLOSING)
        return;
    enum timeout timeout = timeout_of(c, state);
    bool same_part = state == CONNECTION_READING && c->state == state && timeout == c->timeout;
    c->state = state;
    c->timeout = timeout;
    if (!same_part) /* else more bytes of what is read already, whose deadline stays */
        timeouts_arm(&c->worker->timeouts, timeout, &c->deadline, uv_now(&c->worker->loop));
    if (state == CONNECTION_CLOSING)
        uv_close((uv_handle_t *)&c->tcp, on_connection_closed);
}

static void connection_fail(struct connection *c, const char *what, int error)
{
    log_debug("client: %s: %s", what, uv_strerror(error));
    connection_move(c, CONNECTION_CLOSING);
}

/* -- sending -------------------------------------------------------------------------------------- */

static void on_buffer_wanted(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct connection *c = handle->data;
    (void)suggested;
    *buf = uv_buf_init(c->worker->read_buffer, sizeof c->worker->read_buffer);
}

static void on_bytes_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf);

static void pause_reading(struct connection *c)
{
    c->reading_paused = true;
    uv_read_stop(stream_of(c));
}

static void resume_reading(struct connection *c)
{
    if (c->reading_paused && !c->client_is_done)
        must(uv_read_start(stream_of(c), on_buffer_wanted, on_bytes_read), "uv_read_start");
    c->reading_paused = false;
}

/*
 * Closing a socket that still holds unread bytes makes the kernel send a reset, which can destroy
 * the response before the client has read it (RFC 9112 9.6): say that nothing more comes, then read on
 * until the client has closed too.
 */
static void linger(struct connection *c)
{
    if (c->client_is_done || uv_shutdown(&c->job->shutdown, stream_of(c), NULL) < 0) {
        connection_move(c, CONNECTION_CLOSING);
        return;
    }
    connection_move(c, CONNECTION_LINGERING);
    resume_reading(c);
}

/* All of the response is with the kernel. */
static enum progress response_sent(struct connection *c)
{
    if (c->job->exchange.response.close) {
        linger(c);
        return PROGRESS_LATER;
    }
    job_release(c);
    return PROGRESS_DONE;
}

/* Bytes of the chunk that the client has not taken, whether libuv or the kernel holds them. */
static size_t untaken(const struct connection *c)
{
    int fd = -1;
    must(uv_fileno((const uv_handle_t *)&c->tcp, &fd), "uv_fileno");
    return uv_stream_get_write_queue_size((const uv_stream_t *)&c->tcp) + (size_t)app_untaken(fd);
}

static void on_chunk_written(uv_write_t *write, int status);

/* Sends what is left, a chunk at a time: a response of 16 MiB takes no memory. */
static enum progress send_rest(struct connection *c)
{
    struct job *job = c->job;
    struct iovec iov[RESPONSE_IOV_MAX];
    size_t count = response_iov(&job->exchange.response, job->sent, iov, RESPONSE_IOV_MAX);
    if (count == 0)
        return response_sent(c);
    job->chunk = 0;
    for (size_t i = 0; i < count; i++)
        job->chunk += iov[i].iov_len;
    int error = uv_write(&job->write, stream_of(c), bufs_of(iov), (unsigned)count, on_chunk_written);
    if (error < 0) {
        connection_fail(c, "write", error);
        return PROGRESS_LATER;
    }
    job->pending = untaken(c);
    connection_move(c, CONNECTION_SENDING);
    return PROGRESS_LATER;
}

/* PROGRESS_DONE: all of the response is sent, and the connection reads on. */
static enum progress send_response(struct connection *c)
{
    struct job *job = c->job;
    struct iovec iov[RESPONSE_IOV_MAX];
    size_t count = response_iov(&job->exchange.response, 0, iov, RESPONSE_IOV_MAX);
    int taken = uv_try_write(stream_of(c), bufs_of(iov), (unsigned)count);
    if (taken < 0 && taken != UV_EAGAIN) {
        connection_fail(c, "write", taken);
        return PROGRESS_LATER;
    }
    job->sent = taken > 0 ? (uint64_t)taken : 0;
    return send_rest(c);
}

static void on_continue_sent(uv_write_t *write, int status)
{
    (void)status; /* reading tells when the client is gone */
    free(write);
}

static void send_continue(struct connection *c)
{
    uv_buf_t line = uv_buf_init((char *)(uintptr_t)HTTP_100_CONTINUE, sizeof HTTP_100_CONTINUE - 1);
    int taken = uv_try_write(stream_of(c), &line, 1);
    if (taken == (int)line.len)
        return;
    if (taken > 0) {
        line.base += taken;
        line.len -= (size_t)taken;
    }
    uv_write_t *write = malloc(sizeof *write); /* only after a response that the client has yet to read */
    int error = write != NULL ? uv_write(write, stream_of(c), &line, 1, on_continue_sent) : UV_ENOMEM;
    if (error < 0) {
        free(write);
        connection_fail(c, "write", error);
    }
}

/* -- requests ------------------------------------------------------------------------------------- */

/* Responds to what the codec gave out. PROGRESS_DONE: the response can be sent. */
static enum progress respond(struct connection *c, enum http_event event)
{
    struct job *job = job_take(c);
    if (job == NULL) {
        const struct limit_failure failure = limit_no_memory("malloc", job_bytes);
        struct iovec response = response_overloaded();
        acceptor_log_limit(&c->worker->listener.acceptor, &failure);
        uv_try_write(stream_of(c), bufs_of(&response), 1);
        connection_fail(c, "request", UV_ENOMEM);
        return PROGRESS_LATER;
    }
    struct exchange *x = &job->exchange;
    connection_move(c, CONNECTION_HANDLING);
    c->discarded = 0;
    if (event == HTTP_EVENT_REFUSED) {
        exchange_refuse(x, c->codec.refusal);
        return PROGRESS_DONE;
    }
    if (c->worker->draining)
        exchange_close_after(x);
    x->request = &c->codec.request;
    return job_start(job);
}

/* Waits for (the rest of) the next request. */
static void await_request(struct connection *c)
{
    connection_move(c, c->client_is_done ? CONNECTION_CLOSING : CONNECTION_READING);
    if (c->state == CONNECTION_READING)
        resume_reading(c);
}

/* A loop and not a recursion: a client may have pipelined a thousand requests. */
static void go_on(struct connection *c, enum http_event event)
{
    unsigned responses = 0;
    while (event == HTTP_EVENT_REQUEST || event == HTTP_EVENT_REFUSED) {
        if (respond(c, event) == PROGRESS_LATER || send_response(c) == PROGRESS_LATER)
            return;
        if (++responses == APP_REQUESTS_PER_TURN) {
            connection_move(c, CONNECTION_YIELDING);
            STAILQ_INSERT_TAIL(&c->worker->yielding, c, later);
            return;
        }
        event = http_next(&c->codec);
    }
    if (event == HTTP_EVENT_CONTINUE)
        send_continue(c);
    await_request(c);
}

static void on_chunk_written(uv_write_t *write, int status)
{
    struct job *job = owner_of(write, struct job, write);
    struct connection *c = job->connection;
    if (c->state == CONNECTION_CLOSING)
        return; /* the close callback comes next and releases the job */
    if (status < 0) {
        connection_fail(c, "write", status);
        return;
    }
    job->sent += job->chunk;
    if (send_rest(c) == PROGRESS_DONE)
        go_on(c, http_next(&c->codec));
    jobs_run_woken(c->worker);
}

void connection_respond(struct connection *c)
{
    if (send_response(c) == PROGRESS_DONE)
        go_on(c, http_next(&c->codec));
}

void connections_resume_waiting(struct worker *worker)
{
    struct alarm *due;
    while ((due = alarms_take_due(&worker->alarms, clock_ns())) != NULL) {
        struct job *job = owner_of(due, struct job, alarm);
        if (job_waited(job) == PROGRESS_DONE)
            connection_respond(job->connection);
    }
}

void connections_resume_yielding(struct worker *worker)
{
    struct connection_queue turn = STAILQ_HEAD_INITIALIZER(turn);
    STAILQ_CONCAT(&turn, &worker->yielding);
    while (!STAILQ_EMPTY(&turn)) {
        struct connection *c = STAILQ_FIRST(&turn);
        STAILQ_REMOVE_HEAD(&turn, later);
        go_on(c, http_next(&c->codec));
    }
}

/* -- receiving ------------------------------------------------------------------------------------ */

/* Bytes that come while a request is under way belong to the next one, if there will be one. */
static void hold_bytes(struct connection *c, const char *bytes, size_t len)
{
    bool is_last =
        c->state == CONNECTION_LINGERING || (c->state == CONNECTION_SENDING && c->job->exchange.response.close);
    if (is_last) {
        c->discarded += len;
        if (c->discarded <= APP_LINGER_BYTES)
            return;
        if (c->state == CONNECTION_SENDING)
            pause_reading(c);
        else
            connection_move(c, CONNECTION_CLOSING);
        return;
    }
    long held = http_hold(&c->codec, bytes, len);
    if (held < 0 || held >= HTTP_PIPELINE_MAX)
        pause_reading(c);
    if (held < 0)
        c->client_is_done = true; /* bytes are missing: the requests before them are responded to, no more */
}

static void client_is_gone(struct connection *c, int error)
{
    bool under_way = c->state == CONNECTION_HANDLING || c->state == CONNECTION_YIELDING;
    c->client_is_done = true;
    if (error == UV_EOF) {
        if (!under_way && c->state != CONNECTION_SENDING)
            connection_move(c, CONNECTION_CLOSING);
    } else if (!under_way) { /* else sending the response will fail */
        connection_fail(c, "read", error);
    }
}

static void on_bytes_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf)
{
    struct connection *c = stream->data;
    if (len < 0) {
        client_is_gone(c, (int)len);
        return;
    }
    if (len == 0)
        return; /* libuv's EAGAIN */
    if (c->state == CONNECTION_READING)
        go_on(c, http_feed(&c->codec, buf->base, (size_t)len));
    else
        hold_bytes(c, buf->base, (size_t)len);
    jobs_run_woken(c->worker);
}

/* -- start, time and end -------------------------------------------------------------------------- */

int connection_open(struct worker *worker, int fd)
{
    struct connection *c = calloc(1, sizeof *c);
    if (c == NULL)
        return -ENOMEM;
    c->worker = worker;
    c->tcp.data = c;
    http_init(&c->codec, &worker->app->limits);
    LIST_INSERT_HEAD(&worker->connections, c, entry);
    must(uv_tcp_init(&worker->loop, &c->tcp), "uv_tcp_init");
    must(uv_tcp_open(&c->tcp, fd), "uv_tcp_open");
    must(uv_read_start(stream_of(c), on_buffer_wanted, on_bytes_read), "uv_read_start");
    connection_move(c, CONNECTION_READING);
    return 0;
}

void connection_drain(struct connection *c)
{
    if (c->state == CONNECTION_READING || c->state == CONNECTION_LINGERING)
        connection_move(c, c->state); /* the time-out between requests is TIMEOUT_LAST_CALL now */
    else if (c->state == CONNECTION_HANDLING)
        job_drain(c->job);
}

static void timed_out(struct connection *c)
{
    switch (c->timeout) {
    case TIMEOUT_HEAD:
    case TIMEOUT_BODY:
        http_time_out(&c->codec);
        go_on(c, HTTP_EVENT_REFUSED);
        break;
    case TIMEOUT_WRITE:
        /* The bytes left tell that some went, not when: found after one to two time-outs. */
        if (untaken(c) < c->job->pending) {
            c->job->pending = untaken(c);
            connection_move(c, CONNECTION_SENDING);
        } else {
            connection_fail(c, "write", UV_ETIMEDOUT);
        }
        break;
    default:
        connection_move(c, CONNECTION_CLOSING);
    }
}

void connections_check_time(struct worker *worker)
{
    static const enum timeout ours[] = {TIMEOUT_IDLE, TIMEOUT_LAST_CALL, TIMEOUT_HEAD,
                                        TIMEOUT_BODY, TIMEOUT_WRITE,     TIMEOUT_LINGER};
    struct deadline *passed;
    for (unsigned i = 0; i < sizeof ours / sizeof *ours; i++)
        while ((passed = timeouts_take_expired(&worker->timeouts, ours[i], uv_now(&worker->loop))) != NULL)
            timed_out(owner_of(passed, struct connection, deadline));
}
