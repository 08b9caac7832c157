"""Pictures of micro.csv: every row is drawn, and nothing else."""

import drawing
from matplotlib.lines import Line2D
from test_pictures_costs import bars_of, of, write, by_name
from waitbench.judge import micro
from waitbench.show.pictures import primitives


def row(metric, model, variant, value, low=None, high=None, unit="ns", published=""):
    return locals()


MICRO = [
    row("context switch", "thread", "pipe, one CPU", 4000, 3800, 4200, published="1350; 1700"),
    row("context switch", "thread", "pipe, not pinned", 12000, 11000, 13000),
    row("context switch", "stackful coroutine", "co_switch, one CPU", 6, 5.5, 6.5),
    row("context switch on I/O readiness", "thread", "pipe brigade, one CPU", -40, -90, 10),
    row("context switch on I/O readiness", "callback", "pipe brigade, one CPU", 1900, -100, 3900),
    row("cooperative threads in this kernel", "thread", "UMCG", 0, unit="1 or 0"),
    row("memory per task", "thread", "idle: resident", 8500, 8400, 8600, "bytes"),
    row("memory per task", "thread", "idle: kernel in all", 24000, 23000, 25000, "bytes"),
    row("memory per task", "thread", "idle: slab", 7000, 6900, 7100, "bytes"),
    row("memory per task", "callback", "idle: resident", 2200, unit="bytes"),
    row("memory per task", "callback", "idle: kernel in all", -3, -9, 3, "bytes"),
    row("memory per task", "stackless coroutine", "its frame", 56, unit="bytes"),
]


def primitive(tmp_path, rows=MICRO):
    return by_name(primitives.section(write(tmp_path / micro.FILE, micro.COLUMNS, rows)))


def test_a_picture_for_each_metric_with_every_row_in_its_table(tmp_path):
    found = primitive(tmp_path)
    assert list(found) == [
        "primitives-context-switch", "primitives-context-switch-on-i-o-readiness", "primitives-memory-per-task",
    ]  # fmt: skip
    rows = [line[:2] for picture in found.values() for line in picture.table[1:]]
    assert sorted(rows) == sorted([one["model"], one["variant"]] for one in MICRO if one["unit"] != "1 or 0")


def test_values_intervals_and_what_others_published_are_drawn(tmp_path):
    picture = primitive(tmp_path)["primitives-context-switch"]
    with drawing.drawn(picture, of([])) as figure:
        (axes,) = figure.axes
        assert axes.get_xscale() == "log" and "logarithmic" in axes.get_xlabel()
        values = sorted(line.get_xdata()[0] for line in drawing.of(axes, Line2D, "value"))
        assert values == [6, 4000, 12000]
        ends = sorted(tuple(line.get_xdata()) for line in drawing.of(axes, Line2D, "interval"))
        assert ends == [(5.5, 6.5), (3800, 4200), (11000, 13000)]
        published = [x for line in drawing.of(axes, Line2D, "published") for x in line.get_xdata()]
        assert published == [1350, 1700]
        assert [tick.get_text() for tick in axes.get_yticklabels()] == ["pipe", "co_switch"]
    assert picture.sentence == "In ns: thread 4,000 to 12,000; stackful coroutine 6."


def test_what_is_not_above_0_is_in_the_table_and_the_sentence(tmp_path):
    picture = primitive(tmp_path)["primitives-context-switch-on-i-o-readiness"]
    assert picture.sentence.endswith("; what is not above 0 is in the table alone (1).")
    assert "-40.0" in {line[3] for line in picture.table}
    with drawing.drawn(picture, of([])) as figure:
        (line,) = drawing.of(figure.axes[0], Line2D, "interval")
        assert line.get_xdata()[0] > 0, "the end below 0 is cut off"


def test_memory_begins_at_0_and_its_parts_add_up(tmp_path):
    picture = primitive(tmp_path)["primitives-memory-per-task"]
    with drawing.drawn(picture, of([])) as figure:
        (axes,) = figure.axes
        assert axes.get_xlim()[0] == 0 and axes.get_xscale() == "linear"
        bars = {kind: bars_of(axes, kind) for kind in ("resident", "kernel in all")}
        assert [(b.get_x(), b.get_width()) for b in bars["resident"]] == [(0, 2200), (0, 56), (0, 8500)]
        assert [(b.get_x(), b.get_width()) for b in bars["kernel in all"]] == [(2200, 0), (8500, 24000)]
        assert "32,500" in {text.get_text().strip() for text in axes.texts}
    assert "from 56 bytes (stackless coroutine, its frame) to 32,500 (thread, idle)" in picture.sentence
