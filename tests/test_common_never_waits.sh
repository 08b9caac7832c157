#!/bin/sh
# common/ decides and never waits: nothing in its archive refers to a call that blocks, polls, sleeps,
# starts a thread or process, resolves a name, or belongs to an event loop.
#
#   tests/test_common_never_waits.sh [ARCHIVE]     (default: $BUILD/common.a, build/common.a)
#
# First it shows that it would see such a call, on objects that it compiles for the purpose.
set -eu

cd "$(dirname "$0")/.."
archive=${1:-${BUILD:-build}/common.a}
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT

# Whole names. The fortified (__poll_chk) and time64 (__select64) spellings are seen, too.
transfer='recv recvfrom recvmsg recvmmsg send sendto sendmsg sendmmsg sendfile splice read readv pread
    writev accept accept4 connect'
multiplex='poll ppoll select pselect epoll_[a-z0-9_]* io_uring_[a-z_]* io_getevents'
time='sleep usleep nanosleep clock_nanosleep thrd_sleep pause alarm sigwait sigwaitinfo sigtimedwait sigsuspend'
process='wait waitpid wait3 wait4 waitid fork vfork clone system popen posix_spawnp? exec[lv][a-z]* flock lockf'
thread='pthread_create pthread_join pthread_cond_[a-z]* pthread_barrier_[a-z]* pthread_(mutex|rwlock|spin)_[a-z]*
    sem_[a-z]* thrd_[a-z]* mtx_[a-z]* cnd_[a-z]* syscall'
resolver='getaddrinfo getaddrinfo_a getnameinfo gethostby[a-z_0-9]* getservby[a-z_]* res_n?query'
loop='uv_[a-z0-9_]* event_[a-z_]* ev_[a-z_]*'
# PQconnectStartParams is the only way in that can be given an address to connect to.
libpq='PQexec[A-Za-z]* PQconnectdb[A-Za-z]* PQconnectStart PQsetdb[A-Za-z]* PQprepare PQdescribe[A-Za-z]* PQclose[A-Za-z]*
    PQfn PQreset[A-Za-z]* PQping[A-Za-z]* PQrequestCancel PQcancel[A-Za-z]* PQgetCopyData PQputCopy[A-Za-z]*
    PQendcopy PQgetline PQputline PQputnbytes PQsocketPoll PQencryptPasswordConn PQchangePassword lo_[a-z0-9_]*'

pattern=$(echo "$transfer $multiplex $time $process $thread $resolver $loop $libpq" | tr -s ' \n' '||')
pattern=${pattern%|}

# "member: symbol" for each reference of the archive or object $1 that waits.
waits() {
    nm -A -u "$1" | sed 's/^.*:\([^:]*\): *[Uwv] /\1: /; s/@.*//' | grep -E ": (__)?($pattern)(64)?(_chk)?$" || true
}

fail() {
    echo "test_common_never_waits: $*" >&2
    exit 1
}

# The test can fail: it finds each of these, and none of their harmless neighbours.
calls='poll __poll_chk epoll_wait recv sendmsg nanosleep pthread_create pthread_mutex_lock sem_wait uv_run
    getaddrinfo PQexec PQexecParams PQconnectdb PQprepare PQgetCopyData waitpid execvp'
neighbours='PQsendQuery PQconsumeInput pollute sender'
for call in $calls $neighbours; do
    printf 'void %s(void); void f_%s(void); void f_%s(void) { %s(); }\n' "$call" "$call" "$call" "$call"
done >"$temporary/probe.c"
"${CC:-cc}" -w -fno-builtin -c -o "$temporary/probe.o" "$temporary/probe.c"
ar rcs "$temporary/probe.a" "$temporary/probe.o"
# shellcheck disable=SC2086 # split into words
printf 'probe.o: %s\n' $calls | sort >"$temporary/expected"
waits "$temporary/probe.a" | sort | diff - "$temporary/expected" >&2 || fail "does not see what it must"

# What is to be searched is there: an empty archive would pass.
for source in $(find common -name '*.c'); do
    object=$(basename "$source" .c).o
    ar t "$archive" | grep -qx "$object" || fail "$archive has no $object"
done

found=$(waits "$archive")
[ -z "$found" ] || fail "common/ must not wait, but refers to:
$found"

# PQgetResult() and write() can wait. One module calls each: pg.c when PQisBusy() says that it will not,
# and log.c for a line on standard error.
only() {
    callers=$(nm -A -u "$archive" | sed 's/@.*//' | grep -E " $2\$" | sed 's/^.*:\([^:]*\):.*/\1/' | grep -vx "$1" || true)
    [ -z "$callers" ] || fail "only $1 may call $2, not $callers"
}
only pg.o '(PQgetResult|PQsend[A-Za-z]*|PQflush|PQconsumeInput|PQconnectPoll)'
only log.o '(write|fsync)'
