/*
 * An HTTP server whose delays and faults are planned, for tests of load generators: what a generator should
 * measure follows from the plan by arithmetic.
 *
 *     delay_server [NAME=VALUE...]        prints the port it listens on, and at SIGTERM or SIGINT a line of
 * JSON: what it has seen
 *
 *     host=127.0.0.1 port=0               where it listens; ::1 too; port 0: one that is free
 *     delay=US                            from a request to its response
 *     other=US share=PERCENT              so many of the responses, evenly spread, take this delay instead
 *     stall=MS                            at each whole second after its start it does nothing for so long
 *     body=BYTES                          of each response (2)
 *     form=NAME                           plain, chunked, until-close, no-content, not-modified, continue,
 * headers, dribble (a byte each millisecond) requests=K announce=0               it closes each connection
 * after so many; 0: without Connection: close fault=NAME every=N                  each N-th response (1):
 * length (a byte less), long (a byte more than announced), unasked (bytes 1 ms after it), half (closes in the
 * middle of it), reset (the same by RST), garbage (no HTTP), status (503), never; or each N-th connection:
 * accept (closes it at once) log=FILE                            a line a request: ns on CLOCK_MONOTONIC, port
 * of the client, target
 *
 * One thread and one loop. A delay ends by a timer of nanoseconds; the thread is then late by what the
 * scheduler takes, some 50 us on a quiet machine.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alarms.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/must.h"
#include "base/owner_of.h"

enum form { PLAIN, CHUNKED, UNTIL_CLOSE, NO_CONTENT, NOT_MODIFIED, CONTINUE, HEADERS, DRIBBLE, FORMS };
enum fault { NONE, LENGTH, LONG, UNASKED, HALF, RESET, GARBAGE, STATUS, NEVER, ACCEPT, FAULTS };

static const char *const form_names[FORMS] = {"plain",        "chunked",  "until-close", "no-content",
                                              "not-modified", "continue", "headers",     "dribble"};
static const char *const fault_names[FAULTS] = {"none",  "length",  "long",   "unasked", "half",
                                                "reset", "garbage", "status", "never",   "accept"};

static struct {
    const char *host, *log;
    long port, delay, other, share, stall, body, requests, announce, every;
    enum form form;
    enum fault fault;
} plan = {.host = "127.0.0.1", .body = 2, .announce = 1, .every = 1};

/* What waits for its alarm. */
enum step { NOTHING, RESPOND, PIECE, EXTRA };

struct connection {
    struct alarm alarm; /* cannot be taken back: a connection that has ended is freed when it comes */
    enum step step;
    int fd; /* -1: ended */
    unsigned served;
    enum fault fault;     /* of the response under way */
    bool close_when_sent; /* and reset_too: by RST */
    size_t sent;          /* of out */
    size_t head;          /* bytes of in */
    struct buf out;       /* the response under way */
    char in[8192];        /* a request's head */
};

static struct alarms alarms;
static struct alarm stall_alarm;
static int loop, listener, signals;
static FILE *log_file;
static struct {
    unsigned long accepted, requests, open, open_most, closed_by_client, early, addresses;
} seen;
static in_addr_t *addresses; /* of the clients, one for each IPv4 connection */

static void die(const char *what)
{
    fprintf(stderr, "delay_server: %s: %s\n", what, strerror(errno));
    exit(1);
}

__attribute__((noreturn)) static void refuse(const char *word)
{
    fprintf(stderr, "delay_server: there is no '%s'\n", word);
    exit(2);
}

static int index_of(const char *name, const char *const names[], int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    refuse(name);
}

static void read_plan(int argc, char **argv)
{
    struct {
        const char *name;
        long *number;
    } numbers[] = {
        {"port", &plan.port},         {"delay", &plan.delay},       {"other", &plan.other},
        {"share", &plan.share},       {"stall", &plan.stall},       {"body", &plan.body},
        {"requests", &plan.requests}, {"announce", &plan.announce}, {"every", &plan.every},
    };
    for (int i = 1; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (value == NULL)
            refuse(argv[i]);
        *value++ = '\0';
        if (strcmp(argv[i], "host") == 0)
            plan.host = value;
        else if (strcmp(argv[i], "log") == 0)
            plan.log = value;
        else if (strcmp(argv[i], "form") == 0)
            plan.form = (enum form)index_of(value, form_names, FORMS);
        else if (strcmp(argv[i], "fault") == 0)
            plan.fault = (enum fault)index_of(value, fault_names, FAULTS);
        else {
            size_t known = 0, count = sizeof(numbers) / sizeof(*numbers);
            while (known < count && strcmp(numbers[known].name, argv[i]) != 0)
                known++;
            if (known == count)
                refuse(argv[i]);
            *numbers[known].number = atol(value);
        }
    }
}

