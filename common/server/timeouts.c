#include "server/timeouts.h"

#include "db/pg.h"

enum {
    LINGER_MS = 2000,
    /* A client that sends one request after another has its next on the way: closed at once, 50 of 50 such
     * clients (n=0) lost one. */
    LAST_CALL_MS = 200,
    RETRY_MS = 100,
};

uint64_t timeout_ms(const struct config *config, enum timeout timeout)
{
    switch (timeout) {
    case TIMEOUT_IDLE:
        return config->idle_timeout * UINT64_C(1000);
    case TIMEOUT_LAST_CALL:
        return LAST_CALL_MS;
    case TIMEOUT_HEAD:
    case TIMEOUT_BODY:
        return config->header_timeout * UINT64_C(1000);
    case TIMEOUT_WRITE:
        return config->write_timeout * UINT64_C(1000);
    case TIMEOUT_LINGER:
        return LINGER_MS;
    case TIMEOUT_QUERY:
        return config->query_timeout * UINT64_C(1000);
    case TIMEOUT_CONNECT:
        return PG_CONNECT_MS;
    case TIMEOUT_RETRY:
        return RETRY_MS;
    case TIMEOUT_NONE:
    case TIMEOUTS:
        break;
    }
    return 0;
}

enum timeout timeout_of_read(const struct http_codec *codec, bool draining)
{
    switch (http_phase(codec)) {
    case HTTP_PHASE_HEAD:
        return TIMEOUT_HEAD;
    case HTTP_PHASE_BODY:
        return TIMEOUT_BODY;
    case HTTP_PHASE_IDLE:
        break;
    }
    return draining ? TIMEOUT_LAST_CALL : TIMEOUT_IDLE;
}

enum timeout timeout_of_linger(bool draining)
{
    return draining ? TIMEOUT_LAST_CALL : TIMEOUT_LINGER;
}

void timeouts_init(struct timeouts *timeouts, const struct config *config)
{
    for (unsigned i = 0; i < TIMEOUTS; i++)
        deadline_list_init(&timeouts->lists[i], timeout_ms(config, i));
    timeouts->timer_ms = UINT64_MAX;
}

void timeouts_arm(struct timeouts *timeouts, enum timeout timeout, struct deadline *deadline, uint64_t now_ms)
{
    if (timeout == TIMEOUT_NONE)
        deadline_disarm(deadline);
    else
        deadline_arm(&timeouts->lists[timeout], deadline, now_ms);
}

void timeouts_arm_at(struct timeouts *timeouts, enum timeout timeout, struct deadline *deadline, uint64_t at_ms)
{
    deadline_arm_at(&timeouts->lists[timeout], deadline, at_ms);
}

struct deadline *timeouts_take_expired(struct timeouts *timeouts, enum timeout timeout, uint64_t now_ms)
{
    return deadline_take_expired(&timeouts->lists[timeout], now_ms);
}

bool timeouts_move_timer(struct timeouts *timeouts, uint64_t now_ms, uint64_t other_ms, uint64_t *delay_ms)
{
    uint64_t next = other_ms;
    for (unsigned i = 0; i < TIMEOUTS; i++) {
        uint64_t at = deadline_next_ms(&timeouts->lists[i]);
        next = at < next ? at : next;
    }
    if (next >= timeouts->timer_ms)
        return false;
    timeouts->timer_ms = next;
    *delay_ms = next > now_ms ? next - now_ms : 0;
    return true;
}

void timeouts_timer_fired(struct timeouts *timeouts)
{
    timeouts->timer_ms = UINT64_MAX;
}
