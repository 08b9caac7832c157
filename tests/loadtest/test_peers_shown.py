"""What a run with servers in several languages shows: on the terminal, in report.html and in documents."""

import re

import polyglot
import pytest
import synthetic
from test_report import Page
from waitbench.judge import summary
from waitbench.show import by_language, findings, formatting, markdown, peers, report, table


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return polyglot.folder(tmp_path_factory.mktemp("shown"))


@pytest.fixture(scope="module")
def page(folder):
    return report.write(folder).read_text()


def closing(tmp_path, *arguments, **kwargs):
    return " ".join(peers.closing(polyglot.found(tmp_path, *arguments, **kwargs)))


def test_the_closing_says_how_far_models_and_languages_reach(folder):
    said = " ".join(peers.closing(summary.load(folder)))
    assert re.search(
        r"Between the models of one language \(async to threads\), in 8 comparisons of 4 pairs, lie 0\.8\dx \[0\.[78]\d, 0\.8\d\]"
        r" \((p-async to p-threads|j-virtual to j-threads), n=\d\) to 1\.2\dx \[1\.2\d, 1\.2\d\] \(c-coro to c-threads, n=\d\) in"
        r" throughput: less than a factor of 2;",
        said,
    )
    assert (
        "Between languages inside one model, or the nearest that there is (to C), in 12 comparisons of 6 pairs"
        in said
    )
    assert "to about 1 order of magnitude" in said
    ten = "A factor of ten or more in {} was made by the model in none of 8 comparisons, by the language in 4 of 12 comparisons."
    assert ten.format("throughput") in said and ten.format("CPU per request") in said
    assert "Inside Go, JavaScript there is nothing to compare" in said


def test_other_numbers_give_other_sentences(tmp_path):
    said = closing(tmp_path, speeds=dict.fromkeys(polyglot.SPEEDS, 1000) | {"p-async": 12000})
    assert "by the model in 2 of 8 comparisons, by the language in 2 of 12 comparisons" in said
    assert "within 5% to about 1 order of magnitude" in said


def test_what_these_blocks_do_not_tell_is_counted_as_that(tmp_path):
    said = closing(tmp_path, [{}], {"c-threads": 1000, "p-threads": 100}, noise=0.1, blocks=3)
    assert "by the language in none of 1 comparison for certain (1 cannot tell)" in said
    assert "Between the models of one language (async to threads) nothing was compared." in said
    assert closing(tmp_path / "b", blocks=1).count("no order of magnitude can be told") == 4


def test_an_order_of_magnitude_is_claimed_only_for_those_that_tell_it(tmp_path):
    def noisy(rows):
        """Java's virtual threads are as fast as its threads, give or take a factor of ten."""
        factors = {"j-virtual": lambda row: 1.2 * (30 if row["block"] % 2 else 1 / 30)}
        return [row | {"rps": row["rps"] * factors.get(row["server"], lambda _: 1)(row)} for row in rows]

    said = closing(tmp_path / "noisy", [{}], change=noisy)
    assert "in throughput: less than a factor of 2 (1 cannot tell);" in said
    flags = lambda server, point: "generator-bound" if server == "c-threads" else ""  # noqa: E731
    said = closing(tmp_path / "bound", [{}], flags=flags)
    assert "in throughput: less than a factor of 2 (2 cannot tell);" in said
    assert "in CPU per request: less than a factor of 2." in said


def test_only_the_baseline_was_sound(tmp_path):
    facts = polyglot.environment()
    path = polyglot.folder(
        tmp_path, speeds={"c-threads": 1000}, facts=facts, unsound=[("g", "died: it ended")]
    )
    said = re.sub(r"\s+", " ", findings.text(path))
    assert "Between languages inside one model (to C) nothing was compared." in " ".join(
        findings.find(summary.load(path)).closing
    )
    assert "g has no sound run: 1 run discarded, died (1); the first: it ended." in said
    assert (
        "s has no sound run: each of its blocks was unsound because of another server, or was not run."
        in said
    )
    assert "Languages and models" in report.write(path).read_text()


