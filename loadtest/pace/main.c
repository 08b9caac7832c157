/* pace: an HTTP load generator that sends at a rate of its own, whatever the server does. See pace.1. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "report.h"
#include "worker.h"

enum { STATUS_SOUND = 0, STATUS_NO_RESULT = 1, STATUS_UNSOUND = 3, STATUS_SIGNAL = 128 };

static struct run run;
static volatile sig_atomic_t stopped_by;

/* clock_gettime(2) is safe in a handler (signal-safety(7)). */
static void on_signal(int number)
{
    unsigned long long none = 0;
    stopped_by = number;
    if (!atomic_compare_exchange_strong(&run.stop_ns, &none, clock_ns()))
        atomic_store(&run.is_dropped, true);
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* A connection takes a descriptor: as many as are allowed. */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static int no_result(const char *why)
{
    fprintf(stderr, "pace: %s\n", why);
    return STATUS_NO_RESULT;
}

/* Starts the threads, which open their connections. How many run. */
static unsigned start_workers(struct worker *workers, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (pthread_create(&workers[i].thread, NULL, worker_run, &workers[i]) != 0)
            return i;
    return count;
}

static const char *problem_of(const struct worker *workers, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (workers[i].problem[0] != '\0')
            return workers[i].problem;
    return NULL;
}

static void gather(struct report *report, struct worker *workers, unsigned count)
{
    report->tally = &workers[0].tally;
    report->first_wrong = "";
    for (unsigned i = 0; i < count; i++) {
        const struct crud *crud = &workers[i].requester.crud;
        if (i > 0)
            tally_merge(report->tally, &workers[i].tally);
        for (int operation = 0; operation < OPERATIONS; operation++) {
            report->issued[operation] += crud->issued[operation];
            report->answered[operation] += crud->answered[operation];
        }
        if (report->wrong == 0 && crud->wrong > 0)
            report->first_wrong = crud->first_wrong;
        report->wrong += crud->wrong;
    }
}

/* From the first connection to the end of the drain. The status, or -1: a result is in `report`. */
static int measure(struct report *report, struct worker *workers)
{
    unsigned count = run.options->threads;
    uint64_t begin_ns = clock_ns();
    unsigned started = start_workers(workers, count);
    if (started < count) /* those that run wait at the barrier for ever; the process ends with them */
        return no_result("the system starts no more threads: fewer --threads, or a higher limit (ulimit -u)");
    pthread_barrier_wait(&run.barrier);
    report->connect_s = (double)(clock_ns() - begin_ns) / 1e9;
    const char *problem = problem_of(workers, count);
    if (problem == NULL && stopped_by == 0)
        atomic_store(&run.start_ns, clock_ns());
    pthread_barrier_wait(&run.barrier);
    for (unsigned i = 0; i < count; i++)
        pthread_join(workers[i].thread, NULL);
    if (problem != NULL)
        return no_result(problem);
    if (atomic_load(&run.start_ns) == 0 || workers[0].tally.end_ns <= workers[0].tally.begin_ns)
        return STATUS_SIGNAL + stopped_by;
    gather(report, workers, count);
    report->tally->total_connections++; /* with which target_find() found the address */
    return -1;
}

static int run_with(struct worker *workers, const struct options *options)
{
    for (unsigned i = 0; i < options->threads; i++) {
        int error = worker_init(&workers[i], &run, i);
        if (error != 0)
            return no_result(strerror(-error));
    }
    struct report report = {.options = options, .target = &run.target};
    int status = measure(&report, workers);
    if (status != -1)
        return status;
    report_judge(&report);
    if (report_write(&report) != 0)
        return STATUS_NO_RESULT;
    return report.unsound_count == 0 ? STATUS_SOUND : STATUS_UNSOUND;
}

int main(int count, char **words)
{
    static struct options options;
    static struct requests requests;
    char why[300];
    options_read(&options, count, words);
    raise_file_limit();
    catch_signals();
    run.options = &options;
    run.requests = &requests;
    if (requests_init(&requests, &options) != 0)
        return no_result("there is no memory for the requests");
    if (target_find(&run.target, options.host, options.port, why, sizeof why) != 0)
        return no_result(why);
    pthread_barrier_init(&run.barrier, NULL, options.threads + 1);
    struct worker *workers = calloc(options.threads, sizeof *workers);
    if (workers == NULL)
        return no_result("there is no memory for the threads");
    int status = run_with(workers, &options);
    for (unsigned i = 0; i < options.threads; i++)
        worker_deinit(&workers[i]);
    free(workers);
    requests_deinit(&requests);
    return status;
}
