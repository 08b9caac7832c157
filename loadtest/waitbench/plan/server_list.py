"""The list of servers, servers.csv: the single place that says which servers there are.

A server is one row, and may be any executable in any language. Run as a program, this module answers
shell scripts:

    python3 -m waitbench.plan.server_list names             of the core servers
    python3 -m waitbench.plan.server_list peers             the other names
    python3 -m waitbench.plan.server_list start NAME        the command, quoted for a shell; BUILD as in loadtest/run
"""

import csv
import os
import re
import shlex
import sys
from pathlib import Path
from typing import Iterator, NamedTuple

from .. import ROOT, Failure

DEFAULT = ROOT / "servers.csv"
VARIABLE = "SERVER_LIST"
REQUIRED = ("name", "description", "build", "start", "port", "colour")
OPTIONAL = ("language", "model", "role", "needs")  # a list, and a row, may end before any of them
COLUMNS = REQUIRED + OPTIONAL
ROLES = CORE, PEER = "core", "peer"
NAME = r"[A-Za-z0-9_.-]+"
COLOUR = r"#[0-9a-f]{6}"


class Entry(NamedTuple):
    """One row of the list."""

    name: str
    description: str
    build: str  # what `make` builds; "" for nothing
    start: str  # the command; $BUILD in it is the folder of the built programs
    port: int  # the default port under Docker Compose
    colour: str  # #rrggbb, in pictures
    language: str = ""  # "" where the list does not say
    model: str = ""  # how it waits: threads, event loop, ...
    role: str = CORE  # one of ROLES: a peer is measured, built and tested only when it is named
    needs: tuple[str, ...] = ()  # sets of .ci/deps without which it neither builds nor starts

    @property
    def port_variable(self) -> str:
        """The environment variable that moves the port: THREADED_PORT."""
        return re.sub(r"[^A-Z0-9]", "_", self.name.upper()) + "_PORT"

    def command(self, build: str) -> list[str]:
        """The words of the start command. `build` and a relative path of the program are seen from ROOT."""
        words = [word.replace("$BUILD", str(ROOT / build)) for word in shlex.split(self.start)]
        return [str(ROOT / words[0]) if "/" in words[0] else words[0], *words[1:]]


class ServerList:
    """The entries by name, in the order of the file. The first one is the baseline."""

    def __init__(self, path: Path, entries: list[Entry]):
        self.path = path
        self.entries = {entry.name: entry for entry in entries}

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries.values())

    @property
    def names(self) -> list[str]:
        return list(self.entries)

    @property
    def core(self) -> list[str]:
        """The names of those that are measured unless SERVERS says otherwise."""
        return [entry.name for entry in self if entry.role == CORE]

    @property
    def baseline(self) -> str:
        return self.names[0]

    def get(self, name: str) -> Entry:
        """The entry of that name. A program BUILD/server-NAME needs no row to be measured."""
        program = f"$BUILD/server-{name}"
        return self.entries.get(name) or Entry(name, "", program, program, 0, "")


def read(path: str | Path | None = None) -> ServerList:
    """The list of that file; by default the project's. Raises Failure: one sentence with file and line."""
    path = Path(path) if path else DEFAULT
    try:
        with path.open(newline="") as stream:
            reader = csv.reader(stream, strict=True)
            entries: list[Entry] = []
            try:
                header: list[str] = next(reader, [])
                _check_header(header)
                for row in reader:
                    if row:
                        entries.append(_entry(row, len(header), {entry.name for entry in entries}))
            except (ValueError, csv.Error) as error:
                raise Failure(f"{path}, line {max(1, reader.line_num)}: {error}") from None
    except OSError as error:
        raise Failure(f"the list of servers cannot be read: {path}: {error.strerror}") from None
    if all(entry.role == PEER for entry in entries):
        raise Failure(f"{path}, line 1: the list has no {'core ' if entries else ''}server")
    return ServerList(path, entries)


def _check_header(names: list[str]) -> None:
    for name in names:
        if name not in COLUMNS or names.count(name) > 1:
            raise ValueError(f"'{name}' is no column of the list, which are {','.join(COLUMNS)}")
    if len(names) < len(REQUIRED) or tuple(names) != COLUMNS[: len(names)]:
        raise ValueError(
            f"the columns are to be {','.join(REQUIRED)}, and may go on with {','.join(OPTIONAL)}"
        )


def _entry(row: list[str], most: int, known: set[str]) -> Entry:
    least = len(REQUIRED)
    if not least <= len(row) <= most:
        allowed = least if least == most else f"{least} to {most}"
        raise ValueError(f"a row has {allowed} fields, and this one has {len(row)}")
    fields = [field.strip() for field in row]
    name, description, build, start, port, colour = fields[:least]
    language, model, role, needs = fields[least:] + [""] * (len(COLUMNS) - len(row))
    if not re.fullmatch(NAME, name) or name in known:
        raise ValueError(f"'{name}' is no name for a server, or is there twice")
    try:
        words = shlex.split(start)
    except ValueError as error:
        raise ValueError(f"start of {name}: {error}") from None
    if not words:
        raise ValueError(f"start of {name} is empty: it is the command that starts the server")
    if not port.isascii() or not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise ValueError(f"port of {name} is '{port}', which is not a number from 1 to 65535")
    if not re.fullmatch(COLOUR, colour.lower()):
        raise ValueError(f"colour of {name} is '{colour}', which is not #rrggbb")
    if (role or CORE) not in ROLES:
        raise ValueError(f"role of {name} is '{role}', which is not {' or '.join(ROLES)}")
    if any(not re.fullmatch(NAME, word) for word in needs.split()):
        raise ValueError(f"needs of {name} is '{needs}', which is no list of sets of .ci/deps")
    return Entry(
        name,
        description,
        build,
        start,
        int(port),
        colour.lower(),
        language,
        model,
        role or CORE,
        tuple(needs.split()),
    )


def main(arguments: list[str]) -> str:
    """The answer to a shell script. Raises Failure."""
    known = read(os.environ.get(VARIABLE))
    if arguments == ["names"]:
        return " ".join(known.core)
    if arguments == ["peers"]:
        return " ".join(name for name in known.names if name not in known.core)
    if len(arguments) == 2 and arguments[0] == "start":
        name = arguments[1]
        if name not in known.entries:
            raise Failure(f"{known.path} has no server '{name}': it has {' '.join(known.names)}")
        return shlex.join(known.get(name).command(os.environ.get("BUILD") or "build"))
    raise Failure("usage: names | peers | start NAME")


if __name__ == "__main__":
    try:
        print(main(sys.argv[1:]))
    except Failure as failure:
        sys.exit(str(failure))
