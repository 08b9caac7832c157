"""Made-up results of servers in several languages, whose truth is known."""

import synthetic
from waitbench.base import results
from waitbench.judge import summary

KINDS = {
    "c-threads": ("C", "threads"),
    "c-loop": ("C", "event loop"),
    "c-coro": ("C", "stackful coroutines"),
    "g": ("Go", "stackful coroutines"),
    "j-threads": ("Java", "threads"),
    "j-virtual": ("Java", "virtual threads"),
    "p-async": ("Python", "async/await"),
    "p-threads": ("Python", "threads"),
    "s": ("JavaScript", "async/await"),
}
SPEEDS = {
    "c-threads": 1000,
    "c-loop": 1200,
    "c-coro": 1250,
    "g": 900,
    "j-threads": 600,
    "j-virtual": 500,
    "p-async": 60,
    "p-threads": 75,
    "s": 300,
}
POINTS = [{"n": 0}, {"n": 1}]


def environment(speeds=SPEEDS, kinds=KINDS, **changes):
    listed = [
        {"name": name, "description": "", "colour": f"#{index:02d}3366", "language": language, "model": model}
        for index, (name, (language, model)) in enumerate(kinds.items())
    ]
    return synthetic.ENVIRONMENT | {"servers": list(speeds), "server_list": listed} | changes


def folder(
    tmp_path, points=POINTS, speeds=SPEEDS, facts=None, unsound=(), change=lambda rows: rows, **kwargs
):
    """`unsound`: (server, reason) of discarded runs."""
    rows = change(synthetic.runs(points, speeds, **({"noise": 0.005} | kwargs)))
    path = synthetic.write(tmp_path / "run", rows, facts or environment(speeds))
    table = results.Table(path / "unsound.csv", results.UNSOUND)
    for number, (server, reason) in enumerate(unsound, 1):
        table.append(
            synthetic.POINT | {"block": number, "order": 1, "server": server, "attempt": 1, "reason": reason}
        )
    return path


def found(tmp_path, *arguments, **kwargs):
    return summary.load(folder(tmp_path, *arguments, **kwargs))
