"""What makes a run unsound, and what is flagged.

An unsound run is thrown away with its whole block and run again (experiment.py). A flagged one is
sound and kept, but the word in the column `flags` says what it must not be used for.
"""

from ..observe import idle_targets

LITTLE_MOST = 1.02  # throughput x mean latency / connections: more than all connections cannot be busy
LITTLE_LEAST = 0.90  # below it the connections waited for wrk more than a tenth of the time
ROUNDS_LEAST = 3  # requests a connection
OTHERS_BUSY = 0.10  # of all CPUs
APART_S = 0.15  # of generators' windows: wrk looks for its end every 0.1 s
APART = 0.02  # of the window, where that is more
WRK_BUSY = 0.95  # of its threads' time: then replies wait in socket buffers until wrk reads them

FLAGS = {
    "generator-bound": "wrk was the bottleneck: connections were idle more than a tenth of the time, or wrk's"
    " threads were busy more than 95% of it, in any generator; throughput is a lower bound, latencies are not"
    " compared",
    "too-short": "fewer than three requests a connection: those too slow to end in the window are missing, so"
    " latencies look shorter than they are; a longer DURATION would do",
    "machine-busy": "other programs used more than a tenth of the machine's CPU time: a disturbed figure",
}
REASONS = {
    "errors": "wrk counted an error: connect, read, write, timeout, or a status above 399",
    "refused": "the server counted an error reply or refused a connection",
    "size": "wrk received another number of bytes than that many replies of the verified size have",
    "little": f"throughput x mean latency / connections is above {LITTLE_MOST}",
    "bystander": "another of the TARGETS, which was not to be loaded, used more than"
    f" {idle_targets.IDLE_MOST:.0%} of a CPU meanwhile",
    "window": "the generators did not begin together, or did not load for the same time",
    "steal": "a machine's host took away more CPU time than STEAL_MAX",
    "restarted": "another process answers than before the run",
    "requests": "the server counted other requests than wrk, by more than can be under way at the end",
    "queries": "the server counted other queries than its requests need, by more than can be under way",
    "connections": "the server accepted another number of connections than wrk was to open",
    "broken": "wrk gave no result, or one that contradicts itself",
    "died": "the server was gone, or did not answer",
    "wrong": "the server did not prove itself at this point before it was timed",
    "interrupted": "the experiment was interrupted in the middle of the block",
}


def littles_ratio(requests, mean_us, duration_us, connections):
    """The share of its time that a connection had a request under way, by finished requests alone."""
    return requests * mean_us / (duration_us * connections)


def in_flight_ratio(requests, mean_us, age_us, duration_us, connections):
    """The same with the requests that were under way at the end, which no histogram holds: one a
    connection, of mean age E[L^2]/2E[L]. Without them a run of few slow requests on many connections
    looks as if the generator had been slow."""
    return (requests * mean_us + connections * age_us) / (duration_us * connections)


def judge(seen):
    """(reasons as sentences, flags) of one run; `seen` is a figures.Observation."""
    reasons, c = [], seen.point.c
    work = seen.server.parameters(seen.point)
    for part in seen.load.parts:
        for kind, count in part.result.errors.items():
            if count:
                reasons.append(f"errors: {part} counted {count} of kind {kind}")
    bad = {name: seen.grown(name) for name in ("replies_4xx", "replies_5xx", "connections_refused")}
    reasons += [f"refused: the server counted {count} {name}" for name, count in bad.items() if count]
    least, most = seen.reply_bytes
    requests = seen.load.requests
    # What has been read of the replies under way at the end is in wrk's sum too.
    if not requests * least <= seen.load.bytes <= (requests + c) * most:
        reasons.append(f"size: {seen.load.bytes} bytes in {requests} replies of {least} to {most}")
    # After an error the histogram may lack samples: wrk forgets those of connections that it makes anew.
    for part in [] if seen.load.failed else seen.load.parts:
        if part.littles_ratio > LITTLE_MOST:
            reasons.append(
                f"little: throughput x mean latency / connections of {part} is {part.littles_ratio:.3f}"
            )
    reasons += apart(seen.load)
    if seen.steal_share is not None and seen.steal_share > seen.steal_max:
        reasons.append(f"steal: {seen.steal_share:.1%} of the machine's time was stolen")
    busiest = seen.busiest
    if busiest and busiest.cpu > idle_targets.IDLE_MOST:
        reasons.append(
            f"bystander: {busiest.name}, which was not loaded, used {busiest.cpu:.1%} of a CPU meanwhile:"
            " stop what else asks it"
        )
    if any(seen.before[name] != seen.after[name] for name in ("pid", "start_time")):
        reasons.append("restarted: the server is another process than before")
    if abs(seen.server_requests - requests) > c:
        reasons.append(f"requests: the server counted {seen.server_requests}, wrk {requests}")
    if abs(seen.grown("queries") - work["n"] * seen.server_requests) > work["n"] * c:
        reasons.append(
            f"queries: the server counted {seen.grown('queries')} in {seen.server_requests} requests"
        )
    # A server that runs elsewhere may be asked by others too: health checks.
    if seen.accepted is not None and (seen.accepted < c or seen.accepted > c and not seen.server.url):
        reasons.append(f"connections: the server accepted {seen.accepted} and not {c}")
    return reasons, [] if reasons else flags(seen)


def apart(load):
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


def flags(seen):
    # Each generator is asked alone: among several that have time to spare, one that has none would hide.
    parts = seen.load.parts
    found = {
        "generator-bound": any(is_bottleneck(part) for part in parts),
        "too-short": any(is_short(part) for part in parts),
        "machine-busy": seen.other_share is not None and seen.other_share > OTHERS_BUSY,
    }
    return [word for word, holds in found.items() if holds]


def is_short(part):
    return part.result.requests < ROUNDS_LEAST * part.connections


def is_bottleneck(part):
    # Of so few rounds the mean age of what is under way cannot be known, nor who was the bottleneck.
    idle = not is_short(part) and part.in_flight_ratio < LITTLE_LEAST
    return idle or part.result.cpu_s > WRK_BUSY * part.threads * part.result.duration_us / 1e6
