#!/bin/sh
# Builds the coroutine tests with Debian's cross compiler and runs them under qemu-user: the AArch64
# switch is tested on any machine.
#
#   apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
set -eu

cd "$(dirname "$0")/.."
for tool in aarch64-linux-gnu-gcc qemu-aarch64; do
    if ! command -v "$tool" >/dev/null; then
        echo "test_co_aarch64: skipped: no $tool (apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user)"
        exit 77 # tests/run counts that as skipped
    fi
done

build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
for protection in none standard; do
    for test in test_co test_co_stack; do
        aarch64-linux-gnu-gcc -static -std=gnu17 -Wall -Wextra -Werror -O2 -g -D_GNU_SOURCE -DPLAIN \
            -mbranch-protection=$protection -Iserver-coro -o "$build/$test" \
            "tests/unit/$test.c" server-coro/co/co.c server-coro/co/co_*.c server-coro/co/co_*.S -lpthread
        echo "test_co_aarch64: $test (-mbranch-protection=$protection)"
        qemu-aarch64 "$build/$test"
    done
done
