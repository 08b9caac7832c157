"""Which part of a request's work a piece of code belongs to: by the object file, the source file, or the kernel's
function in whose name it runs."""

import re
from typing import Iterable, NamedTuple


class Frame(NamedTuple):
    """One level of a call chain."""

    symbol: str  # "" when it has none
    object: str  # a path, or [kernel.kallsyms]


# Of the user's side: a pattern in the source file's or object file's path -> the part. The first that fits decides;
# the servers' own objects come last, since their sources are told apart.
USER = (
    (r"llhttp|common/http/", "HTTP"),
    (r"common/handler/|libjansson", "handler"),
    (r"common/db/", "database steps"),
    (r"common/", "common, other"),
    (r"server-[^/]*/co/", "coroutine switch"),
    (r"libpq", "libpq"),
    (r"libuv\.so|libuv-|libuv1", "libuv"),
    (r"/libc[.-]|libc\.so|ld-linux|libpthread|/nptl/|/malloc/|sysdeps/|\[vdso\]", "C library"),
    (r"server-[^/]*/|/server-[^/]*$", "server"),
)
# Where a thread is on its way into the kernel or out of it. A sample taken in the kernel with interrupts off is
# delivered when they go on again, which on the way out is the instruction after the system call.
CALLS = re.compile(
    r"^(__(GI___|GI_|libc_)?)?(send|sendto|sendmsg|recv|recvfrom|recvmsg|read|write|writev|readv|poll|ppoll|epoll_wait"
    r"|epoll_pwait|epoll_ctl|futex|syscall|lll_lock_wait|lll_lock_wake|close|accept4)(64|_nocancel)?$"
)
# Of the kernel's side: a pattern in the name of a function -> the part. Seen from the innermost frame outwards, the
# first function that fits a pattern decides; in it, the first pattern.
KERNEL = (
    (
        r"sched|task_switch|pick_next|try_to_wake_up|ttwu|enqueue_(task|entity)|dequeue_(task|entity)|update_curr",
        "scheduling",
    ),
    (r"epoll|^ep_|(tcp|sock|eventfd|pipe)_poll|^(do_)?(sys_)?p?poll|futex|hrtimer_range", "waiting"),
    (r"copy_(to|from)_(user|iter)|copy_user|copyin|copyout|_copy_iter|rep_movs", "copying"),
    (
        r"^_*(tcp|udp|ip|ipv4|inet6?|sk|sock|skb|kfree_skb|net|netif|dev|nf|napi|bbr|loopback|raw_notifier|alloc_skb"
        r"|process_backlog|validate_xmit|qdisc|consume_skb|lock_sock|release_sock|fib|dst|neigh|ipt|nft|tcf)(_|$)"
        r"|sys_(send|recv)|sockfd_|sendmsg|recvmsg|_skb|conntrack",
        "network",
    ),
    (r"page_fault|handle_mm|mmap|brk|madvise|exc_page", "memory"),
)
ENTRY = "entry and exit"
OTHER = "other"

_user = [(re.compile(pattern), part) for pattern, part in USER]
_kernel = [(re.compile(pattern), part) for pattern, part in KERNEL]

# In the order of tables: the kernel's in the order of a request, then the user's.
KERNEL_PARTS = ("network", "copying", "waiting", "scheduling", "memory", ENTRY, OTHER)
ORDER = [f"kernel: {part}" for part in ("network, client", "network, database", *KERNEL_PARTS)]
ORDER += list(dict.fromkeys(part for _, part in USER)) + [OTHER]


def of_user(path: str) -> str:
    """The part that a source file or an object file belongs to."""
    return next((part for pattern, part in _user if pattern.search(path)), OTHER)


def of_stack(frames: Iterable[Frame], sources: dict[str, str]) -> str:
    """The part of one sample. `frames` begins with the innermost; `sources`: function of the server -> source file."""
    frames = list(frames)
    if not frames:
        return OTHER
    if not _is_kernel(frames[0]):
        if CALLS.match(frames[0].symbol):
            return f"kernel: {ENTRY}"
        return of_user(sources.get(frames[0].symbol) or frames[0].object)
    part = next(filter(None, map(_of_kernel_function, frames)), None)
    if part is None:
        part = ENTRY if any(frame.symbol.startswith(("entry_", "do_syscall")) for frame in frames) else OTHER
    if part == "network":  # whose network: a call of libpq's goes to the database
        part += ", database" if any("libpq" in frame.object for frame in frames) else ", client"
    return f"kernel: {part}"


def _of_kernel_function(frame: Frame) -> str | None:
    if not _is_kernel(frame):
        return None
    return next((part for pattern, part in _kernel if pattern.search(frame.symbol)), None)


def _is_kernel(frame: Frame) -> bool:
    return frame.object.startswith("[") and frame.object != "[vdso]" and frame.object != "[unknown]"
