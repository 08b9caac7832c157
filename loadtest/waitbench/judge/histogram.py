"""Latencies as they were measured: wrk's correction for coordinated omission, undone.

Before a script may look, wrk 4.1.0 adds to its histogram the samples that it imagines an open-loop
client would have seen while a slow reply kept a connection busy (stats_correct() in its stats.c). It
cannot be told not to, and the mean and the high percentiles become those of the invention.
"""

import math

import numpy


class Damaged(Exception):
    """The histogram cannot be what wrk 4.1.0 made of this many requests."""


def correct(counts, interval):
    """What wrk does, for tests: counts is an array indexed by microseconds, altered in place."""
    for value in range(2 * interval, len(counts)):
        count = counts[value]
        below = value - interval
        while count and below > interval:
            counts[below] += count
            below -= interval


def undo_correction(counts, interval):
    """The inverse, in place. From the largest value down: what a value holds by then is its own,
    since samples are only ever added below."""
    for value in numpy.flatnonzero(counts)[::-1]:
        if value < 2 * interval:
            break
        if counts[value]:
            counts[value - interval : interval : -interval] -= counts[value]


def measured(pairs, requests, duration_us, connections):
    """(values in microseconds, counts), uncorrected, from the pairs that wrk.lua prints. What remains
    must be exactly one sample a request; anything else raises Damaged."""
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


def add(spectra):
    """(values, counts) of several generators' (values, counts) together."""
    every = numpy.concatenate([values for values, _ in spectra])
    values, where = numpy.unique(every, return_inverse=True)
    counts = numpy.zeros(len(values), dtype=numpy.int64)
    numpy.add.at(counts, where, numpy.concatenate([counts for _, counts in spectra]))
    return values, counts


def percentile(values, counts, share):
    """The smallest value that at least this share of the samples do not exceed (nearest rank)."""
    rank = math.ceil(share * counts.sum())
    return int(values[numpy.searchsorted(numpy.cumsum(counts), rank)])


def mean(values, counts):
    return float((values * counts).sum() / counts.sum())


def mean_age(values, counts):
    """How long a request has been under way on average when it is looked at at a random moment:
    E[L^2] / 2 E[L] (the inspection paradox)."""
    return float((values.astype(float) ** 2 * counts).sum() / (2 * (values * counts).sum()))
