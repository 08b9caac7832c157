#!/bin/sh
# A plain `make` builds or names what is missing and the command that installs it; `make -n` prints. Neither
# installs anything: only the goals that need more than a compiler do (make bench, make test, ...).
#
# make runs on a machine that has no packages, as far as it can see: PATH begins with programs that say so,
# and with a sudo and an apt-get that write down how they were called.
set -eu

cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# This test may itself run under make.
unset MAKEFLAGS MFLAGS MAKELEVEL DEPS

mkdir "$folder/bin"
program() {
    printf '#!/bin/sh\n%s\n' "$2" >"$folder/bin/$1"
    chmod +x "$folder/bin/$1"
}
program dpkg-query 'exit 1'
program pkg-config 'exit 1'
program id 'echo 1000'
program apt-get "echo apt-get \"\$@\" >>'$folder/calls'; exit 1"
program sudo "echo sudo \"\$@\" >>'$folder/calls'; [ \"\$1\" != apt-get ]"

# run ARGUMENTS...: make's exit status in $status, what it printed in $folder/printed, what it called in calls.
run() {
    : >"$folder/calls"
    status=0
    rm -rf "$folder/build"
    PATH=$folder/bin:$PATH make BUILD="$folder/build" "$@" >"$folder/printed" 2>&1 || status=$?
}

fail() {
    echo "test_make_installs_nothing: make $goal: $*" >&2
    cat "$folder/calls" "$folder/printed" >&2
    exit 1
}

installs_nothing() {
    [ ! -s "$folder/calls" ] || fail 'runs what installs packages'
}

for goal in all unit-tests fuzzers debug coverage compile_commands.json "$folder/build/common.a"; do
    run "$goal"
    installs_nothing
    [ $status = 2 ] || fail "ended with $status"
    grep -q 'libuv1-dev .*event loop' "$folder/printed" || fail 'does not name what is missing'
    grep -q 'sudo apt-get install .*libuv1-dev' "$folder/printed" || fail 'does not name the command'
done

for goal in $(make help | awk '{print $2}'); do
    run -n "$goal"
    installs_nothing
done
run --dry-run -j2 N=1 bench
installs_nothing

# The goals that may install do: what was looked for above would have been seen.
for goal in deps bench test lint; do
    run "$goal"
    grep -q '^sudo apt-get .*update' "$folder/calls" || fail 'does not call apt-get'
    [ $status = 2 ] || fail "ended with $status although nothing could be installed"
    run DEPS=skip "$goal"
    installs_nothing
    [ $status = 2 ] || fail "with DEPS=skip ended with $status"
done
