/* What pg.c and pg_pipeline.c share: the states of a connection, and what they do with results. For them alone.
 */
#ifndef WB_PG_PRIVATE_H
#define WB_PG_PRIVATE_H

#include "db/pg.h"

enum pg_state {
    PG_CLOSED,
    PG_CONNECTING,
    PG_PREPARING, /* the session is there; its statements are not */
    PG_READY,
    PG_QUERYING,
    PG_BROKEN, /* pg->error says why */
};

/* Text has the same bytes in both formats, so all parameters and results go as binary. */
extern const int pg_binary[QUERY_PARAMS_MAX];

/*
 * The one place that changes the state. Nothing but pg_close() leads out of PG_BROKEN, so that the first
 * reason stands.
 */
void pg_move(struct pg *pg, enum pg_state state);

/* The connection is unusable: pg->result or libpq says why. Always PG_FAILED. */
enum pg_event pg_fail(struct pg *pg);

void pg_clear_result(struct pg *pg);

/*
 * Takes a result of libpq. One statement can have two results: its own, and an error when the commit after it
 * failed. Of two errors the first says more: libpq adds one of its own when the connection is lost.
 */
void pg_keep_result(struct pg *pg, PGresult *result);

/* NULL is none. */
bool pg_is_error(const PGresult *result);

/*
 * A prepared statement that is gone (26000: DEALLOCATE, a pooler between) or whose columns have other types by
 * now (0A000: "cached plan must not change result type") fails for ever in this session. In a new one it
 * is prepared anew.
 */
bool pg_is_stale(const PGresult *error);

/* Keeps what the error says in pg->error and pg->sqlstate. */
void pg_remember(struct pg *pg, const PGresult *error);

/* A query has its result, which is not the end of the session: counts it, and notes whether the session may
 * write. */
void pg_query_ended(struct pg *pg, uint64_t took_ns);

#endif
