#!/bin/sh
# Every source of common/ has a header of the same name beside it, and includes it before anything else: the header
# says what the module is for, and is compiled without help from another one.
#
# First it shows that it would see a source that does not: it plants some in a copy.
set -eu

cd "$(dirname "$0")/.."
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT

# What is wrong in the folder $1, one per line; nothing when all is well.
violations() {
    (cd "$1" && find common -name '*.c' | sort | while read -r source; do
        header=${source%.c}.h
        first=$(sed -n 's/^[ \t]*#[ \t]*include[ \t]*\([^ \t]*\).*/\1/p' "$source" | head -n 1)
        if [ ! -f "$header" ]; then
            echo "$source has no header $header"
        elif [ "$first" != "\"${header#common/}\"" ]; then
            echo "$source includes $first before \"${header#common/}\""
        fi
    done)
}

fail() {
    echo "test_own_header_first: $*" >&2
    exit 1
}

mkdir -p "$temporary/copy/common/base"
cp common/base/str.[ch] "$temporary/copy/common/base"
[ -z "$(violations "$temporary/copy")" ] || fail "finds fault with common/base/str.c"
echo 'int alone;' >"$temporary/copy/common/base/alone.c"
{ echo '#include <stdio.h>' && cat common/base/str.c; } >"$temporary/copy/common/base/late.c"
cp common/base/str.h "$temporary/copy/common/base/late.h"
[ "$(violations "$temporary/copy" | wc -l)" = 2 ] || fail "does not see what it must"

found=$(violations .)
[ -z "$found" ] || fail "every .c of common/ begins with its own header:
$found"
