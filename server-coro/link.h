/* A slot of the pool as the event loop knows it: shared by database.c and pipeline.c. */
#ifndef WB_LINK_H
#define WB_LINK_H

#include "db/pg_pipeline.h"
#include "server.h"

struct link {
    struct database *database;
    struct pool_slot *slot;
    struct watch *watch; /* NULL while there is no socket */
    bool is_worn;        /* nobody has the pipeline, and it is to be made anew */
    bool is_to_send;     /* among database->to_send */
    STAILQ_ENTRY(link) to_send;
};

/* database.c */

/* The connection cannot be used any more, in any state; no request has it any more. */
void link_lose(struct link *link);

/* The event at the socket that a coroutine waits for. */
int link_events(enum pg_event event);

/* A request needs its place no more: it goes to the request that is next. */
void link_release(struct link *link);

/* pipeline.c */

/* As database_query(), for a session that has a place in this pipeline. */
coroutine_fn const PGresult *pipeline_query(struct link *link, struct session *session,
                                            const struct query *query);

/*
 * The coroutine that reads for all: yields until the session has ended or the server stops. The link is
 * lost then.
 */
coroutine_fn void pipeline_serve(struct link *link);

/* Gives up the pipelines whose first query the database has not ended. */
void pipelines_check_time(struct database *database);

#endif
