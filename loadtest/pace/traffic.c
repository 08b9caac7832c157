#include "traffic.h"

#include "base/clock.h"

enum {
    TICK_NS = 100000000,  /* between two looks at what is slow, has failed, or takes too long */
    RETRY_NS = 100000000, /* until a connection that failed is opened again */
};

/* ---- Free connections */

static void put_free(struct worker *worker, struct connection *connection, uint64_t now)
{
    if (worker->free_count == 0)
        worker->free_since_ns = now;
    worker->free[(worker->free_first + worker->free_count++) % worker->active] = connection;
}

struct connection *traffic_take_free(struct worker *worker)
{
    if (worker->free_count == 0)
        return NULL;
    struct connection *connection = worker->free[worker->free_first];
    worker->free_first = (worker->free_first + 1) % worker->active;
    worker->free_count--;
    return connection;
}

/* ---- Requests */

bool traffic_is_closed_loop(const struct worker *worker)
{
    return worker->run->options->rate == 0;
}

static void burn(unsigned us)
{
    for (uint64_t end = clock_ns() + us * 1000u; us > 0 && clock_ns() < end;)
        ;
}

static void end_request(struct worker *worker, struct connection *connection, uint64_t now)
{
    worker->busy--;
    tally_sample(&worker->tally, connection->due_ns, connection->sent_ns, now);
}

/* The connection is closed; its request, if it has one, has failed. It is opened again after a while. */
void traffic_on_failure(struct worker *worker, struct connection *connection, uint64_t now)
{
    bool is_active = connection->kind == CONNECTION_ACTIVE;
    tally_error(&worker->tally, worker->wire.failure, worker->wire.why);
    if (connection->has_request || !is_active) /* else it is in the ring, and is opened when its turn comes */
        connection->retry_ns = now + RETRY_NS;
    if (connection->has_request && is_active)
        end_request(worker, connection, now);
    connection->has_request = false;
}

void traffic_start(struct worker *worker, struct connection *connection, uint64_t due_ns)
{
    const struct options *options = worker->run->options;
    unsigned made = connection->state == CONNECTION_CLOSED ? 0 : connection->made;
    requester_next(&worker->requester, &connection->asked, made + 1 == options->requests_per_connection);
    burn(options->burn_us);
    worker->busy++;
    if (connection_send(connection, &worker->wire, due_ns) == CONNECTION_FAILED)
        traffic_on_failure(worker, connection, clock_ns());
}

/* Requests that have arrived and have no connection yet. */
static void count_queue(struct worker *worker, uint64_t now)
{
    while (worker->arrived_ns <= now && worker->arrived_ns < worker->tally.end_ns) {
        worker->arrived++;
        worker->arrived_ns = schedule_next(&worker->arrivals);
    }
    uint64_t queue = worker->arrived > worker->begun ? worker->arrived - worker->begun : 0;
    if (queue > worker->tally.queue_most && now >= worker->tally.begin_ns)
        worker->tally.queue_most = queue;
}

/* When a request could have been sent: it was due, and a connection was free. */
static uint64_t sendable_from(const struct worker *worker, uint64_t due)
{
    return worker->free_since_ns > due ? worker->free_since_ns : due;
}

/*
 * Whether pace is to blame that a request is sent now. Either a connection was free and it was due; or it
 * became due while pace was away, since it was stopped or had no CPU, and a connection was free when pace left.
 * Of many such, all connections are busy with the first soon, and the others would seem to have waited for the
 * server.
 */
static bool is_late(const struct worker *worker, uint64_t due, uint64_t now)
{
    uint64_t could = sendable_from(worker, due);
    uint64_t late_ns = (uint64_t)(worker->run->options->late_ms * 1e6);
    return now > could + late_ns || (due > worker->away_from_ns && due + late_ns < worker->away_to_ns);
}

static void look(struct worker *worker, uint64_t now)
{
    if (worker->looked_ns != 0) {
        worker->away_from_ns = worker->looked_ns;
        worker->away_to_ns = now;
    }
    worker->looked_ns = 0;
}

/* Sends what is due, as far as there are connections. */
void traffic_dispatch(struct worker *worker)
{
    struct tally *tally = &worker->tally;
    uint64_t now = clock_ns();
    look(worker, now);
    for (;; now = clock_ns()) {
        uint64_t due = worker->due_ns;
        if (due > now || due >= tally->end_ns) {
            worker->looked_ns = worker->free_count > 0 ? now : 0;
            return;
        }
        struct connection *connection = traffic_take_free(worker);
        if (connection == NULL) {
            count_queue(worker, now);
            return;
        }
        if (tally_is_in_window(tally, due)) {
            tally->waited += sendable_from(worker, due) > due;
            tally->late += is_late(worker, due, now);
        }
        worker->due_ns = schedule_next(&worker->schedule);
        worker->begun++;
        traffic_start(worker, connection, due);
    }
}

/* In a closed loop: the connection's next request, or none after the window. */
static void go_on(struct worker *worker, struct connection *connection, uint64_t now)
{
    if (traffic_is_closed_loop(worker) && now < worker->tally.end_ns)
        traffic_start(worker, connection, 0);
    else
        put_free(worker, connection, now);
}

