"""loadtest/compare: the same statistics, unpaired; folders that are not comparable; the exit status."""

import contextlib
import copy
import io
from pathlib import Path
import subprocess
import types

import pytest
import synthetic
from waitbench.judge import summary
from waitbench.show import comparison_report, report

COMMAND = Path(__file__).resolve().parents[2] / "loadtest" / "compare"
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


@pytest.fixture
def a(tmp_path):
    return synthetic.write(tmp_path / "a", synthetic.runs(POINTS, SPEEDS, seed=1))


def b(tmp_path, speeds=SPEEDS, points=POINTS, change=lambda facts: None, **kwargs):
    facts = copy.deepcopy(synthetic.ENVIRONMENT)
    change(facts)
    rows = synthetic.runs(points, speeds, **({"seed": 2} | kwargs))
    return synthetic.write(tmp_path / "b", rows, facts)


def test_the_same_thing_twice(tmp_path, a):
    done = compare(a, b(tmp_path))
    assert done.returncode == 0, done.stdout
    assert "equivalent" in done.stdout and "faster" not in done.stdout


def test_five_percent_more_work_is_found_at_every_point(tmp_path, a):
    done = compare(a, b(tmp_path, {"threaded": 1000, "libuv": 1100 / 1.05}))
    assert done.returncode == 1
    rows = [line for line in done.stdout.splitlines() if " libuv " in line and "req/s" in line]
    assert len(rows) == 3 and all("slower" in line and "0.9" in line for line in rows)
    assert "worse" in done.stdout
    threaded = [line for line in done.stdout.splitlines() if " threaded " in line]
    assert not any("slower" in line or "faster" in line for line in threaded)


def test_better_is_a_difference_too(tmp_path, a):
    assert compare(a, b(tmp_path, {"threaded": 1000, "libuv": 1300})).returncode == 1


def test_other_numbers_of_blocks(tmp_path, a):
    done = compare(a, b(tmp_path, blocks=3))
    assert "exploratory" in done.stdout and done.returncode == 0


def test_missing_points_are_listed_and_the_rest_compared(tmp_path, a):
    done = compare(a, b(tmp_path, SPEEDS | {"coro": 900}, [{"n": 5}, {"n": 9}]))
    assert done.returncode == 0
    assert "only in A: threaded, libuv at n=0 m=1024 c=16, n=20 m=1024 c=16" in done.stdout
    assert "only in B: threaded, libuv at n=9" in done.stdout
    assert "only in B: coro at n=5 m=1024 c=16, n=9 m=1024 c=16" in done.stdout


def test_latencies_are_left_out_where_wrk_was_the_bottleneck(tmp_path, a):
    done = compare(a, b(tmp_path, flags=lambda server, point: "generator-bound" if point["n"] == 0 else ""))
    assert "not compared 2" in done.stdout


@pytest.mark.parametrize(
    "where,name,value",
    [
        ("machine", "cpu_model", "Another CPU"),
        ("machine", "cpus", 64),
        ("settings", "DURATION", "10"),
        ("settings", "POOL", "64"),
        ("settings", "PIN", "none"),
        ("versions", "libpq", "17.6"),
        ("database", "server_version", "17.6"),
        ("ran", "load_test", "container"),
        ("ran", "database", "container"),
        (None, "kernel", "6.12.0"),
    ],
)
def test_what_is_not_comparable_is_refused_and_named(tmp_path, a, where, name, value):
    def change(facts):
        (facts[where] if where else facts)[name] = value

    folder = b(tmp_path, change=change)
    done = compare(a, folder)
    assert done.returncode == 2 and not done.stdout
    assert f"{where}.{name}" in done.stderr if where else name in done.stderr
    assert f"{value} in B" in done.stderr and "--anyway" in done.stderr
    assert compare("--anyway", a, folder).returncode == 0


def test_a_server_in_a_container_is_not_compared_with_a_native_one_unawares(tmp_path, a):
    def change(facts):
        facts["ran"]["servers"]["libuv"] = "container"

    done = compare(a, b(tmp_path, change=change))
    assert done.returncode == 2 and "where server libuv ran is native in A and container in B" in done.stderr


def test_what_is_compared_may_differ(tmp_path, a):
    def change(facts):
        facts["git"]["revision"] = "fedcba"
        facts["settings"]["SEED"] = "77"
        facts["settings"]["DURATION"] = "2.0"  # is 2
        facts["versions"]["server-libuv"] = "a newer one"

    assert compare(a, b(tmp_path, change=change)).returncode == 0


def test_a_server_that_was_asked_for_otherwise_is_another_server(tmp_path):
    folders = []
    for name, text in (("a", "threaded libuv"), ("b", "threaded libuv:libuv+n=21")):
        facts = copy.deepcopy(synthetic.ENVIRONMENT)
        facts["settings"]["SERVERS"] = text
        folders.append(synthetic.write(tmp_path / name, synthetic.runs([{}], SPEEDS), facts))
    done = compare(*folders)
    assert done.returncode == 2 and "server libuv is libuv in A and libuv:libuv+n=21 in B" in done.stderr


def test_two_folders_without_environment_know_of_no_difference(tmp_path):
    rows = synthetic.runs([{}], SPEEDS)
    folders = [synthetic.write(tmp_path / name, rows, environment=None) for name in "ab"]
    assert compare(*folders).returncode == 0


@pytest.mark.parametrize(
    "git, says",
    [
        ({"revision": "0123456789abcdef", "changed": False}, "revision 0123456789ab, 12 blocks"),
        ({"revision": "0123456789abcdef", "changed": True}, "revision 0123456789ab, with changes, 12 blocks"),
        (
            {"revision": "0123456789abcdef", "changed": None},
            "revision 0123456789ab, perhaps with changes, 12 blocks",
        ),
        ({"revision": None, "changed": None}, "revision unknown, 12 blocks"),
    ],
)
def test_an_unknown_revision_is_unknown(tmp_path, a, git, says):
    folder = b(tmp_path, change=lambda facts: facts.update(git=git))
    assert f"B: {folder}: {says}\n" in compare(a, folder).stdout
    shown = report.page(summary.load(folder), "x")
    assert ("<th scope='row'>changed</th><td>not known</td>" in shown) == (git["changed"] is None)


def test_nothing_in_common(tmp_path, a):
    done = compare(a, b(tmp_path, points=[{"n": 999}]))
    assert done.returncode == 2 and "no point and server in common" in done.stderr


@pytest.mark.parametrize(
    "arguments", [(), ("one",), ("one", "two", "three"), ("--nonsense", "a", "b"), ("", "")]
)
def test_usage(arguments):
    done = compare(*arguments)
    assert done.returncode == 2 and done.stderr


def test_bad_folders_are_one_sentence(tmp_path, a):
    empty = tmp_path / "empty"
    empty.mkdir()
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    (wrong / "runs.csv").write_text("a,b\n1,2\n")
    for folder, says in ((tmp_path / "no", "is no folder"), (empty, "is not there"), (wrong, "no column")):
        done = compare(a, folder)
        assert done.returncode == 2 and says in done.stderr and done.stderr.count("\n") == 1


def test_help_says_what_the_status_means():
    done = compare("--help")
    assert done.returncode == 0 and "Exit status" in done.stdout


def test_the_command_itself(tmp_path, a):
    slower = b(tmp_path, {"threaded": 1000, "libuv": 1000})
    for folder, status in ((a, 0), (slower, 1), (tmp_path / "no", 2)):
        done = subprocess.run([COMMAND, a, folder], capture_output=True, text=True, timeout=60)
        assert done.returncode == status and "Traceback" not in done.stderr
