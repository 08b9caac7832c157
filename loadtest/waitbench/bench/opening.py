"""How the smaller programs of the load test begin and end: what one of them starts or changes is gone in the end,
after an error and after a signal too."""

import contextlib
from typing import Any, Iterator, NamedTuple

from ..base import interrupt, process
from ..plan import settings
from . import cpu_groups, database, environment, placement


class Opened(NamedTuple):
    """The parts that stand ready; the first arguments of subject.Bench are made of them."""

    db: database.Database
    groups: cpu_groups.Groups

    def describe(self, chosen: settings.Settings) -> dict[str, Any]:
        """The contents of environment.json, of servers that are started here."""
        return environment.describe(chosen, self.db, {}, placement.available(), {}, self.groups)


@contextlib.contextmanager
def opened(chosen: settings.Settings) -> Iterator[Opened]:
    """Descriptors for all connections, the database, and the CPU groups, which it prints. Raises Failure, and from
    then on interrupt.Interrupted."""
    environment.raise_file_limit(chosen.connections_most)
    interrupt.interruptible()
    db = database.Database(chosen.database_url, chosen.db_reset == "yes")
    groups = cpu_groups.NONE
    try:
        groups = cpu_groups.arrange(chosen, db)
        print(groups.says, flush=True)
        yield Opened(db, groups)
    finally:
        process.kill_all()
        db.close()
        groups.remove()
