"""Runs of pace: their own columns, and when pace could not make the load that was asked for."""

from ..base.reading import OPEN
from . import histogram
from .load import Load, Part

ARRIVALS_LEAST = 1000  # of a window: p99 then rests on ten of them
LATE = "late", "cpu"  # the words of pace for a rate that it could not keep
COUNTED = "errors"  # its word for what soundness counts itself


def row(load: Load) -> dict:
    """Of runs.csv."""
    return {
        "generator": load.generator,
        "mode": load.mode,
        "offered_rps": load.offered_rps,
        "achieved_rps": load.achieved_rps,
    }


def detail(load: Load) -> dict:
    """Of detail.csv: what pace alone knows, and what Little's law says, which is about closed loops."""
    service = load.service
    return {
        "littles_ratio": None if load.is_open else load.littles_ratio,
        "in_flight_ratio": None if load.is_open else load.in_flight_ratio,
        "generator_late_share": load.share_of_due("late"),
        "waited_share": load.share_of_due("waited"),
        "unfinished": load.unfinished if load.paced else None,
        "generator_cpu_share": max(part.cpu_share for part in load.parts) if load.paced else None,
        "service_p99_us": histogram.percentile(*service, 0.99) if service else None,
    }


def connect_s(load: Load, seen: float | None) -> float | None:
    """Until every connection was open: by the clock of pace, or else as it was seen."""
    return max((each.connect_s for each in load.paced), default=seen)


def reasons(load: Load) -> list[str]:
    """Why the run is unsound, as sentences that begin with a word of soundness.REASONS."""
    return [reason for part in load.parts for reason in _of_part(part)]


def _of_part(part: Part) -> list[str]:
    paced, found = part.result.paced, []
    if not paced:
        return []
    for sentence in paced.unsound:
        word, _, rest = sentence.partition(": ")
        if word in LATE and paced.mode == OPEN:
            found.append(f"late: {part} could not keep the rate: {rest}")
        elif word not in (*LATE, COUNTED):
            found.append(f"broken: {part} calls its result unsound: {sentence}")
    if paced.idle_closed:
        found.append(
            f"connections: the server closed {paced.idle_closed} of the idle connections of {part}, which were opened"
            " again: raise its IDLE_TIMEOUT"
        )
    return found


def is_short(load: Load) -> bool:
    """Whether an open loop had too few arrivals for its percentiles."""
    return load.is_open and load.due < ARRIVALS_LEAST


def edge(part: Part) -> float:
    """By how much throughput x latency / connections may be off. The window of pace begins and ends in the middle of
    requests, one of each connection: on average one that has E[L^2]/E[L], since long ones are met more often.
    """
    if not part.result.paced:
        return 0.0  # wrk's window begins before the first request
    return 2 * histogram.mean_age(*part.latencies) / part.result.duration_us
