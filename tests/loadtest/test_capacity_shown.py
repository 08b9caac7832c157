"""What is said of an open loop: of capacities and latencies, and nothing of throughput. Its pictures:
test_pictures_open_loop.py."""

import csv
import re

import numpy
import pytest
import synthetic
from waitbench import Failure
from waitbench.base import results
from waitbench.judge import capacities, comparison, stats, summary
from waitbench.plan import matrix
from waitbench.show import capacity, comparison_report, findings, markdown, report, table

CONFIGURATIONS = [{"n": 0}, {"n": 20}]
POINTS = [change | {"load": load} for change in CONFIGURATIONS for load in (50, 90)]
SERVERS = {"threaded": 1000, "libuv": 1000}
OPEN = synthetic.ENVIRONMENT | {
    "settings": synthetic.ENVIRONMENT["settings"] | {"MODE": "open", "ARRIVALS": "poisson", "SLO": "10"}
}


def searches(capacity, blocks=12, noise=0.02, seed=1, bound=lambda server, point, block: ""):
    """Rows of capacity.csv. `capacity`: server -> requests per second, or a function of the point."""
    random = numpy.random.default_rng(seed)
    rows, block = [], 1000
    for _ in range(blocks):
        for change in CONFIGURATIONS:
            block += 1
            point = synthetic.POINT | change
            for order, (server, true) in enumerate(capacity.items(), 1):
                found = (true(point) if callable(true) else true) * numpy.exp(random.normal(0, noise))
                ended = bound(server, point, block)
                rows.append(
                    point
                    | {
                        "block": block,
                        "order": order,
                        "server": server,
                        "slo_ms": 10.0,
                        "steps": 8,
                        "bound": ended,
                    }
                    | {"capacity_rps": None if ended == "none" else found}
                )
    return rows


def folder(path, capacity, speeds=SERVERS, points=POINTS, blocks=12, seed=1, **kwargs):
    made = synthetic.write(path, synthetic.runs(points, speeds, blocks=blocks, seed=seed), OPEN)
    rows = results.Table(made / "capacity.csv", results.CAPACITY)
    for row in searches(capacity, blocks, seed=seed, **kwargs):
        rows.append(row)
    return made


def flat(text):
    return re.sub(r"\s+", " ", text)


def page(path):
    """What the report says in sentences."""
    answer = findings.find(summary.load(path))
    servers = [sentence for overall, axes in answer.servers for sentence in (overall, *axes)]
    return " ".join([*answer.heading, *servers, *answer.footing])


HIGHER = {"threaded": 8000, "libuv": lambda point: 10000 if point["n"] == 0 else 8800}


def test_the_summary_has_the_capacity_at_each_load_and_no_ratio_of_throughputs(tmp_path):
    made = folder(tmp_path / "run", HIGHER)
    summary.write(made)
    rows = list(csv.DictReader((made / "summary.csv").open()))
    assert summary.COLUMNS[-len(capacities.COLUMNS) :] == capacities.COLUMNS
    own = [row for row in rows if (row["server"], row["n"]) == ("libuv", "0")]
    assert [row["load"] for row in own] == ["50", "90"]
    assert own[0]["capacity_rps"] == own[1]["capacity_rps"]
    assert float(own[0]["capacity_low"]) < 10000 < float(own[0]["capacity_high"])
    assert float(own[0]["joint_capacity_low"]) < float(own[0]["ratio_capacity_low"]) < 1.25
    assert 1.25 < float(own[0]["ratio_capacity_high"]) < float(own[0]["joint_capacity_high"])
    assert own[0]["verdict_capacity"] == "faster" and own[0]["capacity_bound"] == ""
    assert all(row["ratio_rps"] == row["verdict"] == row["pairs_rps"] == "" for row in rows)
    assert all(row["verdict_p99"] for row in own)
    base = next(row for row in rows if row["server"] == "threaded")
    assert base["capacity_rps"] and base["ratio_capacity"] == base["verdict_capacity"] == ""


def test_ratios_by_hand(tmp_path):
    rows = searches({"threaded": 1, "libuv": 1}, blocks=3)
    values = iter([100, 200, 100, 100, 200, 200, 200, 200, 400, 1600, 200, 100])  # threaded, libuv; n=0, n=20
    entries = capacities.compared(
        [row | {"capacity_rps": next(values)} for row in rows], ["threaded", "libuv"]
    )
    point = matrix.Point(**(synthetic.POINT | {"n": 0}))
    assert entries[point, "libuv"].estimate.ratio == pytest.approx((2 * 1 * 4) ** (1 / 3))
    assert entries[point, "threaded"].mean.ratio == pytest.approx((100 * 200 * 400) ** (1 / 3))
    assert entries[point, "libuv"].estimate.size == 2, "both configurations are a family"