/* ---- Responses */

static void add_body(struct buf *out, long bytes)
{
    static char block[65536];
    memset(block, 'x', sizeof(block));
    for (; bytes > 0; bytes -= (long)sizeof(block))
        must(buf_append(out, block, (size_t)(bytes < (long)sizeof(block) ? bytes : (long)sizeof(block))),
             "a response");
}

static void add_plain(struct buf *out, const char *status, const char *fields, long bytes)
{
    must(buf_printf(out, "HTTP/1.1 %s\r\nContent-Length: %ld\r\n%s\r\n", status, bytes, fields), "a response");
    add_body(out, bytes);
}

static void add_chunked(struct buf *out, const char *fields, long bytes)
{
    long first = bytes / 3;
    must(buf_printf(out, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n%s\r\n", fields), "a response");
    if (first > 0) {
        must(buf_printf(out, "%lx;name=value\r\n", first), "a response");
        add_body(out, first);
        must(buf_puts(out, "\r\n"), "a response");
    }
    must(buf_printf(out, "%lx\r\n", bytes - first), "a response");
    add_body(out, bytes - first);
    must(buf_puts(out, "\r\n0\r\nTrailer: yes\r\n\r\n"), "a response");
}

static void add_many_fields(struct buf *out, long bytes)
{
    must(buf_puts(out, "HTTP/1.1 200 OK\r\n"), "a response");
    for (int i = 0; i < 100; i++)
        must(buf_printf(out, "X-Field-%d: %060d\r\n", i, i), "a response");
    must(buf_printf(out, "Content-Length: %ld\r\n\r\n", bytes), "a response");
    add_body(out, bytes);
}

static void add_response(struct connection *connection, bool last)
{
    struct buf *out = &connection->out;
    const char *fields = last && plan.announce ? "Connection: close\r\n" : "";
    long bytes = plan.body - (connection->fault == LENGTH);
    if (connection->fault == GARBAGE)
        must(buf_puts(out, "SSH-2.0-OpenSSH_9.2p1\r\n"), "a response");
    else if (connection->fault == STATUS)
        add_plain(out, "503 Service Unavailable", fields, bytes);
    else if (plan.form == CHUNKED)
        add_chunked(out, fields, bytes);
    else if (plan.form == HEADERS)
        add_many_fields(out, bytes);
    else if (plan.form == NO_CONTENT)
        must(buf_printf(out, "HTTP/1.1 204 No Content\r\n%s\r\n", fields), "a response");
    else if (plan.form == NOT_MODIFIED)
        must(buf_printf(out, "HTTP/1.1 304 Not Modified\r\nContent-Length: %ld\r\n%s\r\n", bytes, fields),
             "a response");
    else if (plan.form == UNTIL_CLOSE) {
        must(buf_puts(out, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"), "a response");
        add_body(out, bytes);
        connection->close_when_sent = true;
    } else {
        if (plan.form == CONTINUE)
            must(buf_puts(out, "HTTP/1.1 100 Continue\r\n\r\n"), "a response");
        add_plain(out, "200 OK", fields, bytes);
    }
    if (connection->fault == LONG)
        must(buf_puts(out, "x"), "a response");
}

/* ---- Connections */

static void end(struct connection *connection, bool reset)
{
    if (reset) {
        struct linger at_once = {.l_onoff = 1};
        setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    }
    close(connection->fd);
    connection->fd = -1;
    seen.open--;
    buf_release(&connection->out);
    if (connection->step == NOTHING)
        free(connection);
}

static void set_alarm(struct connection *connection, enum step step, long us)
{
    connection->step = step;
    alarms_add(&alarms, &connection->alarm, clock_ns() + (uint64_t)us * 1000);
}

static void watch(struct connection *connection, int how, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = connection};
    if (epoll_ctl(loop, how, connection->fd, &event) != 0)
        die("epoll_ctl");
}

static void take_request(struct connection *connection);

/* All of `out` is sent. */
static void after_response(struct connection *connection)
{
    buf_release(&connection->out);
    connection->sent = 0;
    if (connection->close_when_sent)
        return end(connection, connection->fault == RESET);
    if (connection->fault == UNASKED)
        return set_alarm(connection, EXTRA, 1000);
    take_request(connection);
}

/* As much of `out` as the socket takes; in the form `dribble` one byte, and the next a millisecond later. */
static void send_out(struct connection *connection)
{
    size_t left = connection->out.len - connection->sent;
    size_t most = plan.form == DRIBBLE && left > 1 ? 1 : left;
    ssize_t sent = send(connection->fd, connection->out.data + connection->sent, most, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN)
        return end(connection, false);
    connection->sent += sent > 0 ? (size_t)sent : 0;
    if (connection->sent == connection->out.len)
        return after_response(connection);
    if (plan.form == DRIBBLE)
        return set_alarm(connection, PIECE, 1000);
    watch(connection, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
}

static void respond(struct connection *connection)
{
    bool last = plan.requests > 0 && connection->served >= plan.requests;
    connection->close_when_sent = last;
    add_response(connection, last);
    if (connection->fault == HALF || connection->fault == RESET) {
        connection->out.len /= 2;
        connection->close_when_sent = true;
    }
    send_out(connection);
}

static void log_request(const struct connection *connection)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    getpeername(connection->fd, (struct sockaddr *)&address, &length);
    char host[64], port[8];
    getnameinfo((struct sockaddr *)&address, length, host, sizeof(host), port, sizeof(port),
                NI_NUMERICHOST | NI_NUMERICSERV);
    const char *target = strchr(connection->in, ' ');
    int length_of_target = target != NULL ? (int)strcspn(target + 1, " \r") : 0;
    fprintf(log_file, "%llu %s,%s %.*s\n", (unsigned long long)clock_ns(), host, port, length_of_target,
            target != NULL ? target + 1 : "");
}

/* Goes on with a request whose head is in `in`, if there is a whole one. */
static void take_request(struct connection *connection)
{
    char *end_of_head = memmem(connection->in, connection->head, "\r\n\r\n", 4);
    if (end_of_head == NULL)
        return;
    size_t length = (size_t)(end_of_head + 4 - connection->in);
    end_of_head[3] = '\0';
    if (log_file != NULL)
        log_request(connection);
    connection->head -= length;
    memmove(connection->in, connection->in + length, connection->head);
    seen.early += connection->head > 0;
    connection->served++;
    unsigned long number = ++seen.requests;
    connection->fault = plan.fault != ACCEPT && number % (unsigned long)plan.every == 0 ? plan.fault : NONE;
    if (connection->fault == NEVER)
        return;
    unsigned long share = (unsigned long)plan.share;
    bool other = number * share / 100 != (number - 1) * share / 100;
    long delay = other ? plan.other : plan.delay;
    if (delay > 0)
        set_alarm(connection, RESPOND, delay);
    else
        respond(connection);
}

static void on_readable(struct connection *connection)
{
    ssize_t got =
        recv(connection->fd, connection->in + connection->head, sizeof(connection->in) - connection->head, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        seen.closed_by_client++;
        return end(connection, false);
    }
    connection->head += (size_t)got;
    if (connection->step == NOTHING && connection->out.len == 0)
        take_request(connection);
    else if (connection->step != EXTRA)
        seen.early++; /* before it had the response to the one before */
}

static void on_events(struct connection *connection, uint32_t events)
{
    if (events & EPOLLOUT && connection->out.len > 0) {
        watch(connection, EPOLL_CTL_MOD, EPOLLIN);
        send_out(connection); /* may free it: what there is to read comes in the next turn */
        return;
    }
    on_readable(connection);
}

static void on_alarm(struct connection *connection)
{
    enum step step = connection->step;
    connection->step = NOTHING;
    if (connection->fd < 0)
        free(connection);
    else if (step == RESPOND)
        respond(connection);
    else if (step == PIECE)
        send_out(connection);
    else if (send(connection->fd, "unasked", 7, MSG_NOSIGNAL) < 0)
        end(connection, false);
    else
        take_request(connection);
}

static void remember_address(const struct sockaddr_storage *address)
{
    if (address->ss_family != AF_INET)
        return;
    addresses = realloc(addresses, (seen.addresses + 1) * sizeof(*addresses));
    if (addresses == NULL)
        die("addresses");
    addresses[seen.addresses++] = ((const struct sockaddr_in *)address)->sin_addr.s_addr;
}

static void accept_all(void)
{
    int on = 1;
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof(address);
    int fd;
    while ((fd = accept4(listener, (struct sockaddr *)&address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        length = sizeof(address);
        seen.accepted++;
        remember_address(&address);
        if (plan.fault == ACCEPT && seen.accepted % (unsigned long)plan.every == 0) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        struct connection *connection = calloc(1, sizeof(*connection));
        if (connection == NULL)
            die("a connection");
        connection->fd = fd;
        buf_init(&connection->out, 1 << 30);
        if (++seen.open > seen.open_most)
            seen.open_most = seen.open;
        watch(connection, EPOLL_CTL_ADD, EPOLLIN);
    }
}

/* ---- The whole */

static void listen_there(void)
{
    char port[16];
    snprintf(port, sizeof(port), "%ld", plan.port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
    if (getaddrinfo(plan.host, port, &hints, &found) != 0)
        die(plan.host);
    int on = 1;
    listener = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(listener, found->ai_addr, found->ai_addrlen) != 0 || listen(listener, 4096) != 0)
        die("cannot listen");
    freeaddrinfo(found);
    struct sockaddr_storage own;
    socklen_t length = sizeof(own);
    getsockname(listener, (struct sockaddr *)&own, &length);
    char service[16];
    getnameinfo((struct sockaddr *)&own, length, NULL, 0, service, sizeof(service), NI_NUMERICSERV);
    puts(service);
    fflush(stdout);
}

/* Alarms that are due, a stall among them: nothing is read or sent in it. */
static void take_alarms(void)
{
    struct alarm *alarm;
    while ((alarm = alarms_take_due(&alarms, clock_ns())) != NULL) {
        if (alarm != &stall_alarm) {
            on_alarm(owner_of(alarm, struct connection, alarm));
            continue;
        }
        uint64_t began = alarm->at_ns;
        struct timespec until = clock_timespec(began + (uint64_t)plan.stall * 1000000);
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
        }
        alarms_add(&alarms, &stall_alarm, began + 1000000000);
    }
    alarms_set_timer(&alarms);
}

static void run(void)
{
    struct epoll_event events[256];
    for (;;) {
        take_alarms();
        int count = epoll_wait(loop, events, 256, -1);
        for (int i = 0; i < count; i++) {
            void *what = events[i].data.ptr;
            if (what == &listener)
                accept_all();
            else if (what == &signals)
                return;
            else if (what != &alarms)
                on_events(what, events[i].events);
        }
    }
}

static int by_value(const void *a, const void *b)
{
    in_addr_t x = *(const in_addr_t *)a, y = *(const in_addr_t *)b;
    return (x > y) - (x < y);
}

static void report(void)
{
    unsigned long different = 0;
    if (seen.addresses > 0)
        qsort(addresses, seen.addresses, sizeof(*addresses), by_value);
    for (unsigned long i = 0; i < seen.addresses; i++)
        different += i == 0 || addresses[i] != addresses[i - 1];
    printf(
        "{\"accepted\": %lu, \"requests\": %lu, \"open\": %lu, \"open_most\": %lu, \"closed_by_client\": %lu, "
        "\"early\": %lu, \"addresses\": %lu}\n",
        seen.accepted, seen.requests, seen.open, seen.open_most, seen.closed_by_client, seen.early, different);
}

int main(int argc, char **argv)
{
    read_plan(argc, argv);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (plan.log != NULL && (log_file = fopen(plan.log, "we")) == NULL)
        die(plan.log);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signals = signalfd(-1, &set, SFD_CLOEXEC);
    loop = epoll_create1(EPOLL_CLOEXEC);
    if (alarms_init(&alarms) != 0 || signals < 0 || loop < 0)
        die("no descriptors");
    listen_there();
    if (plan.stall > 0)
        alarms_add(&alarms, &stall_alarm, clock_ns() + 1000000000);
    struct {
        int fd;
        void *what;
    } sources[] = {{listener, &listener}, {signals, &signals}, {alarms.fd, &alarms}};
    for (int i = 0; i < 3; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = sources[i].what};
        epoll_ctl(loop, EPOLL_CTL_ADD, sources[i].fd, &event);
    }
    run();
    report();
    return log_file != NULL && fclose(log_file) != 0;
}
