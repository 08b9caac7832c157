"""loadtest/compare in the process of a test, and two folders for it."""

import contextlib
import copy
import io
import types

import synthetic
from waitbench.show import comparison_report

POINTS = [{"n": 0}, {"n": 5}, {"n": 20}]
SPEEDS = {"threaded": 1000, "libuv": 1100}


def compare(*arguments):
    """What the command does, in this process: it spares twenty starts of an interpreter with scipy."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = comparison_report.main([str(argument) for argument in arguments])
        except SystemExit as end:
            status = end.code
    return types.SimpleNamespace(returncode=status, stdout=out.getvalue(), stderr=err.getvalue())


def a(tmp_path):
    return synthetic.write(tmp_path / "a", synthetic.runs(POINTS, SPEEDS, seed=1))


def b(tmp_path, speeds=SPEEDS, points=POINTS, change=lambda facts: None, **kwargs):
    facts = copy.deepcopy(synthetic.ENVIRONMENT)
    change(facts)
    rows = synthetic.runs(points, speeds, **({"seed": 2} | kwargs))
    return synthetic.write(tmp_path / "b", rows, facts)
