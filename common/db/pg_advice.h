/* Advice for the user when the database cannot be reached. */
#ifndef WB_PG_ADVICE_H
#define WB_PG_ADVICE_H

#include "db/pg.h"

/* What to do about pg->error, after a first connection has failed: the rest of a sentence, in static storage.
 */
const char *pg_advice(const struct pg *pg);

#endif
