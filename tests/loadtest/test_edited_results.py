"""Results that somebody has edited, perhaps in a spreadsheet: a sentence with file, line and field for every reader."""

import copy
import io
import contextlib
import json
import subprocess

import pytest
import synthetic
import test_run
from waitbench import Failure
from waitbench.base import csv_file, results
from waitbench.bench import environment
from waitbench.judge import summary
from waitbench.show import comparison_report, findings, headline, report, table

POINTS = [{}, {"c": 64}]
SPEEDS = {"threaded": 1000, "libuv": 1100}


def folder(path, change=lambda lines: lines, facts=None):
    """A results folder whose runs.csv has the lines that `change` makes of its lines."""
    synthetic.write(path, synthetic.runs(POINTS, SPEEDS, blocks=3), facts or synthetic.ENVIRONMENT)
    lines = (path / "runs.csv").read_text().splitlines()
    (path / "runs.csv").write_bytes(("\n".join(change(lines)) + "\n").encode())
    return path


def compare(path):
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        status = comparison_report.main([str(path), str(path)])
    if status == 2:
        raise Failure(said.getvalue().removeprefix("loadtest/compare: ").strip())


def continued(path):
    found = results.Folder(path)
    environment.read(found)
    found.discard(1, 1, "a reason")


READERS = {
    "summary": summary.write,
    "findings": findings.text,
    "table": lambda path: table.text(summary.load(path)),
    "headline": lambda path: headline.of(summary.load(path)),
    "report": lambda path: report.write(path, report.NONE),
    "compare": compare,
    "continued": continued,
}


def edit(column, text, line=7):
    def change(lines):
        fields = lines[line - 1].split(",")
        fields[results.COLUMNS.index(column)] = text
        return [*lines[: line - 1], ",".join(fields), *lines[line:]]

    return change


