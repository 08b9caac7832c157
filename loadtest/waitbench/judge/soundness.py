"""Reasons that make a run unsound, and flags.

An unsound run is discarded with its whole block, and the block is run again (bench/experiment.py). A flagged
run is sound and kept, but the word in the column `flags` says what it must not be used for.
"""

import math

from ..observe import server_stats
from . import accounting, pacing
from .figures import Observation, difference
from .load import Load, Part

LITTLE_MOST = 1.02  # throughput x mean latency / connections: more than all connections cannot be busy
LITTLE_LEAST = 0.90  # below it the connections waited for the generator more than a tenth of the time
CONNECTION = len("Connection: keep-alive\r\n")
ROUNDS_LEAST = 3  # requests per connection
OTHERS_BUSY = 0.10  # of all CPUs
APART_S = 0.15  # between generators' windows: wrk checks every 0.1 s whether its time is over
APART = 0.02  # of the window, where that is more
GENERATOR_BUSY = 0.95  # of its threads' time: responses then wait in socket buffers until it reads them

FLAGS = {
    "generator-bound": "in a closed loop the generator was the bottleneck: connections were idle more than a tenth of"
    " the time (with K, they are while they are opened anew, and only the next counts), or the generator's threads were"
    " busy more than 95% of it, in any generator; throughput is a lower bound, latencies are not compared",
    "too-short": "fewer than three requests per connection: those too slow to end in the window are missing, so"
    " latencies look shorter than they are; in an open loop, where none is missing, fewer than"
    f" {pacing.ARRIVALS_LEAST} arrivals, of which p99 is the tenth longest; a longer DURATION would do",
    "overloaded": "some requests had no response when the time after the window was over, too: they count with the age"
    " that they had, so latencies are lower bounds and are not compared",
    "machine-busy": "other programs used more than a tenth of the machine's CPU time: a disturbed figure",
}
REASONS = {
    "errors": "the generator counted an error: connect, read, write, timeout, or a status above 399; pace names more"
    " kinds, and the first error",
    "late": "in an open loop, pace could not keep the rate: more than 1% of the requests were sent more than 2 ms after"
    " they could have been, or its threads were busy more than 85% of the time",
    "refused": "the server counted an error response or refused a connection",
    "size": "the generator received another number of bytes than that many responses of the verified size have",
    "little": f"throughput x mean latency / connections is above {LITTLE_MOST}",
    "bystander": "another of the TARGETS, which was not to be loaded, used more of a CPU meanwhile than BYSTANDER_MAX",
    "window": "the generators did not begin together, or did not load for the same time",
    "throttled": "a CPU limit (quota) of a control group stopped the server, the database or the load test",
    "dropped": "connection tracking (nf_conntrack) of this machine was full, and dropped new connections",
    "steal": "a machine's host took away more CPU time than STEAL_MAX",
    "restarted": "another process responds than before the run",
    "requests": "the server counted other requests than the generator, by more than can be under way at the end",
    "queries": "the server counted other queries than its requests need, by more than can be under way",
    "kind": "with WORKLOAD=crud: a response is to no request that was waiting, or not of the kind that was asked for",
    "rows": "with WORKLOAD=crud: the table items has other rows than the creations, deletions and updates acknowledged"
    " make",
    "pool": "the server had fewer database connections than POOL, before the load or after it: PostgreSQL allows no"
    " more (max_connections, the role's CONNECTION LIMIT), or they were lost",
    "connections": "the server accepted another number of connections than the generator opened",
    "broken": "the generator gave no result, or one that contradicts itself",
    "died": "the server ended, or did not respond",
    "wrong": "the server failed the proof before it was timed at this point",
    "interrupted": "the experiment was interrupted in the middle of the block",
}


def judge(seen: Observation) -> tuple[list[str], list[str]]:
    """(reasons as sentences, flags) of one run. There are no flags where there are reasons."""
    reasons = (
        _errors(seen)
        + pacing.reasons(seen.load)
        + _little(seen)
        + apart(seen.load)
        + _disturbances(seen)
        + _counts(seen)
        + _pool(seen)
    )
    if seen.point.is_crud:
        reasons += accounting.reasons(seen.load, seen.items)
    return reasons, [] if reasons else flags(seen)


def _errors(seen: Observation) -> list[str]:
    """By the generator, by the server, and by the number of bytes."""
    reasons = []
    for part in seen.load.parts:
        paced = part.result.paced
        first = f"; the first: {paced.first_error}" if paced and paced.first_error else ""
        for kind, count in part.result.errors.items():
            if count:
                reasons.append(f"errors: {part} counted {count} of kind {kind}{first}")
    bad = {name: seen.grown(name) for name in ("replies_4xx", "replies_5xx", "connections_refused")}
    reasons += [f"refused: the server counted {count} {name}" for name, count in bad.items() if count]
    requests, size = seen.load.all_requests, seen.load.all_bytes
    least, most = seen.response_bytes or (0, size)
    if seen.point.k:  # the last response on a connection has other bytes in its field Connection, or has none
        least, most = least - CONNECTION, most + CONNECTION
    # The sum also holds the parts that were read of responses under way at the end.
    if not requests * least <= size <= (requests + seen.point.c) * most:
        reasons.append(f"size: {size} bytes in {requests} responses of {least} to {most}")
    return reasons


