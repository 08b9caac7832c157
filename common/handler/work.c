#include "handler/work.h"

#include "base/put.h"
#include "handler/params.h"
#include "handler/respond.h"
#include "handler/statements.h"

static const uint64_t GOLDEN_GAMMA = 0x9E3779B97F4A7C15;

/* SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014. */
static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
}

int32_t work_id(uint64_t seed, uint64_t index)
{
    return (int32_t)(1 + mix(seed + (index + 1) * GOLDEN_GAMMA) % WORLD_ROWS);
}

/*
 * The seed of a request that has none: no other request of the process gets the same one. Each shard of
 * counters counts on from a start of its own, so that cores do not share a counter.
 */
static uint64_t next_seed(struct exchange *x)
{
    _Atomic uint64_t *next = &x->counters->value[COUNT_SEEDS];
    return mix(x->service->seed ^ (uintptr_t)x->counters) +
           atomic_fetch_add_explicit(next, 1, memory_order_relaxed);
}

static bool work_parse(struct exchange *x, struct params *params)
{
    const struct service *service = x->service;
    struct work *work = &x->work;
    *work = (struct work){.n = service->n, .m = service->m, .w = service->w, .d = service->d, .t = service->t};

    if (!params_parse(params, x->request->query) || !params_take_u64(params, "n", 0, WORK_N_MAX, &work->n))
        return false;
    if (work->w > work->n) /* the default of w belongs to the default of n */
        work->w = work->n;
    work->seed = UINT64_MAX; /* more than a request may say */
    if (!params_take_u64(params, "m", 0, WORK_M_MAX, &work->m) ||
        !params_take_u64(params, "w", 0, work->n, &work->w) ||
        !params_take_u64(params, "d", 0, WORK_D_MAX, &work->d) ||
        !params_take_u64(params, "t", 0, WORK_T_MAX, &work->t) ||
        !params_take_u64(params, "seed", 0, INT64_MAX, &work->seed) || !params_all_taken(params))
        return false;
    if (work->seed == UINT64_MAX)
        work->seed = next_seed(x);
    return true;
}

static enum step work_respond(struct exchange *x)
{
    const struct work *work = &x->work;
    static const char tail[] = "\"}";
    char text[80];
    char *end = put_u64(put_str(text, "{\"n\":"), work->n);
    end = put_i64(put_str(end, ",\"sum\":"), work->sum);
    end = put_str(end, ",\"pad\":\"");
    *end = '\0';
    uint64_t unpadded = (uint64_t)(end - text) + sizeof tail - 1; /* at most 64: WORK_M_MIN */
    return respond_padded(x, text, work->m == 0 ? 0 : work->m - unpadded, tail);
}

static enum step on_row(struct exchange *x, const PGresult *result);

static enum step work_next(struct exchange *x)
{
    const struct work *work = &x->work;
    if (work->done == work->n)
        return work_respond(x);

    bool is_write = work->done >= work->n - work->w;
    bool is_delayed = work->d > 0;
    enum statement read = is_delayed ? SQL_WORK_READ_DELAYED : SQL_WORK_READ;
    enum statement write = is_delayed ? SQL_WORK_WRITE_DELAYED : SQL_WORK_WRITE;
    query_begin(&x->query, statement_name(is_write ? write : read));
    query_add_int4(&x->query, work_id(work->seed, work->done));
    if (is_delayed)
        query_add_float8(&x->query, (double)work->d / 1000);
    return exchange_query(x, on_row);
}

static enum step on_row(struct exchange *x, const PGresult *result)
{
    if (PQntuples(result) != 1)
        return respond_problem(x, 503, NULL,
                               "A row of the table world is missing: load db/seed.sql into the database.");
    /* NULL has no length. An int8 would give a sum that is wrong and looks right. */
    if (PQgetlength(result, 0, 0) != sizeof(int32_t))
        return respond_problem(x, 500, NULL, "The table world is not the one of db/schema.sql.");
    x->work.sum += query_read_int4(PQgetvalue(result, 0, 0));
    x->work.done++;
    return work_next(x);
}

enum step work_start(struct exchange *x)
{
    struct params params;
    if (!work_parse(x, &params))
        return respond_bad_params(x, &params);
    if (x->work.m != 0 && x->work.m < WORK_M_MIN)
        return respond_problem(x, 400, "m", "m must be 0, or a number of bytes from %d to %d.", WORK_M_MIN,
                               WORK_M_MAX);
    return x->work.t > 0 ? exchange_wait(x, x->work.t, work_next) : work_next(x);
}
