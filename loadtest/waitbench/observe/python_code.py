"""What Python code a server spent its CPU time in: python_samples/sitecustomize.py counts it, within the server."""

import json
import os
from collections import Counter
from pathlib import Path
from typing import Mapping

FOLDER = Path(__file__).resolve().parent / "python_samples"
THREADS = "threads"  # samples of a process with several Python threads, of which nobody knows the code


def variables(folder: Path, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment that a server has to inherit to count into that folder."""
    path = [str(FOLDER), *filter(None, [environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(path), "WAITBENCH_SAMPLES": str(folder)}


def read(folder: Path) -> Counter:
    """package -> samples, over all processes that counted; empty where none is in Python, or where the threads of a
    process cannot be told apart."""
    found: Counter = Counter()
    for path in folder.glob("*.json"):
        found.update({str(name): int(count) for name, count in json.loads(path.read_text()).items()})
    return Counter() if found[THREADS] else found
