"""loadtest/limits from the outside: its arguments, a stub that names a limit, and a server that lacks descriptors."""

import csv
import os
import resource
import subprocess
from pathlib import Path

import crowd_server
import pytest
import test_run
from test_limits import EAGAIN, LINE

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BUILD", ROOT / "build")).resolve()
COMMAND = ROOT / "loadtest" / "limits"
URL = os.environ.get("DATABASE_URL")


def run(*words, **variables):
    environment = test_run.clean() | {
        "PORT": str(test_run.free_port()),
        "BUILD": str(BUILD),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    files = variables.pop("files", None)
    return subprocess.run(
        [COMMAND, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=100,
        env=environment | variables,
        preexec_fn=files and (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))),
    )


@pytest.mark.parametrize(
    "words, said",
    [
        (["--nonsense"], "there is an argument that it does not know"),
        (["--kinds", "busy"], "--kinds: there are idle and waiting"),
        (["--t", "60001"], "--t: milliseconds from 1 to 60000"),
        (["--servers", "a b c/"], "SERVERS"),
        (["--out", "/tmp"], "/tmp is there already"),
    ],
)
def test_a_bad_argument_is_one_sentence_and_status_2(words, said):
    done = run(*words)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr


def rows(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.skipif(not URL, reason="no DATABASE_URL: tests/run has one")
def test_a_server_that_names_a_limit_which_is_far_away(tmp_path):
    """Without numpy, as on a machine that only counts."""
    (tmp_path / "numpy.py").write_text("raise ImportError('no numpy here')\n")
    program = f"{test_run.PYTHON} {Path(crowd_server.__file__)}"
    listed = tmp_path / "servers.csv"
    listed.write_text(f"name,description,build,start,port,colour\ncrowd,a stub,,{program},9000,#112233\n")
    done = run(
        *("--most", 60, "--kinds", "waiting", "--steps", "20", "--repeats", 1, "--t", 50, "--counts-only", "--out", tmp_path / "r"),
        SERVER_LIST=str(listed), MOST="40", LIMIT_LINE=LINE.format("kernel.pid_max", 40, 40, EAGAIN), DATABASE_URL=URL,
        PYTHONPATH=str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (
        "waiting: 40 of 60" in done.stdout
        and "; met kernel.pid_max, 40 of 40 in use (pthread_create: " in done.stdout
    )
    assert "seen from outside it is no limit that is near" in done.stdout
    found = rows(tmp_path / "r/limits.csv")
    assert [
        (row["kind"], row["repeat"], row["asked"], row["held"]) for row in found if row["kind"] == "waiting"
    ] == [("waiting", "1", *pair) for pair in (("0", "0"), ("20", "20"), ("60", "40"))]
    assert {row["agrees"] for row in found if row["limit"]} == {"no"}
    assert all(int(row["answered"]) > 20 for row in found if row["kind"] == "waiting" and row["step"] == "1")
    assert {row["flags"] for row in found} <= {"counts-only", "counts-only emulated"}
    assert {row["rps"] for row in found} == {""}


@pytest.mark.skipif(not URL, reason="no DATABASE_URL: tests/run has one")
@test_run.pytestmark
@pytest.mark.skipif(not (BUILD / "server-threaded").exists(), reason="server-threaded is not built")
def test_descriptors_are_what_a_server_lacks(tmp_path):
    """With wrk beside the connections that are held, also where the server takes no more."""
    words = [
        "--servers",
        "threaded",
        "--kinds",
        "idle",
        "--steps",
        "100",
        "--most",
        300,
        "--repeats",
        1,
        "--seconds",
        0.3,
    ]
    done = run(*words, "--out", tmp_path / "r", DATABASE_URL=URL, files=300)
    assert done.returncode == 0, done.stderr
    none, first, last = rows(tmp_path / "r/limits.csv")
    assert (none["held"], first["held"]) == ("0", "100") and 180 < int(last["held"]) < 300
    assert (last["side"], last["limit"], last["value"]) == ("server", "RLIMIT_NOFILE", "300")
    assert last["outside"] == "RLIMIT_NOFILE" and last["agrees"] in ("yes", "")
    assert all(float(row["rps"]) > 100 and float(row["p99_us"]) > 0 for row in (first, last))
    assert int(first["threads"]) - int(none["threads"]) == 100
    order = [row["limit"] for row in rows(tmp_path / "r/ahead.csv")]
    # A thread uses one number, a descriptor and two mappings. A container may have a pid_max of its own, of 4,194,304.
    assert order[0] == "RLIMIT_NOFILE" and "vm.max_map_count" in order[1:4] and "kernel.pid_max" in order
