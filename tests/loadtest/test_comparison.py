"""loadtest/compare: what it finds by ratios and by absolute figures, what it says, and its exit status."""

import math
import os
from pathlib import Path
import re
import subprocess

import comparing
import pytest
import synthetic
from comparing import POINTS, SPEEDS, b, compare
from waitbench.judge import comparison, summary
from waitbench.show import report

COMMAND = Path(__file__).resolve().parents[2] / "loadtest" / "compare"


@pytest.fixture
def a(tmp_path):
    return comparing.a(tmp_path)


def test_the_same_thing_twice(tmp_path, a):
    done = compare(a, b(tmp_path))
    assert done.returncode == 0, done.stdout
    assert "equivalent" in done.stdout and "faster" not in done.stdout


def test_five_percent_more_work_is_found_at_every_point(tmp_path, a):
    done = compare(a, b(tmp_path, {"threaded": 1000, "libuv": 1100 / 1.05}))
    assert done.returncode == 1
    for title in ("Requests per second, ratio to threaded", "Requests per second"):
        rows = [line for line in table(done, title) if " libuv " in line]
        assert len(rows) == 3 and all("slower" in line and "0.9" in line for line in rows)
    assert max(map(len, done.stdout.splitlines()[2:])) <= 80, "but for the names of the folders"
    assert "B against A, by ratios to threaded: worse" in done.stdout
    threaded = [line for line in done.stdout.splitlines() if " threaded " in line]
    assert not any("slower" in line or "faster" in line for line in threaded)


def table(done, title):
    """The lines below a title."""
    return done.stdout.split(f"\n\n{title}\n")[1].split("\n\n")[0].splitlines()


def said(done, what):
    (lines,) = re.findall(rf"^B against A, by {what}.*\n(?:  .*\n)*", done.stdout, re.M)
    return " ".join(lines.split())


def test_a_slower_host_is_no_difference_of_the_servers(tmp_path, a):
    slower = b(tmp_path, {name: speed * 0.7 for name, speed in SPEEDS.items()})
    done = compare(a, slower)
    assert done.returncode == 0
    assert "no difference found" in said(done, "ratios to threaded") and "1.0" in said(done, "ratios")
    assert "worse 18" in said(done, "absolute figures"), "three measures of two servers at three points"
    assert done.stdout.index("ratios to threaded") < done.stdout.index("absolute figures")
    assert "Absolute figures differ between two hosts" in done.stdout
    assert max(map(len, done.stdout.splitlines()[2:])) <= 80, "but for the names of the folders"


def test_the_ratio_of_ratios_by_hand(tmp_path):
    # A: 2, 2, 4 and so 2^(4/3); B: 4, 8, 8 and so 2^(8/3). B / A is 2^(4/3), and the blocks of a folder are paired:
    # the threaded server's own drift, a factor of 4 within each folder, is in no interval.
    def folder(name, base, rps):
        rows = [
            synthetic.row(synthetic.POINT, block, 1, server, values[block - 1], 10)
            for server, values in {"threaded": base, "libuv": rps}.items()
            for block in (1, 2, 3)
        ]
        return summary.load(synthetic.write(tmp_path / name, rows))

    found = comparison.compare(
        folder("a", [100, 200, 400], [200, 400, 1600]), folder("b", [100, 200, 400], [400, 1600, 3200])
    )
    line = found.relative[0]
    assert (found.baseline, line.server, line.measure.name) == ("threaded", "libuv", "rps")
    ratios = 2 ** (4 / 3), 2 ** (8 / 3), 2 ** (4 / 3)
    assert (line.a, line.b, line.estimate.ratio) == pytest.approx(ratios)
    # Either mean has the error log 2 / 3, so the difference has it times sqrt 2, with 4 degrees of freedom.
    reach = 2.776445 * math.log(2) / 3 * math.sqrt(2)
    assert math.log(line.estimate.interval()[1] / line.estimate.ratio) == pytest.approx(reach, abs=1e-6)


def test_verdicts_agree_with_their_intervals(tmp_path):
    # Noise as of a busy host: a plain 95% interval of one in twenty rows would leave 1 by chance.
    folders = [
        synthetic.write(tmp_path / str(seed), synthetic.runs(POINTS, SPEEDS, seed=seed, noise=0.1))
        for seed in range(8)
    ]
    seen = 0
    for left, right in zip(folders, folders[1:]):
        for line in compare(left, right).stdout.splitlines():
            if interval := re.search(r"\[([\d.e-]+), ([\d.e+]+)\]", line):
                low, high = map(float, interval.groups())
                assert ("cannot tell" in line or "equivalent" in line) == (low <= 1 <= high), line
                seen += 1
                assert "cannot tell" not in line or re.search(r"cannot tell \((~\d+|>100)\)", line), line
    assert seen == 7 * 27


def test_one_server_alone_is_compared_by_absolute_figures(tmp_path):
    folders = [
        synthetic.write(tmp_path / name, synthetic.runs(POINTS, {"libuv": speed}))
        for name, speed in (("a", 1000), ("b", 900))
    ]
    done = compare(*folders)
    assert done.returncode == 1 and "by ratios" not in done.stdout
    assert "worse 9" in said(done, "absolute figures")


def test_a_baseline_that_only_one_folder_has_is_passed_over(tmp_path):
    all_three = synthetic.write(tmp_path / "three", synthetic.runs(POINTS, SPEEDS | {"coro": 900}))
    done = compare(
        all_three, synthetic.write(tmp_path / "two", synthetic.runs(POINTS, {"libuv": 1100, "coro": 900}))
    )
    assert done.returncode == 0 and "no difference found" in said(done, "ratios to libuv")


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
    assert "not compared 1" in said(done, "ratios") and "not compared 2" in said(done, "absolute")


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
    shown = report.write(folder, report.NONE).read_text()
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
    for folder, says in (
        (tmp_path / "no", "is no folder"),
        (empty, "is not there"),
        (wrong, "of another program"),
    ):
        done = compare(a, folder)
        assert done.returncode == 2 and says in done.stderr and done.stderr.count("\n") == 1


def test_help_says_what_the_status_means():
    done = compare("--help")
    assert done.returncode == 0 and "Exit status" in done.stdout


def test_make_calls_a_difference_no_error(tmp_path, a):
    def make(*words):
        # As a user's make: not as a part of one that runs these tests.
        environment = {
            key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))
        }
        words = ["make", "-s", "DEPS=skip", "compare", *words]
        return subprocess.run(
            words, cwd=COMMAND.parents[1], env=environment, capture_output=True, text=True, timeout=120
        )

    found = make(f"A={a}", f"B={b(tmp_path, {'threaded': 1000, 'libuv': 1000})}")
    assert found.returncode == 0 and "worse" in found.stdout and "Error" not in found.stderr, found.stderr
    other = b(tmp_path / "other", change=lambda facts: facts["machine"].update(cpus=64))
    refused = make(f"A={a}", f"B={other}")
    assert refused.returncode != 0 and "ANYWAY=1" in refused.stderr
    assert make(f"A={a}", f"B={other}", "ANYWAY=1").returncode == 0


def test_the_command_itself(tmp_path, a):
    slower = b(tmp_path, {"threaded": 1000, "libuv": 1000})
    for folder, status in ((a, 0), (slower, 1), (tmp_path / "no", 2)):
        done = subprocess.run([COMMAND, a, folder], capture_output=True, text=True, timeout=60)
        assert done.returncode == status and "Traceback" not in done.stderr
