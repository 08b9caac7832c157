/*
 * The threads that run requests, and how many of them are awake.
 *
 * DB_POOL of them may wait for the database at the same time; the others, one for each CPU, may be awake. A
 * task wakes a thread only if fewer are, and a thread that begins to wait for the database wakes another if
 * tasks are left. So a burst of requests wakes as many threads as there are CPUs and not as many as there are
 * requests, and there is always a thread for a request that needs no database. Completion ports of Windows do
 * the same. The thread that fell asleep last wakes first: its stack is in the cache.
 */
#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "server.h"

struct thread {
    pthread_t id;
    sem_t woken;
    LIST_ENTRY(thread) entry; /* among those asleep */
};

static struct {
    struct database *database;
    struct thread *all;
    unsigned count;
    unsigned awake_max;

    pthread_mutex_t lock; /* over what follows; taken after database->lock */
    struct job_list tasks;
    LIST_HEAD(, thread) asleep;
    unsigned awake; /* neither asleep nor waiting for the database */
    bool is_ending;
} threads = {.lock = PTHREAD_MUTEX_INITIALIZER, .tasks = STAILQ_HEAD_INITIALIZER(threads.tasks)};

/* Whether the running thread is one of them: it looks for tasks soon, and need wake nobody. */
static _Thread_local bool is_ours;

/* Under the lock. The thread to wake, after the lock has been given back, which it takes at once; NULL: none.
 */
static struct thread *choose(void)
{
    struct thread *thread = LIST_FIRST(&threads.asleep);
    if (STAILQ_EMPTY(&threads.tasks) || threads.awake >= threads.awake_max || thread == NULL)
        return NULL;
    LIST_REMOVE(thread, entry);
    threads.awake++;
    return thread;
}

static void unlock_and_wake(struct thread *thread)
{
    pthread_mutex_unlock(&threads.lock);
    if (thread != NULL)
        sem_post(&thread->woken);
}

void threads_add(struct task *task)
{
    pthread_mutex_lock(&threads.lock);
    if (task->state == TASK_DECIDED) /* it has a connection, for which others wait */
        STAILQ_INSERT_HEAD(&threads.tasks, &task->job, entry);
    else
        STAILQ_INSERT_TAIL(&threads.tasks, &task->job, entry);
    unlock_and_wake(is_ours ? NULL : choose());
}

void threads_begin_wait(void)
{
    pthread_mutex_lock(&threads.lock);
    threads.awake--;
    unlock_and_wake(choose());
}

void threads_end_wait(void)
{
    pthread_mutex_lock(&threads.lock);
    threads.awake++;
    pthread_mutex_unlock(&threads.lock);
}

/* Under the lock, which is free while it blocks. */
static void sleep_until_woken(struct thread *self)
{
    LIST_INSERT_HEAD(&threads.asleep, self, entry);
    threads.awake--;
    pthread_mutex_unlock(&threads.lock);
    while (sem_wait(&self->woken) != 0) {
        /* EINTR */
    }
    pthread_mutex_lock(&threads.lock);
}

/* Blocks for a task. NULL: the thread is to end. */
static struct job *next_task(struct thread *self)
{
    struct job *job;
    pthread_mutex_lock(&threads.lock);
    while ((job = STAILQ_FIRST(&threads.tasks)) == NULL && !threads.is_ending)
        sleep_until_woken(self);
    if (job != NULL)
        STAILQ_REMOVE_HEAD(&threads.tasks, entry);
    unlock_and_wake(choose());
    return job;
}

static void *thread_main(void *self)
{
    struct job *job;
    is_ours = true;
    while ((job = next_task(self)) != NULL)
        task_run(owner_of(job, struct task, job), threads.database);
    return NULL;
}

bool threads_start(const struct config *config, struct database *database)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    int error = pthread_attr_setstacksize(&attr, config->stack_kib * 1024u);
    threads.database = database;
    threads.awake = config->threads; /* until they find that there is nothing to do */
    threads.awake_max = config->threads > config->db_pool ? config->threads - config->db_pool : 1;
    threads.all = calloc(config->threads, sizeof *threads.all);
    if (threads.all == NULL)
        error = ENOMEM;
    for (; error == 0 && threads.count < config->threads; threads.count++) {
        struct thread *thread = &threads.all[threads.count];
        sem_init(&thread->woken, 0, 0);
        error = pthread_create(&thread->id, &attr, thread_main, thread);
    }
    pthread_attr_destroy(&attr);
    if (error != 0)
        log_error("cannot start %u threads with stacks of %u KiB: %s", config->threads, config->stack_kib,
                  strerror(error));
    return error == 0;
}

void threads_stop(void)
{
    pthread_mutex_lock(&threads.lock);
    threads.is_ending = true;
    pthread_mutex_unlock(&threads.lock);
    for (unsigned i = 0; i < threads.count; i++)
        sem_post(&threads.all[i].woken);
    for (unsigned i = 0; i < threads.count; i++)
        pthread_join(threads.all[i].id, NULL);
    free(threads.all);
}
