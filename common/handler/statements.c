#include "handler/statements.h"

#include <assert.h>
#include <stdio.h>

static const struct {
    const char *name;
    const char *types;
    const char *text;
} statements[SQL_STATEMENTS] = {
    [SQL_PING] = {"ping", "", "SELECT current_setting('default_transaction_read_only')"},
    [SQL_WORK_READ] = {"work_read", "(int4)", "SELECT value FROM world WHERE id = $1"},
    /* pg_sleep() waits without burning CPU, as a slow query or a distant database does. */
    [SQL_WORK_READ_DELAYED] = {"work_read_delayed", "(int4, float8)",
                               "SELECT value FROM world, pg_sleep($2) WHERE id = $1"},
    [SQL_WORK_WRITE] = {"work_write", "(int4)",
                        "UPDATE world SET hits = hits + 1 WHERE id = $1 RETURNING value"},
    /* The join sleeps before the update locks the row. */
    [SQL_WORK_WRITE_DELAYED] =
        {"work_write_delayed", "(int4, float8)",
         "UPDATE world SET hits = hits + 1 FROM pg_sleep($2) WHERE id = $1 RETURNING value"},
#define ITEM_COLUMNS "id, name, value, payload, version, updated_at"
    [SQL_ITEM_INSERT] =
        {"item_insert", "(text, int8, text)",
         "INSERT INTO items (name, value, payload) VALUES ($1, $2, $3::json) RETURNING " ITEM_COLUMNS},
    [SQL_ITEM_GET] = {"item_get", "(int8)", "SELECT " ITEM_COLUMNS " FROM items WHERE id = $1"},
    /*
     * A page and one item more, which shows that there is a next page: $2 rows. A page ends early with the
     * item that makes its payloads exceed $3 bytes, since 100 items may have 100 MiB; one row may follow that
     * item. So a row is left out if the payloads of the rows before the previous row exceed $3.
     */
    [SQL_ITEM_LIST] = {"item_list", "(int8, int4, int8)",
                       "SELECT " ITEM_COLUMNS
                       " FROM (SELECT *, sum(octet_length(payload::text)) OVER (ORDER BY "
                       "id ROWS BETWEEN UNBOUNDED PRECEDING AND 2 PRECEDING) AS bytes FROM items "
                       "WHERE id > $1 ORDER BY id LIMIT $2) AS page WHERE bytes IS NULL OR bytes <= $3"},
    /* The last parameter is the version that the item must still have; NULL: any. */
    [SQL_ITEM_REPLACE] =
        {"item_replace", "(int8, text, int8, text, int8)",
         "UPDATE items SET name = $2, value = $3, payload = $4::json, version = version + 1, "
         "updated_at = now() WHERE id = $1 AND ($5 IS NULL OR version = $5) RETURNING " ITEM_COLUMNS},
    [SQL_ITEM_DELETE] = {"item_delete", "(int8, int8)",
                         "DELETE FROM items WHERE id = $1 AND ($2 IS NULL OR version = $2) RETURNING id"},
};

const char *statement_name(enum statement statement)
{
    return statements[statement].name;
}

const char *statements_prepare(unsigned timeout_s)
{
    static char text[4096];
    static size_t len;
    if (len == 0) {
        /*
         * Without this setting the database goes on with a query whose connection the server has closed: a
         * query that waits for a lock keeps its session until the lock is free, and then writes
         * (runtime-config-connection.html). It costs two setitimer(2) per second in a busy session of
         * PostgreSQL 15 and nothing per query (strace).
         */
        len = (size_t)snprintf(text, sizeof text, "SET client_connection_check_interval = '1s'; ");
        if (timeout_s > 0) /* a shorter time-out, of the role say, stays */
            len += (size_t)snprintf(text + len, sizeof text - len,
                                    "SELECT set_config('statement_timeout', '%us', false) FROM pg_settings"
                                    " WHERE name = 'statement_timeout' AND setting::int NOT BETWEEN 1 AND %u; ",
                                    timeout_s, timeout_s * 1000);
        for (size_t i = 0; i < SQL_STATEMENTS; i++) {
            int more = snprintf(text + len, sizeof text - len, "PREPARE %s%s AS %s; ", statements[i].name,
                                statements[i].types, statements[i].text);
            assert(more > 0 && len + (size_t)more < sizeof text);
            len += (size_t)more;
        }
    }
    return text;
}