def test_the_answer_leads_with_latency_and_says_the_capacities(tmp_path):
    text = page(folder(tmp_path / "run", HIGHER))
    assert "LIBUV against threaded, p99 latency:" in text
    assert re.search(
        r"Capacity, the highest rate with a p99 of at most 10 ms: 1\.\d\dx \[[^]]*\] \(n=20\) to 1\.2\dx \[[^]]*\] \(n=0\);"
        r" higher at all 2 configurations",
        text,
    )
    assert "Open loop: requests arrive at a set rate (poisson)" in text
    assert "The smallest difference in p99 latency that so many blocks find" in text
    assert "throughput" not in text and "faster" not in text
    assert "LOAD=50" in text and "LOAD=90" in text


def test_shorter_is_better_where_latency_leads(tmp_path):
    text = page(folder(tmp_path / "run", HIGHER, {"threaded": 1000, "libuv": 2000}))
    assert re.search(r"p99 latency: 0\.5\dx .*shorter at all 4 points", text)
    text = page(folder(tmp_path / "other", HIGHER, {"threaded": 2000, "libuv": 1000}))
    assert "longer at all 4 points" in text and "shorter" not in text


def test_one_configuration_is_said_in_rates(tmp_path):
    found = summary.load(folder(tmp_path / "run", {"threaded": 8000, "libuv": 10000}, noise=0.0))
    found.capacities = {key: entry for key, entry in found.capacities.items() if key[0].n == 0}
    said = " ".join(findings.find(found).servers[0][1])
    assert "at most 10 ms: 10000 for 8000 requests per second, 1.25x [1.25, 1.25], higher" in said


def bounded(server, point, block):
    return "generator" if (server, point["n"], block) == ("libuv", 0, 1005) else ""


def test_a_bound_is_no_number_to_compare(tmp_path):
    made = folder(tmp_path / "run", HIGHER, bound=bounded)
    found = summary.write(made)
    row = next(
        row
        for row in csv.DictReader((made / "summary.csv").open())
        if (row["server"], row["n"]) == ("libuv", "0")
    )
    assert row["capacity_bound"] == "generator" and row["capacity_rps"] and row["ratio_capacity"] == ""
    text = flat(table.text(found))
    number = r"[\d,]+ \[[\d,]+ [\d,]+\]"
    assert re.search(rf"n=0 threaded {number} libuv at least {number} not compared", text)
    assert "The generator could not go higher: libuv at n=0; not compared there." in text
    said = page(made)
    assert "not compared at n=0, where only a bound of a capacity is known" in said
    assert re.search(r"\d+ for \d+ requests per second, 1\.\d\dx \[[^]]*\], higher;", said)


def test_a_server_that_never_meets_the_objective(tmp_path):
    never = lambda server, point, block: "none" if server == "libuv" else ""  # noqa: E731
    text = flat(table.text(summary.load(folder(tmp_path / "run", HIGHER, bound=never))))
    assert re.search(r"libuv none not compared", text) and "Not even 1% of the closed-loop rate met" in text
    some = lambda server, point, block: "none" if (server, block) == ("libuv", 1001) else ""  # noqa: E731
    text = flat(table.text(summary.load(folder(tmp_path / "some", HIGHER, bound=some))))
    assert "libuv none in 1 of 12 blocks not compared" in text


def test_the_table_of_an_open_loop(tmp_path):
    text = flat(table.text(summary.load(folder(tmp_path / "run", HIGHER))))
    assert (
        text.index("Capacity, the highest rate with a p99 of at most 10 ms")
        < text.index("p99 latency, ms N LOAD rate threads libuv vs threads 0 50% ")
        < text.index("Server CPU per request, microseconds N LOAD rate threads libuv vs threads 0 50% ")
    )
    number = r"[\d,]+ \[[\d,]+ [\d,]+\]"
    assert re.search(rf"n=20 threaded {number} libuv {number} 1\.\d\dx \+ \[", text)
    assert "Requests per second" not in text and "requests as" not in text


