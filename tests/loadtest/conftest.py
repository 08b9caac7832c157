"""Makes loadtest/waitbench importable as loadtest/run does."""

from pathlib import Path
import sys

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "loadtest"))
