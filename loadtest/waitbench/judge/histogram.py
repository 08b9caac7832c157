"""Latencies as they were measured: wrk's correction for coordinated omission, undone.

Before a script can read the histogram, wrk 4.1.0 adds the samples that it imagines an open-loop client would
have seen while a slow response kept a connection busy (stats_correct() in its stats.c). No option turns this
off, and the mean and the high percentiles become those of the added samples.
"""

import math
from typing import Sequence

import numpy

Spectrum = tuple[numpy.ndarray, numpy.ndarray]  # (values in microseconds, counts)


class Damaged(Exception):
    """The histogram cannot be what wrk 4.1.0 made of this many requests."""


def correct(counts: numpy.ndarray, interval: int) -> None:
    """What wrk does, for tests: counts is an array indexed by microseconds, altered in place."""
    for value in range(2 * interval, len(counts)):
        count = counts[value]
        below = value - interval
        while count and below > interval:
            counts[below] += count
            below -= interval


def undo_correction(counts: numpy.ndarray, interval: int) -> None:
    """The inverse, in place. It goes from the largest value down: wrk only adds samples below a value, so what
    a value holds when its turn comes was measured."""
    for value in numpy.flatnonzero(counts)[::-1]:
        if value < 2 * interval:
            break
        if counts[value]:
            counts[value - interval : interval : -interval] -= counts[value]


def measured(pairs: Sequence[tuple[int, int]], requests: int, duration_us: int, connections: int) -> Spectrum:
    """The measured samples, from the pairs that wrk.lua prints. The rest must be exactly one sample per
    request; anything else raises Damaged."""
    counts = numpy.zeros(max((value for value, _ in pairs), default=0) + 1, dtype=numpy.int64)
    for value, count in pairs:
        counts[value] = count
    if requests >= connections:
        interval = duration_us // (requests // connections)
        undo_correction(counts, interval)
    if counts.min() < 0 or counts.sum() != requests:
        raise Damaged(
            f"wrk's histogram holds {counts.sum()} samples of {requests} requests after its"
            f" correction was undone (least count {counts.min()}): is this wrk 4.1.0?"
        )
    values = numpy.flatnonzero(counts)
    return values, counts[values]


def spectrum(pairs: Sequence[tuple[int, int]]) -> Spectrum:
    """Of samples that nobody corrected."""
    values, counts = numpy.array(sorted(pairs), dtype=numpy.int64).reshape(-1, 2).T
    return values, counts


def add(spectra: Sequence[Spectrum]) -> Spectrum:
    """The samples of several generators together."""
    every = numpy.concatenate([values for values, _ in spectra])
    values, where = numpy.unique(every, return_inverse=True)
    counts = numpy.zeros(len(values), dtype=numpy.int64)
    numpy.add.at(counts, where, numpy.concatenate([counts for _, counts in spectra]))
    return values, counts


def percentile(values: numpy.ndarray, counts: numpy.ndarray, share: float) -> int:
    """The smallest value that at least this share of the samples do not exceed (nearest rank)."""
    rank = math.ceil(share * counts.sum())
    return int(values[numpy.searchsorted(numpy.cumsum(counts), rank)])


def mean(values: numpy.ndarray, counts: numpy.ndarray) -> float:
    return float((values * counts).sum() / counts.sum())


def mean_age(values: numpy.ndarray, counts: numpy.ndarray) -> float:
    """For how long a request has been under way on average at a random moment: E[L^2] / 2 E[L] (the
    inspection paradox)."""
    return float((values.astype(float) ** 2 * counts).sum() / (2 * (values * counts).sum()))
