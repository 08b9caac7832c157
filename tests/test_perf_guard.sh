#!/bin/sh
# tests/perf-guard sees what grew, what shrank and what is unknown: on figures that are made for the purpose, and on a
# server that makes one system call more. Exit status 77 where nothing can be counted.
set -eu

cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
server=libuv

fail() {
    echo "test_perf_guard: $*" >&2
    cat "$folder/printed" >&2
    exit 1
}

# guard STATUS ARGUMENT...
guard() {
    expected=$1 status=0
    shift
    tests/perf-guard "$@" $server >"$folder/printed" 2>&1 || status=$?
    [ $status != 77 ] || exit 77
    [ $status = "$expected" ] || fail "status $status instead of $expected"
}

# line SCENARIO: what was printed about it.
line() {
    grep -E "^$server +$1 " "$folder/printed"
}

says() {
    line "$1" | grep -q "$2" || fail "$1: does not say '$2'"
}

guard 0 --record --figures "$folder/true.csv" --scenario n=0 --scenario n=1 --scenario 'http pipelined'

# Figures 4% below and 5% above what is counted, and a row that is not there. Within the tolerance nothing is said.
awk -F , -v OFS=, '
    NR > 1 && $3 == "n=0" {$4 *= 0.96; $5 *= 0.98}
    NR > 1 && $3 == "n=1" {$4 *= 1.02; $5 *= 0.96}
    NR > 1 && $3 == "http pipelined" {$4 *= 1.05}
    NR == 1 || $3 != "crud"' "$folder/true.csv" >"$folder/planted.csv"
guard 1 --figures "$folder/planted.csv" --scenario n=0 --scenario n=1 --scenario 'http pipelined' --scenario crud
says n=0 'GREW: instructions [^a-z]*(+4\.'
says n=1 'GREW: system_calls [^a-z]*(+4\.'
says 'http pipelined' 'shrank: instructions'
says crud 'GREW: no figure is known'
! line n=0 | grep -q 'system_calls' || fail 'says something of 2%'
grep -qx '1 passed, 3 failed' "$folder/printed" || fail 'counts otherwise'
grep -q 'costs more.*RECORD=1' "$folder/printed" || fail 'does not say what to do when a request costs more'
grep -q 'costs less.*RECORD=1' "$folder/printed" || fail 'does not say what to do when a request costs less'

sed 's/^[a-z]*-[^ ]*/debian-1/' "$folder/true.csv" >"$folder/other.csv"
guard 0 --figures "$folder/other.csv" --scenario n=0
grep -q 'has no figures of' "$folder/printed" || fail 'does not say that it knows nothing of this platform'

# One more system call a response, and next to no more instructions.
cat >"$folder/more.c" <<'C'
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    getppid();
    return syscall(SYS_writev, fd, parts, count);
}
C
${CC:-cc} -shared -fPIC -O2 -o "$folder/more.so" "$folder/more.c"
export LD_PRELOAD="$folder/more.so"
guard 1 --figures "$folder/true.csv" --scenario n=0
unset LD_PRELOAD
says n=0 'GREW: system_calls 3.00 -> 4.00'
! line n=0 | grep -q 'instructions .* -> .*system_calls' || fail 'takes a system call for instructions'
