/* Start and end; ../server-libuv/loops.c has what is between, and the signals. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "server.h"

/* A thread that blocks in a query can do nothing for others, so there is no pipeline. */
static void refuse_pipeline(void)
{
    const char *value = getenv("DB_PIPELINE");
    if (value == NULL || strcmp(value, "0") == 0)
        return;
    fprintf(stderr, "server-hybrid: DB_PIPELINE=%s: this server has no pipelines; leave it out\n", value);
    exit(2);
}

int main(int argc, char **argv)
{
    static struct app app;
    static struct drain drain;
    static struct database database;
    sigset_t signals;
    app_init(&app, "hybrid", argc, argv);
    refuse_pipeline();
    drain_init(&drain, &app, app.config.workers);
    drain_block_signals(&signals);
    for (unsigned i = 1; i < app.config.workers; i++)
        drain_part_is_up(&drain); /* the loops share a pool: one report of it is enough */
    mallopt(M_ARENA_MAX, (int)sysconf(_SC_NPROCESSORS_ONLN)); /* as server-threaded */
    if (!threads_start(&app.config, &database) || !database_start(&database, &app, &drain, task_wake))
        _exit(EXIT_FAILURE);
    int status = loops_run(&app, &drain, &signals);
    threads_stop();
    bool stopped = database_stop(&database);
    log_info("drained");
    if (!stopped)
        _exit(status);
    return status;
}
