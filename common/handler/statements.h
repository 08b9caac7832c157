/* Every statement that the servers run, and a query: one of them with its parameters in binary. */
#ifndef WB_SQL_H
#define WB_SQL_H

#include <stdint.h>

#include "base/str.h"

enum statement {
    SQL_PING,
    SQL_WORK_READ,
    SQL_WORK_READ_DELAYED,
    SQL_WORK_WRITE,
    SQL_WORK_WRITE_DELAYED,
    SQL_ITEM_INSERT,
    SQL_ITEM_GET,
    SQL_ITEM_LIST,
    SQL_ITEM_REPLACE,
    SQL_ITEM_DELETE,
    SQL_STATEMENTS
};

/* The name it is prepared under on every connection. */
const char *sql_name(enum statement statement);

/*
 * What a new connection runs first, in one round trip: a setting, and "PREPARE name(types) AS ...; ..." for
 * each statement.
 */
const char *sql_prepare_all(void);

enum { QUERY_PARAMS_MAX = 6 };

/* Self-contained but for text parameters, which the caller keeps. Must not be moved once filled. */
struct query {
    enum statement statement;
    int count;
    const char *values[QUERY_PARAMS_MAX]; /* as PQsendQueryPrepared wants them; NULL is SQL's NULL */
    int lengths[QUERY_PARAMS_MAX];
    uint64_t binary[QUERY_PARAMS_MAX];
};

void query_begin(struct query *query, enum statement statement);
void query_add_int4(struct query *query, int32_t value);
void query_add_int8(struct query *query, int64_t value);
void query_add_float8(struct query *query, double value);
void query_add_null(struct query *query);
/* `text` must stay where it is until the query has been answered. */
void query_add_text(struct query *query, struct str text);

/* Network byte order, as binary results have it. */
int32_t sql_read_int4(const char *bytes);
int64_t sql_read_int8(const char *bytes);

#endif
