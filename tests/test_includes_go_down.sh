#!/bin/sh
# Includes go down only:
#
#   server-NAME/ > common/server > common/handler > common/db > common/http > common/base
#
# A file includes its own layer and those below, by path from common/ ("db/pg.h"). A server includes common/ and its
# own folder, never another server; but server-hybrid has the loops of server-libuv and the database connections of
# server-threaded, and includes a header of each. server-coro/co/ is below everything: it includes its own folder and
# the C library. Each library has a place: llhttp in http, libpq from db on, jansson in handler, libuv in the servers.
# And no header includes itself, not even by way of others.
#
# First it shows that it would see such an include: it plants some in a copy.
set -eu

cd "$(dirname "$0")/.."
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT

# Every include of the folder $1, one per line: FILE <name> or FILE "name".
includes() {
    (cd "$1" && find common server-* \( -name '*.[chS]' \) -exec \
        awk '/^[ \t]*#[ \t]*include[ \t]/ {sub(/^[ \t]*#[ \t]*include[ \t]*/, ""); print FILENAME, $1}' {} +) | sort
}

# What is wrong with the includes of the folder $1, one per line; nothing when all is well.
violations() {
    includes "$1" >"$temporary/includes"
    awk '
        BEGIN {
            split("base http db handler server", names)
            for (i in names) rank[names[i]] = i
            split("llhttp.h:http libpq-fe.h:db jansson.h:handler", pairs)
            for (i in pairs) {split(pairs[i], pair, ":"); lowest[pair[1]] = pair[2]}
            only["llhttp.h"] = only["jansson.h"] = 1  # no layer above it, either
        }
        function wrong(why) {print $1 " includes " $2 ": " why}
        {
            split($1, folder, "/")
            name = substr($2, 2, length($2) - 2)
            split(name, part, "/")
            runtime = $1 ~ /^server-[^\/]*\/co\//
            layer = folder[1] == "common" ? folder[2] : ""
            if (layer && !(layer in rank)) {wrong("common/" layer " is no layer"); next}
        }
        $2 ~ /^</ {
            if (name ~ /^uv/ && (layer || runtime)) wrong("libuv belongs to a server")
            else if (name in lowest) {
                if (runtime) wrong("the coroutine runtime knows the C library only")
                else if (layer && rank[layer] < rank[lowest[name]]) wrong("that library belongs to " lowest[name])
                else if (name in only && layer != lowest[name]) wrong("that library belongs to " lowest[name])
            }
            next
        }
        folder[1] == "server-hybrid" && name ~ /^\.\.\/(server-libuv\/server|server-threaded\/database)\.h$/ {next}
        name ~ /(^|\/)\.\.?\// {wrong("by path from common/, or from the folder of the server"); next}
        runtime {if (name ~ /\//) wrong("the coroutine runtime includes its own folder only"); next}
        part[2] && part[1] in rank {
            if (layer && rank[part[1]] > rank[layer]) wrong(part[1] " is above " layer)
            next
        }
        layer {wrong("by path from common/"); next}
        {server = folder[1]; own[server "/" name] = $0}
        END {for (path in own) if ((getline line <path) < 0) {split(own[path], f, " ")
                 print f[1] " includes " f[2] ": neither common/ nor its own folder"}}
    ' "$temporary/includes" | sort

    # Headers that include each other: tsort(1) names the files of a cycle.
    awk '$1 ~ /\.h$/ && $2 ~ /^"/ {
            name = substr($2, 2, length($2) - 2)
            folder = $1; sub(/\/[^\/]*$/, "", folder)
            print $1, ($1 ~ /^common\// || name ~ /^(base|http|db|handler|server)\// ? "common/" : folder "/") name
        }' "$temporary/includes" | tsort 2>&1 >/dev/null | sed -n 's/^tsort: \(.*\.h\)$/\1 is in a cycle of headers/p'
}

fail() {
    echo "test_includes_go_down: $*" >&2
    exit 1
}

# plant FOLDER INCLUDE: such a line at the end of a file of that folder is seen.
plant() {
    file=$(cd "$temporary/copy" && find "$1" -maxdepth 1 -name '*.[ch]' | sort | head -n 1)
    cp "$temporary/copy/$file" "$temporary/before"
    echo "#include $2" >>"$temporary/copy/$file"
    (cd "$temporary/copy" && violations .) >"$temporary/seen"
    grep -Fq "$file includes $2: " "$temporary/seen" || fail "does not see that $file includes $2"
    cp "$temporary/before" "$temporary/copy/$file"
}

mkdir "$temporary/copy"
cp -r common server-* "$temporary/copy"
plant common/base '"http/codec.h"'
plant common/base '<libpq-fe.h>'
plant common/http '"db/pg.h"'
plant common/http '<jansson.h>'
plant common/db '"handler/exchange.h"'
plant common/db '<llhttp.h>'
plant common/handler '"server/config.h"'
plant common/handler/items '"server/config.h"'
plant common/handler '<uv.h>'
plant common/server '<jansson.h>'
plant common/server '"server.h"'
plant common/server '"../server-coro/server.h"'
plant server-libuv '"co/co.h"'
plant server-libuv '"../server-threaded/server.h"'
plant server-hybrid '"../server-libuv/link.h"'
plant server-threaded '"../server-libuv/server.h"'
plant server-coro/co '"base/log.h"'
plant server-coro/co '"../server.h"'
plant server-coro/co '<uv.h>'
plant server-coro/co '<libpq-fe.h>'
echo '#include "base/log.h"' >>"$temporary/copy/common/base/str.h"
echo '#include "base/str.h"' >>"$temporary/copy/common/base/log.h"
(cd "$temporary/copy" && violations .) | grep -q 'common/base/log.h is in a cycle' || fail 'does not see a cycle of headers'

found=$(violations .)
[ -z "$found" ] || fail "these includes do not go down:
$found"
