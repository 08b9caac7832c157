"""The load test proves itself on this machine: it finds no difference where there is none, finds a difference
of 5%, and catches runs that must not count. Servers, database and wrk all take part.

    A/A test   every server under two names. Within each block the two runs are assigned to the names anew, at
               random, a thousand pairs in all: at most 5% of the comparisons may find a difference. As they
               really ran, the two names must not differ either (at 1% over all comparisons).
    effect     a server that is asked for 21 queries where the other is asked for 20
    faults     injected: error responses, short responses, a generator that is too slow
"""

import argparse
import dataclasses
import math
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from .. import Failure
from ..base import command_line, interrupt
from ..plan import server_list, settings
from ..judge import stats, summary
from . import experiment
from ..show.progress import duration

# The least number of relabelled pairs per measure. Fewer would give a coarse rate. With the points of a server
# as one family the expected rate is near 1%, and in simulations sound runs stayed below 4%.
PAIRS = 1000
FALSE_MOST = 0.05
AS_RUN_ALPHA = 0.01  # a sound load test fails this check one time in a hundred
SEED = 20  # of the relabelling, so that the same runs give the same result
FAULTS = {  # what is injected -> the reason or the flag that must catch it
    "error": "errors:",
    "short": "size:",
    "slow-generator": summary.GENERATOR_BOUND,
}
# The settings that the user chooses; the self-test chooses all others.
KEPT = ("SERVER_LIST", "BUILD", "PORT", "DATABASE_URL", "DB_RESET", "PIN", "CPU_GROUPS", "POOL", "STEAL_MAX")


@dataclasses.dataclass
class Size:
    all_servers: bool  # of the list; else only the second one, or the only one
    n: str  # the points of the A/A test
    aa_blocks: int
    aa_s: float
    effect_blocks: int
    effect_s: float

    def servers(self, names: list[str]) -> list[str]:
        return names if self.all_servers else names[:2][-1:]


# `effect_blocks` at least: where runs differ more from each other, as on a virtual machine whose neighbours are
# busy, effect_blocks() makes it more.
FULL = Size(True, "1 5 20", 12, 1.0, 24, 2.0)
QUICK = Size(False, "1 2 5 20", 6, 0.8, 16, 0.8)


QUERIES, MORE = 20, 21  # of the server that does more: the effect
CERTAINTY = 1.96 + 2.33  # normal quantiles: an interval of 95%, and 99 of 100 self-tests find the effect
EFFECT_BLOCKS_MOST = 120


def effect_blocks(least: int, spread: float) -> int:
    """Blocks in which the effect is found, from the standard deviation of the log of one run (noise())."""
    if math.isnan(spread):
        return least
    needed = (CERTAINTY * spread * math.sqrt(2) / math.log(MORE / QUERIES)) ** 2
    return max(least, min(EFFECT_BLOCKS_MOST, math.ceil(needed)))


