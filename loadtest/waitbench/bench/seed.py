"""The rows of db/seed.sql: brought back, all of them or none."""

import psycopg2.errors

from .. import Failure, ROOT
from ..judge import crud_proof, proof
from ..plan import requests
from . import session

SQL = ROOT / "db" / "seed.sql"
# How many rows would be lost: those that the file does not make again.
LOST = f"""
    SELECT (SELECT count(*) FROM world
            WHERE id NOT BETWEEN 1 AND {proof.ROWS} OR value IS DISTINCT FROM {proof.VALUE_SQL}),
           (SELECT count(*) FROM items WHERE name NOT LIKE 'waitbench %')
"""
# The items that a run of WORKLOAD=crud starts from, of about the size of those that crud.lua writes.
ITEMS = f"""
    INSERT INTO items (name, value, payload)
    SELECT 'waitbench seeded', {crud_proof.VALUE_SQL}, '{crud_proof.PAYLOAD}' FROM generate_series(1, {requests.ITEMS}) AS id
"""
WITHOUT_TRANSACTION = "VACUUM", "CHECKPOINT"


def restore(link: session.Session, may_delete: bool) -> None:
    """An interrupt leaves no table empty. `may_delete`: also rows that the file does not make again; without it they
    are a Failure."""
    statements = _statements(SQL.read_text())
    with link.transaction():
        link.rows("LOCK TABLE world, items IN ACCESS EXCLUSIVE MODE")
        if not may_delete:
            _refuse_to_delete(link)
        link.rows("TRUNCATE world, items RESTART IDENTITY")
        for statement in statements:
            if not statement.startswith(WITHOUT_TRANSACTION):
                link.rows(statement)
    for statement in statements:
        if statement.startswith(WITHOUT_TRANSACTION):
            try_to(link, statement)
    link.rows("SELECT sum(hits) FROM world")  # into the buffers


def fill_items(link: session.Session) -> None:
    """The same rows with the same ids each time, vacuumed and on disk; autovacuum in the middle of a run would
    disturb it."""
    with link.transaction():
        link.rows("TRUNCATE items RESTART IDENTITY")
        link.rows("ALTER TABLE items SET (autovacuum_enabled = false)")
        link.rows(ITEMS)
    for statement in ("VACUUM (FREEZE, ANALYZE) items", "CHECKPOINT"):
        try_to(link, statement)
    link.rows("SELECT sum(value) FROM items")  # into the buffers


def empty_items(link: session.Session) -> None:
    with link.transaction():
        link.rows("TRUNCATE items RESTART IDENTITY")
        link.rows("ALTER TABLE items RESET (autovacuum_enabled)")


def try_to(link: session.Session, statement: str) -> None:
    """VACUUM and CHECKPOINT may be forbidden to this user: PostgreSQL then logs a warning."""
    link.rows(statement, (psycopg2.errors.InsufficientPrivilege,))


def _refuse_to_delete(link: session.Session) -> None:
    ((world, items),) = link.rows(LOST)
    if world or items:
        raise Failure(
            f"the database has {world} rows in world and {items} in items that db/seed.sql did not make, and the load"
            " test would delete them: let DATABASE_URL name another database, or allow it with DB_RESET=yes"
        )


def _statements(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    return [statement.strip() for statement in "\n".join(lines).split(";") if statement.strip()]
