/* The name of the server; loops.c has the rest. */
#include "base/log.h"
#include "server.h"

int main(int argc, char **argv)
{
    static struct app app;
    static struct drain drain;
    sigset_t signals;
    app_init(&app, "libuv", argc, argv);
    drain_init(&drain, &app, app.config.workers);
    drain_block_signals(&signals);
    int status = loops_run(&app, &drain, &signals);
    log_info("drained");
    return status;
}
