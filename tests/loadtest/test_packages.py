"""The packages of the load test import in one direction only, and no file is longer than 300 lines."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "loadtest" / "waitbench"
ORDER = ("base", "plan", "observe", "judge", "show", "bench")  # a package imports from those before it
LINES_MOST = 300


def imported(module, source):
    """The packages of waitbench from which a module imports; `module` is its path below waitbench."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
            yield from (name[1] for name in names if name[0] == "waitbench" and len(name) > 1)
        elif isinstance(node, ast.ImportFrom):
            path = [] if node.level == 0 else ["waitbench", *module.parent.parts]
            path = path[: len(path) - node.level + 1] + (node.module.split(".") if node.module else [])
            if path == ["waitbench"]:
                yield from (alias.name for alias in node.names if alias.name in ORDER)
            elif path[:1] == ["waitbench"]:
                yield path[1]


def violations(root):
    found = []
    for path in sorted(root.rglob("*.py")):
        module = path.relative_to(root)
        if module == Path("__init__.py"):
            allowed = set()
        else:
            own = ORDER.index(module.parts[0])  # a file outside the packages has no place in the order
            allowed = set(ORDER[: own + 1])
        wrong = sorted(set(imported(module, path.read_text())) - allowed)
        found += [f"{module} imports {name}" for name in wrong]
    return found


def test_imports_go_in_one_direction():
    assert violations(PACKAGE) == []


def test_every_module_is_in_a_package():
    assert [path.name for path in PACKAGE.glob("*.py")] == ["__init__.py"]
    assert {path.parent.name for path in PACKAGE.glob("*/*.py")} == set(ORDER)


@pytest.mark.parametrize(
    "module, line, wrong",
    [
        ("plan/matrix.py", "from ..bench import experiment", "plan/matrix.py imports bench"),
        ("judge/stats.py", "from ..show.table import text", "judge/stats.py imports show"),
        ("base/client.py", "    from waitbench.observe import hosts", "base/client.py imports observe"),
        ("observe/hosts.py", "import waitbench.judge.load", "observe/hosts.py imports judge"),
        ("plan/matrix.py", "from waitbench import bench", "plan/matrix.py imports bench"),
        ("base/client.py", "from .. import plan", "base/client.py imports plan"),
        ("__init__.py", "from .base import client", "__init__.py imports base"),
        ("bench/measure.py", "from ..show import table", None),
        ("judge/stats.py", "from . import summary", None),
        ("judge/stats.py", "from .. import Failure", None),
    ],
)
def test_an_import_against_the_direction_is_found(tmp_path, module, line, wrong):
    path = tmp_path / module
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"def late():\n{line}\n" if line.startswith(" ") else f"{line}\n")
    assert violations(tmp_path) == ([wrong] if wrong else [])


def test_readme_has_the_same_order():
    text = (PACKAGE.parent / "README.md").read_text()
    assert " → ".join(f"`{name}`" for name in reversed(ORDER)) in text


def test_no_file_is_longer_than_a_reader_wants():
    programs = [path for path in PACKAGE.parent.iterdir() if path.is_file() and not path.suffix]
    files = [*PACKAGE.rglob("*.py"), *Path(__file__).parent.glob("*.py"), *programs]
    assert {path.name for path in files if len(path.read_text().splitlines()) > LINES_MOST} == set()