def test_a_pair_in_a_sentence(folder):
    said = peers.sentences(peers.view(summary.load(folder)))
    assert len(said) == 10
    number = r"\d+\.\d+ \[\d+\.\d+, \d+\.\d+\]"
    one = next(sentence for sentence in said if sentence.startswith("p-async") and "c-loop" in sentence)
    assert re.fullmatch(
        rf"p-async answered {number} \(n=\d\) to {number} \(n=\d\) times as many requests as c-loop,"
        rf" with {number} \(n=\d\) to {number} \(n=\d\) times the CPU per request\.",
        one,
    )
    assert one.startswith("p-async answered 0.0") and "with 19." in one or "with 20." in one


def test_a_pair_at_one_point(tmp_path):
    seen = peers.view(polyglot.found(tmp_path, [{}], {"c-threads": 1000, "p-threads": 61}))
    (said,) = peers.sentences(seen)
    assert re.fullmatch(
        r"p-threads answered 0\.06\d+ \[0\.06\d+, 0\.06\d+\] times as many requests as c-threads at n=1 c=16,"
        r" with 16\.\d \[16\.\d, 16\.\d\] times the CPU per request\.",
        said,
    )


def test_a_server_that_died_and_a_point_that_was_given_up_are_said(tmp_path):
    speeds = {name: speed for name, speed in polyglot.SPEEDS.items() if name != "p-async"}
    given_up = synthetic.POINT | {"n": 20, "reason": "g: errors: wrk counted 3 errors"}
    facts = polyglot.environment(outcome={"unsound_points": [given_up]})
    unsound = [("p-async", "died: it ended with status 1"), ("g", "errors: wrk counted 3 errors")]
    path = polyglot.folder(tmp_path, speeds=speeds, facts=facts, unsound=unsound)
    sentences = [
        "p-async has no sound run: 1 run discarded, died (1); the first: it ended with status 1.",
        "g had unsound runs, whose blocks were run again or given up: 1 run discarded, errors (1); the first: wrk counted 3",
        "Inside Go, Python, JavaScript there is nothing to compare",
    ]
    flat = re.sub(r"\s+", " ", findings.text(path)), " ".join(Page(report.write(path).read_text()).words)
    assert "Given up, for all servers: n=20 m=1024 c=16: g: errors: wrk counted 3 errors." in flat[0]
    assert "n=20 m=1024 c=16 was given up, for all servers: g: errors: wrk counted 3 errors." in flat[1]
    for said in (*flat, markdown.made("peers", [str(path), "table=answer"])):
        assert [sentence for sentence in sentences if sentence not in said] == []


def test_a_server_that_was_not_listed_is_said_and_not_guessed(tmp_path):
    speeds = {"c-threads": 1000, "p-threads": 100, "p-other": 100, "p-threads+pipeline": 150}
    said = closing(tmp_path, speeds=speeds)
    assert "The language of p-other is not known" in said and "p-threads+pipeline is" not in said
    assert "Listed, and no part of this run: c-loop, c-coro," in said


def test_a_bound_of_the_generator_is_marked_and_explained(tmp_path):
    flags = lambda server, point: "generator-bound" if server == "c-loop" else ""  # noqa: E731
    path = polyglot.folder(tmp_path, flags=flags)
    text = markdown.made("peers", [str(path), "table=inside"])
    assert re.search(r"c-loop / c-threads \|.*\]\\\* \| faster", text) and text.count("\\*") == 2
    answer = findings.find(summary.load(path))
    assert "* the load generator was the bottleneck of one of the two" in " ".join(answer.closing)
    rows = [" ".join(row) for row in answer.table]
    assert any(re.search(r"c-loop 1\.[12]\dx( to 1\.2\dx)?\* ", row) for row in rows)
    assert not any(re.search(r"c-coro .*\*", row) for row in rows)
    said = "\n".join(table.tables(summary.load(path)))
    assert re.search(r"c-loop +1\.\d\dx \S \[\S+ \S+\]\*", said) and not re.search(
        r"c-coro +\d\.\d\dx .*\]\*", said
    )
    means = markdown.made("peers", [str(path), "table=inside-means"])
    assert means.count("\\*") == 1 and re.search(r"c-loop / c-threads .*\]\\\* \| faster", means)


