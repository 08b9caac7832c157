"""loadtest/profile: which group a sample belongs to."""

import os
import subprocess
import sys

import pytest
from waitbench import Failure
from waitbench.observe import groups, python_code
from waitbench.observe.parts import Frame
from waitbench.show import markdown

LIB = "/usr/lib/x86_64-linux-gnu"
PYTHON = "/usr/lib/python3/dist-packages"
SCRIPT = f"""\
    ffffffff8225fd19 pvm_irq_enable ([kernel.kallsyms])
              5d2f1a _PyEval_EvalFrameDefault (/usr/bin/python3.13)
              5d2f1b _PyEval_EvalFrameDefault+0x1b (/usr/bin/python3.13)
               21280 [unknown] ({PYTHON}/asyncpg/protocol/protocol.cpython-313-x86_64-linux-gnu.so)
               1c17f operator<(a, b) ({LIB}/libc.so.6)
    ffffffffffffffff [unknown] ([unknown])
"""


def test_a_line_is_a_sample():
    found = list(groups.parse(SCRIPT.splitlines()))
    assert len(found) == 6
    assert found[2] == Frame("_PyEval_EvalFrameDefault", "/usr/bin/python3.13")
    assert found[4] == Frame("operator<(a, b)", f"{LIB}/libc.so.6")


def test_lines_that_are_no_samples_are_passed_over():
    assert list(groups.parse(["", "# a comment", "no sample", "12 symbol without a place"])) == []


def test_samples_are_counted_by_group_and_within_it_by_function():
    total, inside = groups.count(groups.parse(SCRIPT.splitlines()))
    assert total == {"kernel": 1, "interpreter": 2, "database driver": 1, "libc": 1, "other": 1}
    assert inside["interpreter"] == {Frame("_PyEval_EvalFrameDefault", "/usr/bin/python3.13"): 2}


@pytest.mark.parametrize(
    "path, group",
    {
        "[kernel.kallsyms]": "kernel",
        "[nf_conntrack]": "kernel",
        "[vdso]": "libc",
        "[unknown]": "other",
        "[heap]": "other",
        f"{LIB}/libc.so.6": "libc",
        f"{LIB}/libm.so.6": "libc",
        f"{LIB}/libpq.so.5.17": "database driver",
        f"{PYTHON}/psycopg_c/_psycopg.cpython-313-x86_64-linux-gnu.so": "database driver",
        f"{PYTHON}/httptools/parser/parser.cpython-313-x86_64-linux-gnu.so": "HTTP parser",
        f"{PYTHON}/uvloop/loop.cpython-313-x86_64-linux-gnu.so": "event loop",
        f"{LIB}/libuv.so.1.0.0": "event loop",
        f"{LIB}/libllhttp.so.9.2.1": "HTTP parser",
        f"{LIB}/libpython3.13.so.1.0": "interpreter",
        "/usr/lib/python3.13/lib-dynload/_asyncio.cpython-313-x86_64-linux-gnu.so": "interpreter",
        "/usr/bin/python3.11": "interpreter",
        "/usr/bin/node": "runtime",
        "/usr/lib/jvm/java-21-openjdk-amd64/lib/server/libjvm.so": "runtime",
        "/tmp/perf-123.map": "JIT code",
        "[anon:.bss]": "JIT code",
        "//anon": "JIT code",
        "/usr/lib/libsomething.so": "other",
    }.items(),
)
def test_the_file_says_the_group(path, group):
    assert groups.of_object(path) == group


def test_the_server_s_own_program_is_told_apart():
    assert groups.of_object("/work/build/peers/go", program="/work/build/peers/go") == "server"


WORK = """
import json, os, threading, time
def spin(seconds):
    until = time.process_time() + seconds
    while time.process_time() < until:
        json.dumps([{"a": 1}] * 2000, indent=1)  # indent: in Python, not in C
pid = os.fork()
if THREADED:
    idle = threading.Thread(target=time.sleep, args=(0.5,))
    idle.start()
spin(0.3)
if pid:
    os.wait()
"""


@pytest.mark.parametrize("threaded", [False, True])
def test_python_code_is_counted_in_each_process_by_package(tmp_path, threaded):
    program = WORK.replace("THREADED", str(threaded))
    subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | python_code.variables(tmp_path, {}),
        check=True,
        timeout=60,
    )
    assert len(list(tmp_path.glob("*.json"))) == 2
    found = python_code.read(tmp_path)
    if threaded:
        assert not found
    else:
        assert found["json"] > 40 and found.most_common(1)[0][0] == "json"


def test_samples_are_counted_in_front_of_other_folders(tmp_path):
    found = python_code.variables(tmp_path, {"PYTHONPATH": "/a:/b"})
    assert found["PYTHONPATH"] == f"{python_code.FOLDER}:/a:/b"
    assert python_code.read(tmp_path) == {}


CSV = """server,n,c,group,samples,share,us_per_req
a,1,64,kernel,60,0.6,6
a,1,64,libc,39,0.395,3.95
a,1,64,TLS,1,0.005,0.05
b,1,64,interpreter,90,0.9,900
b,1,64,kernel,10,0.1,100
b,20,64,kernel,10,1,50
"""


def test_a_table_of_a_document(tmp_path):
    (tmp_path / "profile.csv").write_text(CSV)
    assert markdown.made("profile", [str(tmp_path), "n=1", "by=group"]).splitlines() == [
        "| µs of CPU per request, by group | a | b |",
        "| --- | --- | --- |",
        "| interpreter | – | 900.0 (90%) |",
        "| kernel | 6.0 (60%) | 100.0 (10%) |",
        "| libc | 4.0 (40%) | – |",
        "| what has less than 1% | 0.1 (0%) | – |",
        "| all | 10 | 1,000 |",
    ]


@pytest.mark.parametrize(
    "words, text, said",
    [
        (["by=group"], CSV, "profile takes one folder, n=N and by=group|package"),
        (["n=1", "by=colour"], CSV, "profile takes one folder"),
        (["n=5", "by=group"], CSV, "has no n=5"),
        (["n=1", "by=package"], CSV, "profile_python.csv is not there"),
        (["n=1", "by=group"], CSV.replace("0.395", "much"), 'share "much" is'),
        (["n=1", "by=group"], CSV.replace(",share", ",part"), "no column share"),
    ],
)
def test_what_is_wrong_with_a_table_is_a_sentence(tmp_path, words, text, said):
    (tmp_path / "profile.csv").write_text(text)
    with pytest.raises(Failure, match=said.replace("|", "[|]")) as failure:
        markdown.made("profile", [str(tmp_path), *words])
    assert "\n" not in str(failure.value)