class Selftest:
    def __init__(self, size: Size, servers: list[str], folder: Path):
        self.size, self.servers, self.folder = size, servers, folder
        self.passed = self.failed = 0
        self.spread = math.nan  # of runs, as the A/A test saw it

    def check(self, holds: bool, sentence: str) -> None:
        print(f"{'PASS' if holds else 'FAIL'}  {sentence}", flush=True)
        self.passed, self.failed = self.passed + bool(holds), self.failed + (not holds)

    def measure(self, name: str, servers: str, **given: object) -> tuple[experiment.Experiment, Path]:
        """Runs one experiment in a folder of its own; (the experiment, the folder)."""
        given = {
            "syscalls": "none", "m": "1024", "c": "16", "seed": str(SEED),
            "duration": "1", "warmup": "0.2", "out": str(self.folder / name),
        } | {"servers": servers} | given  # fmt: skip
        kept = {key: os.environ[key] for key in KEPT if key in os.environ}
        words = [word for key, text in given.items() for word in (f"--{key}", str(text))]
        session = experiment.Experiment(settings.load(words, kept))
        try:
            session.run()
        finally:
            if session.facts:
                session.finish()
        return session, session.folder.path

    def aa_test(self) -> None:
        names = " ".join(f"{server}:{server}-{copy}" for server in self.servers for copy in "ab")
        _, folder = self.measure(
            "same", names, n=self.size.n, repeats=self.size.aa_blocks, duration=self.size.aa_s
        )
        found = twins(summary.read_runs(folder / "runs.csv"))
        for measure in summary.MEASURES:
            false, pairs = false_differences(found, measure, random.Random(SEED))
            if not pairs:
                print(
                    f"      {measure.name} of a server against itself: not compared, since the load generator was the bottleneck"
                )
                continue
            self.check(
                pairs >= PAIRS and false <= FALSE_MOST * pairs,
                f"{measure.name} of a server against itself: {false} of {pairs} relabelled pairs were called different"
                f" ({false / pairs:.1%}; at most {FALSE_MOST:.0%})",
            )
        spreads = {measure.name: noise(found, measure) for measure in summary.MEASURES}
        words = ", ".join(f"{name} {spread:.1%}" for name, spread in spreads.items())
        print(f"      from run to run, the typical point: {words}")
        self.spread = min(spreads["rps"], spreads["cpu"])  # either finds the effect
        estimates = [as_run(blocks, measure) for blocks in found.values() for measure in summary.MEASURES]
        adjusted = [e.p for e in stats.family(estimates) if e and e.p is not None]
        worst = min(adjusted, default=1.0)
        self.check(
            worst > AS_RUN_ALPHA,
            f"the two names as they ran: no difference in {len(adjusted)} comparisons (least adjusted p {worst:.2g})",
        )

    def effect(self) -> None:
        server = self.servers[0]
        servers = f"{server} {server}:more+n={MORE}"
        _, folder = self.measure(
            "effect",
            servers,
            n=QUERIES,
            repeats=effect_blocks(self.size.effect_blocks, self.spread),
            duration=self.size.effect_s,
        )
        (entry,) = summary.load(folder).at("more")
        self.check(*effect_found(entry))

    def fault(self, fault: str) -> None:
        server = self.servers[0]
        servers = f"{server} {server}:faulty+inject={fault}"
        session, folder = self.measure(fault, servers, n=5, repeats=1, retries=0)
        reasons = " ".join(session.given_up.values())
        flagged = {
            run["server"] for run in summary.read_runs(folder / "runs.csv") if FAULTS[fault] in run["flags"]
        }
        if fault == "slow-generator":
            self.check(
                flagged == {"faulty"},
                f"a slow generator is flagged: {', '.join(sorted(flagged)) or 'nothing'}",
            )
        else:
            caught = reasons.startswith(f"faulty: {FAULTS[fault]}")
            self.check(caught, f"an injected {fault} is caught: {reasons or 'nothing was'}")


def twins(runs: list[dict]) -> dict:
    """{(server, point): {block: [run, run]}} of the blocks in which both names ran."""
    found: dict[tuple, dict[int, list[dict]]] = {}
    for run in runs:
        key = run["server"].rpartition("-")[0], summary.point_of(run)
        found.setdefault(key, {}).setdefault(run["block"], []).append(run)
    for blocks in found.values():
        for number in [number for number, pair in blocks.items() if len(pair) != 2]:
            del blocks[number]
        for pair in blocks.values():
            pair.sort(key=lambda run: run["server"])
    return found


def compared(blocks: dict, measure: summary.Measure) -> list[tuple[float, float]]:
    """[(value, value)] of one measure, one pair per block; none where latencies are not to be compared."""
    pairs = list(blocks.values())
    spoilt = any(word in run["flags"] for pair in pairs for run in pair for word in summary.SPOILS_LATENCY)
    if measure.name == "p99" and spoilt:
        return []
    values = [(a[measure.column], b[measure.column]) for a, b in pairs]
    return [(a, b) for a, b in values if a and b]


def noise(found: dict, measure: summary.Measure) -> float:
    """Standard deviation of the log of one run, at the median point; nan where nothing is compared."""
    spreads = []
    for blocks in found.values():
        logs = [math.log(a / b) for a, b in compared(blocks, measure)]
        if len(logs) > 1:
            spreads.append(statistics.stdev(logs) / math.sqrt(2))  # of a difference of two runs
    return statistics.median(spreads) if spreads else math.nan


