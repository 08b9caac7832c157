"""Which group of work a sample belongs to, by the file whose code ran: for a profile of a server in any language."""

import re
from collections import Counter
from typing import Iterable, Iterator

from .parts import Frame

# A pattern in the path of the file, or in the name of the function where the file is generated code -> the group. The
# first that fits decides: libraries stand before the interpreter in whose folders they lie. To tell a server in another
# language, add a line.
GROUPS = (
    (r"^\[vdso\]$", "libc"),
    (r"^\[kernel|^\[guest|^\[(?!unknown|anon|heap|stack)[a-z0-9_]+\]$|\.ko(\.|$)", "kernel"),
    (r"asyncpg|psycopg|libpq\.", "database driver"),
    (r"httptools|llhttp|http_parser|h11", "HTTP parser"),
    (r"uvloop|/libuv\.|/libev", "event loop"),
    (r"libssl|libcrypto|libgnutls", "TLS"),
    (r"libjansson|_json\.|orjson|ujson", "JSON"),
    (r"/(libc|libpthread|libm|librt|ld-linux[^/]*)[.-]", "libc"),
    (r"/perf-\d+\.map|^\[?anon|//anon|jitted-|memfd:.*jit", "JIT code"),
    (r"libjvm|/libjava|/libnio|/libnet\.so|/node$|libnode|libv8", "runtime"),
    (r"/python[0-9.]*$|libpython|lib-dynload|/dist-packages/", "interpreter"),
)
OTHER = "other"

_groups = [(re.compile(pattern), group) for pattern, group in GROUPS]
_LINE = re.compile(r"^\s*[0-9a-f]+ (.*) \((\S.*)\)\s*$")


def of_object(path: str, program: str = "") -> str:
    """`program`: the server's own file, where it is a program that was built."""
    if program and path == program:
        return "server"
    return next((group for pattern, group in _groups if pattern.search(path)), OTHER)


def parse(lines: Iterable[str]) -> Iterator[Frame]:
    """The samples of `perf script -F ip,sym,dso` of a record without call chains: a line each."""
    for line in lines:
        if match := _LINE.match(line):
            symbol, place = match.groups()
            yield Frame("" if symbol == "[unknown]" else symbol.partition("+0x")[0], place)


def count(samples: Iterable[Frame], program: str = "") -> tuple[Counter, dict[str, Counter]]:
    """Samples by group, and of each group by object and function."""
    total: Counter = Counter()
    inside: dict[str, Counter] = {}
    for frame in samples:
        group = of_object(frame.object, program)
        total[group] += 1
        inside.setdefault(group, Counter())[frame] += 1
    return total, inside
