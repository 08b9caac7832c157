"""loadtest/estimate: what it prints, what it declines, what it refuses, and its exit status."""

import os
import re
import subprocess

import estimating
import pytest
import synthetic
from estimating import NEW
from waitbench import ROOT, Failure
from waitbench.show import estimate

PROGRAM = ROOT / "loadtest" / "estimate"
WORDS = ["N=7", "M=20000", "C=200"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(estimating.folder(tmp_path_factory.mktemp("estimate") / "runs"))


def run(capsys, *words):
    status = estimate.main([str(word) for word in words])
    out, err = capsys.readouterr()
    assert all(len(line) <= 80 for line in out.splitlines())
    return status, out, err


def test_a_sentence_a_table_for_each_measure_and_the_error(capsys, folder):
    status, out, err = run(capsys, *WORDS, folder)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("At N=7 M=20000 C=200, libuv (1.") and "threaded" in out[:200]
    assert "Of CPU per request, libuv (0." in " ".join(lines[:4])
    for head in ("requests/s [95%]", "server CPU, us [95%]", "database CPU [95%]", "memory, MiB [95%]"):
        (place,) = [i for i, line in enumerate(lines) if head in line]
        assert "error" in lines[place]
        assert [line.split()[0] for line in lines[place + 2 : place + 4]] == ["threaded", "libuv"]
    assert "Median error on what was left out" in out and "inside)" in out
    assert "M=20000 rests on a line between 1024 and 65536" in out
    cells = lines[lines.index("") + 3].split()
    true = estimating.rate("threaded", {"n": 7, "m": 20000, "c": 200})
    assert float(cells[1].replace(",", "")) == pytest.approx(true, rel=0.08)


def test_beyond_the_range_it_declines(capsys, folder):
    status, out, _ = run(capsys, "N=50", "M=1024", "C=256", folder)
    assert status == 3
    assert " ".join(out.split()).startswith(
        "N=50 is outside of the measured range: queries per request (N) reached from 0 to 20: no"
    )
    assert "no estimate but of memory" in " ".join(out.split())
    assert "memory, MiB" in out and "requests/s" not in out and "CPU, us" not in out
    status, out, _ = run(capsys, "N=1", "M=1024", "C=9999", "D=3", folder)
    assert (
        status == 3 and "D=3 is" in out and "ms added to each query (D) was only 0" in " ".join(out.split())
    )
    assert "MiB" not in out and "Median error" not in out


def test_a_configuration_that_was_measured_is_named_so(capsys, folder):
    assert "N=5 M=1024 C=256 was measured" in run(capsys, "N=5", "M=1024", "C=256", folder)[1]


def test_where_the_generator_was_the_bottleneck(capsys, tmp_path):
    runs, _ = estimating.rows()
    bound = [row | {"flags": "generator-bound" if row["server"] == "libuv" else ""} for row in runs]
    out = run(capsys, *WORDS, synthetic.write(tmp_path / "a", bound))[1]
    assert "the load generator was the bottleneck of libuv" in " ".join(out.split())
    (starred,) = [line for line in out.splitlines() if "]*" in line]
    assert starred.startswith("libuv")


def test_updates_that_were_measured_at_few_points(capsys, tmp_path):
    points = estimating.POINTS + [{"n": 5, "w": 2, "c": 256}, {"n": 20, "w": 10, "c": 16}]
    status, out, _ = run(
        capsys, "N=7", "W=3", "M=1024", "C=200", estimating.folder(tmp_path / "a", points=points)
    )
    assert status == 0
    assert "W was measured at N=5 M=1024 C=256 and N=20 M=1024 C=16 alone" in " ".join(out.split())


def test_one_server_has_no_ratio(capsys, tmp_path):
    out = run(capsys, *WORDS, estimating.folder(tmp_path / "a", servers=["libuv"]))[1]
    assert out.startswith("At N=7 M=20000 C=200, libuv would answer ") and "vs " not in out


@pytest.mark.parametrize(
    "words, said",
    [
        (["N=x", "M=1", "C=1"], "N=x: queries per request (N) is a whole number of 0 or more"),
        (["N=-1", "M=1", "C=1"], "N=-1: queries per request"),
        (["N=1.5", "M=1", "C=1"], "N=1.5: queries per request"),
        (["C=0"], "C=0: connections (C) is a whole number of 1 or more"),
        (["Q=1"], "Q=1: there is no Q; what can be asked for is N M W D T C POOL"),
        (["=1"], "=1: there is no name"),
        (["N=1", "N=2"], "N=2: N is there twice"),
        ([], "N, M and C are missing"),
        (["N=1", "M=1024"], "C is missing"),
        (["N=1", "M=10", "C=1"], "a body has 0 or at least 64 bytes"),
        (["N=1", "M=64", "C=1", "W=2"], "w=2 updates do not fit into n=1 queries"),
        ([*WORDS, "nowhere"], "nowhere is no folder"),
        (["--check", "nowhere", "N=1"], "leave out N="),
        (["--check", "nowhere"], "nowhere is no folder"),
    ],
)
def test_a_wrong_word_gets_a_sentence(capsys, words, said):
    status, out, err = run(capsys, *words)
    assert (status, out) == (2, "") and said in err and err.count("\n") == 1


def test_an_empty_folder_and_too_few_points(capsys, tmp_path):
    status, _, err = run(capsys, *WORDS, tmp_path)
    assert status == 2 and "runs.csv is not there" in err
    status, _, err = run(capsys, *WORDS, estimating.folder(tmp_path / "a", points=[{"n": 1}]))
    assert status == 2 and "has 1 of the 4 configurations" in err


def test_two_pools_must_be_told_apart(capsys, tmp_path, folder):
    settings = synthetic.ENVIRONMENT["settings"] | {"POOL": "32"}
    other = estimating.folder(tmp_path / "a", environment=synthetic.ENVIRONMENT | {"settings": settings})
    status, _, err = run(capsys, *WORDS, folder, other)
    assert status == 2 and "name POOL: the folders have 16 and 32" in err
    assert run(capsys, *WORDS, "POOL=32", folder, other)[0] == 0


def test_check_against_what_was_measured_afterwards(capsys, tmp_path, folder):
    good = estimating.folder(tmp_path / "good", points=NEW, seed=7)
    status, out, _ = run(capsys, "--check", good, folder)
    assert status == 0 and out.startswith("The model holds on 8 configurations that it was not fitted to")
    assert re.search(r"Server CPU per request, us: 1[3-6] of 16 \(\d+%\) inside", " ".join(out.split()))
    bad = estimating.folder(tmp_path / "bad", points=NEW, slower=1.7)
    status, out, _ = run(capsys, "--check", bad, folder)
    assert status == 1 and out.startswith("The model does not hold") and "NO" in out
    status, out, _ = run(capsys, "--check", folder, folder)
    assert status == 1 and "shows nothing" in out


def test_another_machine_is_said(capsys, tmp_path, folder):
    machine = synthetic.ENVIRONMENT["machine"] | {"cpu_model": "Another CPU"}
    other = estimating.folder(
        tmp_path / "a", points=NEW, environment=synthetic.ENVIRONMENT | {"machine": machine}
    )
    assert (
        "note: machine.cpu_model is Made-up CPU in A and Another CPU in B"
        in run(capsys, "--check", other, folder)[2]
    )


def test_the_program():
    done = subprocess.run(
        [PROGRAM, "--help"], capture_output=True, text=True, env=os.environ | {"COLUMNS": "100"}
    )
    assert done.returncode == 0 and "N=QUERIES" in done.stdout and "3 some figure was declined" in done.stdout
    done = subprocess.run([PROGRAM, "Q=1"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "") and "Traceback" not in done.stderr


@pytest.mark.parametrize("table", ["terms", "waits", "errors", "examples"])
def test_tables_for_documents(folder, table):
    head, rows = estimate.cells([folder, f"table={table}"])
    assert all(len(row) == len(head) for row in rows) and (rows or table == "waits")


def test_a_table_of_a_check(tmp_path, folder):
    other = estimating.folder(tmp_path / "a", points=NEW, seed=3)
    _, (row,) = estimate.cells([folder, "table=check", f"against={other}"])
    assert row[1] == "8" and re.fullmatch(r"(\d\d) of 80 \(\d+%\)", row[2])[1] > "64"


@pytest.mark.parametrize(
    "words", [[], ["table=terms"], ["results/x", "table=other"], ["results/x", "table=terms", "measure=y"]]
)
def test_a_table_that_there_is_not(words):
    with pytest.raises(Failure, match="a table of the estimate names folders"):
        estimate.cells(words)
