#!/bin/sh
# docs/how-they-wait.md has the lines of C that the sources mark as excerpts: all of them, in order, and no other ones. First
# the test shows that it would see a line that is left out, and one that was changed in a source.
set -eu

cd "$(dirname "$0")/.."

# excerpts DOCUMENT ROOT: fails, and says which, unless the blocks of C are the marked lines of ROOT/server-*.
excerpts() {
    /usr/bin/python3 - "$1" "$2" <<'PY'
import pathlib
import re
import sys
import textwrap

document, root = pathlib.Path(sys.argv[1]).read_text(), pathlib.Path(sys.argv[2])
servers = re.findall(r"^<!-- loadtest/tables excerpt (\S+) -->\n(.*?)^<!-- end of table -->$", document, re.M | re.S)
assert len(servers) >= 3, "there are fewer than three excerpts"
for server, shown in servers:
    marked = {}
    for path in (root / f"server-{server}").glob("*.c"):
        number = None
        for line in path.read_text().splitlines():
            if begin := re.fullmatch(r"\s*/\* excerpt (\d+) \*/", line):
                number = int(begin[1])
                assert number not in marked, f"{path}: two excerpts {number}"
                marked[number] = (str(path.relative_to(root)), [])
            elif line.strip() == "/* end of excerpt */":
                assert number is not None, f"{path}: an end without an excerpt"
                number = None
            elif number is not None:
                marked[number][1].append(line)
        assert number is None, f"{path}: an excerpt without an end"
    blocks = re.findall(r"\]\(\.\./([^)#]+)\):\n\n```c\n(.*?)\n```$", shown, re.M | re.S)
    wanted = [(path, textwrap.dedent("\n".join(lines))) for _, (path, lines) in sorted(marked.items())]
    assert blocks == wanted, f"{server}: the excerpt is not what its sources mark: run loadtest/tables"
    count = sum(text.count("\n") + 1 for _, text in blocks)
    assert 8 <= count <= 18, f"{server}: an excerpt of {count} lines is too short to tell, or too long to be read"
PY
}

temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
document=docs/how-they-wait.md

sed '/co_suspend();/d' $document >"$temporary/less.md"
if excerpts "$temporary/less.md" . 2>/dev/null; then
    echo "test_excerpts: does not see that a line is left out" >&2
    exit 1
fi
cp -r server-* "$temporary"
sed -i 's/poll(ready, stop_fd/poll(ready, no_fd/' "$temporary"/server-threaded/database.c
if excerpts $document "$temporary" 2>/dev/null; then
    echo "test_excerpts: does not see that a source has changed" >&2
    exit 1
fi
excerpts $document .
