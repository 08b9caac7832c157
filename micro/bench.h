/*
 * What the programs of micro/ share: their command line, where they run, and the line that they print for each
 * thing that they measure. Included once by each program, which is one file.
 *
 *     PROGRAM [--quick] [--pinned | --not-pinned] [WORD...]
 *
 * Each line on standard output is metric,model,variant,unit,value: one repetition. micro/run repeats.
 */
#ifndef WB_MICRO_BENCH_H
#define WB_MICRO_BENCH_H

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

static bool bench_quick;                 /* a fiftieth of the work: for tests */
static const char *bench_placement = ""; /* ends the variant of each line */

/* Ends the program with a sentence if `error` is an errno (0: none). */
static inline void bench_check(int error, const char *call)
{
    if (error == 0)
        return;
    fprintf(stderr, "%s: %s\n", call, strerror(error));
    exit(1);
}

/* The nth CPU of those that this thread may use, counted from 0; -1: there are fewer. */
static inline int bench_cpu(int nth)
{
    cpu_set_t allowed;
    bench_check(sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? 0 : errno, "sched_getaffinity");
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &allowed) && nth-- == 0)
            return cpu;
    }
    return -1;
}

/* The calling thread runs on that CPU alone, and so do the threads that it makes from now on. */
static inline void bench_pin(int cpu)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    bench_check(pthread_setaffinity_np(pthread_self(), sizeof one, &one), "pthread_setaffinity_np");
}

static inline void bench_option(const char *program, const char *option)
{
    if (strcmp(option, "--quick") == 0) {
        bench_quick = true;
    } else if (strcmp(option, "--pinned") == 0) {
        bench_placement = ", one CPU";
        bench_pin(bench_cpu(0));
    } else if (strcmp(option, "--not-pinned") == 0) {
        bench_placement = ", not pinned";
    } else {
        fprintf(stderr, "%s: there is no %s; the options are --quick, --pinned and --not-pinned\n", program,
                option);
        exit(2);
    }
}

/* Reads the command line; the first of its words that are no options. */
static inline char **bench_start(char **argv)
{
    const char *program = *argv++;
    for (; *argv != NULL && **argv == '-'; argv++)
        bench_option(program, *argv);
    return argv;
}

/* How often to do something that a full run does `full` times. */
static inline uint64_t bench_count(uint64_t full)
{
    return bench_quick && full >= 50 ? full / 50 : full;
}

static inline void bench_report(const char *metric, const char *model, const char *variant, const char *unit,
                                double value)
{
    printf("%s,%s,\"%s%s\",%s,%.6g\n", metric, model, variant, bench_placement, unit, value);
    fflush(stdout);
}

/* One of `count`, in nanoseconds; they were begun at begin_ns of clock_ns(), and have just ended. */
static inline void bench_report_each(const char *metric, const char *model, const char *variant,
                                     uint64_t begin_ns, uint64_t count)
{
    bench_report(metric, model, variant, "ns", (double)(clock_ns() - begin_ns) / (double)count);
}

enum { BENCH_PARTS = 21 };

static inline int bench_compare(const void *a, const void *b)
{
    const double *x = (const double *)a, *y = (const double *)b;
    return (*x > *y) - (*x < *y);
}

/*
 * One of `count` that work(arg, count) does, in nanoseconds: the median of BENCH_PARTS parts, so that another
 * program that runs meanwhile hardly counts. Where each of its turns holds several of what is measured, `each`
 * says how many.
 */
static inline void bench_report_parts(const char *metric, const char *model, const char *variant,
                                      void (*work)(void *arg, uint64_t count), void *arg, uint64_t count,
                                      int each)
{
    double parts[BENCH_PARTS];
    uint64_t share = count / BENCH_PARTS > 0 ? count / BENCH_PARTS : 1;
    for (int i = 0; i < BENCH_PARTS; i++) {
        uint64_t begin = clock_ns();
        work(arg, share);
        parts[i] = (double)(clock_ns() - begin) / (double)share / each;
    }
    qsort(parts, BENCH_PARTS, sizeof *parts, bench_compare);
    bench_report(metric, model, variant, "ns", parts[BENCH_PARTS / 2]);
}

#endif