def test_the_findings_of_many_servers_are_no_wall(folder):
    found = summary.load(folder)
    lines = findings.text(folder).splitlines()
    assert len(lines) <= 20 and not any("against" in line for line in lines)
    head, *rows = findings.find(found).table
    assert len(rows) == len(polyglot.KINDS) - 1
    assert re.search(
        r"Python async/await p-async 0\.0[56]\d+x( to 0\.06\d+x)? 0\.06\d+x \[0\.0\d+, 0\.0\d+\] 16\.\dx",
        "\n".join(map(" ".join, rows)),
    )


def test_the_table_of_the_terminal_is_grouped(folder):
    lines = by_language.text(summary.load(folder))
    assert lines[1] == "Ratios to c-threads, on average over the configurations"
    assert lines[2].split() == ["waits", "by", "server", "throughput", "CPU", "per", "request"]
    assert max(map(len, lines)) <= formatting.WIDTH
    names = [
        "C",
        "c-loop",
        "c-coro",
        "Go",
        "g",
        "Java",
        "j-threads",
        "j-virtual",
        "Python",
        "p-async",
        "p-threads",
    ]
    order = [
        line.strip() if line[0] != " " else re.search(r"([a-z](-\w+)?) +\d", line)[1] for line in lines[3:]
    ]
    assert order == [*names, "JavaScript", "s"]
    assert re.search(r"virtual threads +j-virtual +0\.[45]\dx - \[0", "\n".join(lines))
    text = table.text(summary.load(folder))
    assert text.index("waits by") < text.index("Requests per second\n")


def test_the_report_has_the_section_and_the_columns(page):
    said = " ".join(Page(page).words)
    heads = re.findall("<h2>(.*?)</h2>", page)
    assert heads.index("Languages and models") < heads.index("In words") < heads.index("Numbers")
    assert "Each server in sentences" in said
    for head in (
        "Inside one language: async to threads",
        "Between languages, inside one model",
        "furthest apart",
    ):
        assert head in said
    assert "What a variant does" not in said and "with and without nginx" not in said
    numbers = page[page.index("<h2>Numbers") :]
    assert "<th scope='col' class='word'>waits by</th>" in numbers
    assert numbers.count("<td class='word'>Python</td>") == 4 * 4  # in each table
    assert "P-ASYNC against c-threads" in said, "each server's sentences are behind a click"


def test_names_of_languages_are_escaped(tmp_path):
    kinds = {"a": ("<b>C</b>", "threads"), "b": ("D&E", "threads"), "c": ("D&E", "<i>")}
    speeds = dict.fromkeys(kinds, 1000)
    path = polyglot.folder(tmp_path, [{}], speeds, polyglot.environment(speeds, kinds), blocks=2)
    made = report.write(path).read_text()
    assert "<b>" not in made and "<i>" not in made and "&lt;b&gt;C" in made
    Page(made)


def without(facts):
    return facts | {"server_list": [{"name": e["name"], "colour": e["colour"]} for e in facts["server_list"]]}


@pytest.mark.parametrize("flags", ["", "machine-busy"])
def test_nothing_changes_for_a_run_in_one_language(tmp_path, flags):
    """Beside what a server is called: without a model by its name."""
    speeds = {name: polyglot.SPEEDS[name] for name in ("c-threads", "c-loop", "c-coro")}
    facts = polyglot.environment(speeds)
    said = []
    for name, known in (("new", facts), ("old", without(facts))):
        path = polyglot.folder(tmp_path / name, speeds=speeds, facts=known, flags=lambda *_: flags)
        page = report.write(path).read_text()
        terminal = "\n".join(table.tables(summary.write(path))) + findings.text(path)
        assert "waits by" not in terminal + page and "Languages" not in page
        numbers = re.findall(r"\d[\d.,]*", terminal)
        said.append((numbers, page[page.index("<h2>How to read it") : page.index("<h2>Environment")]))
    assert said[0] == said[1]


def test_an_open_loop_compares_p99(tmp_path):
    points = [{"load": load} for load in (50, 90)]
    path = polyglot.folder(tmp_path, points)
    said = " ".join(peers.closing(summary.load(path)))
    assert "in p99 latency" in said and "throughput" not in said
    assert "times the p99 latency of c-loop" in " ".join(peers.sentences(peers.view(summary.load(path))))
    assert "Languages and models" in report.write(path).read_text()
    assert re.search(r"waits by +server +p99 latency", table.text(summary.load(path)))
