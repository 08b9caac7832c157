"""The cost model as a form of the page: the browser's arithmetic and sentences are Python's."""

import itertools
import json
import re
import shutil
import subprocess

import estimating
import pytest
from waitbench.judge import cost_data, cost_model, evidence
from waitbench.judge.cost_terms import Configuration
from waitbench.show import estimate_form, estimate_notes, estimate_text

POINTS = estimating.POINTS + [
    {"n": 5, "c": 256, "d": 1}, {"n": 20, "c": 16, "d": 10}, {"n": 5, "c": 256, "w": 2}, {"n": 1, "c": 16, "t": 20},
]  # fmt: skip
ASKED = [
    Configuration(n, m, w, d, t, c, estimating.POOL)
    for (n, m, c), (w, d, t) in itertools.product(
        [(0, 1024, 16), (1, 20000, 100), (7, 4096, 1024), (20, 65536, 17), (50, 99, 256)],
        [(0, 0, 0), (0, 5, 0), (0, 0, 7), (0, 1, 20)],
    )
] + [Configuration(7, 1024, 2, 0, 0, 300, estimating.POOL), Configuration(1, 1024, 1, 3, 2, 2000, 8)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return estimating.folder(tmp_path_factory.mktemp("estimate") / "runs", points=POINTS)


def node(script):
    program = shutil.which("node") or shutil.which("nodejs")
    if not program:
        pytest.skip("node is not installed")
    done = subprocess.run([program, "-e", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_browser_says_what_python_says(runs):
    model = cost_model.fit(cost_data.read([runs]))
    questions = json.dumps([asked._asdict() for asked in ASKED])
    answers = node(
        f"{estimate_form.script(model)}\nconsole.log(JSON.stringify({questions}.map(costModel(model).answer)))"
    )
    bounds = set()
    for asked, answer in zip(ASKED, answers, strict=True):
        estimates = {name: model.estimate(name, asked) for name in model.servers}
        for estimate, found in zip(estimates.values(), answer["found"], strict=True):
            for ours, theirs in ((estimate.figures, found["figures"]), (estimate.ratios, found["ratios"])):
                assert set(ours) == set(theirs)
                for measure, figure in ours.items():
                    assert theirs[measure] == pytest.approx(list(figure), rel=5e-4), (asked, measure)
            assert found.get("latency") == (
                estimate.latency and pytest.approx(list(estimate.latency), rel=5e-4)
            )
            assert (found.get("bound"), found["generatorBound"]) == (estimate.bound, False)
            bounds.add(estimate.bound)
        assert answer["sentence"] == estimate_text.sentence(model.baseline, asked, estimates)
        assert answer["refusals"] == list(estimate_text.refusals(model, asked))
        if any(each.figures for each in estimates.values()):
            assert answer["doubts"] == list(estimate_notes.doubts(model, asked))
    assert bounds == {None, "cpus", "pool", "connections"}, "the configurations are to meet every limit"


def test_a_form_with_labels_and_examples_without_a_script(runs):
    html = estimate_form.html(evidence.load(runs))
    inputs = re.findall(r"<label>([^<]*)\s<input type='number' name='(\w)'", html)
    assert [name for _, name in inputs] == ["n", "m", "w", "d", "t", "c"] and all(
        label for label, _ in inputs
    )
    assert "aria-live='polite'" in html and html.count("<script>") == 1 == html.count("<noscript>")
    examples = html[html.index("<noscript>") : html.index("</noscript>")]
    assert examples.count("<tr>") == 1 + 2 * 4 and "N=2 M=8192 C=64" in examples
    assert "http" not in html and "src=" not in html and "Median error on what was left out" in html


def test_axes_that_were_not_varied_are_not_asked_for(tmp_path):
    html = estimate_form.html(evidence.load(estimating.folder(tmp_path / "a")))
    assert re.findall(r"name='(\w)'", html) == ["n", "m", "c"]


def test_no_form_where_there_is_no_model(tmp_path):
    assert estimate_form.html(evidence.load(estimating.folder(tmp_path / "a", points=[{"n": 1}]))) == ""


def test_a_name_cannot_end_the_script(runs):
    model = cost_model.fit(cost_data.read([runs]))
    model.servers["</script>"] = model.servers.pop("libuv")
    assert "</script>" not in estimate_form.script(model)
