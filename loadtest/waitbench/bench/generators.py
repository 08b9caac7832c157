"""The generators of load: wrk or pace on this machine, or on the hosts of GENERATORS (loadtest/generator), all at once."""

import dataclasses
import http.client
import json
import math
import select
import socket
import time
import urllib.parse
from typing import Any, Callable, Collection, Sequence

from .. import Failure
from ..base import process
from ..judge import load
from ..observe import hosts, load_result, pace_output, wrk_output
from ..plan import address
from . import load_program, pace, wrk
from .load_program import Job, Watch

RESPOND_S = 10  # for a generator to accept, to respond, and to begin
LOOK_S = 0.5  # at most between two checks whether all generators are still within their time


class Local:
    """wrk or pace on this machine, at `place`; where that names no CPUs, on any of `cpus` CPUs. `build`: the folder of
    the built programs."""

    def __init__(self, place: process.Place, cpus: int, build: str = "build"):
        self.place, self.cpus, self.build = place, cpus, build
        self.host = hosts.own()

    def count(self, connections: int) -> int:
        """How many share that many connections."""
        return 1

    def run(self, job: Job, watch: Watch | None = None) -> load.Load:
        cpus = len(self.place.cpus) if self.place.cpus else self.cpus
        threads = load_program.threads(job.connections, cpus)
        begin = time.monotonic()
        if job.pacing:
            result = pace.run(pace.command(job, threads, self.build), job, self.place, watch)
        else:
            result = wrk.run(wrk.command(job, threads), job.seconds, self.place, watch)
        return load.Load([load.part("", self.host, job.connections, threads, result, begin)])

    def describe(self, connections: Collection[int]) -> list[dict]:
        return [self.host._asdict()]


class Remote:
    """wrk or pace on the hosts of GENERATORS, each with its share of the connections."""

    def __init__(self, urls: Sequence[str], connections: Collection[int], idle: int = 0, paced: bool = False):
        """Raises Failure unless each of them responds and may open its share of each number of connections, and of
        at most `idle` others, and has pace if it is to be `paced`."""
        self.generators = [Generator(address) for url in urls for address in addresses(url)]
        # Several addresses of one generator count once: it runs one wrk at a time.
        self.generators = list({one.facts["instance"]: one for one in self.generators}.values())
        for one in self.generators if paced else []:
            if not one.facts.get("pace"):
                why = one.facts.get("pace_says") or "it is older than pace: update the project there"
                raise Failure(f"generator {one.url} has no pace: {why}")
        for one, share in zip(self.generators, load.split(max(connections) + idle, len(self.generators))):
            most = one.facts["files"] - process.OTHER_FILES if one.facts["files"] else math.inf
            if share > most:
                raise Failure(
                    f"generator {one.url} may open {one.facts['files']} files, too few for its {share} connections:"
                    f" raise the limit there (ulimit -Hn), or choose C of at most {most * len(self.generators)}"
                )

    def count(self, connections: int) -> int:
        return min(connections, len(self.generators))

    def run(self, job: Job, watch: Watch | None = None) -> load.Load:
        """All at once. Raises load_result.Broken, which names the generator that failed; the programs of the others
        are ended then."""
        counts = load.split(job.connections, self.count(job.connections))
        idle = load.split(job.pacing.idle if job.pacing else 0, len(counts))
        shares = [
            _Share(one, job.share(c, number, i))
            for number, (one, c, i) in enumerate(zip(self.generators, counts, idle))
        ]
        try:
            for share in shares:
                share.connect()
            for share in shares:
                share.begin()
            _await_all(shares, job, watch or (lambda elapsed: math.inf))
        finally:
            for share in shares:
                share.close()
        return load.Load([share.part for share in shares if share.part])

    def describe(self, connections: Collection[int]) -> list[dict]:
        """For environment.json: each generator, its machine, and its share of each number of connections."""
        shares = {c: load.split(c, len(self.generators)) for c in connections}
        return [
            {"generator": one.url} | one.facts | {"connections": {c: shares[c][index] for c in connections}}
            for index, one in enumerate(self.generators)
        ]


class Generator:
    """One of them, and what it reports about its host."""

    def __init__(self, url: str):
        self.url = url
        parts = urllib.parse.urlsplit(url)
        self.address = parts.hostname or "", parts.port
        connection = http.client.HTTPConnection(self.address[0], self.address[1], timeout=RESPOND_S)
        try:
            connection.request("GET", "/")
            self.facts = json.loads(connection.getresponse().read())
            if "error" in self.facts:
                raise Failure(f"generator {url} refuses to serve: {self.facts['error']}")
            self.host = hosts.Host(*(self.facts[name] for name in hosts.Host._fields))
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
            raise Failure(
                f"no generator responds at {url} ({error or type(error).__name__}): start loadtest/generator there,"
                " with --host for an address that can be reached from here"
            ) from None
        finally:
            connection.close()


