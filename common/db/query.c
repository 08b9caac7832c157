#include "db/query.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

void query_begin(struct query *query, const char *statement)
{
    query->statement = statement;
    query->count = 0;
}

static void add(struct query *query, const void *value, size_t len)
{
    assert(query->count < QUERY_PARAMS_MAX && "a statement has more parameters than a query can hold");
    query->values[query->count] = value;
    query->lengths[query->count] = (int)len;
    query->count++;
}

static void add_binary(struct query *query, const void *bytes, size_t len)
{
    assert(query->count < QUERY_PARAMS_MAX && "a statement has more parameters than a query can hold");
    add(query, memcpy(&query->binary[query->count], bytes, len), len);
}

void query_add_int4(struct query *query, int32_t value)
{
    uint32_t wire = htobe32((uint32_t)value);
    add_binary(query, &wire, sizeof wire);
}

void query_add_int8(struct query *query, int64_t value)
{
    uint64_t wire = htobe64((uint64_t)value);
    add_binary(query, &wire, sizeof wire);
}

void query_add_float8(struct query *query, double value)
{
    uint64_t wire;
    memcpy(&wire, &value, sizeof wire);
    wire = htobe64(wire);
    add_binary(query, &wire, sizeof wire);
}

void query_add_null(struct query *query)
{
    add(query, NULL, 0);
}

void query_add_text(struct query *query, struct str text)
{
    add(query, text.ptr, text.len);
}

int32_t query_read_int4(const char *bytes)
{
    uint32_t wire;
    memcpy(&wire, bytes, sizeof wire);
    return (int32_t)be32toh(wire);
}

int64_t query_read_int8(const char *bytes)
{
    uint64_t wire;
    memcpy(&wire, bytes, sizeof wire);
    return (int64_t)be64toh(wire);
}
