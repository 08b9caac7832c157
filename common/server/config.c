#include "server/config.h"

#include <ctype.h>
#include <inttypes.h>
#include <sched.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu_group.h"
#include "base/str.h"
#include "base/version.h"
#include "handler/work.h"

enum type { TYPE_TEXT, TYPE_UNSIGNED, TYPE_U64, TYPE_LEVEL };

struct setting {
    const char *name; /* of the environment variable; the flag is the same in small letters with dashes */
    enum type type;
    size_t offset;
    uint64_t low, high;
    const char *help; /* with the unit */
};

#define AT(member) offsetof(struct config, member)

static const struct setting settings[] = {
    {"HOST", TYPE_TEXT, AT(host), 0, 0, "address to listen on: numeric, or localhost"},
    {"PORT", TYPE_UNSIGNED, AT(port), 1, 65535, "TCP port to listen on"},
    {"DATABASE_URL", TYPE_TEXT, AT(database_url), 0, 0,
     "postgresql://user:password@host:port/database; empty: libpq's PG* variables"},
    {"DB_POOL", TYPE_UNSIGNED, AT(db_pool), 0, 10000,
     "database connections in total; 0: 16, or 1 for each CPU where requests share them"},
    {"DB_PIPELINE", TYPE_UNSIGNED, AT(db_pipeline), 0, 1,
     "1: requests share each database connection (libpq's pipeline mode); 0: a request has it for itself"},
    {"WORKERS", TYPE_UNSIGNED, AT(workers), 0, 1024,
     "event loops, at most DB_POOL; 0: the CPUs this process may use"},
    {"THREADS", TYPE_UNSIGNED, AT(threads), 0, 20000,
     "threads that run requests; 0: DB_POOL, which may wait for the database, and one for each CPU"},
    {"N", TYPE_U64, AT(n), 0, WORK_N_MAX, "default of GET /work: queries"},
    {"M", TYPE_U64, AT(m), 0, WORK_M_MAX, "default of GET /work: bytes of the body; 0, or from 64"},
    {"W", TYPE_U64, AT(w), 0, WORK_N_MAX, "default of GET /work: updates among the queries"},
    {"D", TYPE_U64, AT(d), 0, WORK_D_MAX, "default of GET /work: ms that the database adds to a query"},
    {"T", TYPE_U64, AT(t), 0, WORK_T_MAX,
     "default of GET /work: ms to wait for something else than the database"},
    {"MAX_CONNECTIONS", TYPE_UNSIGNED, AT(max_connections), 0, 10000000,
     "client connections; 0: as many as the limits allow"},
    {"STACK_KIB", TYPE_UNSIGNED, AT(stack_kib), 32, 65536, "stack of a thread or a coroutine, KiB"},
    {"HEADER_TIMEOUT", TYPE_UNSIGNED, AT(header_timeout), 1, 86400,
     "s for the head of a request, and as long again for its body"},
    {"IDLE_TIMEOUT", TYPE_UNSIGNED, AT(idle_timeout), 1, 86400,
     "s without a request on a kept-alive connection"},
    {"WRITE_TIMEOUT", TYPE_UNSIGNED, AT(write_timeout), 1, 86400,
     "s without the client taking a byte of a response"},
    {"POOL_TIMEOUT", TYPE_UNSIGNED, AT(pool_timeout), 1, 86400, "s to wait for a database connection"},
    {"QUERY_TIMEOUT", TYPE_UNSIGNED, AT(query_timeout), 1, 86400, "s to wait for the result of one query"},
    {"DRAIN_TIMEOUT", TYPE_UNSIGNED, AT(drain_timeout), 1, 86400,
     "s to finish what is in flight after SIGTERM"},
    {"MAX_HEADER_BYTES", TYPE_UNSIGNED, AT(max_header_bytes), 1024, 1048576, "bytes of a request's head"},
    {"MAX_BODY_BYTES", TYPE_UNSIGNED, AT(max_body_bytes), 1024, 1073741824, "bytes of a request's body"},
    {"LOG_LEVEL", TYPE_LEVEL, AT(log_level), 0, 0, "error, warn, info or debug"},
};

enum { SETTINGS = sizeof settings / sizeof *settings };

static const char *const level_names[] = {"error", "warn", "info", "debug"};

static const struct config defaults = {
    .host = "127.0.0.1",
    .port = 8080,
    .database_url = "",
    .db_pool = 0,
    .workers = 0,
    .n = 1,
    .m = 1024,
    .stack_kib = 128,
    .header_timeout = 10,
    .idle_timeout = 75,
    .write_timeout = 30,
    .pool_timeout = 10,
    .query_timeout = 15, /* above the longest d */
    .drain_timeout = 20, /* above query_timeout */
    .max_header_bytes = 16 * 1024,
    .max_body_bytes = 1024 * 1024,
    .log_level = LOG_LEVEL_INFO,
};

static const char *model_name;

