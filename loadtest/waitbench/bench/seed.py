"""The rows of db/seed.sql: brought back, all of them or none."""

import psycopg2.errors

from .. import Failure, ROOT
from ..judge import proof
from . import session

SQL = ROOT / "db" / "seed.sql"
# How many rows would be lost: those that the file does not make again.
LOST = f"""
    SELECT (SELECT count(*) FROM world
            WHERE id NOT BETWEEN 1 AND {proof.ROWS} OR value IS DISTINCT FROM {proof.VALUE_SQL}),
           (SELECT count(*) FROM items)
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