class _Share:
    """One generator's part of a run that is under way."""

    def __init__(self, generator: Generator, job: Job):
        self.generator, self.job = generator, job
        host, port = generator.address
        self.connection = http.client.HTTPConnection(host, port, timeout=RESPOND_S)
        self.response: http.client.HTTPResponse | None = None
        self.part: load.Part | None = None

    def connect(self) -> None:
        self._try(self.connection.connect)
        hosts.keep_alive(self.connection.sock)

    def begin(self) -> None:
        # A generator begins when it has read this, and sends the head of its response when the program has started.
        asked: dict[str, Any] = {
            name: getattr(self.job, name) for name in ("url", "path", "connections", "seconds")
        }
        if self.job.crud:
            asked["crud"] = self.job.crud.words
        if self.job.pacing:
            asked["pacing"] = self.job.pacing._asdict()
        body = json.dumps(asked)
        self._try(self.connection.request, "POST", "/run", body, {"Content-Type": "application/json"})

    def fileno(self) -> int:
        return self.response.fileno() if self.response else self.connection.sock.fileno()

    def advance(self) -> None:
        """Reads what has arrived: the head of the response, and later its body."""
        if not self.response:
            self.response = self._try(self.connection.getresponse)
            self.started = time.monotonic()
        else:
            self.part = self._try(self._read, self.response)

    def close(self) -> None:
        """A generator ends its program, if that still runs, when the connection is closed."""
        if self.response:
            self.response.close()
        self.connection.close()

    def broken(self, why: str) -> load_result.Broken:
        return load_result.Broken(f"generator {self.generator.url}: {why}")

    def _read(self, response: http.client.HTTPResponse) -> load.Part:
        found = json.loads(response.read())
        if "error" in found:
            raise self.broken(found["error"])
        parse = pace_output.parse if self.job.pacing else wrk_output.parse
        result = dataclasses.replace(parse(found["output"]), cpu_s=float(found["cpu_s"]))
        if not result.requests:
            raise self.broken("no request received a response; a longer DURATION may help")
        return load.part(
            self.generator.url,
            self.generator.host,
            self.job.connections,
            int(found["threads"]),
            result,
            self.started,
            None if found["steal_share"] is None else float(found["steal_share"]),
        )

    def _try(self, function: Callable, *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except load_result.Broken as error:
            raise error if str(error).startswith("generator ") else self.broken(str(error)) from None
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
            raise self.broken(str(error) or "it closed the connection") from None


def _await_all(shares: list[_Share], job: Job, watch: Watch) -> None:
    begin = time.monotonic()
    seconds = job.load_s + (pace.CONNECT_S if job.pacing else 0)
    look = 0.0
    while missing := [share for share in shares if not share.part]:
        elapsed = time.monotonic() - begin
        if elapsed > seconds + load_program.PATIENCE_S + RESPOND_S:
            raise missing[0].broken(f"no result {elapsed - seconds:.0f} s after its {seconds:g} s")
        late = next((share for share in missing if not share.response and elapsed > RESPOND_S), None)
        if late:
            raise late.broken(f"it did not start within {RESPOND_S} s")
        if elapsed >= look:
            again = watch(elapsed)
            look = math.inf if again is None else elapsed + again
        ready, _, _ = select.select(missing, [], [], max(0.0, min(LOOK_S, look - elapsed)))
        for share in ready:
            share.advance()


def addresses(url: str) -> list[str]:
    """One URL for each address of the host: a name may stand for several hosts, as Swarm's tasks.generator does.
    Only IPv4 addresses where there are any: `localhost` is one host, and not two."""
    parts = urllib.parse.urlsplit(url)
    try:
        found = socket.getaddrinfo(
            parts.hostname, parts.port or hosts.GENERATOR_PORT, type=socket.SOCK_STREAM
        )
    except OSError as error:
        raise Failure(f"GENERATORS: {url}: {error.strerror}") from None
    family = min(family for family, *_ in found)  # AF_INET is less than AF_INET6
    numbers = sorted({where[:2] for kind, _, _, _, where in found if kind == family})
    return [address.url(host, port) for host, port in numbers]
