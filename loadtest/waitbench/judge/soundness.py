"""What makes a run unsound, and what is flagged.

An unsound run is discarded with its whole block, and the block is run again (bench/experiment.py). A flagged
run is sound and kept, but the word in the column `flags` says what it must not be used for.
"""

import math

from ..observe import idle_targets
from . import accounting
from .figures import Observation
from .load import Load, Part

LITTLE_MOST = 1.02  # throughput x mean latency / connections: more than all connections cannot be busy
LITTLE_LEAST = 0.90  # below it the connections waited for wrk more than a tenth of the time
ROUNDS_LEAST = 3  # requests per connection
OTHERS_BUSY = 0.10  # of all CPUs
APART_S = 0.15  # between generators' windows: wrk checks every 0.1 s whether its time is over
APART = 0.02  # of the window, where that is more
WRK_BUSY = 0.95  # of its threads' time: responses then wait in socket buffers until wrk reads them

FLAGS = {
    "generator-bound": "wrk was the bottleneck: connections were idle more than a tenth of the time, or wrk's"
    " threads were busy more than 95% of it, in any generator; throughput is a lower bound, latencies are not"
    " compared",
    "too-short": "fewer than three requests per connection: those too slow to end in the window are missing, so"
    " latencies look shorter than they are; a longer DURATION would do",
    "machine-busy": "other programs used more than a tenth of the machine's CPU time: a disturbed figure",
}
REASONS = {
    "errors": "wrk counted an error: connect, read, write, timeout, or a status above 399",
    "refused": "the server counted an error response or refused a connection",
    "size": "wrk received another number of bytes than that many responses of the verified size have",
    "little": f"throughput x mean latency / connections is above {LITTLE_MOST}",
    "bystander": "another of the TARGETS, which was not to be loaded, used more than"
    f" {idle_targets.IDLE_MOST:.0%} of a CPU meanwhile",
    "window": "the generators did not begin together, or did not load for the same time",
    "throttled": "a CPU limit (quota) of a control group stopped the server, the database or the load test",
    "steal": "a machine's host took away more CPU time than STEAL_MAX",
    "restarted": "another process responds than before the run",
    "requests": "the server counted other requests than wrk, by more than can be under way at the end",
    "queries": "the server counted other queries than its requests need, by more than can be under way",
    "kind": "with WORKLOAD=crud: a response is to no request that was waiting, or not of the kind that was asked for",
    "rows": "with WORKLOAD=crud: the table items has other rows than the creations, deletions and updates acknowledged"
    " make",
    "pool": "the server had fewer database connections than POOL, before the load or after it: PostgreSQL allows no"
    " more (max_connections, the role's CONNECTION LIMIT), or they were lost",
    "connections": "the server accepted another number of connections than wrk was to open",
    "broken": "wrk gave no result, or one that contradicts itself",
    "died": "the server ended, or did not respond",
    "wrong": "the server failed the proof before it was timed at this point",
    "interrupted": "the experiment was interrupted in the middle of the block",
}


def judge(seen: Observation) -> tuple[list[str], list[str]]:
    """(reasons as sentences, flags) of one run. There are no flags where there are reasons."""
    reasons = (
        _errors(seen) + _little(seen) + apart(seen.load) + _disturbances(seen) + _counts(seen) + _pool(seen)
    )
    if seen.point.is_crud:
        reasons += accounting.reasons(seen.load, seen.items)
    return reasons, [] if reasons else flags(seen)


def _errors(seen: Observation) -> list[str]:
    """By wrk, by the server, and by the number of bytes."""
    reasons = []
    for part in seen.load.parts:
        for kind, count in part.result.errors.items():
            if count:
                reasons.append(f"errors: {part} counted {count} of kind {kind}")
    bad = {name: seen.grown(name) for name in ("replies_4xx", "replies_5xx", "connections_refused")}
    reasons += [f"refused: the server counted {count} {name}" for name, count in bad.items() if count]
    requests = seen.load.requests
    least, most = seen.response_bytes or (0, seen.load.bytes)
    # wrk's sum also holds the parts that it has read of responses under way at the end.
    if not requests * least <= seen.load.bytes <= (requests + seen.point.c) * most:
        reasons.append(f"size: {seen.load.bytes} bytes in {requests} responses of {least} to {most}")
    return reasons


def _little(seen: Observation) -> list[str]:
    # After an error the histogram may lack samples: wrk forgets those of connections that it opens anew.
    return [
        f"little: throughput x mean latency / connections of {part} is {part.littles_ratio:.3f}"
        for part in ([] if seen.load.failed else seen.load.parts)
        if part.littles_ratio > LITTLE_MOST
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
    busiest = seen.busiest
    if busiest and busiest.cpu > idle_targets.IDLE_MOST:
        reasons.append(
            f"bystander: {busiest.name}, which was not loaded, used {busiest.cpu:.1%} of a CPU meanwhile:"
            " stop the other client that sends requests to it"
        )
    return reasons


def _counts(seen: Observation) -> list[str]:
    """What the server counted against what wrk did. A count that the server does not have is not checked."""
    reasons, c = [], seen.point.c
    if any(seen.before.get(name) != seen.after.get(name) for name in ("pid", "start_time")):
        reasons.append("restarted: the server is another process than before")
    # A server that runs elsewhere may have other clients too: health checks, one a second at most.
    others = math.ceil(seen.wall_s) if seen.server.url else 0
    if abs(seen.server_requests - seen.load.requests) > c + others:
        reasons.append(f"requests: the server counted {seen.server_requests}, wrk {seen.load.requests}")
    queries, (least, most) = seen.grown("queries"), _queries(seen, others)
    if not least <= queries <= most:
        reasons.append(f"queries: the server counted {queries} in {seen.server_requests} requests")
    accepted = seen.accepted
    if accepted is not None and (accepted < c or accepted > c and not seen.server.url):
        reasons.append(f"connections: the server accepted {accepted} and not {c}")
    return reasons


def _queries(seen: Observation, others: int) -> tuple[int, int]:
    """(least, most) that the requests need, and those that are under way; `others` may come from other clients."""
    if operations := seen.load.operations:
        least, most = accounting.queries(operations, seen.point.c, seen.pool)
        return least, most + others
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
    parts = seen.load.parts
    found = {
        "generator-bound": any(is_bottleneck(part) for part in parts),
        "too-short": any(is_short(part) for part in parts),
        "machine-busy": seen.other_share is not None and seen.other_share > OTHERS_BUSY,
    }
    return [word for word, holds in found.items() if holds]


def is_short(part: Part) -> bool:
    return part.result.requests < ROUNDS_LEAST * part.connections


def is_bottleneck(part: Part) -> bool:
    # With fewer rounds the mean age of the requests under way is unknown, and so is the bottleneck.
    idle = not is_short(part) and part.in_flight_ratio < LITTLE_LEAST
    return idle or part.result.cpu_s > WRK_BUSY * part.threads * part.result.duration_us / 1e6
