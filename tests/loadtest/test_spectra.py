"""histogram.csv: the latencies of every sound run, from which percentiles follow to within a bucket."""

import shutil
import subprocess
import sys
import time

import numpy
import paced
import pytest
import synthetic
import test_results
import test_run
import test_series
from waitbench import Failure
from waitbench.base import results
from waitbench.judge import evidence, histogram, spectra
from waitbench.show import report

stub = test_run.stub
WIDTH = 1 + 1 / 16  # the last value of a bucket is below so many times its first


def spectrum(seed=1, requests=20000):
    values = numpy.random.default_rng(seed).lognormal(8, 1.5, requests).astype(int)
    return numpy.unique(values, return_counts=True)


@pytest.mark.parametrize("seed", range(5))
def test_percentiles_agree_within_a_bucket(seed):
    values, counts = spectrum(seed, 10 ** (seed + 1))
    run = spectra.buckets((values, counts))
    assert sum(count for _, count in run) == counts.sum() and run[-1][0] == values[-1]
    assert run == sorted(run) and len(run) <= 16 * numpy.log2(values[-1] / max(1, values[0])) + 34
    for share in (0.01, 0.5, 0.9, 0.99, 0.999, 1):
        exact = histogram.percentile(values, counts, share)
        assert exact <= spectra.percentile(run, share) <= exact * WIDTH


def test_short_latencies_and_none():
    assert spectra.buckets((numpy.arange(33), numpy.ones(33, int))) == [(us, 1) for us in range(33)]
    assert spectra.buckets((numpy.array([32, 33, 34]), numpy.array([1, 2, 3]))) == [(33, 3), (34, 3)]
    assert spectra.rows((numpy.array([], int), numpy.array([], int))) == []


def test_several_generators_are_added():
    load = paced.seen(paced.one(), paced.one("http://b", latency=[[100, 3], [70_000, 5]])).load
    rows = spectra.rows(load.latencies)
    one = sum(count for _, count in paced.FOUND["latency"])
    assert sum(row["requests"] for row in rows) == one + 8
    assert rows[0] == {"up_to_us": 100, "requests": 3} and rows[-1] == {"up_to_us": 70_000, "requests": 5}


# In the folder


class Run:
    def __init__(self, block, server, rows=({"up_to_us": 5, "requests": 2}, {"up_to_us": 9, "requests": 1})):
        self.row = test_results.row(block=block, order=1, server=server)
        self.detail = {name: self.row[name] for name in results.KEY}
        self.series, self.histogram = [], list(rows)


def test_the_rows_of_a_block_go_with_it(tmp_path):
    folder = results.Folder(tmp_path / "r")
    for block, server in ((1, "a"), (11, "b,c"), (2, "a")):
        folder.keep(Run(block, server))
    folder.discard(1, 1, "steal: 9%")
    assert spectra.load(folder.path) == {(2, "a"): [(5, 2), (9, 1)], (11, "b,c"): [(5, 2), (9, 1)]}
    assert evidence.load(synthetic.write(tmp_path / "r", [Run(2, "a").row])).spectra.keys() == {
        (2, "a"),
        (11, "b,c"),
    }


FILL = """
import resource, signal, sys
sys.path[:0] = {path!r}
import test_spectra
from waitbench import Failure
from waitbench.base import results
folder = results.Folder({folder!r})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
try:
    for block in range(1, 1000):
        folder.keep(test_spectra.Run(block, "a", [dict(up_to_us=us, requests=1) for us in range(50)]))
except Failure as error:
    print(error)
"""


def test_a_full_disk_loses_no_row(tmp_path):
    """Every run of runs.csv has all of its buckets, and what is left of another one goes when it is continued."""
    program = FILL.format(path=[str(test_run.HERE), str(test_results.LOADTEST)], folder=str(tmp_path / "r"))
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "cannot write to" in said and "histogram.csv" in said
    folder = results.Folder(tmp_path / "r")
    blocks = {int(row["block"]) for row in folder.runs.rows()}
    found = spectra.load(folder.path)
    assert len(blocks) > 3 and blocks == {block for block, _ in found}
    assert {len(run) for run in found.values()} == {50}
    folder.histogram.path.write_text(folder.histogram.path.read_text() + "999,1,a,7,1\n")
    folder.discard(999, 0, "interrupted: the block was not finished")
    assert spectra.load(folder.path) == found


