"""loadtest/tables: the answer in sentences, the lines that a run prints, the picture of both, and excerpts of sources."""

import sys
import types

import matplotlib
import pytest
import synthetic
from waitbench import ROOT, Failure, show
from waitbench.show import answer_picture, excerpts, markdown, table

SPEEDS = {"threaded": 1000, "libuv": 1500}
POINTS = [{"n": 1}, {"n": 1, "c": 256}, {"n": 20}, {"n": 20, "m": 65536}]


@pytest.fixture
def folder(tmp_path):
    return synthetic.write(tmp_path / "one", synthetic.runs(POINTS, SPEEDS, noise=0.001))


@pytest.fixture
def headline(monkeypatch):
    """In place of show/headline.py: what it says of whatever it is asked."""
    said = types.SimpleNamespace(
        sentence="Async is faster. Never ten times.",
        choose=["threads will do if requests are few", "async pays if there are many."],
        warnings=["the generator was the bottleneck"],
        about="Made-up CPU, 2 CPUs",
    )
    asked = []
    module = types.SimpleNamespace(of=lambda found: asked.append(found) or said)
    monkeypatch.setitem(sys.modules, "waitbench.show.headline", module)
    monkeypatch.setattr(show, "headline", module, raising=False)
    return said, asked


def made(words):
    kind, *rest = words.split()
    return markdown.made(kind, rest)


def test_the_answer_in_sentences(folder, headline):
    assert made(f"headline {folder}") == (
        "**Async is faster.** Never ten times.\n\n"
        "- Threads will do if requests are few.\n- Async pays if there are many.\n"
    )
    assert made(f"headline {folder} part=about") == "Made-up CPU, 2 CPUs.\n"
    assert made(f"headline {folder} part=warnings") == "- The generator was the bottleneck.\n"


def test_the_answer_is_of_all_points(folder, headline):
    made(f"headline {folder} n=20")
    assert len(headline[1][0].points) == len(POINTS)


def test_a_result_that_nothing_spoils(folder, headline):
    headline[0].warnings = []
    assert made(f"headline {folder} part=warnings") == "- Nothing that is known.\n"


def test_the_lines_that_a_run_prints(folder, monkeypatch):
    monkeypatch.setattr(
        table, "text", lambda found: f"{len(found.points)} points\n\nA line \n  one\n\n\nB\n\n+ better"
    )
    assert made(f"printed {folder} m=1024 n=1") == "```text\n2 points\n```\n"
    assert made(f"printed {folder} begins=A_line,+_b") == "```text\nA line\n  one\n\n+ better\n```\n"


def document(tmp_path, words):
    path = tmp_path / "document.md"
    path.write_text(f"<!-- loadtest/tables {words} -->\nold\n<!-- end of table -->\n")
    return path


def test_a_picture_is_drawn_beside_its_document(folder, tmp_path, capsys):
    file = tmp_path / "answer.svg"
    path = document(tmp_path, f"picture {folder} file={file} measure=rps m=1024")
    assert markdown.main(["--check", str(path)]) == 1 and not file.exists()
    assert markdown.main([str(path)]) == 0
    assert f"]({file})" in path.read_text() and "1.50x" in path.read_text()
    assert markdown.main(["--check", str(path)]) == 0
    text = file.read_text()
    assert "Made-up CPU, 2 CPUs" in text and "n=20" in text
    assert text.count("fill: #ffffff") >= 1  # the paper, for a dark page
    capsys.readouterr()


def test_a_picture_is_stale_when_its_data_change_and_not_when_matplotlib_does(folder, tmp_path, monkeypatch):
    words = [str(folder), f"file={tmp_path}/answer.svg", "measure=rps"]
    picture = answer_picture.drawn(words)
    picture.path.write_bytes(picture.draw())
    assert picture.is_up_to_date()
    monkeypatch.setattr(matplotlib, "__version__", "99.0")
    assert answer_picture.drawn(words).is_up_to_date()
    assert not answer_picture.drawn([*words, "m=1024"]).is_up_to_date()
    synthetic.write(folder, synthetic.runs(POINTS, SPEEDS | {"libuv": 1600}, noise=0.001))
    assert not answer_picture.drawn(words).is_up_to_date()


@pytest.mark.parametrize(
    "words, said",
    [
        ("picture FOLDER measure=rps", "a picture needs file="),
        ("picture FOLDER file=x.svg measure=speed", "no ratio of speed is known"),
        ("printed FOLDER n=7", "has no point of n=7"),
        ("printed FOLDER b=FOLDER", "an answer is of one folder"),
        ("headline FOLDER part=all", "part is one of: sentences about warnings"),
        ("printed FOLDER begins=No_such_words", "prints no paragraph that begins with 'No such words'"),
        ("excerpt nobody", "server-nobody has no excerpt"),
        ("excerpt", "an excerpt is of one server"),
    ],
)
def test_what_cannot_be_shown_is_said(folder, headline, words, said):
    with pytest.raises(Failure, match=said):
        made(words.replace("FOLDER", str(folder)))


SOURCE = """int wait(void)
{
    int a;
    /* excerpt 2 */
    if (a)
        b();
    /* end of excerpt */
    return 0; /* excerpt or not */
}
"""


def sources(tmp_path, **files):
    (tmp_path / "server-one").mkdir()
    for name, text in files.items():
        (tmp_path / "server-one" / f"{name}.c").write_text(text)
    return tmp_path


def test_an_excerpt_is_what_is_marked(tmp_path):
    other = "/* excerpt 1 */\nfirst();\n/* end of excerpt */\n"
    found = excerpts.of("one", sources(tmp_path, a=SOURCE.replace("; /* excerpt or not */", ";"), b=other))
    assert found == [("server-one/b.c", 2, 2, "first();\n"), ("server-one/a.c", 5, 6, "if (a)\n    b();\n")]
    assert found[1].place == "server-one/a.c, lines 5 to 6"


@pytest.mark.parametrize(
    "change, said",
    [
        (("/* end of excerpt */", ""), "an excerpt has no end"),
        (("/* excerpt 2 */", ""), "an excerpt has no end, or an end has no excerpt"),
        (("return 0;", "/* excerpt 2 */\n    x();\n    /* end of excerpt */"), "there are two excerpts 2"),
    ],
)
def test_markers_that_do_not_match_are_said(tmp_path, change, said):
    with pytest.raises(Failure, match=said):
        excerpts.of("one", sources(tmp_path, a=SOURCE.replace(" /* excerpt or not */", "").replace(*change)))


def test_without_sources_there_is_no_excerpt(tmp_path):
    """In the image of the load test; and of a server without markers."""
    assert excerpts.of("one", tmp_path) is None
    assert excerpts.of("one", sources(tmp_path, a="int a;\n")) is None


@pytest.mark.parametrize("server", ["threaded", "libuv", "coro"])
def test_line_numbers_are_those_of_the_source(server):
    for piece in excerpts.of(server):
        lines = (ROOT / piece.path).read_text().splitlines()[piece.first - 1 : piece.last]
        assert [line.strip() for line in lines] == [line.strip() for line in piece.text.splitlines()]