def test_the_report_says_the_capacities_and_nothing_of_throughput(tmp_path):
    text = report.write(folder(tmp_path / "run", HIGHER), report.NONE).read_text()
    assert "<h2>Open loop: latency at a set rate</h2>" in text and "at most 10 ms" in text
    assert "Requests per second, relative" not in text and "Throughput by" not in text


def test_without_a_search_nothing_is_said_of_capacities(tmp_path):
    made = synthetic.write(
        tmp_path / "run", synthetic.runs(POINTS, SERVERS), OPEN | {"settings": {"SLO": "0"}}
    )
    found = summary.write(made)
    page = report.write(made, report.NONE).read_text()
    assert "Capacity of" not in page and "picture-capacity" not in page
    assert "highest rate" not in table.text(found) + findings.text(made)


def test_a_closed_loop_has_none_of_it(tmp_path):
    made = synthetic.write(tmp_path / "run", synthetic.runs(CONFIGURATIONS, SERVERS))
    page = report.write(made, report.NONE).read_text()
    assert "Open loop" not in page and "over the rate" not in page and "Capacity" not in page


def test_a_table_for_documents(tmp_path):
    made = folder(tmp_path / "run", HIGHER)
    lines = markdown.made("capacity", [str(made), "n=0"]).splitlines()
    assert lines[0] == "| p99 ≤ 10 ms | server | requests/s [95%] | of threaded [joint 95%] | verdict |"
    assert len(lines) == 4 and re.match(
        r"\| n=0 \| libuv \| \d+ \[\d+, \d+\] \| 1\.2\dx \[[^]]+\] \| higher \|", lines[3]
    )


def compared(tmp_path, one, other):
    a, b = (summary.load(folder(tmp_path / name, *what)) for name, what in (("a", one), ("b", other)))
    return a, b, comparison.compare(a, b)


def test_two_runs_of_the_same_have_the_same_capacities(tmp_path):
    a, b, found = compared(tmp_path, (HIGHER,), (HIGHER, SERVERS, POINTS, 12, 7))
    own = [line for line in found.relative if line.measure.name == "capacity"]
    assert [(line.point.n, line.server) for line in own] == [(0, "libuv"), (20, "libuv")]
    assert all(line.verdict in (stats.SAME, stats.INCONCLUSIVE) for line in own) and not found.differs
    assert not any(line.measure.name == "rps" for line in found.relative + found.absolute)
    text = flat(comparison_report.report(a, b, found))
    assert re.search(r"Capacity, ratio to threaded .* libuv 1\.2", text)
    assert "Capacity, requests per second" in text and "Open loop: a load is a percentage" in text


def test_a_capacity_names_its_configuration_where_loads_alone_vary(tmp_path):
    points = [{"n": 0, "load": load} for load in (50, 90)]
    a, b, found = compared(tmp_path, (HIGHER, SERVERS, points), (HIGHER, SERVERS, points, 12, 7))
    for lines in (found.relative, found.absolute):
        lines[:] = [line for line in lines if line.point.n == 0]
    assert "n=0 c=16 libuv 1.2" in flat(comparison_report.report(a, b, found))


def test_a_capacity_that_moved_is_a_difference(tmp_path):
    moved = {"threaded": 8000, "libuv": lambda point: 11500 if point["n"] == 0 else 8800}
    _, _, found = compared(tmp_path, (HIGHER,), (moved, SERVERS, POINTS, 12, 7))
    assert found.differs
    line = next(line for line in found.relative if line.measure.name == "capacity" and line.point.n == 0)
    assert line.verdict == stats.FASTER and line.estimate.ratio == pytest.approx(1.15, abs=0.04)


def test_two_rows_of_one_search_are_refused(tmp_path):
    made = folder(tmp_path / "run", HIGHER)
    text = (made / "capacity.csv").read_text()
    (made / "capacity.csv").write_text(text + text.splitlines()[-1] + "\n")
    with pytest.raises(Failure, match="block 1024 has two rows of libuv"):
        summary.load(made)


def test_capacities_are_shown_where_no_run_was_sound(tmp_path):
    found = summary.of_searches(folder(tmp_path / "run", HIGHER))
    assert found.servers == ["threaded", "libuv"] and not found.points
    assert re.search(
        r"n=0 threaded [\d,]+ .* libuv [\d,]+ \[[\d,]+ [\d,]+\] 1\.2\dx",
        flat("\n".join(capacity.text(found))),
    )