static __attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...)
{
    va_list args;
    fprintf(stderr, "server-%s: ", model_name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(2);
}

/* Only the hybrid server has threads that run requests of its loops, and it has no pipelines. */
static bool applies(const struct setting *setting)
{
    bool is_hybrid = strcmp(model_name, "hybrid") == 0;
    return setting->offset != (is_hybrid ? AT(db_pipeline) : AT(threads));
}

/* "DB_POOL" -> "--db-pool" */
static const char *flag_name(const struct setting *setting, char out[32])
{
    size_t len = (size_t)snprintf(out, 32, "--%s", setting->name);
    for (size_t i = 2; i < len; i++)
        out[i] = setting->name[i - 2] == '_' ? '-' : (char)tolower((unsigned char)setting->name[i - 2]);
    return out;
}

static void set(struct config *config, const struct setting *setting, const char *source, const char *value)
{
    void *field = (char *)config + setting->offset;
    if (setting->type == TYPE_TEXT) {
        *(const char **)field = value;
        return;
    }
    if (setting->type == TYPE_LEVEL) {
        for (size_t i = 0; i < sizeof level_names / sizeof *level_names; i++) {
            if (strcmp(value, level_names[i]) == 0) {
                *(enum log_level *)field = (enum log_level)i;
                return;
            }
        }
        die("%s=%s: must be error, warn, info or debug", source, value);
    }
    uint64_t number;
    struct str text = {value, strlen(value)};
    if (!str_to_u64(text, &number))
        die("%s=%s: must be a whole number (%s)", source, value, setting->help);
    if (number < setting->low || number > setting->high)
        die("%s=%s: must be from %" PRIu64 " to %" PRIu64 " (%s)", source, value, setting->low, setting->high,
            setting->help);
    if (setting->type == TYPE_U64)
        *(uint64_t *)field = number;
    else
        *(unsigned *)field = (unsigned)number;
}

static void print_default(const struct setting *setting)
{
    const void *field = (const char *)&defaults + setting->offset;
    switch (setting->type) {
    case TYPE_TEXT:
        printf("\"%s\"", *(const char *const *)field);
        break;
    case TYPE_LEVEL:
        printf("%s", level_names[*(const enum log_level *)field]);
        break;
    case TYPE_U64:
        printf("%" PRIu64, *(const uint64_t *)field);
        break;
    case TYPE_UNSIGNED:
        printf("%u", *(const unsigned *)field);
        break;
    }
}

static __attribute__((noreturn)) void print_help(void)
{
    printf("Usage: server-%s [--help] [--version] [--FLAG VALUE]...\n\n"
           "Serves waitbench's HTTP interface over PostgreSQL (common/API.md). SIGTERM or SIGINT drains: no\n"
           "new connection, requests in flight are finished, then it exits with 0.\n\n"
           "Each setting is an environment variable and a flag; the flag wins.\n\n",
           model_name);
    for (size_t i = 0; i < SETTINGS; i++) {
        char flag[32];
        if (!applies(&settings[i]))
            continue;
        printf("  %-16s  %-18s  %s; default ", settings[i].name, flag_name(&settings[i], flag),
               settings[i].help);
        print_default(&settings[i]);
        putchar('\n');
    }
    exit(0);
}

static const struct setting *find_flag(const char *text, size_t len)
{
    for (size_t i = 0; i < SETTINGS; i++) {
        char flag[32];
        flag_name(&settings[i], flag);
        if (applies(&settings[i]) && strlen(flag) == len && memcmp(flag, text, len) == 0)
            return &settings[i];
    }
    return NULL;
}

/* Before anything else: the user's environment may not be one for a server. */
static void print_and_exit(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            print_help();
        if (strcmp(argv[i], "--version") == 0) {
            printf("server-%s %s (%s)\n", model_name, wb_version, wb_build);
            exit(0);
        }
    }
}

static void read_flags(struct config *config, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        size_t len = strcspn(arg, "=");
        const struct setting *setting = find_flag(arg, len);
        if (setting == NULL)
            die("%.*s: unknown flag; --help lists them", (int)len, arg);
        const char *value = arg[len] == '=' ? arg + len + 1 : argv[++i];
        if (value == NULL)
            die("%s: needs a value", arg);
        char flag[32];
        set(config, setting, flag_name(setting, flag), value);
    }
}

/* CPUs that affinity and the control group's limit allow; a part of a CPU counts as one. */
static unsigned usable_cpus(void)
{
    cpu_set_t set;
    unsigned cpus = sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
    struct control_group group;
    cpu_group_find(&group, "/proc/self");
    double limit = cpu_group_limit(&group);
    unsigned whole = (unsigned)limit + (limit > (unsigned)limit);
    return limit > 0 && whole < cpus ? whole : cpus;
}

void config_load(struct config *config, const char *model, int argc, char **argv)
{
    model_name = model;
    *config = defaults;
    print_and_exit(argc, argv);
    for (size_t i = 0; i < SETTINGS; i++) {
        const char *value = getenv(settings[i].name);
        if (value != NULL && applies(&settings[i]))
            set(config, &settings[i], settings[i].name, value);
    }
    read_flags(config, argc, argv);

    if (config->m != 0 && config->m < WORK_M_MIN)
        die("M=%" PRIu64 ": must be 0, or at least %d bytes", config->m, WORK_M_MIN);
    if (config->w > config->n)
        die("W=%" PRIu64 ": must not be more than N=%" PRIu64 ", as it counts the updates among the queries",
            config->w, config->n);
    unsigned cpus = usable_cpus();
    if (config->db_pool == 0)
        config->db_pool = config->db_pipeline ? cpus : 16;
    if (config->workers > config->db_pool)
        die("WORKERS=%u: must not be more than DB_POOL=%u, as every event loop needs a database connection",
            config->workers, config->db_pool);
    if (config->workers == 0)
        config->workers = cpus < config->db_pool ? cpus : config->db_pool;
    if (config->threads == 0)
        config->threads = config->db_pool + cpus;
}
