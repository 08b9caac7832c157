#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "server.h"

static bool is_draining(const struct server *server)
{
    return atomic_load(&server->draining);
}

static void set_read_timeout(int fd, uint64_t ms)
{
    struct timeval timeout = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
}

/* Blocks until the socket takes more. False when the client took nothing for WRITE_TIMEOUT. */
static bool wait_writable(const struct client *client)
{
    struct pollfd ready = {.fd = client->fd, .events = POLLOUT};
    int timeout = (int)client->server->app.config.write_timeout * 1000;
    int before, now = app_untaken(client->fd);
    do {
        before = now;
        if (poll(&ready, 1, timeout) != 0)
            return true;
        now = app_untaken(client->fd);
    } while (now < before);
    return false;
}

/* Blocks until something is sent. False when the client is gone or takes nothing. */
static bool send_iov(struct client *client, struct iovec *iov, size_t count, uint64_t *sent)
{
    for (;;) {
        struct msghdr message = {.msg_iov = iov, .msg_iovlen = count};
        ssize_t more = sendmsg(client->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (more >= 0) {
            *sent += (uint64_t)more;
            return true;
        }
        if (errno != EINTR && (errno != EAGAIN || !wait_writable(client)))
            return false;
    }
}

static bool send_response(struct client *client, const struct response *response)
{
    struct iovec iov[RESPONSE_IOV_MAX];
    uint64_t sent = 0;
    size_t count;
    while ((count = response_iov(response, sent, iov, RESPONSE_IOV_MAX)) > 0)
        if (!send_iov(client, iov, count, &sent))
            return false;
    return true;
}

static bool send_continue(struct client *client)
{
    const uint64_t len = sizeof HTTP_100_CONTINUE - 1;
    uint64_t sent = 0;
    while (sent < len) {
        struct iovec iov = {.iov_base = (char *)HTTP_100_CONTINUE + sent, .iov_len = len - sent};
        if (!send_iov(client, &iov, 1, &sent))
            return false;
    }
    return true;
}

/*
 * Closing a socket that still holds unread bytes makes the kernel send a reset, which can destroy
 * the response before the client has read it (RFC 9112 9.6): say that nothing more comes, then read on
 * until the client has closed too.
 */
static void linger(struct client *client)
{
    char ignored[4096];
    size_t total = 0;
    uint64_t end = clock_ms() + (is_draining(client->server) ? APP_LAST_CALL_MS : APP_LINGER_MS), now;
    shutdown(client->fd, SHUT_WR);
    while (total < APP_LINGER_BYTES && (now = clock_ms()) < end) {
        set_read_timeout(client->fd, end - now);
        ssize_t len = recv(client->fd, ignored, sizeof ignored, 0);
        if (len <= 0)
            return;
        total += (size_t)len;
    }
}

/* Answers what the codec gave out. False when the connection is to be closed. */
static bool answer(struct client *client, struct http_codec *codec, enum http_event event)
{
    struct server *server = client->server;
    struct session session = {.database = &server->database};
    struct exchange x;
    enum step step;
    exchange_init(&x, &server->app.service, client->counters);
    if (event == HTTP_EVENT_REFUSED) {
        step = exchange_refuse(&x, codec->refusal);
    } else {
        x.request = &codec->request;
        if (is_draining(server))
            exchange_close_after(&x);
        step = exchange_start(&x);
    }
    while (step == STEP_QUERY) {
        const PGresult *result = database_query(&session, &x.query);
        if (is_draining(server))
            exchange_close_after(&x);
        step = result != NULL ? exchange_resume(&x, result) : exchange_fail(&x, session.failure);
    }
    database_release(&session); /* before sending: a slow reader must not hold a connection */

    bool sent = send_response(client, &x.response);
    bool closes = x.response.close;
    exchange_deinit(&x);
    if (sent && closes)
        linger(client);
    return sent && !closes;
}

/* When what is being read has to be there: the head, then the body, has HEADER_TIMEOUT each. */
struct read_deadline {
    bool is_set, is_for_body;
    uint64_t at_ms;
};

/*
 * Blocks for bytes of the client. Between requests the socket's own time-out, IDLE_TIMEOUT, holds and
 * a read is one system call; within a request the time left is set before each read.
 */
static ssize_t read_some(struct client *client, const struct http_codec *codec, struct read_deadline *deadline,
                         char *bytes, size_t room)
{
    const struct config *config = &client->server->app.config;
    if (http_is_mid_request(codec)) {
        uint64_t now = clock_ms();
        if (!deadline->is_set || (http_awaits_body(codec) && !deadline->is_for_body))
            *deadline =
                (struct read_deadline){true, http_awaits_body(codec), now + config->header_timeout * 1000u};
        if (now >= deadline->at_ms) {
            errno = EAGAIN;
            return -1;
        }
        set_read_timeout(client->fd, deadline->at_ms - now);
    } else {
        if (deadline->is_set)
            set_read_timeout(client->fd, config->idle_timeout * 1000u);
        deadline->is_set = false;
        atomic_store(&client->idle, true);
        if (is_draining(client->server))
            set_read_timeout(client->fd, APP_LAST_CALL_MS);
    }
    ssize_t len;
    do {
        len = recv(client->fd, bytes, room, 0);
    } while (len < 0 && errno == EINTR);
    atomic_store(&client->idle, false);
    return len;
}

static void serve(struct client *client)
{
    struct http_codec codec;
    struct read_deadline deadline = {.is_set = false};
    char bytes[HTTP_READ_BYTES];
    enum http_event event = HTTP_EVENT_MORE;

    http_init(&codec, &client->server->app.limits);
    set_read_timeout(client->fd, client->server->app.config.idle_timeout * 1000u);
    for (;;) {
        if (event == HTTP_EVENT_CONTINUE && !send_continue(client))
            break;
        if (event == HTTP_EVENT_REQUEST || event == HTTP_EVENT_REFUSED) {
            if (!answer(client, &codec, event))
                break;
            event = http_next(&codec);
            continue;
        }
        ssize_t len = read_some(client, &codec, &deadline, bytes, sizeof bytes);
        if (len > 0) {
            event = http_feed(&codec, bytes, (size_t)len);
        } else if (len < 0 && errno == EAGAIN && http_is_mid_request(&codec)) {
            http_time_out(&codec);
            answer(client, &codec, HTTP_EVENT_REFUSED);
            break;
        } else {
            break;
        }
    }
    http_deinit(&codec);
}

void *connection_serve(void *argument)
{
    struct client *client = argument;
    struct server *server = client->server;
    serve(client);

    pthread_mutex_lock(&server->clients_lock);
    close(client->fd); /* under the lock: a drain must not wake a number that is somebody else's by now */
    counters_add(client->counters, COUNT_CLOSED, 1);
    client->prev->next = client->next;
    client->next->prev = client->prev;
    if (server->clients.next == &server->clients)
        pthread_cond_signal(&server->clients_gone);
    pthread_mutex_unlock(&server->clients_lock);
    free(client);
    return NULL;
}

void connections_wake_idle(struct server *server)
{
    pthread_mutex_lock(&server->clients_lock);
    for (struct client *client = server->clients.next; client != &server->clients; client = client->next)
        if (atomic_load(&client->idle))
            shutdown(client->fd, SHUT_RD); /* its read ends; bytes that have arrived are still read */
    pthread_mutex_unlock(&server->clients_lock);
}
