"""The load test of waitbench. `loadtest/run` is its command line; README.md says what is where."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Failure(Exception):
    """What stops the experiment, in one sentence that says what to do."""
