#include "server/drain.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/timeouts.h"

void drain_block_signals(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, signals, NULL);
}

void drain_init(struct drain *drain, const struct app *app, unsigned parts)
{
    *drain = (struct drain){.app = app, .main_thread = pthread_self(), .starting = parts, .running = parts};
}

void drain_part_is_up(struct drain *drain)
{
    atomic_fetch_sub(&drain->starting, 1);
    pthread_kill(drain->main_thread, SIGUSR1);
}

void drain_part_has_ended(struct drain *drain)
{
    atomic_fetch_sub(&drain->running, 1);
    pthread_kill(drain->main_thread, SIGUSR1);
}

/* Everything is still in use by other threads: what exit(3) would run must not run. */
static enum drain_step leave(struct drain *drain, int status)
{
    drain->status = status;
    return DRAIN_LEAVE;
}

static enum drain_step begin(struct drain *drain, int signal)
{
    const struct config *config = &drain->app->config;
    uint64_t now = clock_ms();
    log_info("%s: draining", strsignal(signal));
    drain->last_call_ends_ms = now + timeout_ms(config, TIMEOUT_LAST_CALL);
    drain->ends_ms = now + config->drain_timeout * UINT64_C(1000);
    drain->phase = DRAIN_CALLING;
    return DRAIN_BEGIN;
}

static enum drain_step step_draining(struct drain *drain, int signal)
{
    uint64_t now = clock_ms();
    if (signal == SIGTERM || signal == SIGINT) {
        log_warn("%s again: leaving at once", strsignal(signal));
        return leave(drain, 1);
    }
    if (atomic_load(&drain->running) == 0)
        return DRAIN_END;
    if (now >= drain->ends_ms) {
        log_warn("drain: %llu connections cut off after DRAIN_TIMEOUT, %u s",
                 (unsigned long long)counters_connections_open(), drain->app->config.drain_timeout);
        return leave(drain, 1);
    }
    if (drain->phase == DRAIN_CALLING && now >= drain->last_call_ends_ms) {
        drain->phase = DRAIN_ENDING;
        return DRAIN_LAST_CALL;
    }
    return DRAIN_WAIT;
}

enum drain_step drain_step(struct drain *drain, int signal)
{
    bool asked_to_stop = signal == SIGTERM || signal == SIGINT;
    switch (drain->phase) {
    case DRAIN_STARTING:
        if (asked_to_stop) {
            log_info("%s: leaving before the database was up", strsignal(signal));
            return leave(drain, 0);
        }
        if (atomic_load(&drain->starting) > 0)
            return DRAIN_WAIT;
        drain->phase = DRAIN_SERVING;
        return DRAIN_LISTEN;
    case DRAIN_SERVING:
        return asked_to_stop ? begin(drain, signal) : DRAIN_WAIT;
    case DRAIN_CALLING:
    case DRAIN_ENDING:
        break;
    }
    return step_draining(drain, signal);
}

int drain_timeout_ms(const struct drain *drain)
{
    uint64_t now = clock_ms();
    if (drain->phase < DRAIN_CALLING)
        return -1;
    uint64_t ends = drain->phase == DRAIN_CALLING ? drain->last_call_ends_ms : drain->ends_ms;
    return ends > now ? (int)(ends - now) : 0;
}

const struct timespec *drain_timeout(const struct drain *drain, struct timespec *timeout)
{
    int ms = drain_timeout_ms(drain);
    *timeout = (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    return ms < 0 ? NULL : timeout;
}
