#!/bin/sh
# The excerpts of README.md are complete functions of the files that it links to, and nothing is left out of them: each
# block of C stands in its file, line by line. First the test shows that it would see a line that is left out.
set -eu

cd "$(dirname "$0")/.."

# excerpts DOCUMENT: fails, and says which, unless every block of C stands in the file that was linked to last.
excerpts() {
    /usr/bin/python3 - "$1" <<'PY'
import pathlib
import re
import sys

document = pathlib.Path(sys.argv[1]).read_text()
blocks = list(re.finditer(r"^```c\n(.*?)^```$", document, re.M | re.S))
assert len(blocks) >= 3, "README.md has fewer than three excerpts"
for block in blocks:
    path = re.findall(r"\]\((server-[a-z]+/[a-z]+\.c)\)", document[: block.start()])[-1]
    source = pathlib.Path(path).read_text()
    for function in re.split(r"(?<=^})\n\n", block[1].rstrip("\n"), flags=re.M):
        assert function + "\n" in source, f"{path} has no such lines:\n{function}"
        assert function.endswith("\n}"), f"an excerpt of {path} ends inside a function"
PY
}

changed=$(mktemp)
trap 'rm -f "$changed"' EXIT
sed '/lose(/d' README.md >"$changed"
if excerpts "$changed" 2>/dev/null; then
    echo "test_readme: does not see that a line is left out" >&2
    exit 1
fi
excerpts README.md