def as_run(blocks: dict, measure: summary.Measure) -> stats.Estimate | None:
    values = compared(blocks, measure)
    return stats.paired([a for a, _ in values], [b for _, b in values])


def false_differences(
    found: dict, measure: summary.Measure, chance: random.Random, least: int = PAIRS
) -> tuple[int, int]:
    """(relabelled pairs that were called different, all of them). As in a real run, the points of one server
    are one family."""
    families: dict[str, list[list]] = {}
    for (server, _), blocks in found.items():
        values = compared(blocks, measure)
        if len(values) > 1:
            families.setdefault(server, []).append(values)
    pairs = sum(len(points) for points in families.values())
    if not pairs:
        return 0, 0
    false, times = 0, -(-least // pairs)
    for _ in range(times):
        for points in families.values():
            dealt = [[pair if chance.random() < 0.5 else pair[::-1] for pair in values] for values in points]
            estimates = [stats.paired([a for a, _ in values], [b for _, b in values]) for values in dealt]
            words = [stats.verdict(e, measure.more_is_better) for e in stats.family(estimates)]
            false += sum(word in (stats.FASTER, stats.SLOWER) for word in words)
    return false, times * pairs


def effect_found(entry: summary.Entry) -> tuple[bool, str]:
    """(whether the extra work was found, the sentence). By throughput or by CPU: on a busy machine noise hides
    the effect on throughput first."""
    words = [entry.verdicts[name] for name in ("rps", "cpu")]
    parts = []
    for name, measure in (("rps", "throughput"), ("cpu", "CPU per request")):
        estimate = entry.estimates[name]
        if estimate is None or estimate.low is None:
            parts.append(f"{measure} unknown")
            continue
        parts.append(
            f"{measure} {estimate.ratio:.3f} [{estimate.low:.3f}, {estimate.high:.3f}] {entry.verdicts[name]},"
            f" minimum detectable effect {estimate.detectable - 1:.1%}"
        )
    holds = stats.SLOWER in words and stats.FASTER not in words
    return holds, f"{MORE} queries instead of {QUERIES} are found: {'; '.join(parts)}"


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = command_line.Parser(
        prog="loadtest/selftest",
        description="Proves the load test on this machine: an A/A test finds no difference, 5% of extra work is"
        " found, and injected errors, short responses and a slow generator are caught. About 10 minutes, 20 where runs"
        " differ much from each other; the machine should have nothing else to do. SERVER_LIST, BUILD, PORT,"
        " DATABASE_URL, DB_RESET, PIN, POOL and STEAL_MAX are as in loadtest/run.",
        epilog="Exit status: 0 all passed, 1 something failed or could not be run, 2 usage, 130 interrupted.",
    )
    parser.add_argument("--quick", action="store_true", help="one server and fewer blocks, about 2 minutes")
    parser.add_argument(
        "--keep", metavar="DIR", help="leave the results in DIR; default: only of a self-test that failed"
    )
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    given = parse(arguments)
    begin = time.monotonic()
    folder = Path(given.keep or tempfile.mkdtemp(prefix="waitbench-selftest-"))
    size = QUICK if given.quick else FULL
    test = Selftest(size, [], folder)
    interrupt.interruptible()
    status = 0
    try:
        test.servers = size.servers(server_list.read(os.environ.get(server_list.VARIABLE)).core)
        test.aa_test()
        test.effect()
        for fault in FAULTS:
            test.fault(fault)
    except (Failure, settings.Usage, OSError) as error:
        print(f"loadtest/selftest: {error}", file=sys.stderr)
        status = 1
    except interrupt.Interrupted:
        print("loadtest/selftest: interrupted", file=sys.stderr)
        status = 130
    print(f"{test.passed} passed, {test.failed} failed in {duration(time.monotonic() - begin)}")
    status = status or int(test.failed > 0)
    if status in (0, 130) and not given.keep:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"results: {folder}")
    return status
