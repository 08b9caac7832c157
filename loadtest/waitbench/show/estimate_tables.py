"""Tables of the cost model for documents (loadtest/tables), and the configurations that serve as examples."""

import functools
import math
import statistics
from typing import Iterable, Sequence

from .. import ROOT, Failure
from ..judge import cost_check, cost_data, cost_model, cost_terms
from ..judge.cost_data import MEASURES, MEMORY, RATE, SERVER
from ..judge.cost_model import Model, Server
from ..judge.cost_terms import Configuration
from .estimate_words import LIMITS, MIB, NAMES, SURE, error, named, number, ratio, shown
from .words import split

Cells = tuple[list[str], list[list[str]]]
UNITS = {
    cost_data.DATABASE: "us",
    SERVER: "us",
    cost_data.GENERATOR: "us",
    MEMORY: "KiB",
    cost_data.BUSY: "us",
}
WAITS = {
    "late": "of a delayed query, more than D",
    "busy": "of a delayed query, over D in ms",
    "update": "of an update",
}


@functools.lru_cache(maxsize=4)
def _model(folders: tuple[str, ...]) -> Model:
    return cost_model.fit(cost_data.read([ROOT / folder for folder in folders]))


def cells(words: Iterable[str]) -> Cells:
    """For loadtest/tables: FOLDERS table=terms measure=server (or another measure), table=waits, errors, examples, or
    check against=FOLDER,FOLDER. Raises Failure."""
    usual = {"table": "", "measure": SERVER, "against": ""}
    folders, chosen = split(words, usual)
    given = usual | chosen
    tables = {
        "terms": lambda model: terms(model, given["measure"]),
        "waits": waits,
        "check": lambda model: checked(model, given["against"].split(",")),
        "errors": errors,
        "examples": worked,
    }
    if given["table"] not in tables or given["measure"] not in UNITS or not folders:
        raise Failure(
            f"a table of the estimate names folders, table={' or table='.join(tables)}, and for terms measure={' or '.join(UNITS)}"
        )
    return tables[given["table"]](_model(tuple(folders)))


def terms(model: Model, measure: str) -> Cells:
    """The cost of a unit of each term."""
    known = {name: server for name, server in model.servers.items() if measure in server.costs}
    every = list(dict.fromkeys(term for server in known.values() for term in server.costs[measure].terms))
    head = ["term", f"a unit of it, {UNITS[measure]} [{SURE}]", *known]
    rows = [
        [f"`{term}`", cost_terms.TERMS[term], *(_cost(server, measure, term) for server in known.values())]
        for term in every
    ]
    return head, rows


def _cost(server: Server, measure: str, term: str) -> str:
    costs = server.costs[measure]
    if term not in costs.terms:
        return ""
    cost = float(costs.each[costs.terms.index(term)])
    spread = server.spreads[RATE if measure == cost_data.BUSY else measure]
    reach = spread.critical * costs.error(term, spread.misfit)
    return f"{number(cost)} [{number(max(0.0, cost - reach))}, {number(cost + reach)}]" if cost else "0"


def waits(model: Model) -> Cells:
    """How long a request waits for something else than a CPU."""
    head = ["ms for which no CPU is used", *model.servers]
    return head, [
        [what, *(number(getattr(server.waits, name)) for server in model.servers.values())]
        for name, what in WAITS.items()
        if any(getattr(server.waits, name) for server in model.servers.values())
    ]


def errors(model: Model) -> Cells:
    """On configurations left out: median and worst, and how many lie in the interval that the others state."""
    head = ["error: median, worst", *(f"{name} {what}" for name in model.servers for what in ("", "inside"))]
    rows = []
    for measure in MEASURES:
        row = [NAMES[measure]]
        for server in model.servers.values():
            spread = server.spreads.get(measure)
            row += [error(spread), f"{spread.within} of {len(spread.errors)}" if spread else ""]
        rows.append(row)
    return [cell.strip() for cell in head], rows


def worked(model: Model) -> Cells:
    """The examples: what each server would do."""
    head = ["configuration", "server", f"requests/s [{SURE}]", f"vs {model.baseline} [{SURE}]"]
    head += [f"server CPU, us [{SURE}]", f"vs {model.baseline} [{SURE}]", f"memory, MiB [{SURE}]", "limit"]
    rows = []
    for asked in examples(model):
        for name in model.servers:
            found = model.estimate(name, asked)
            rows.append(
                [named(asked), name, shown(found.figures.get(RATE)), ratio(found.ratios.get(RATE))]
                + [shown(found.figures.get(SERVER)), ratio(found.ratios.get(SERVER))]
                + [shown(found.figures.get(MEMORY), MIB), LIMITS[found.bound][0] if found.bound else ""]
            )
    return head, rows


def checked(model: Model, folders: Sequence[str]) -> Cells:
    """Against what was measured elsewhere, at configurations that the fit did not use."""
    head = [
        "measured",
        "configurations",
        f"values inside the {SURE} interval",
        "error of server CPU: median, worst",
    ]
    rows = []
    for folder in folders:
        lines = cost_check.check(model, cost_data.read([ROOT / folder])).lines
        errors = [line.error for line in lines if line.measure == SERVER]
        if errors:
            count = str(len({line.asked for line in lines}))
            error = f"{statistics.median(errors):.0%}, {max(errors):.0%}"
            rows.append([f"`{folder}`", count, inside(lines), error])
    return head, rows


def inside(lines: Sequence[cost_check.Line]) -> str:
    """47 of 60 (78%)"""
    count = sum(line.inside for line in lines)
    return f"{count} of {len(lines)} ({count / len(lines):.0%})"


def examples(model: Model) -> list[Configuration]:
    """Configurations between those that were measured."""
    every = sorted(model.configurations)
    between = {axis: _between(sorted({getattr(each, axis) for each in every} - {0})) for axis in "nmc"}
    usual = {"w": 0, "d": 0, "t": 0, "pool": every[0].pool}
    chosen = [
        Configuration(n=n, m=between["m"][-1], c=c, **usual)
        for n in dict.fromkeys((between["n"][0], between["n"][-1]))
        for c in dict.fromkeys((between["c"][0], between["c"][-1]))
    ]
    return [
        asked for asked in chosen if not any(each.outside(asked, SERVER) for each in model.servers.values())
    ]


def _between(values: Sequence[int]) -> list[int]:
    """The geometric means of neighbours; the value itself, where there is one."""
    if len(values) < 2:
        return list(values) or [0]
    return [round(math.sqrt(low * high)) for low, high in zip(values, values[1:])]
