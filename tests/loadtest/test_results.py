"""Tables that are complete CSV files at any moment."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from waitbench import Failure
from waitbench.base import results

LOADTEST = Path(__file__).resolve().parents[2] / "loadtest"


POINT = {"workload": "work", "t": 0, "k": 0, "i": 0, "load": None, "generator": "wrk", "mode": "closed"}


def row(**fields):
    return dict.fromkeys(results.COLUMNS, 1) | {"proxy": "none"} | POINT | fields


def test_columns_are_those_of_the_contract():
    assert ",".join(results.COLUMNS) == (
        "block,order,server,proxy,n,m,w,d,c,duration_s,requests,rps,mean_us,p50_us,p90_us,p99_us,p999_us,max_us,"
        "bytes,errors,cpu_user_us_per_req,cpu_sys_us_per_req,ctx_voluntary_per_req,ctx_involuntary_per_req,rss_kib,"
        "rss_peak_kib,kernel_kib,threads,db_cpu_share,server_cpu_share,wrk_cpu_share,idle_share,steal_share,flags,cpu_groups,workload,t,"
        "k,i,load,generator,mode,offered_rps,achieved_rps"
    )


def test_every_column_is_explained():
    text = (LOADTEST / "COLUMNS.md").read_text()
    missing = [
        name
        for name in results.COLUMNS + results.DETAIL + results.SERIES + results.HISTOGRAM
        if f"`{name}`" not in text
    ]
    assert missing == []


@pytest.mark.parametrize(
    "value, shown",
    [(None, ""), (0, "0"), (0.0, "0"), (123456789, "123456789"), (1 / 3, "0.333333"), ("a,b", '"a,b"')],
)
def test_what_is_missing_is_empty_and_never_zero(value, shown):
    assert results.line(["x", "y"], {"x": value, "y": 1}) == f"{shown},1\n".encode()


def test_rows_are_appended_and_a_block_is_taken_out(tmp_path):
    folder = results.Folder(tmp_path / "r")
    for block, server in ((1, "a"), (1, "b"), (2, "a")):
        folder.runs.append(row(block=block, server=server))
    folder.discard(1, 2, "steal: 9%")
    assert [(r["block"], r["server"]) for r in folder.runs.rows()] == [("2", "a")]
    thrown = folder.unsound.rows()
    assert [(r["block"], r["server"], r["attempt"], r["reason"]) for r in thrown] == [
        ("1", "a", "2", "steal: 9%"),
        ("1", "b", "2", "steal: 9%"),
    ]
    again = results.Folder(tmp_path / "r")  # it is continued, not begun anew
    again.runs.append(row(block=3))
    assert len(again.runs.rows()) == 2


def test_half_a_row_from_a_power_failure_is_dropped(tmp_path):
    folder = results.Folder(tmp_path / "r")
    folder.runs.append(row(block=1))
    with folder.runs.path.open("a") as stream:
        stream.write("2,1,thr")
    assert [r["block"] for r in results.Folder(tmp_path / "r").runs.rows()] == ["1"]


def test_another_versions_folder_is_not_mixed_with_ours(tmp_path):
    (tmp_path / "runs.csv").write_text("block,server\n1,a\n")
    with pytest.raises(Failure, match="other columns"):
        results.Folder(tmp_path)


def test_no_permission_is_a_sentence():
    with pytest.raises(Failure, match="choose another OUT"):
        results.Folder("/proc/nobody/results")


FILL = """
import resource, signal, sys
sys.path.insert(0, {loadtest!r})
from pathlib import Path
from waitbench import Failure
from waitbench.base import results
folder = results.Folder({folder!r})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    while True:
        folder.runs.append({{name: 123456 for name in results.COLUMNS}})
except Failure as error:
    print(error)
"""


def test_a_row_for_which_there_is_no_room_leaves_no_half(tmp_path):
    """The kernel refuses in the middle of a row, as it does on a full disk."""
    program = FILL.format(loadtest=str(LOADTEST), folder=str(tmp_path / "r"))
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "cannot write to" in said and "every row before it is there" in said
    with (tmp_path / "r" / "runs.csv").open(newline="") as stream:
        rows = list(csv.reader(stream))
    assert len(rows) >= 2
    assert {len(r) for r in rows} == {len(results.COLUMNS)}
    assert set(rows[-1]) == {"123456"}
