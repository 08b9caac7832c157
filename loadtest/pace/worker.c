#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "traffic.h"

enum {
    EVENTS = 256,
    WAIT_MOST_NS = 100000000, /* for events: then it looks whether it was told to stop */
    OPENING_MAX = 256,        /* connections that a thread opens at once, in the beginning */
    SLICE_NS = 100000,        /* the shortest that the kernel grants */
    CONNECT_PATIENCE_S = 120, /* with the connecting phase */
};

static unsigned share(unsigned total, unsigned parts, unsigned part)
{
    return total / parts + (part < total % parts);
}

static uint64_t ns(double seconds)
{
    return (uint64_t)(seconds * 1e9);
}

static void init_connections(struct worker *worker)
{
    const struct options *options = worker->run->options;
    unsigned idle = share(options->idle, options->threads, worker->number);
    for (unsigned i = 0; i < worker->active + worker->others; i++) {
        struct connection *connection = &worker->connections[i];
        connection->fd = -1;
        connection->kind = i < worker->active          ? CONNECTION_ACTIVE
                           : i < worker->active + idle ? CONNECTION_IDLE
                                                       : CONNECTION_SLOW;
        if (worker->contents != NULL && i < worker->active) {
            connection->response.content = &worker->contents[i];
            connection->asked.text = worker->texts + (size_t)i * CRUD_REQUEST_MAX;
        }
    }
}

int worker_init(struct worker *worker, struct run *run, unsigned number)
{
    const struct options *options = run->options;
    *worker = (struct worker){.run = run, .number = number};
    worker->active = share(options->connections, options->threads, number);
    worker->others =
        share(options->idle, options->threads, number) + share(options->slow, options->threads, number);
    worker->connections = calloc(worker->active + worker->others, sizeof *worker->connections);
    worker->free = calloc(worker->active, sizeof(struct connection *));
    if (options->has_crud) {
        worker->contents = calloc(worker->active, sizeof *worker->contents);
        worker->texts = calloc(worker->active, CRUD_REQUEST_MAX);
    }
    bool failed = worker->connections == NULL || worker->free == NULL ||
                  (options->has_crud && (worker->contents == NULL || worker->texts == NULL));
    if (failed || tally_init(&worker->tally, options->seconds) != 0)
        return -ENOMEM;
    init_connections(worker);
    requester_init(&worker->requester, run->requests, number);
    worker->wire.epoll = epoll_create1(EPOLL_CLOEXEC);
    worker->wire.target = &run->target;
    worker->wire.tally = &worker->tally;
    worker->wire.many_sources = options->requests_per_connection > 0 || options->connections > 20000;
    worker->wire.opened = number * 50;
    return worker->wire.epoll < 0 ? -errno : 0;
}

void worker_deinit(struct worker *worker)
{
    for (unsigned i = 0; worker->connections != NULL && i < worker->active + worker->others; i++)
        connection_close(&worker->connections[i]);
    if (worker->wire.epoll > 0)
        close(worker->wire.epoll);
    if (worker->schedstat > 0)
        close(worker->schedstat);
    requester_deinit(&worker->requester);
    tally_deinit(&worker->tally);
    free(worker->connections);
    free(worker->contents);
    free(worker->texts);
    free(worker->free);
}

static void await_events(struct worker *worker, uint64_t until_ns)
{
    struct epoll_event events[EVENTS];
    uint64_t now = clock_ns(), left = until_ns > now ? until_ns - now : 0;
    struct timespec timeout = clock_timespec(left < WAIT_MOST_NS ? left : WAIT_MOST_NS);
    int count = epoll_pwait2(worker->wire.epoll, events, EVENTS, &timeout, NULL);
    for (int i = 0; i < count; i++) {
        struct connection *connection = events[i].data.ptr;
        if (connection->state == CONNECTION_CLOSED)
            continue; /* by an earlier event of this round */
        traffic_on_event(worker, connection, connection_advance(connection, &worker->wire, events[i].events));
        if (!traffic_is_closed_loop(worker) && worker->due_ns != 0)
            traffic_dispatch(worker);
    }
}

/* The server may have closed it since: what does not last is opened again in time. */
static bool is_up(const struct connection *connection)
{
    return connection->was_up || (connection->kind == CONNECTION_SLOW && connection->made > 0);
}

static unsigned count_up(const struct worker *worker, unsigned opened)
{
    unsigned up = 0;
    for (unsigned i = 0; i < opened; i++)
        up += is_up(&worker->connections[i]);
    return up;
}

static bool is_stopped(const struct worker *worker)
{
    return atomic_load(&worker->run->stop_ns) != 0;
}

static bool has_failed(struct worker *worker)
{
    if (worker->tally.first_error[0] == '\0')
        return false;
    snprintf(worker->problem, sizeof worker->problem, "%s", worker->tally.first_error);
    return true;
}

/* Opens all connections, OPENING_MAX at once. The first failure ends it, since all of them are asked for. */
static void connect_all(struct worker *worker)
{
    unsigned all = worker->active + worker->others, opened = 0, up = 0;
    uint64_t patience = clock_ns() + ns(CONNECT_PATIENCE_S);
    while (up < all && !is_stopped(worker) && !has_failed(worker)) {
        for (; opened < all && opened - up < OPENING_MAX; opened++) {
            struct connection *connection = &worker->connections[opened];
            if (connection_open(connection, &worker->wire) == CONNECTION_FAILED)
                traffic_on_failure(worker, connection, clock_ns());
            else if (connection->kind == CONNECTION_SLOW)
                traffic_ask_plainly(worker, connection);
        }
        await_events(worker, clock_ns() + WAIT_MOST_NS / 10);
        traffic_tick(worker, clock_ns());
        up = count_up(worker, opened);
        if (clock_ns() > patience) {
            snprintf(worker->problem, sizeof worker->problem,
                     "%u of %u connections were open after %d s: does the server take as many, and does no "
                     "connection tracking "
                     "(net.netfilter.nf_conntrack_max) drop them?",
                     up, all, CONNECT_PATIENCE_S);
            return;
        }
    }
}

