"""Makes loadtest/waitbench importable as loadtest/run does, and the tests independent of the user's language."""

import os
from pathlib import Path
import sys

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "loadtest"))

# The tests read what programs say, in English.
os.environ["LC_ALL"] = "C"
os.environ.pop("LANGUAGE", None)

# Pictures take seconds, and few tests of runs look at them.
os.environ["FIGURES"] = "none"
