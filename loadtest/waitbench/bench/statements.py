"""pg_stat_statements: how many statements of GET /work and of /items PostgreSQL has counted, or why it counts none."""

import psycopg2
import psycopg2.errors

from . import session

# Matches the statements of GET /work in this database, and none of those of the load test. A driver that puts values into
# the text of an update (hits + 1) has its id as the second parameter.
OF_WORK = (
    "query ~ 'world' AND query ~ 'id = [$][0-9]'"
    " AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
OF_ITEMS = (
    "query ~ 'items' AND query ~ '[$][0-9]'"
    " AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
ITEM_CALLS = f"SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements WHERE {OF_ITEMS}"
CALLS = f"SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements WHERE {OF_WORK}"


def why_uncounted(link: session.Session) -> str | None:
    """The beginning of a sentence; None where statements are counted, which is tried."""
    try:
        before = link.query(CALLS)
        link.rows("SELECT value FROM world WHERE id = 1")
        if link.query(CALLS) > before:
            return None
    except psycopg2.errors.UndefinedTable:
        return "the database has no pg_stat_statements (CREATE EXTENSION)"
    except psycopg2.Error as error:
        return f"pg_stat_statements cannot be read ({session.first_line(error)})"
    for setting in "pg_stat_statements.track", "compute_query_id":
        ((value,),) = link.rows(f"SELECT current_setting('{setting}', true)")
        if value in ("none", "off"):
            return f"{setting} is {value}, so PostgreSQL counts no statement"
    return "pg_stat_statements does not count the statements of this user"
