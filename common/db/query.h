/* A query: the name of a prepared statement and its parameters, as PQsendQueryPrepared() takes them. */
#ifndef WB_QUERY_H
#define WB_QUERY_H

#include <stdint.h>

#include "base/str.h"

enum { QUERY_PARAMS_MAX = 6 };

/*
 * Parameters are binary. Text parameters belong to the caller, all others are in the structure: do not
 * move a query that has parameters.
 */
struct query {
    const char *statement; /* the name under which it is prepared; outlives the query */
    int count;
    const char *values[QUERY_PARAMS_MAX]; /* NULL is SQL's NULL */
    int lengths[QUERY_PARAMS_MAX];
    uint64_t binary[QUERY_PARAMS_MAX];
};

/* Starts a query without parameters; each query_add_ function adds the next one. */
void query_begin(struct query *query, const char *statement);
void query_add_int4(struct query *query, int32_t value);
void query_add_int8(struct query *query, int64_t value);
void query_add_float8(struct query *query, double value);
void query_add_null(struct query *query);
/* The bytes of `text` must stay where they are until the query is sent. */
void query_add_text(struct query *query, struct str text);

/* Read a column of a binary result: network byte order. */
int32_t query_read_int4(const char *bytes);
int64_t query_read_int8(const char *bytes);

#endif
