"""The latencies of a run as a histogram of some hundred buckets: the rows of histogram.csv. COLUMNS.md has the units.

A bucket is a sixteenth of a power of two wide, so from 3 to 6% of its values; below 32 us each value has its own. A row
says the largest value that its bucket has in this run, so that the last row is the exact maximum, and two runs may have
different rows for one bucket.
"""

import bisect
import csv
import itertools
from pathlib import Path

import numpy

from ..base import reading, results
from . import histogram

FILE = "histogram.csv"
FINE = 4  # 2^4 buckets to a power of two
Buckets = list[tuple[int, int]]  # (the largest latency in it, us; requests), in order
Spectra = dict[tuple[int, str], Buckets]  # (block, server) -> those of the run


def buckets(spectrum: histogram.Spectrum) -> Buckets:
    """Of all samples of a run, whose values are in order and each there once."""
    values, counts = spectrum
    if not len(values):
        return []
    shift = numpy.maximum(numpy.frexp(values.astype(float))[1] - 1 - FINE, 0)
    places = (shift << (FINE + 1)) + (values >> shift)
    ends = numpy.append(numpy.flatnonzero(numpy.diff(places)), len(values) - 1)
    sums = numpy.diff(numpy.cumsum(counts)[ends], prepend=0)
    return [(int(value), int(count)) for value, count in zip(values[ends], sums)]


def rows(spectrum: histogram.Spectrum) -> list[dict]:
    """Of histogram.csv, without the key of the run."""
    return [{"up_to_us": value, "requests": count} for value, count in buckets(spectrum)]


def percentile(run: Buckets, share: float) -> int:
    """As histogram.percentile, and above it by no more than the width of a bucket."""
    sums = list(itertools.accumulate(count for _, count in run))
    place = bisect.bisect_left(sums, share * sums[-1] - 1e-9)
    return run[min(place, len(run) - 1)][0]


def load(folder: str | Path) -> Spectra:
    """The rows of histogram.csv of a results folder; none of results that have no such file. Raises Failure."""
    path = Path(folder) / FILE
    if not path.exists():
        return {}
    try:
        return _quick(path)
    except (OSError, ValueError, LookupError, csv.Error):
        return _grouped(
            (int(row["block"]), row["server"], int(row["up_to_us"]), int(float(row["requests"] or 0)))
            for row in reading.table(path, results.HISTOGRAM)  # which says what is wrong, and where
        )


def _quick(path: Path) -> Spectra:
    """A hundred rows for each run, which reading.table() would take seconds for. Raises ValueError where it would say
    something."""
    with path.open(newline="", encoding="utf-8-sig") as stream:
        heads, *lines = (line for line in csv.reader(stream) if line)
    columns = dict(zip(heads, zip(heads, *lines, strict=True)))
    found = [columns[name][1:] for name in ("block", "server", "up_to_us", "requests")]
    blocks, servers, values, counts = found
    if not lines:
        return {}
    for texts in (blocks, values, counts):
        whole = "".join(texts)
        if not (all(texts) and whole.isascii() and whole.isdecimal()):
            raise ValueError
    if not all(servers) or "0" in set(blocks):
        raise ValueError
    return _grouped(zip(map(int, blocks), servers, map(int, values), map(int, counts)))


def _grouped(lines) -> Spectra:
    found: Spectra = {}
    for block, server, value, count in lines:
        found.setdefault((block, server), []).append((value, count))
    return {key: sorted(run) for key, run in found.items()}