def test_a_whole_reference_run_is_read_in_a_moment(tmp_path):
    rows = [f"{us},{us + 1}" for us in range(100, 220)]
    text = "".join(
        f"{block},{order},s{order},{row}\n" for block in range(1, 301) for order in (1, 2, 3) for row in rows
    )
    (tmp_path / "histogram.csv").write_text(",".join(results.HISTOGRAM) + "\n" + text)
    begin = time.process_time()
    assert len(spectra.load(tmp_path)) == 900
    assert time.process_time() - begin < 2, "0.4 s on an idle machine"


WRONG = {
    "0,1,a,5,2": 'block "0" is not a whole number of 1 or more',
    "1,1,a,-5,2": 'up_to_us "-5" is not a whole number of 0 or more',
    "1,1,a,5.5,2": 'up_to_us "5.5" is not a whole number of 0 or more',
    "1,1,a,5,-2": 'requests "-2" is not a number of 0 or more',
    "1,1,,5,2": 'server "" is not a name',
    "1,1,a,5": "it has 4 fields where line 1 names 5 columns",
}


@pytest.mark.parametrize("line", WRONG)
def test_an_edited_file_is_one_sentence(tmp_path, line):
    (tmp_path / "histogram.csv").write_text(f"block,order,server,up_to_us,requests\n1,1,a,4,2\n{line}\n")
    with pytest.raises(Failure) as failure:
        spectra.load(tmp_path)
    assert str(failure.value) == f"{tmp_path}/histogram.csv, line 3: {WRONG[line]}"


def test_other_edited_files(tmp_path):
    path = tmp_path / "histogram.csv"
    assert spectra.load(tmp_path) == {}
    path.write_text('\ufeffserver,requests,up_to_us,block\r\n"a,b",2,9,1\r\n\r\n"a,b",1,5,1\r\n')
    with pytest.raises(Failure, match="no column order"):
        results.Table(path, results.HISTOGRAM)
    assert spectra.load(tmp_path) == {(1, "a,b"): [(5, 1), (9, 2)]}
    for text, words in (
        ("", "is empty: not even its columns are named"),
        ("a;b\n", "semicolons separate"),
        ("block,server\n1,a\n", "no column"),
    ):
        path.write_text(text)
        with pytest.raises(Failure, match=words):
            spectra.load(tmp_path)
    path.write_text(",".join(results.HISTOGRAM) + "\n")
    assert spectra.load(tmp_path) == {}


# A run


def held_against_runs_csv(folder):
    found = spectra.load(folder)
    rows = test_run.rows(folder)
    assert found.keys() == {(int(row["block"]), row["server"]) for row in rows}
    for row in rows:
        run = found[int(row["block"]), row["server"]]
        assert run[-1][0] == int(row["max_us"])
        for column, share in (("p50_us", 0.5), ("p90_us", 0.9), ("p99_us", 0.99), ("p999_us", 0.999)):
            assert int(row[column]) <= spectra.percentile(run, share) <= int(row[column]) * WIDTH
    return rows, found


@pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not installed")
def test_a_run_that_is_continued_without_the_file(stub, tmp_path):
    url, folder = stub(), tmp_path / "r"
    test_series.measured(folder, url, duration=1)
    rows, found = held_against_runs_csv(folder)
    assert sum(count for _, count in found[1, "a"]) == int(rows[0]["requests"])
    (folder / "histogram.csv").unlink()  # as a folder of an older version
    report.write(folder)
    runs = (folder / "runs.csv").read_text()
    (folder / "runs.csv").write_text(runs.partition("\n")[0] + "\n")
    (folder / "histogram.csv").write_text(
        ",".join(results.HISTOGRAM) + "\n1,1,a,7,1\n"
    )  # of a run without its row
    test_series.measured(folder, url, duration=1)
    held_against_runs_csv(folder)


@pytest.mark.skipif(not test_series.PACE.exists(), reason="pace is not built")
def test_a_run_of_pace(stub, tmp_path):
    more = {"build": test_series.PACE.parent, "generator": "pace", "duration": 1.2, "warmup": 0.1}
    test_series.measured(tmp_path / "r", stub(), **more)
    rows, found = held_against_runs_csv(tmp_path / "r")
    due = sum(count for _, count in found[1, "a"])
    assert abs(due - int(rows[0]["requests"])) <= int(rows[0]["c"]), "those that were sent in the window"
