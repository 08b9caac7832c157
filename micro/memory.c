/*
 * What a waiting task takes of memory:
 *
 *     memory MODEL DEPTH      10, 100, 1,000 and 10,000 tasks, each of which has once called DEPTH bytes deep
 * (0: not) memory MODEL most       as many as this machine allows, or MOST, and how long it takes to start them
 *
 * with MODEL thread, coroutine or callback. A figure is the slope over the number of tasks (least squares).
 * Memory of the kernel is that of the whole machine, so other programs are in the spread.
 */
#include "co/co.h"
#include "futex.h"
#include "task.h"

enum {
    MOST = 250000,          /* of coroutines and callback states, which only memory would stop */
    LEFT_FOR_OTHERS = 1000, /* threads and process ids: without any, other programs cannot start a child */
    LEFT_MIB = 1024,        /* of memory */
    STEPS = 4,
};

static size_t depth;

__attribute__((noinline)) static void go_deep(void)
{
    if (depth == 0)
        return;
    char *bytes = __builtin_alloca(depth);
    memset(bytes, 1, depth);
    __asm__ volatile("" : : "g"(bytes) : "memory");
}

/* -- A model: start(i) makes task i and returns when it waits, or a positive errno. Nothing is given back: the
 * process
 * -- ends. */

static atomic_uint waiting, never;

static void *thread_main(void *arg)
{
    go_deep();
    atomic_fetch_add(&waiting, 1);
    futex_wake(&waiting);
    for (;;)
        futex_wait(&never, 0);
    return arg;
}

static int start_thread(unsigned number)
{
    pthread_t thread;
    int error = task_thread(&thread, thread_main, NULL);
    if (error != 0)
        return error;
    unsigned now;
    while ((now = atomic_load(&waiting)) <= number)
        futex_wait(&waiting, now);
    return 0;
}

static struct co_stacks stacks;

static coroutine_fn void coroutine_main(void *arg)
{
    (void)arg;
    go_deep();
    co_suspend();
}

static int start_coroutine(unsigned number)
{
    (void)number;
    struct co *co = co_new(&stacks, coroutine_main, NULL);
    if (co == NULL)
        return errno;
    co_resume(co);
    return 0;
}

static struct task_state *states[MOST];

/* Its deep call is on the stack of the loop, which all callbacks share. */
static int start_callback(unsigned number)
{
    states[number] = malloc(sizeof *states[number]);
    if (states[number] == NULL)
        return ENOMEM;
    memset(states[number], 1, sizeof *states[number]); /* all of it in use */
    go_deep();
    return 0;
}

static const struct model {
    const char *word, *name;
    int (*start)(unsigned number);
} models[] = {
    {"thread", "thread", start_thread},
    {"coroutine", "stackful coroutine", start_coroutine},
    {"callback", "callback", start_callback},
};

/* -- Reading and reporting ------------------------------------------------------------------------- */

enum { RESIDENT, KERNEL_STACK, PAGE_TABLES, SLAB, KINDS };

static const struct {
    const char *path, *field, *name;
} kinds[KINDS] = {
    {"/proc/self/status", "VmRSS:", "resident"},
    {"/proc/meminfo", "KernelStack:", "kernel stack"},
    {"/proc/self/status", "VmPTE:", "page tables"},
    {"/proc/meminfo", "Slab:", "slab"},
};

static double read_bytes(const char *path, const char *field)
{
    FILE *file = fopen(path, "re");
    bench_check(file == NULL ? errno : 0, path);
    char line[256];
    double kib = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, field, strlen(field)) == 0)
            kib = strtod(line + strlen(field), NULL);
    }
    fclose(file);
    return kib * 1024;
}

struct sample {
    double tasks, bytes[KINDS];
};

static void take(struct sample *sample, unsigned tasks)
{
    sample->tasks = tasks;
    for (int kind = 0; kind < KINDS; kind++)
        sample->bytes[kind] = read_bytes(kinds[kind].path, kinds[kind].field);
}

static double slope(const struct sample *samples, int count, int kind)
{
    double x = 0, y = 0, xx = 0, xy = 0;
    for (int i = 0; i < count; i++) {
        x += samples[i].tasks / count;
        y += samples[i].bytes[kind] / count;
    }
    for (int i = 0; i < count; i++) {
        xx += (samples[i].tasks - x) * (samples[i].tasks - x);
        xy += (samples[i].tasks - x) * (samples[i].bytes[kind] - y);
    }
    return xy / xx;
}