/* An idle or slow connection, by the server. */
static void on_closed(struct worker *worker, struct connection *connection)
{
    connection->was_up = true;
    connection->retry_ns = clock_ns() + RETRY_NS;
    worker->tally.idle_closed += connection->kind == CONNECTION_IDLE;
    worker->tally.slow_closed += connection->kind == CONNECTION_SLOW;
}

static void on_answer(struct worker *worker, struct connection *connection)
{
    struct tally *tally = &worker->tally;
    uint64_t now = clock_ns();
    char why[FIRST_ERROR_MAX];
    enum error_kind error =
        requester_check(&worker->requester, &connection->asked, &connection->response, why, sizeof why);
    if (error != ERROR_NONE)
        tally_error(tally, error, why);
    if (connection->kind == CONNECTION_ACTIVE) {
        tally_response(tally, now);
        end_request(worker, connection, now);
    } else {
        connection->was_up = true;
        tally->total_requests++;
        tally->slow_requests += connection->kind == CONNECTION_SLOW;
    }
    response_next(&connection->response);
    unsigned most = worker->run->options->requests_per_connection;
    if (connection->kind == CONNECTION_ACTIVE && most > 0 && connection->made >= most)
        connection_close(connection);
    if (connection->kind == CONNECTION_ACTIVE)
        go_on(worker, connection, now);
    else if (connection->state == CONNECTION_CLOSED)
        on_closed(worker, connection);
}

void traffic_ask_plainly(struct worker *worker, struct connection *connection)
{
    requester_plain(&worker->requester, &connection->asked);
    if (connection_send(connection, &worker->wire, clock_ns()) == CONNECTION_FAILED)
        traffic_on_failure(worker, connection, clock_ns());
}

void traffic_on_event(struct worker *worker, struct connection *connection, enum connection_event event)
{
    switch (event) {
    case CONNECTION_GOES_ON:
        return;
    case CONNECTION_READY:
        connection->was_up |= connection->kind == CONNECTION_ACTIVE;
        if (connection->kind == CONNECTION_ACTIVE)
            go_on(worker, connection, clock_ns());
        else
            traffic_ask_plainly(worker, connection);
        return;
    case CONNECTION_ANSWERED:
        on_answer(worker, connection);
        return;
    case CONNECTION_LEFT: /* an active one is in the ring still, and is opened when its turn comes */
        if (connection->kind != CONNECTION_ACTIVE)
            on_closed(worker, connection);
        return;
    case CONNECTION_FAILED:
        traffic_on_failure(worker, connection, clock_ns());
        return;
    }
}

/* ---- Now and then */

/* An active connection that failed is closed and in no ring; it comes back when retry_ns has passed. */
static void revive(struct worker *worker, struct connection *connection, uint64_t now)
{
    connection->retry_ns = 0;
    if (connection->kind == CONNECTION_ACTIVE)
        go_on(worker, connection, now);
    else
        traffic_ask_plainly(worker, connection);
}

static void check_timeout(struct worker *worker, struct connection *connection, uint64_t now)
{
    double timeout_s = worker->run->options->timeout_s;
    if (timeout_s == 0 || !connection->has_request || now < connection->sent_ns + (uint64_t)(timeout_s * 1e9) ||
        connection->kind == CONNECTION_SLOW)
        return;
    connection_close(connection);
    worker->wire.failure = ERROR_TIMEOUT;
    worker->wire.why[0] = '\0';
    traffic_on_failure(worker, connection, now);
}

void traffic_tick(struct worker *worker, uint64_t now)
{
    if (now < worker->next_tick_ns)
        return;
    worker->next_tick_ns = now + TICK_NS;
    for (unsigned i = 0; i < worker->active + worker->others; i++) {
        struct connection *connection = &worker->connections[i];
        check_timeout(worker, connection, now);
        if (connection->state == CONNECTION_CLOSED && connection->retry_ns != 0 && now >= connection->retry_ns)
            revive(worker, connection, now);
        if (connection->kind != CONNECTION_SLOW || connection->state == CONNECTION_CLOSED)
            continue;
        traffic_on_event(worker, connection, connection_sip(connection, &worker->wire));
        if (connection->state == CONNECTION_OPEN)
            traffic_ask_plainly(worker, connection);
    }
}

/* A request without a response when the drain ends counts with its age. */
void traffic_give_up(struct worker *worker)
{
    struct tally *tally = &worker->tally;
    uint64_t now = clock_ns();
    for (unsigned i = 0; i < worker->active; i++) {
        struct connection *connection = &worker->connections[i];
        if (!connection->has_request)
            continue;
        tally->unfinished += tally_is_in_window(tally, connection->due_ns);
        end_request(worker, connection, now);
    }
    for (; !traffic_is_closed_loop(worker) && worker->due_ns < tally->end_ns;
         worker->due_ns = schedule_next(&worker->schedule)) {
        tally->unfinished += tally_is_in_window(tally, worker->due_ns);
        tally->waited += tally_is_in_window(tally, worker->due_ns);
        tally_sample(tally, worker->due_ns, 0, now);
    }
}
