"""How pace ends: by signals, with files that cannot be written, after mistakes; and what it prints."""

import json
import re
import signal
import subprocess
import time

import pytest

from pacing import ROOT, Server, await_handlers, command, outcome, pace, start

BRIEF = ("--rate", 300, "-c", 2, "-d", 0.3, "--warmup", 0.1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_window_ends_it(number):
    with Server(delay=1000) as server:
        running = start("--rate", 300, "-d", 30, "--warmup", 0.1, server.url)
        await_handlers(running)
        time.sleep(0.7)
        running.send_signal(number)
        began = time.monotonic()
        done = outcome(running)
    assert time.monotonic() - began < 5  # and not at the end of the 30 s
    assert done.status in (0, 3) and not done.wrong
    assert 0.3 < done["duration_us"] / 1e6 < 1.2
    assert done.count() == done["due"] == pytest.approx(300 * done["duration_us"] / 1e6, rel=0.35)
    assert len(done["series"]) in (1, 2)
    assert sum(second["due"] for second in done["series"]) == done["due"]
    assert done["unfinished"] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_warm_up_leaves_no_result(number):
    with Server() as server:
        running = start("--rate", 300, "--warmup", 20, server.url)
        await_handlers(running)
        time.sleep(0.2)
        running.send_signal(number)
        done = outcome(running)
    assert (done.status, done.said) == (128 + number, "")


def test_a_second_signal_ends_it_at_once():
    """The drain can be long."""
    with Server(fault="never", every=20) as server:
        running = start("--rate", 300, "-d", 30, "--warmup", 0.1, "--drain", 60, server.url)
        await_handlers(running)
        time.sleep(0.5)
        running.send_signal(signal.SIGINT)
        time.sleep(0.3)
        running.send_signal(signal.SIGINT)
        began = time.monotonic()
        done = outcome(running)
    assert time.monotonic() - began < 10  # and not at the end of the 60 s
    assert done["unfinished"] > 0


@pytest.mark.parametrize("option", ["--json", "--hdr"])
@pytest.mark.parametrize("file", ["/dev/full", "/nowhere/file", "/"])
def test_a_file_that_cannot_be_written(option, file):
    with Server() as server:
        done = pace(*BRIEF, option, file, server.url, json_to=None)
    assert done.status in (1, 2)
    assert done.complaint.startswith("pace: ") and file in done.complaint and done.complaint.count("\n") == 1


def test_standard_output_that_is_full():
    with Server() as server, open("/dev/full", "w") as full:
        done = subprocess.run(command(*BRIEF, server.url), stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and done.stderr.startswith("pace: ")


def test_the_table_and_the_files(tmp_path):
    with Server() as server:
        words = ("--json", tmp_path / "json", "--hdr", tmp_path / "hdr")
        done = pace("--rate", 400, "-d", 0.5, "--warmup", 0.1, *words, server.url, json_to=None)
    assert done.status in (0, 3) and done.complaint == ""
    result = json.loads((tmp_path / "json").read_text())
    assert result["requests"] > 100
    assert "p99" in done.said or "99%" in done.said
    assert f"waited for a connection: {result['waited']} of {result['due']}," in done.said
    check_hdr((tmp_path / "hdr").read_text(), result)


def check_hdr(text, result):
    """The text format of HdrHistogram, as its plotter reads it."""
    lines = text.splitlines()
    assert re.fullmatch(r" *Value +Percentile +TotalCount +1/\(1-Percentile\)", lines[0]) and lines[1] == ""
    rows = [line.split() for line in lines[2:] if not line.startswith("#")]
    values, shares = ([float(row[i]) for row in rows] for i in (0, 1))
    counts = [int(row[2]) for row in rows]
    assert values == sorted(values) and shares == sorted(set(shares)) and counts == sorted(counts)
    assert shares[-1] == 1 and len(rows[-1]) == 3 and counts[-1] == result["due"]
    for row in rows[:-1]:
        assert float(row[3]) == pytest.approx(1 / (1 - float(row[1])), rel=0.01)
    for value, share, count in zip(values, shares, counts):
        reached = sum(count for us, count in result["latency"] if us <= value * 1000 + 0.5)
        assert reached == count >= share * result["due"] - 1e-6
    assert [line[2:].split()[0] for line in lines if line.startswith("#")] == [
        "[Mean",
        "[Max",
        "[Buckets",
    ] or (
        [re.match(r"#\[(\w+) ", line)[1] for line in lines if line.startswith("#")]
        == ["Mean", "Max", "Buckets"]
    )


def test_an_unsound_result_says_so_to_a_reader_of_the_table():
    with Server(fault="status") as server:
        done = pace(*BRIEF, server.url, json_to=None)
    assert done.status == 3 and re.search("(?i)unsound|not sound", done.said + done.complaint)
    assert "503" in done.said + done.complaint


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("http://127.0.0.1:1/", "http://127.0.0.1:1/"),
        ("https://127.0.0.1:1/",),
        ("127.0.0.1:1",),
        ("http:///",),
        ("http://127.0.0.1:0/",),
        ("http://127.0.0.1:70000/",),
        ("http://127.0.0.1:x/",),
        ("http://[::1/",),
        ("http://user:secret@127.0.0.1:1/",),
        ("http://127.0.0.1:1/a b",),
        ("--rate", "0", "URL"),
        ("--rate", "fast", "URL"),
        ("--rate", "nan", "URL"),
        ("--rate", "20000000", "URL"),
        ("--arrivals", "uniform", "URL"),
        ("-c", "0", "URL"),
        ("-c", "-1", "URL"),
        ("-c", "2.5", "URL"),
        ("-t", "0", "URL"),
        ("-t", "3", "-c", "2", "URL"),
        ("-d", "0", "URL"),
        ("-d", "ten", "URL"),
        ("--warmup", "-1", "URL"),
        ("--drain", "x", "URL"),
        ("--timeout", "-1", "URL"),
        ("--path", "a", "URL"),
        ("--path", "/a\r\nX: y", "URL"),
        ("--paths", "/nowhere/paths", "URL"),
        ("--paths", "/dev/null", "URL"),
        ("--requests-per-connection", "-1", "URL"),
        ("--idle", "many", "URL"),
        ("--slow", "-1", "URL"),
        ("--expect-status", "99", "URL"),
        ("--expect-length", "-1", "URL"),
        ("--seed", "x", "URL"),
        ("--crud", "1 2 3", "URL"),
        ("--inject", "x", "URL"),
        ("--burn", "x", "URL"),
        ("--no-such-option", "URL"),
        ("-c", "URL"),
    ],
)
def test_a_mistake_on_the_command_line(words):
    done = pace(*["http://127.0.0.1:1/" if word == "URL" else word for word in words], json_to=None)
    assert done.status == 2 and done.said == ""
    assert done.complaint.count("\n") == 1 and len(done.complaint.split()) > 3, done.complaint
    assert "pace: " in done.complaint and "secret" not in done.complaint


def test_help_and_the_manual_page_have_the_same_options():
    done = pace("--help", json_to=None)
    assert done.status == 0 and done.complaint == ""
    listed = set(re.findall(r"^ +(?:-\w, |    )?--([a-z-]+)", done.said, re.M))
    page = (ROOT / "loadtest/pace/pace.1").read_text()
    explained = set(re.findall(r"^\.It Fl (?:\w , Fl )?Fl ([a-z-]+)|^\.It Fl h , Fl Fl (help)", page, re.M))
    explained = {a or b for a, b in explained} | set(re.findall(r"^\.It Fl \w , Fl Fl ([a-z-]+)", page, re.M))
    assert len(listed) > 15 and explained == listed