/* The window, which SIGINT may have ended early. */
static void follow_stop(struct worker *worker)
{
    uint64_t stop = atomic_load(&worker->run->stop_ns);
    if (stop != 0 && stop < worker->tally.end_ns)
        worker->tally.end_ns = stop;
}

static uint64_t own_cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* For how long the thread has been ready to run and had no CPU: the second number of schedstat (proc(5)). 0
 * where the kernel does not count. */
static uint64_t own_wait_ns(const struct worker *worker)
{
    char text[100];
    ssize_t len = pread(worker->schedstat, text, sizeof text - 1, 0);
    uint64_t ran, waited;
    text[len > 0 ? len : 0] = '\0';
    return sscanf(text, "%" SCNu64 " %" SCNu64, &ran, &waited) == 2 ? waited : 0;
}

static void mark_cpu(struct worker *worker, uint64_t now)
{
    struct tally *tally = &worker->tally;
    if (!worker->has_cpu_begin && now >= tally->begin_ns) {
        worker->has_cpu_begin = true;
        worker->cpu_begin_ns = own_cpu_ns();
        worker->wait_begin_ns = own_wait_ns(worker);
    }
    if (worker->has_cpu_begin && !worker->has_cpu_end && now >= tally->end_ns) {
        worker->has_cpu_end = true;
        tally->cpu_ns = own_cpu_ns() - worker->cpu_begin_ns;
        tally->cpu_wait_ns = own_wait_ns(worker) - worker->wait_begin_ns;
    }
}

static void begin(struct worker *worker, uint64_t start_ns)
{
    const struct options *options = worker->run->options;
    struct tally *tally = &worker->tally;
    tally->begin_ns = start_ns + ns(options->warmup_s);
    tally->end_ns = tally->begin_ns + ns(options->seconds);
    worker->free_since_ns = 0;
    if (traffic_is_closed_loop(worker)) {
        while (worker->free_count > 0)
            traffic_start(worker, traffic_take_free(worker), 0);
        return;
    }
    schedule_init(&worker->schedule, start_ns, options->rate / options->threads, options->is_poisson,
                  options->seed, worker->number, options->threads);
    worker->arrivals = worker->schedule;
    worker->due_ns = schedule_next(&worker->schedule);
    worker->arrived_ns = schedule_next(&worker->arrivals);
}

/* Told to end by a second signal, or by one that came in the drain, or before the window. */
static bool is_dropped(const struct worker *worker)
{
    uint64_t stop = atomic_load(&worker->run->stop_ns);
    const struct tally *tally = &worker->tally;
    return atomic_load(&worker->run->is_dropped) ||
           (stop != 0 && (stop > tally->end_ns || stop <= tally->begin_ns));
}

static bool is_over(const struct worker *worker, uint64_t now)
{
    const struct tally *tally = &worker->tally;
    bool is_idle = worker->busy == 0 && (traffic_is_closed_loop(worker) || worker->due_ns >= tally->end_ns);
    return is_dropped(worker) ||
           (now >= tally->end_ns && (is_idle || now >= tally->end_ns + ns(worker->run->options->drain_s)));
}

static void load(struct worker *worker)
{
    uint64_t now = clock_ns();
    while (!is_over(worker, now)) {
        uint64_t until = now + WAIT_MOST_NS;
        if (!traffic_is_closed_loop(worker)) {
            traffic_dispatch(worker);
            if (worker->free_count > 0 && worker->due_ns < worker->tally.end_ns)
                until = worker->due_ns;
        }
        if (now < worker->tally.begin_ns && worker->tally.begin_ns < until)
            until = worker->tally.begin_ns;
        else if (now < worker->tally.end_ns && worker->tally.end_ns < until)
            until = worker->tally.end_ns;
        await_events(worker, until);
        now = clock_ns();
        follow_stop(worker);
        mark_cpu(worker, now);
        traffic_tick(worker, now);
    }
    traffic_give_up(worker);
}

/*
 * Since Linux 6.12 a thread of the usual policy may ask for short slices: it gets no more CPU time than others,
 * but gets it sooner after it was woken (sched_setattr(2), sched_runtime). Elsewhere it changes nothing.
 */
static void ask_for_short_slices(void)
{
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime_ns, deadline_ns, period_ns;
    } wanted = {.size = sizeof wanted, .runtime_ns = SLICE_NS};
    syscall(SYS_sched_setattr, 0, &wanted, 0);
}

void *worker_run(void *argument)
{
    struct worker *worker = argument;
    prctl(PR_SET_TIMERSLACK, 1); /* ns; 50 us by default */
    ask_for_short_slices();
    worker->schedstat = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    connect_all(worker);
    pthread_barrier_wait(&worker->run->barrier);
    pthread_barrier_wait(&worker->run->barrier);
    uint64_t start_ns = atomic_load(&worker->run->start_ns);
    if (start_ns == 0)
        return NULL;
    begin(worker, start_ns);
    load(worker);
    return NULL;
}