static void report(const struct model *model, const char *when, const struct sample *samples, int count)
{
    char variant[64];
    double kernel = 0;
    for (int kind = 0; kind < KINDS; kind++) {
        double bytes = slope(samples, count, kind);
        kernel += kind == RESIDENT ? 0 : bytes;
        snprintf(variant, sizeof variant, "%s: %s", when, kinds[kind].name);
        bench_report("memory per task", model->name, variant, "bytes", bytes);
    }
    snprintf(variant, sizeof variant, "%s: kernel in all", when);
    bench_report("memory per task", model->name, variant, "bytes", kernel);
}

static void in_steps(const struct model *model)
{
    struct sample samples[STEPS];
    unsigned tasks = 0, wanted = 10;
    for (int step = 0; step < STEPS; step++, wanted *= 10) {
        for (; tasks < (unsigned)bench_count(10000) && tasks < wanted; tasks++)
            bench_check(model->start(tasks), "starting a task");
        take(&samples[step], tasks);
    }
    char when[64];
    snprintf(when, sizeof when, depth == 0 ? "idle" : "after a call %zu KiB deep", depth / 1024);
    report(model, when, samples, STEPS);
}

static double read_number(const char *path)
{
    FILE *file = fopen(path, "re");
    double number = 1e9;
    if (file != NULL) {
        if (fscanf(file, "%lf", &number) != 1)
            number = 1e9;
        fclose(file);
    }
    return number;
}

/* All of the machine: the last number of the fourth field of /proc/loadavg. */
static double threads_now(void)
{
    FILE *file = fopen("/proc/loadavg", "re");
    double threads = 0;
    if (file != NULL) {
        if (fscanf(file, "%*s %*s %*s %*[0-9]/%lf", &threads) != 1)
            threads = 0;
        fclose(file);
    }
    return threads;
}

/* Memory that other programs need stays free, so they notice nothing. */
static unsigned limit(const struct model *model)
{
    if (model->start != start_thread)
        return MOST;
    double pids = read_number("/proc/sys/kernel/pid_max"),
           threads = read_number("/proc/sys/kernel/threads-max");
    double least = pids < threads ? pids : threads;
    double left = least - threads_now() - LEFT_FOR_OTHERS;
    return left < 0 ? 0 : left < MOST ? (unsigned)left : MOST;
}

static bool memory_is_left(void)
{
    return read_bytes("/proc/meminfo", "MemAvailable:") > LEFT_MIB * 1048576.0;
}

static void as_many_as_possible(const struct model *model)
{
    struct sample samples[2];
    unsigned tasks = 0, most = (unsigned)bench_count(limit(model));
    take(&samples[0], 0);
    uint64_t begin = clock_ns();
    while (tasks < most && (tasks % 1000 != 0 || memory_is_left()) && model->start(tasks) == 0)
        tasks++;
    if (tasks == 0) {
        fprintf(stderr, "memory: the limits of this machine leave room for no %s\n", model->name);
        exit(1);
    }
    bench_report_each("task creation", model->name, "as many as possible, all alive", begin, tasks);
    bench_report("most tasks in one process", model->name,
                 model->start == start_thread ? "within the limits" : "at most 250000", "tasks", tasks);
    take(&samples[1], tasks);
    report(model, "as many as possible", samples, 2);
}

static const struct model *model_of(const char *word)
{
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        if (word != NULL && strcmp(models[i].word, word) == 0)
            return &models[i];
    }
    fprintf(stderr, "memory: name a model (thread, coroutine or callback) and a depth in bytes, or most\n");
    exit(2);
}

int main(int argc, char **argv)
{
    (void)argc;
    char **words = bench_start(argv);
    const struct model *model = model_of(words[0]);
    const char *how = words[1] != NULL ? words[1] : "0";
    bench_check(-co_stacks_init(&stacks, TASK_STACK_BYTES, 0), "co_stacks_init");
    if (strcmp(how, "most") == 0) {
        as_many_as_possible(model);
    } else {
        depth = strtoul(how, NULL, 10);
        in_steps(model);
    }
    fflush(stdout);
    _exit(0); /* the threads wait for ever */
}
