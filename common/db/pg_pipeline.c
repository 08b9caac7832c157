#include "db/pg_pipeline.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "db/pg_private.h"

int pg_pipeline_init(struct pg *pg, unsigned depth)
{
    struct pg_pipeline *pipeline = calloc(1, sizeof *pipeline + depth * sizeof pipeline->queries[0]);
    if (pipeline == NULL)
        return -ENOMEM;
    pipeline->depth = depth;
    pg->pipeline = pipeline;
    return 0;
}

void pg_pipeline_deinit(struct pg *pg)
{
    free(pg->pipeline);
    pg->pipeline = NULL;
}

static struct pg_pipelined *query_at(struct pg_pipeline *pipeline, uint64_t ticket)
{
    return &pipeline->queries[ticket % pipeline->depth];
}

/* The pool looks at it, perhaps from another thread. */
static void set_head_since(struct pg_pipeline *pipeline, uint64_t since_ns)
{
    atomic_store_explicit(&pipeline->head_since_ns, since_ns, memory_order_relaxed);
}

static int send_sync(PGconn *conn)
{
#ifdef LIBPQ_HAS_SEND_PIPELINE_SYNC
    return PQsendPipelineSync(conn);
#else
    return PQpipelineSync(conn);
#endif
}

bool pg_pipeline_add(struct pg *pg, const struct query *query, void *owner, uint64_t *ticket)
{
    struct pg_pipeline *pipeline = pg->pipeline;
    assert(pipeline->count < pipeline->depth && "pg_pipeline_add: the pipeline is full");
    assert(pg->state >= PG_READY && "pg_pipeline_add: not connected");
    if (pg->state == PG_BROKEN)
        return false;
    if (!PQsendQueryPrepared(pg->conn, query->statement, query->count, query->values, query->lengths, pg_binary,
                             1) ||
        !send_sync(pg->conn)) {
        pg_fail(pg);
        return false;
    }
    uint64_t now = clock_ns();
    if (pipeline->count == 0)
        set_head_since(pipeline, now);
    *ticket = pipeline->head + pipeline->count++;
    *query_at(pipeline, *ticket) = (struct pg_pipelined){owner, now};
    pipeline->is_alive = true;
    pg_move(pg, PG_QUERYING);
    return true;
}

enum pg_event pg_pipeline_send(struct pg *pg)
{
    if (pg->state == PG_BROKEN)
        return PG_FAILED;
    int status = PQflush(pg->conn);
    if (status < 0)
        return pg_fail(pg);
    pg->pipeline->is_full = status > 0;
    return pg->pipeline->is_full ? PG_WANT_WRITE : PG_WANT_READ;
}

/* Takes the first query out of the ring. */
static struct pg_pipelined pop(struct pg_pipeline *pipeline, uint64_t now)
{
    struct pg_pipelined query = *query_at(pipeline, pipeline->head);
    pipeline->head++;
    pipeline->count--;
    set_head_since(pipeline, pipeline->count > 0 ? now : 0);
    return query;
}

/* The first query is committed, or has failed. */
static enum pg_event finish(struct pg *pg)
{
    struct pg_pipeline *pipeline = pg->pipeline;
    if (pg->result == NULL || (pg_is_error(pg->result) && PQstatus(pg->conn) != CONNECTION_OK))
        return pg_fail(pg);
    uint64_t now = clock_ns();
    struct pg_pipelined query = pop(pipeline, now);
    pg_query_ended(pg, now - query.added_ns);
    if (pg_is_error(pg->result) && pg_is_stale(pg->result)) {
        pg->is_stale = true;
        pg_remember(pg, pg->result);
        pg_clear_result(pg);
    }
    pipeline->owner = query.owner;
    pipeline->has_ended = true;
    if (pipeline->count == 0)
        pg_move(pg, PG_READY);
    return PG_DONE;
}

/*
 * A query has one result (an error at commit is a second one), NULL, and PGRES_PIPELINE_SYNC. What was read
 * before the connection broke still counts, up to that. PQgetResult() is only called when it cannot wait.
 */
enum pg_event pg_pipeline_next(struct pg *pg)
{
    struct pg_pipeline *pipeline = pg->pipeline;
    bool after_null = false;
    if (pipeline->has_ended)
        pg_clear_result(pg);
    pipeline->has_ended = false;
    while (pipeline->count > 0 && !PQisBusy(pg->conn)) {
        PGresult *result = PQgetResult(pg->conn);
        if (result == NULL && after_null)
            return pg_fail(pg); /* libpq has fewer queries under way than we have */
        after_null = result == NULL;
        if (result == NULL)
            continue;
        if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
            PQclear(result);
            return finish(pg);
        }
        pg_keep_result(pg, result);
    }
    if (pg->state == PG_BROKEN || !pipeline->is_alive || PQstatus(pg->conn) != CONNECTION_OK)
        return pg_fail(pg);
    return pipeline->is_full ? PG_WANT_WRITE : PG_WANT_READ;
}

enum pg_event pg_pipeline_collect(struct pg *pg, bool alive)
{
    pg->pipeline->is_alive = alive;
    if (pg->pipeline->is_full)
        pg_pipeline_send(pg); /* a failure shows below: PQflush() has then broken the connection */
    return pg_pipeline_next(pg);
}

void pg_pipeline_abandon(struct pg *pg, uint64_t ticket)
{
    assert(ticket - pg->pipeline->head < pg->pipeline->count && "pg_pipeline_abandon: it has ended");
    query_at(pg->pipeline, ticket)->owner = NULL;
}

bool pg_pipeline_drop(struct pg *pg, void **owner)
{
    if (pg->pipeline == NULL || pg->pipeline->count == 0)
        return false;
    *owner = pop(pg->pipeline, 0).owner;
    return true;
}
