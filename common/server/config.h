/* The settings of a server: environment variables, each with a flag of the same name. */
#ifndef WB_CONFIG_H
#define WB_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"

struct config {
    const char *host;          /* HOST: a numeric address, or localhost */
    unsigned port;             /* PORT */
    const char *database_url;  /* DATABASE_URL: a libpq URI or key=value string; "" leaves it to PG* */
    unsigned db_pool;          /* DB_POOL: database connections of the whole process */
    unsigned db_pipeline;      /* DB_PIPELINE: 1: requests share each connection; 0: one has it at a time */
    unsigned workers;          /* WORKERS: event loops; the threaded server has none and ignores it */
    unsigned threads;          /* THREADS: that run requests; of the hybrid server alone */
    uint64_t n, m, w, d, t;    /* N M W D T: defaults of GET /work */
    unsigned max_connections;  /* MAX_CONNECTIONS: 0 = as many as the limits allow */
    unsigned stack_kib;        /* STACK_KIB: of a thread or a coroutine */
    unsigned header_timeout;   /* HEADER_TIMEOUT: s for a request's head, and as long again for its body */
    unsigned idle_timeout;     /* IDLE_TIMEOUT: s without a request on a kept-alive connection */
    unsigned write_timeout;    /* WRITE_TIMEOUT: s without the client taking a byte of the response */
    unsigned pool_timeout;     /* POOL_TIMEOUT: s to wait for a database connection, then 503 */
    unsigned query_timeout;    /* QUERY_TIMEOUT: s to wait for one query's result, then 504 */
    unsigned drain_timeout;    /* DRAIN_TIMEOUT: s to finish what is in flight after SIGTERM */
    unsigned max_header_bytes; /* MAX_HEADER_BYTES: request line and header fields */
    unsigned max_body_bytes;   /* MAX_BODY_BYTES */
    enum log_level log_level;  /* LOG_LEVEL: error warn info debug */
};

/*
 * Fills *config from defaults, then the environment, then the flags (`--port 8080` or
 * `--port=8080`). --help and --version print and exit with 0; whatever is wrong is said in one line
 * that names it and ends the process with 2. Strings point into argv and the environment.
 */
void config_load(struct config *config, const char *model, int argc, char **argv);

#endif
