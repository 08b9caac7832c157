/* The database connections of a loop, each with its watcher: what database.c and pipeline.c share. */
#ifndef WB_LINK_H
#define WB_LINK_H

#include "db/pg_pipeline.h"
#include "db/pool.h"
#include "server.h"

/* The database connections of one worker. */
struct database {
    struct worker *worker;
    struct pool pool;
    struct link *links;          /* one for each slot of the pool, by its index */
    struct job_list woken;       /* were given a connection or turned away, and have not run since */
    STAILQ_HEAD(, link) to_send; /* pipelines with queries that have not been sent */
};

struct link {
    struct database *database;
    struct pool_slot *slot;
    uv_poll_t *watcher; /* on the heap: libuv gives it back a loop turn after it was closed */
    int events;         /* what the watcher is armed for */
    struct deadline deadline;
    uv_getaddrinfo_t lookup;
    struct addrinfo *addresses; /* of the host, while connecting */
    struct job *job;            /* has the connection; NULL while it is idle or being made, and in a pipeline */
    bool is_worn;               /* nobody has the connection, and it is to be made anew */
    bool is_to_send;            /* among database->to_send */
    STAILQ_ENTRY(link) to_send;
};

/* database.c */

/* Calls on_ready for what `event` waits for, with no system call if the watcher is armed for that already. */
__attribute__((warn_unused_result)) int link_watch(struct link *link, enum pg_event event, uv_poll_cb on_ready);

/* The connection cannot be used any more, in any state; no request has it any more. */
void link_lose(struct link *link);

/* A request has its response and needs the connection no more: the place goes to the request that is next. */
void link_release(struct link *link);

/* pipeline.c */

/* Adds the query of a job that has a place in this pipeline. PROGRESS_LATER: connection_respond() will be
 * called. */
__attribute__((warn_unused_result)) enum progress pipeline_query(struct link *link, struct job *job);

/* The results of a pipeline have arrived, or its session has ended. */
void pipeline_on_ready(uv_poll_t *watcher, int status, int events);

/* The query of a job has taken too long. */
void pipeline_timed_out(struct link *link, struct job *job);

/* Before the loop polls: sends the queries that its callbacks have added. */
void pipelines_send(struct database *database);

/* Gives up the pipelines whose first query the database has not ended. */
void pipelines_check_time(struct database *database);

#endif
