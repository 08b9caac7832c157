#!/bin/sh
# common/ decides and never waits: nothing in it refers to a call that blocks, polls, sleeps, starts a thread
# or process, resolves a name, or belongs to an event loop.
#
#   tests/test_common_never_waits.sh [BUILD]     (default: $BUILD, build)
#
# Reads BUILD/common.a, which is what the servers are linked with, and BUILD/obj/common/, which says where an
# object belongs. First it shows that it would see such a call, on objects that it compiles for the purpose.
set -eu

cd "$(dirname "$0")/.."
build=${1:-${BUILD:-build}}
archive=$build/common.a
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

# What is to be searched is there, an object for each source: an empty archive would pass.
find common -name '*.c' | sort >"$temporary/sources"
while read -r source; do
    object=$build/obj/${source%.c}.o
    [ -f "$object" ] || fail "$object is missing"
    echo "$object"
done <"$temporary/sources" >"$temporary/objects"
ar t "$archive" | sort >"$temporary/members"
sed 's|.*/||' "$temporary/objects" | sort | comm -23 - "$temporary/members" >"$temporary/absent"
[ ! -s "$temporary/absent" ] || fail "$archive has no $(cat "$temporary/absent")"

found=$(waits "$archive")
[ -z "$found" ] || fail "common/ must not wait, but refers to:
$found"

# PQgetResult() and write() can wait. pg.c and pg_pipeline.c call libpq when PQisBusy() says that it will not, and
# log.c writes a line on standard error.
# only NAMES SOURCE...: fails if another object of the archive refers to one of the names, or one of these to none.
only() {
    names=$1
    shift
    printf '%s\n' "$@" | sed "s|^\(.*\)\.c$|$build/obj/\1.o|" | sort >"$temporary/allowed"
    xargs nm -A -u <"$temporary/objects" | sed 's/@.*//' | grep -E " ($names)\$" | sed 's/:.*//' | sort -u >"$temporary/callers"
    callers=$(comm -13 "$temporary/allowed" "$temporary/callers")
    [ -z "$callers" ] || fail "only $* may call $names, not $callers"
    cmp -s "$temporary/allowed" "$temporary/callers" || fail "one of $* does not call $names: has it moved?"
    # Nothing else in the archive does (llhttp's objects are there, too, where it is built from source).
    members=$(nm -A -u "$archive" | sed 's/@.*//' | grep -E " ($names)\$" | sed 's/^.*:\([^:]*\):.*/\1/' | sort -u)
    [ "$members" = "$(sed 's|.*/||' "$temporary/allowed")" ] || fail "only $* may call $names, not $members"
}
libpq_io='PQgetResult|PQsend[A-Za-z]*|PQflush|PQconsumeInput|PQconnectPoll'
only "$libpq_io" common/db/pg.c common/db/pg_pipeline.c
only 'write|fsync' common/base/log.c

# The test can fail on the archive as well: with one object that waits in it, and one that calls libpq.
for call in poll PQgetResult; do
    printf 'void %s(void); void planted(void); void planted(void) { %s(); }\n' $call $call >"$temporary/planted.c"
    "${CC:-cc}" -w -fno-builtin -c -o "$temporary/planted.o" "$temporary/planted.c"
    cp "$archive" "$temporary/planted.a"
    ar rs "$temporary/planted.a" "$temporary/planted.o"
    (archive=$temporary/planted.a && [ -z "$(waits "$archive")" ] && only "$libpq_io" common/db/pg.c common/db/pg_pipeline.c) 2>/dev/null &&
        fail "does not see a planted $call"
done
exit 0
