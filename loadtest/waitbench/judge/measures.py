"""The measures that are compared, and their columns of summary.csv."""

from typing import NamedTuple

from ..base import reading, results
from ..plan import matrix
from . import capacities, stats

CPU = "cpu_us_per_req"  # user and system together: their split comes from ticks, their sum is exact
# The columns of runs.csv that are measured, and so have a median.
MEASURED = [name for name in results.COLUMNS if name not in reading.TEXTS | reading.LEAST.keys()]


class Measure(NamedTuple):
    name: str  # as in ratio_NAME
    column: str  # of a run
    more_is_better: bool
    verdict: str  # its column in summary.csv; `faster` means better, whatever the measure


MEASURES = (
    Measure("rps", "rps", True, "verdict"),
    Measure("cpu", CPU, False, "verdict_cpu"),
    Measure("p99", "p99_us", False, "verdict_p99"),
)
THROUGHPUT, _, P99 = MEASURES
PER_MEASURE = (
    "ratio_{0},ratio_{0}_low,ratio_{0}_high,{1},p_{0},pairs_{0},detectable_{0},"
    "median_ratio_{0},median_ratio_{0}_low,median_ratio_{0}_high"
)
JOINT = "joint_{0}_low,joint_{0}_high,blocks_needed_{0}"  # came later, so they stand at the end
LATER = "workload t k i load offered_rps achieved_rps".split()  # so did these, of a point and measured
COLUMNS = (
    [name for name in matrix.Point._fields if name not in LATER]
    + ["server", "base", "runs"]
    + [name for name in MEASURED if name not in LATER]
    + [CPU]
    + [name for m in MEASURES for name in PER_MEASURE.format(m.name, m.verdict).split(",")]
    + ["exploratory", "flags"]
    + [name for m in MEASURES for name in JOINT.format(m.name).split(",")]
    + LATER
    + capacities.COLUMNS
)


def columns(measure: Measure, estimate: stats.Estimate, verdict: str | None) -> dict:
    """Of one row."""
    low, high = estimate.interval()
    return {
        f"ratio_{measure.name}": estimate.ratio,
        f"ratio_{measure.name}_low": low,
        f"ratio_{measure.name}_high": high,
        measure.verdict: verdict,
        f"p_{measure.name}": estimate.p,
        f"pairs_{measure.name}": estimate.count,
        f"detectable_{measure.name}": estimate.detectable,
        f"median_ratio_{measure.name}": estimate.median,
        f"median_ratio_{measure.name}_low": estimate.median_low,
        f"median_ratio_{measure.name}_high": estimate.median_high,
        f"joint_{measure.name}_low": estimate.low,
        f"joint_{measure.name}_high": estimate.high,
        f"blocks_needed_{measure.name}": estimate.blocks_needed,
    }
