/*
 * A pipeline: many queries, of different requests, under way on one connection to PostgreSQL.
 *
 *     pg_pipeline_add(pg, &query, owner)   for each request that has a query; nothing is sent yet
 *     event = pg_pipeline_send(pg)         sends all of them, in one write(2) if the socket takes them
 *     PG_WANT_READ, PG_WANT_WRITE          wait as for a single query, then event = pg_step(pg)
 *     PG_DONE                              a query has its result: see struct pg_pipeline;
 *                                          then event = pg_pipeline_next(pg), until it is another: more
 *                                          results may have been read, for which no socket becomes ready
 *     PG_FAILED                            every query that is under way is lost: pg_pipeline_drop() until
 *                                          it gives no owner more, then pg_close(pg)
 *
 * The database runs the queries one after another, in the order in which they were added: one that is slow
 * delays all behind it. Each is a transaction of its own, since a Sync follows each: an error ends that query
 * alone. PG_DONE comes after the database has committed.
 *
 * libpq 17 keeps the Syncs until the rest is sent (PQsendPipelineSync). Older ones write at each Sync: a
 * pipeline then saves wake-ups of both sides, and no writes.
 *
 * Nothing here blocks or yields.
 *
 * https://www.postgresql.org/docs/current/libpq-pipeline-mode.html
 */
#ifndef WB_PG_PIPELINE_H
#define WB_PG_PIPELINE_H

#include "db/pg.h"

struct pg_pipeline {
    /* public, read-only */
    unsigned depth; /* queries under way at most */
    unsigned count; /* queries under way */
    /* After PG_DONE: the owner of the query; NULL when the query was abandoned. Its result is pg->result, as
     * after the PG_DONE of a single query; NULL when the session cannot run its statement any more
     * (pg->is_stale). */
    void *owner;
    _Atomic uint64_t head_since_ns; /* since when the first query is the first; 0: none is under way */

    /* private to pg_pipeline.c */
    uint64_t head;  /* the ticket of the first query */
    bool has_ended; /* pg->result is a whole one, not a part of the first query's */
    bool is_alive;  /* the last read went well */
    bool is_full;   /* the socket did not take all that is to be sent */
    struct pg_pipelined {
        void *owner;
        uint64_t added_ns;
    } queries[]; /* a ring: a query is at its ticket modulo `depth` */
};

/* Before the connection is made. 0 or -ENOMEM. */
__attribute__((warn_unused_result)) int pg_pipeline_init(struct pg *pg, unsigned depth);
void pg_pipeline_deinit(struct pg *pg);

/*
 * Only when connected, with fewer than `depth` queries under way. The query is copied: it and its text may
 * go as soon as this returns. False when the connection has broken: the query has not been added, and
 * pg_pipeline_send() will be PG_FAILED.
 */
__attribute__((warn_unused_result)) bool pg_pipeline_add(struct pg *pg, const struct query *query, void *owner,
                                                         uint64_t *ticket);

/* Sends what has been added. Call it before waiting. */
enum pg_event pg_pipeline_send(struct pg *pg);

/* The next result that has arrived. Clears the one before. */
enum pg_event pg_pipeline_next(struct pg *pg);

/* Nobody wants the result of this query any more; it stays under way. */
void pg_pipeline_abandon(struct pg *pg, uint64_t ticket);

/*
 * After PG_FAILED: takes out the query that was added first, whose result is unknown: it may or may not have
 * run. False when there is none. `*owner` is NULL when it was abandoned.
 */
bool pg_pipeline_drop(struct pg *pg, void **owner);

/* For pg_step(). `alive`: the read before went well. */
enum pg_event pg_pipeline_collect(struct pg *pg, bool alive);

#endif
