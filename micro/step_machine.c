/*
 * Resuming a step machine: a bare one, and the exchange of the servers, which is given the row of a query and
 * asks for the next query of GET /work. The row is made up, so that there is neither a database nor libpq's
 * part in it.
 */
#include "bench.h"
#include "handler/exchange.h"

struct machine {
    enum { ASK, ADD, MIX } state;
    uint64_t sum;
};

__attribute__((noinline)) static void machine_resume(struct machine *machine, uint64_t value)
{
    switch (machine->state) {
    case ASK:
        machine->state = ADD;
        return;
    case ADD:
        machine->sum += value;
        machine->state = MIX;
        return;
    case MIX:
        machine->sum ^= machine->sum << 7;
        machine->state = ASK;
        return;
    }
}

static void (*volatile function)(struct machine *, uint64_t) = machine_resume;

static void resume_bare(void *machine, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        function(machine, i);
}

/* The row of a query: a binary int4, as PostgreSQL would send it. */
static PGresult *made_up_row(void)
{
    PGresAttDesc column = {.name = (char *)"value", .format = 1, .typid = 23, .typlen = 4};
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    bench_check(result == NULL ? ENOMEM : 0, "PQmakeEmptyPGresult");
    PQsetResultAttrs(result, 1, &column);
    char wire[4] = {0, 0, 0, 1};
    PQsetvalue(result, 0, 0, wire, sizeof wire);
    return result;
}

/* An exchange has at most WORK_N_MAX queries; what begins and ends it is shared by so many. */
static void resume_exchanges(void *row, uint64_t count)
{
    static const struct service service = {.model = "micro", .n = WORK_N_MAX, .m = 0};
    static const struct http_request request = {
        .method = HTTP_METHOD_GET, .path = {"/work", sizeof "/work" - 1}, .keep_alive = true};
    for (uint64_t resumed = 0; resumed < count;) {
        struct exchange exchange;
        exchange_init(&exchange, &service, counters_shard(0));
        exchange.request = &request;
        enum step step = exchange_start(&exchange);
        for (; step == STEP_QUERY && resumed < count; resumed++)
            step = exchange_resume(&exchange, row);
        if (step != STEP_QUERY)
            bench_check(exchange.response.status == 200 ? 0 : EPROTO, "exchange_resume");
        exchange_deinit(&exchange);
    }
}

int main(int argc, char **argv)
{
    (void)argc;
    bench_start(argv);
    struct machine machine = {.state = ASK};
    bench_report_parts("context switch", "step machine", "bare", resume_bare, &machine, bench_count(20000000),
                       1);
    PGresult *row = made_up_row();
    bench_report_parts("context switch", "step machine", "exchange_resume of the servers", resume_exchanges,
                       row, bench_count(2000000), 1);
    PQclear(row);
}
