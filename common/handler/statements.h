/* Every SQL statement that the servers run. A new database connection prepares all of them. */
#ifndef WB_STATEMENTS_H
#define WB_STATEMENTS_H

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

/* The name under which a connection has prepared the statement, for query_begin(). Static storage. */
const char *statement_name(enum statement statement);

/*
 * The SQL for pg_target.prepare, which a new connection runs in one round trip: a setting, then
 * "PREPARE name(types) AS ...; " for each statement. Static storage; the first call writes the text, so it
 * must return before another thread calls.
 *
 * `timeout_s`: the database ends a statement after so many seconds, with SQLSTATE 57014; 0: never. In a
 * pipeline the server cannot end one without those behind it.
 */
const char *statements_prepare(unsigned timeout_s);

#endif
