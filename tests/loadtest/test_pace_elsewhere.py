"""Paced loads by loadtest/generator: what it accepts and refuses, and two of them together."""

import pytest
import test_generators
import test_run
from test_generators import JOB, post
from test_paced_runs import BUILT, needs_pace

from waitbench import Failure
from waitbench.bench import generators, load_program

pytestmark = test_run.pytestmark
stub, generator = test_run.stub, test_generators.generator

PACED = JOB | {
    "pacing": {"rate": 300.0, "arrivals": "poisson", "requests_per_connection": 2, "idle": 6, "warmup": 0.1, "drain": 1, "seed": 3}
}  # fmt: skip


def test_what_is_no_pacing_is_refused(generator):
    url, _ = generator()
    changes = [
        {"rate": 0}, {"rate": 1e8}, {"rate": "9"}, {"rate": True}, {"rate": None}, {"arrivals": None}, {"arrivals": "-h"},
        {"requests_per_connection": -1}, {"requests_per_connection": 1.5}, {"idle": 60001}, {"idle": "1; id"},
        {"warmup": -1}, {"warmup": float("nan")}, {"drain": 601}, {"seed": 2**63}, {"seed": -1}, {"seed": False},
        {"more": 1}, {"burn": 5},
    ]  # fmt: skip
    for pacing in [*(PACED["pacing"] | change for change in changes), None, [], 7, {}]:
        status, response = post(url, PACED | {"pacing": pacing})
        assert status == 400 and len(response["error"].splitlines()) == 1, pacing


@needs_pace
def test_two_pace_a_load_together(generator, stub):
    environment = test_run.clean() | {"BUILD": str(BUILT)}
    (a, _), (b, _) = generator(environment), generator(environment)
    remote = generators.Remote([a, b], [9], 6, paced=True)
    pacing = load_program.Pacing(**PACED["pacing"])
    job = load_program.Job(stub(), JOB["path"], 9, 0.5, pacing=pacing)
    both = remote.run(job)
    assert [(part.generator, part.connections) for part in both.parts] == [(a, 5), (b, 4)]
    assert [part.result.paced.idle for part in both.parts] == [3, 3]
    assert [part.result.paced.rate for part in both.parts] == [pytest.approx(300 * c / 9) for c in (5, 4)]
    assert both.due == both.latencies[1].sum() > 50 and not both.failed


def test_a_generator_says_what_to_do_where_there_is_no_pace(generator, tmp_path):
    url, _ = generator(test_run.clean() | {"BUILD": str(tmp_path)})
    facts = generators.Generator(url).facts
    assert not facts["pace"] and "make build/pace" in facts["pace_says"]
    generators.Remote([url], [4])
    with pytest.raises(Failure, match=f"generator {url} has no pace: .*make build/pace"):
        generators.Remote([url], [4], paced=True)
    status, response = post(url, PACED)
    assert status == 200 and "make build/pace" in response["error"]