EDITS = {
    'runs.csv, line 7: rps "-5" is not a number of 0 or more': edit("rps", "-5"),
    'runs.csv, line 7: rps "null" is not a number of 0 or more': edit("rps", "null"),
    'runs.csv, line 7: p99_us "1,5" is not a number of 0 or more: write a decimal point': edit(
        "p99_us", '"1,5"'
    ),
    'runs.csv, line 7: kernel_kib "inf" is not a number': edit("kernel_kib", "inf"),
    'runs.csv, line 7: errors "-1" is not a number of 0 or more': edit("errors", "-1"),
    'runs.csv, line 7: c "0" is not a whole number of 1 or more': edit("c", "0"),
    'runs.csv, line 7: c "" is not a whole number of 1 or more': edit("c", ""),
    'runs.csv, line 7: block "1.5" is not a whole number of 1 or more': edit("block", "1.5"),
    'runs.csv, line 7: n "-1" is not a whole number of 0 or more': edit("n", "-1"),
    'runs.csv, line 7: n "\u0663" is not a whole number of 0 or more': edit("n", "\u0663"),
    'runs.csv, line 7: proxy "apache" is neither none nor nginx': edit("proxy", "apache"),
    'runs.csv, line 7: server "" is not a name': edit("server", ""),
    f"runs.csv, line 7: it has {len(results.COLUMNS) + 1} fields where line 1 names {len(results.COLUMNS)} columns": edit(
        "rps", "1,5"
    ),
    f"runs.csv, line 1: semicolons separate the columns: {csv_file.SAVE}": (
        lambda lines: [line.replace(",", ";") for line in lines]
    ),
    "runs.csv has other columns than this version's: it has no column rps": (
        lambda lines: [lines[0].replace(",rps,", ",speed,"), *lines[1:]]
    ),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("sentence", EDITS)
def test_what_a_field_cannot_hold_is_named(tmp_path, sentence, reader):
    with pytest.raises(Failure) as failure:
        READERS[reader](folder(tmp_path / "x", EDITS[sentence]))
    assert str(failure.value) == f"{tmp_path}/x/{sentence}"


@pytest.mark.parametrize("reader", READERS)
def test_what_a_spreadsheet_leaves_as_it_was_is_read(tmp_path, reader):
    """A byte order mark, carriage returns, empty lines at the end, quotes, a missing value."""

    def change(lines):
        lines = edit("rss_kib", "")(edit("server", '"libuv"', 3)(lines))
        return ["\ufeff" + lines[0] + "\r", *(line + "\r" for line in lines[1:]), "\r"]

    READERS[reader](folder(tmp_path, change, synthetic.ENVIRONMENT | {"server_environment": {}}))


def test_a_file_without_any_line_is_no_traceback(tmp_path):
    (tmp_path / "runs.csv").write_text("block")
    with pytest.raises(Failure, match="other columns"):
        results.Folder(tmp_path)


@pytest.mark.parametrize("name", ["detail.csv", "unsound.csv", "syscalls.csv"])
def test_the_other_tables_of_a_run_that_is_continued(tmp_path, name):
    table = next(
        t for t in vars(results.Folder(tmp_path)).values() if getattr(t, "path", tmp_path).name == name
    )
    fields = {"block": 1, "order": 1, "server": "a", "proxy": "none", "c": 1} | dict.fromkeys("nmwdtki", 0)
    table.append(fields)
    results.Folder(tmp_path)
    table.path.write_text(table.path.read_text().replace(",a,", ",,") if name != "syscalls.csv" else "a;b\n")
    with pytest.raises(
        Failure, match=f"{name}(, line 2: server .. is not a name|, line 1: semicolons separate)"
    ):
        results.Folder(tmp_path)


FACTS = {
    'servers null is not a list of names': ("servers", None),
    'servers ["threaded", null] is not a list of names': ("servers", ["threaded", None]),
    'server_list [{"name": "threaded", "colour": null}] is not a list of servers with name, colour (#rrggbb) and, where they are known, language and model': (
        "server_list",
        [{"name": "threaded", "colour": None}],
    ),
    "outcome.unsound_points [7] is not a list of points, each with its reason": (
        "outcome",
        {"unsound_points": [7]},
    ),
    "settings null is not an object of texts": ("settings", None),
    'settings {"SEED": 7} is not an object of texts': ("settings", {"SEED": 7}),
    "settings.SEED null is not the digits of a whole number": ("settings", {"SEED": None}),
    "ran {} is not an object with load_test, database and servers": ("ran", {}),
    "ran.servers null is not an object: native, container or unknown by server": (
        "ran",
        {"load_test": None, "database": None, "servers": None},
    ),
    'ran.database "moon" is not native, container or unknown': (
        "ran",
        {"load_test": None, "database": "moon", "servers": {"threaded": "native"}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("sentence", FACTS)
def test_environment_json(tmp_path, sentence, reader):
    name, value = FACTS[sentence]
    with pytest.raises(Failure) as failure:
        READERS[reader](folder(tmp_path / "x", facts=synthetic.ENVIRONMENT | {name: value}))
    assert str(failure.value) == f"{tmp_path}/x/environment.json: {sentence}"


def members(value, path=()):
    """Every path into environment.json."""
    for name in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield (*path, name)
        yield from members(value[name], (*path, name))


@pytest.mark.parametrize("other", [None, 7, -1.5, "x", [], {}, [None], {"a": None}], ids=str)
@pytest.mark.parametrize("reader", READERS)
def test_no_member_of_environment_json_ends_in_a_traceback(tmp_path, reader, other):
    whole = synthetic.ENVIRONMENT | {
        "server_list": [
            {"name": name, "description": "d", "language": name, "model": "threads", "colour": "#123456"}
            for name in SPEEDS
        ],
        "server_environment": {"WORKERS": "2"}, "hosts": {"load_test": {"cpus": 2}}, "targets": {"a": {"workers": 2}},
        "outcome": {"wall_s": 1.5, "unsound_points": [synthetic.POINT | {"reason": "died"}]},
    }  # fmt: skip
    path = folder(tmp_path, facts=whole)
    for member in members(whole):
        facts = copy.deepcopy(whole)
        inside = facts
        for name in member[:-1]:
            inside = inside[name]
        inside[member[-1]] = other
        (path / "environment.json").write_text(json.dumps(facts))
        with contextlib.suppress(Failure):
            READERS[reader](path)


@test_run.pytestmark
def test_the_command_that_continues_says_it_too(tmp_path):
    words = test_run.arguments(folder(tmp_path / "x", edit("rps", "-5")), "a=http://127.0.0.1:1")
    done = subprocess.run(words, capture_output=True, text=True, env=test_run.clean(), timeout=60)
    assert done.returncode == 1
    assert (
        done.stderr == f'loadtest/run: {tmp_path}/x/runs.csv, line 7: rps "-5" is not a number of 0 or more\n'
    )
