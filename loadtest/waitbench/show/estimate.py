"""loadtest/estimate: its command line, and its exit status."""

import argparse
import math
import re
import sys
from typing import Sequence

from .. import ROOT, Failure
from ..base import command_line
from ..judge import cost_check, cost_data, cost_model
from ..judge.cost_model import AXES, Model
from ..judge.cost_terms import Configuration
from ..plan import matrix
from ..observe.deployment import listed
from . import estimate_check, estimate_tables, estimate_text, estimate_words

REFERENCE = ROOT / "results" / "reference-two-cpus"
DONE, MISSED, WRONG, DECLINED = range(4)  # exit status
NAMES = [axis.upper() for axis in AXES]
EXAMPLE = "loadtest/estimate N=7 M=20000 C=200"
cells = estimate_tables.cells


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = command_line.Parser(
        prog="loadtest/estimate",
        usage="loadtest/estimate N=QUERIES M=BYTES C=CONNECTIONS [W=] [D=] [T=] [POOL=] [FOLDER ...]\n"
        "       loadtest/estimate --check FOLDER [FOLDER ...]",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Says what each server would do at a configuration that nobody measured, by a cost model that is fitted to"
        " the runs\nof results folders: requests per second and what bounds them, CPU per request of server, database and"
        " load generator,\nlatency and memory, each with an interval and with the error on configurations that were left"
        " out of the fit.",
        epilog=_meanings()
        + "\n\nOutside of what was measured it declines. docs/estimating.md has the model.\n\nExit status: 0 done; 1 with"
        " --check, the model misses too much; 2 a bad word or folder; 3 some figure was declined.",
    )
    parser.add_argument(
        "words",
        nargs="*",
        metavar="NAME=VALUE or FOLDER",
        help=f"folders: by default {estimate_words.path(REFERENCE)}",
    )
    parser.add_argument(
        "--check",
        metavar="FOLDER",
        help="hold the model against the runs of this folder, at configurations that the fit did not use: at least"
        f" {cost_check.SHARE:.0%}% of the values are to lie in their intervals, and the median error of the servers' CPU per"
        f" request is to be below {cost_check.ERROR:.0%}%",
    )
    return parser.parse_args(arguments)


def _meanings() -> str:
    return "\n".join(f"  {axis.upper():<5} {estimate_words.WORDS[axis]}" for axis in AXES)


def main(arguments: list[str]) -> int:
    """The command; returns its exit status. Never raises Failure."""
    given = parse(arguments)
    try:
        values, folders = read(given.words)
        if given.check and values:
            raise Failure(
                f"--check takes its configurations from the runs of {given.check}: leave out {next(iter(values)).upper()}="
            )
        if not given.check:
            _check(values)
        measured = cost_data.read([given.check]) if given.check else None
        data = cost_data.read(folders or [str(REFERENCE)])
        model = cost_model.fit(data)
        if measured:
            for sentence in cost_data.differences(data, measured):
                print(f"note: {sentence} (A: the fit, B: {given.check})", file=sys.stderr)
            found = cost_check.check(model, measured)
            print(estimate_check.text(model, found, given.check))
            return DONE if found.holds else MISSED
        asked = configuration(model, values)
    except Failure as error:
        print(f"loadtest/estimate: {error}", file=sys.stderr)
        return WRONG
    text, complete = estimate_text.text(model, asked)
    print(text)
    return DONE if complete else DECLINED


def read(words: Sequence[str]) -> tuple[dict[str, int], list[str]]:
    """(axis -> value, folders). Raises Failure with what is wrong."""
    values: dict[str, int] = {}
    folders = []
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or "/" in name:
            folders.append(word)
            continue
        if name not in NAMES:
            raise Failure(f"{word}: there is no {name or 'name'}; what can be asked for is {' '.join(NAMES)}")
        axis = name.lower()
        if axis in values:
            raise Failure(f"{word}: {name} is there twice")
        least = 1 if name in ("C", "POOL") else 0
        if not re.fullmatch("[0-9]{1,9}", value) or int(value) < least:
            raise Failure(f"{word}: {estimate_words.WORDS[axis]} is a whole number of {least} or more")
        values[axis] = int(value)
    return values, folders


def _check(values: dict[str, int]) -> None:
    missing = [name for name in ("N", "M", "C") if name.lower() not in values]
    if missing:
        raise Failure(f"{listed(missing)} {'is' if len(missing) == 1 else 'are'} missing: {EXAMPLE}")
    point = Configuration(**({"w": 0, "d": 0, "t": 0, "pool": 1} | values)).point
    if why := matrix.impossible(point, point.c, math.inf):
        raise Failure(why)


def configuration(model: Model, values: dict[str, int]) -> Configuration:
    """Raises Failure where POOL must be named."""
    pools = sorted({each.pool for each in model.configurations})
    if "pool" not in values and len(pools) > 1:
        raise Failure(f"name POOL: the folders have {listed([str(pool) for pool in pools])}")
    return Configuration(**({"w": 0, "d": 0, "t": 0, "pool": pools[0]} | values))
