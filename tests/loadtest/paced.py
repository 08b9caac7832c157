"""A made-up result of pace, and what the load test observed of that run."""

import dataclasses
import json

from test_soundness import POINT, REQUESTS, STATS, US, observation

from waitbench.observe import hosts, pace_output
from waitbench.judge import load

OPEN = POINT._replace(load=50)
WARM = 500  # requests before the window
FOUND = {
    "pace": 1, "mode": "open", "rate": 1578.9, "arrivals": "poisson", "seed": 7, "threads": 1, "connections": 16,
    "requests_per_connection": 0, "idle": 0, "slow": 0, "connect_s": 0.004, "warmup_s": 0.5, "duration_us": 1_900_000,
    "due": REQUESTS, "offered_rps": REQUESTS / 1.9, "requests": REQUESTS - 3, "achieved_rps": (REQUESTS - 3) / 1.9,
    "bytes": (REQUESTS - 3) * 1134, "waited": 30, "queue_most": 4, "unfinished": 0, "late": 6, "late_share": 0.002,
    "cpu_s": 0.4, "cpu_share": 0.21, "errors": dict.fromkeys(pace_output.ERRORS, 0), "first_error": "",
    "total": {"requests": REQUESTS + WARM, "sent": REQUESTS + WARM, "connections": 17, "bytes": (REQUESTS + WARM) * 1134},
    "slow_connections": {"bytes": 0, "requests": 0, "closed": 0}, "idle_connections": {"closed": 0}, "crud": None,
    "sound": True, "unsound": [], "latency": [[US, REQUESTS - 40], [50_000, 40]], "service": [[US - 500, REQUESTS]],
    "series": [{"due": 1500, "requests": 1490, "p50_us": US, "p99_us": US, "max_us": 50_000}],
}  # fmt: skip
CLOSED = {"mode": "closed", "rate": None, "arrivals": None, "latency": [[US, REQUESTS]], "waited": 0}


def result(**changes):
    return pace_output.parse("a line of a sanitizer\n" + json.dumps(FOUND | changes) + "\n")


def seen(*parts, point=OPEN, stats=None, **changes):
    """A sound run with pace, except for what a test changes."""
    totals = [part.result.paced for part in parts] or [result(**changes).paced]
    served = sum(paced.all_requests for paced in totals)
    counted = {"requests": STATS["requests"] + served + 2, "queries": STATS["queries"] + served * 20}
    counted["connections_accepted"] = STATS["connections_accepted"] + sum(p.all_connections for p in totals)
    done = list(parts) or [one(**changes)]
    return observation(point=point, load=load.Load(done), stats=counted | (stats or {}))


def one(generator="", connections=16, began=0.0, host=hosts.own()._replace(cpus=2), **changes):
    found = dataclasses.replace(result(**changes), cpu_s=0.5)
    return load.part(generator, host, connections, 1, found, began)


def total(**changes):
    return {"total": FOUND["total"] | changes}
