"""A real run, two blocks of three servers on a busy machine, and its summary to the last digit.

When a change is meant, WRITE_GOLDEN=1 writes the files anew: read their diff.
"""

import os
from pathlib import Path
import shutil

from waitbench.judge import summary
from waitbench.show import findings, table

GOLDEN = Path(__file__).with_name("golden") / "results"


def test_summary_table_and_answer_of_a_real_run(tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(GOLDEN, folder)
    said = table.text(summary.write(folder)) + "\n\n" + findings.text(folder) + "\n"
    made = {"summary.csv": (folder / "summary.csv").read_text(), "said.txt": said}
    for name, text in made.items():
        if os.environ.get("WRITE_GOLDEN"):
            (GOLDEN / name).write_text(text)
        assert text == (GOLDEN / name).read_text()
