/* The properties that a PostgreSQL must have for waitbench. */
#ifndef WB_PG_NEEDS_H
#define WB_PG_NEEDS_H

#include <libpq-fe.h>
#include <stdbool.h>

/*
 * False with a sentence without a full stop in `error` if the database is too old or not in UTF8. Asks nothing:
 * PostgreSQL says both when a session begins. One that does not say (a pooler need not) is taken as it is.
 */
bool pg_meets_needs(const PGconn *conn, char error[256]);

#endif
