"""The progress of a run: on terminals of any width, elsewhere, and when it is to be quiet."""

import io
import os
import pty
import re
import select

import pytest
from waitbench.plan import matrix, settings
from waitbench.show import progress

RESULT = "n=20 c=256 libuv 1,390/s (1.3x threads)"
POINT = matrix.Point("none", 20, 1024, 0, 0, 256)
BLOCK = matrix.Block(1, POINT, ())


@pytest.mark.parametrize(
    "columns, shown",
    [
        (80, "[#########-----------] 45%  1:58 left  n=20 c=256 libuv 1,390/s (1.3x threads)"),
        (200, "[#########-----------] 45%  1:58 left  n=20 c=256 libuv 1,390/s (1.3x threads)"),
        (78, "[########-----------] 45%  1:58 left  n=20 c=256 libuv 1,390/s (1.3x threads)"),
        (60, "[#####--------] 45%  1:58 left  n=20 c=256 libuv 1,390/s"),
        (40, "[###----] 45%  1:58 left  libuv 1,390/s"),
        (30, "45%  1:58 left  libuv 1,390/s"),
        (12, "45%  1:58 l"),
        (1, ""),
    ],
)
def test_a_line_for_each_width(columns, shown):
    line = progress.line(0.45, "1:58", RESULT, columns)
    if columns != 60:  # where the bar takes what is left
        assert line == shown
    assert line.startswith(shown[:5]) and len(line) < columns


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_no_line_is_ever_wider_than_the_terminal(columns):
    long = "n=1000 m=16777216 w=1000 d=10000 c=60000 k=1000000 a-server-with-a-long-name+pipeline 1,390,000/s (0.95x threads)"
    for share in (0, 0.005, 0.5, 0.999, 1):
        for left in ("0:00", "59:59", "12:34:56"):
            for result in ("", "libuv", RESULT, RESULT.replace("libuv", "threaded+pipeline"), long):
                assert len(progress.line(share, left, result, columns)) < columns
    assert progress.line(1, "0:00", "", columns).startswith("[#") and "100%" in progress.line(
        1, "0:00", "", columns
    )
    assert "#" not in progress.line(0, "9:59", "", columns)


def test_time_as_on_a_clock():
    assert [progress.clock(seconds) for seconds in (-3, 0, 9.6, 118, 3600, 45296)] == [
        "0:00",
        "0:00",
        "0:10",
        "1:58",
        "1:00:00",
        "12:34:56",
    ]


class Terminal:
    """Of 80 columns; what was written to it."""

    def __enter__(self):
        self.reader, writer = pty.openpty()
        os.set_blocking(self.reader, False)
        self.stream = os.fdopen(writer, "w")
        return self

    def __exit__(self, *_):
        self.stream.close()
        os.close(self.reader)

    def text(self):
        """All of it: the kernel hands over what was written in parts, a moment later."""
        found = b""
        while select.select([self.reader], [], [], 0.5)[0]:
            found += os.read(self.reader, 65536)
        return found.decode().replace("\r\n", "\n")


def test_on_a_terminal_the_bar_is_drawn_when_a_run_begins_and_ends():
    with Terminal() as terminal:
        shown = progress.Progress(4, 2.5, stream=terminal.stream)
        shown.running(BLOCK, "libuv", 1)
        assert re.fullmatch(r"\r\x1b\[K\[-+\]  0%  0:15 left  n=20 m=1024 c=256 libuv", terminal.text())
        shown.finished(RESULT)
        assert re.fullmatch(rf"\r\x1b\[K\[#+-+\] 25%  0:1\d left  {re.escape(RESULT)}", terminal.text())
        shown.running(BLOCK, "coro", 2)
        assert RESULT in terminal.text(), "the last result stays"
        shown.say("a warning of many words " * 6)
        said = terminal.text()
        assert said.startswith("\r\x1b[Ka warning") and said.endswith(
            RESULT
        ), "it is drawn again below the words"
        assert all(len(line) <= 80 for line in re.sub(r"\r\x1b\[K", "\n", said).splitlines())
        shown.clear()
        assert terminal.text() == "\r\x1b[K"


def test_elsewhere_plain_lines_now_and_then(monkeypatch):
    stream, now = io.StringIO(), [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    shown = progress.Progress(100, 2.5, stream=stream)
    for second in range(0, 70, 3):
        now[0] = float(second)
        shown.running(BLOCK, "libuv", 1)
        shown.finished(RESULT)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2 and lines[0].startswith("run 11 of 100: libuv at n=20 m=1024 c=256;")
    assert "\r" not in stream.getvalue()


@pytest.mark.parametrize("live", [False, True])
def test_quiet_means_errors_alone(live):
    with Terminal() as terminal:
        stream = terminal.stream if live else io.StringIO()
        shown = progress.Progress(1, 1, stream=stream, quiet=True)
        shown.running(BLOCK, "libuv", 1)
        shown.say("an announcement")
        shown.finished(RESULT)
        shown.clear()
        shown.say("given up", error=True)
        stream.flush()
        assert (terminal.text() if live else stream.getvalue()) == "given up\n"


def results(*arguments):
    return progress.Results(settings.load(["--n", "1 20", "--c", "256", *arguments], {}))


def test_a_result_stands_beside_the_baseline_of_the_same_block():
    shown = results("--servers", "threaded libuv coro")
    shown.begin(BLOCK)
    assert shown.words("libuv", {"rps": 1390.4}) == "n=20 libuv 1,390/s", "the baseline has not had its turn"
    assert shown.words("threaded", {"rps": 1000.0}) == "n=20 threaded 1,000/s"
    assert shown.words("coro", {"rps": 1290.0}) == "n=20 coro 1,290/s (1.3x threads)"
    assert shown.words("coro", {}) == "n=20 coro unsound"
    shown.begin(BLOCK._replace(number=2))
    assert shown.words("libuv", {"rps": 1390.4}) == "n=20 libuv 1,390/s", "that was another block"


def test_the_baseline_is_called_by_its_name_where_its_model_is_not_its_alone():
    shown = results("--servers", "threaded threaded:b")
    shown.begin(BLOCK)
    shown.words("threaded", {"rps": 1000.0})
    assert shown.words("b", {"rps": 950.0}).endswith("b 950/s (0.95x threaded)")
    first = results("--servers", "coro libuv")
    first.begin(BLOCK)
    first.words("coro", {"rps": 1000.0})
    assert first.words("libuv", {"rps": 2000.0}).endswith("(2.0x coro)")


def test_an_open_loop_has_a_ratio_of_capacities_alone():
    shown = results("--mode", "open", "--load", "50", "--servers", "threaded libuv")
    shown.begin(BLOCK)
    shown.words("threaded", {"capacity_rps": 4000.0})
    assert shown.words("libuv", {"capacity_rps": 8120.0}) == "n=20 libuv 8,120/s capacity (2.0x threads)"
    assert shown.words("libuv", {"capacity_rps": None}) == "n=20 libuv"
    shown.begin(BLOCK._replace(point=POINT._replace(load=50)))
    shown.words("threaded", {"rps": 2000.0})
    assert shown.words("libuv", {"rps": 2000.0}).endswith("libuv 2,000/s")