def _little(seen: Observation) -> list[str]:
    # After an error the histogram may lack samples: wrk forgets those of connections that it opens anew.
    return [
        f"little: throughput x mean latency / connections of {part} is {part.littles_ratio:.3f}"
        for part in ([] if seen.load.failed or seen.load.is_open else seen.load.parts)
        if part.littles_ratio > LITTLE_MOST + pacing.edge(part)
    ]


def _disturbances(seen: Observation) -> list[str]:
    reasons = []
    if seen.steal_share is not None and seen.steal_share > seen.steal_max:
        reasons.append(f"steal: {seen.steal_share:.1%} of the machine's time was stolen")
    reasons += [
        f"throttled: a CPU limit of the control group stopped {part} for {seconds * 1000:.0f} ms: lift the limit"
        " (docker --cpus, CPUQuota=), or give it whole CPUs (cpuset)"
        for part, seconds in seen.throttled_s.items()
        if seconds > 0
    ]
    dropped = difference(seen.last.dropped, seen.first.dropped)
    if dropped:
        reasons.append(
            f"dropped: the kernel dropped {dropped} new connections, since its table of connections was full: sysctl"
            " net.netfilter.nf_conntrack_tcp_timeout_time_wait=1, or a higher nf_conntrack_max"
        )
    busiest = seen.busiest
    if busiest and busiest.cpu > seen.bystander_max:
        reasons.append(
            f"bystander: {busiest.name}, which was not loaded, used {busiest.cpu:.1%} of a CPU meanwhile:"
            " stop the other client that sends requests to it"
        )
    return reasons


def _counts(seen: Observation) -> list[str]:
    """The server's counts against those of the generators. A count that the server does not have is not checked."""
    reasons, c = [], seen.point.c
    if not server_stats.is_same_process(seen.before, seen.after):
        reasons.append("restarted: the server is another process than before")
    # A server that runs elsewhere may have other clients too: health checks, one a second at most.
    others = math.ceil(seen.wall_s) if seen.server.url else 0
    sent = seen.load.all_requests
    if abs(seen.server_requests - sent) > c + others:
        reasons.append(f"requests: the server counted {seen.server_requests}, {seen.load.generator} {sent}")
    queries, (least, most) = seen.grown("queries"), _queries(seen, others)
    if not least <= queries <= most:
        reasons.append(f"queries: the server counted {queries} in {seen.server_requests} requests")
    accepted, opened = seen.accepted, seen.load.all_connections
    if accepted is not None and (accepted < opened or accepted > opened and not seen.server.url):
        reasons.append(f"connections: the server accepted {accepted} and not {opened}")
    return reasons


def _queries(seen: Observation, others: int) -> tuple[int, int]:
    """(least, most) that the requests need, and those that are under way; `others` may come from other clients."""
    if operations := seen.load.operations:
        least, most = accounting.queries(operations, seen.point.c, seen.pool)
        idle = sum(paced.idle for paced in seen.load.paced)  # each reads an item
        return least + idle, most + idle + others
    n = seen.server.parameters(seen.point)["n"]
    expected, apart = n * seen.server_requests, n * (seen.point.c + others) + others
    return expected - apart, expected + apart


def _pool(seen: Observation) -> list[str]:
    """With fewer connections it is another experiment. Without queries the pool has no part in it."""
    if not seen.server.asks_database(seen.point):
        return []
    had = {"before": seen.first.db_connections, "after": seen.last.db_connections}
    return [
        f"pool: {when} the load the server had {count} database connections and not {seen.pool}: does PostgreSQL"
        " allow as many (max_connections, the role's CONNECTION LIMIT)?"
        for when, count in had.items()
        if count is not None and count < seen.pool
    ][:1]


def apart(load: Load) -> list[str]:
    """Requests of a generator that loads alone, before or after the others, would count for all."""
    seconds = load.duration_us / 1e6
    if load.apart_s <= max(APART_S, APART * seconds):
        return []
    first, last = (choose(load.parts, key=lambda part: part.started) for choose in (min, max))
    short, long = (choose(load.parts, key=lambda part: part.result.duration_us) for choose in (min, max))
    return [
        f"window: {last} began {last.started - first.started:.3f} s after {first}, and {short} loaded for"
        f" {short.result.duration_us / 1e6:.3f} s where {long} did for {long.result.duration_us / 1e6:.3f} s"
    ]


def flags(seen: Observation) -> list[str]:
    # Each generator is judged alone: several that have time to spare would hide one that has none.
    load, closed = seen.load, [] if seen.load.is_open else seen.load.parts
    found = {
        "generator-bound": any(is_bottleneck(part, seen.point.k) for part in closed),
        "too-short": pacing.is_short(load) or any(is_short(part) for part in closed),
        "overloaded": load.unfinished > 0,
        "machine-busy": seen.other_share is not None and seen.other_share > OTHERS_BUSY,
    }
    return [word for word, holds in found.items() if holds]


def is_short(part: Part) -> bool:
    return part.result.requests < ROUNDS_LEAST * part.connections


def is_bottleneck(part: Part, requests_per_connection: int = 0) -> bool:
    # With fewer rounds the mean age of the requests under way is unknown, and so is the bottleneck. A connection that is
    # opened anew waits for the server's side, too.
    tells = not is_short(part) and not requests_per_connection
    return tells and part.in_flight_ratio < LITTLE_LEAST or part.cpu_share > GENERATOR_BUSY
