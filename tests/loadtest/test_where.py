"""loadtest/where: which part a sample, an instruction or a system call belongs to, and what is made of them."""

import xml.etree.ElementTree as ElementTree
from collections import Counter

import pytest
from waitbench import Failure
from waitbench.bench import where as measuring
from waitbench.observe import callgrind, parts, stacks, system_calls
from waitbench.observe.parts import Frame
from waitbench.show import flame, markdown, where

KERNEL, SERVER = "[kernel.kallsyms]", "/work/build/server-coro"
LIBC, LIBPQ = "/usr/lib/x86_64-linux-gnu/libc.so.6", "/usr/lib/x86_64-linux-gnu/libpq.so.5.15"
SOURCES = {"http_feed": "/work/common/http/codec.c", "co_resume": "/work/server-coro/co/co.c"}

SCRIPT = f"""
\tffffffff8225fd19 pvm_irq_enable ({KERNEL})
\tffffffff81e876e9 sock_def_readable ({KERNEL})
\tffffffff82070e2a tcp_rcv_established ({KERNEL})
\tffffffff81000130 entry_SYSCALL_64_after_hwframe ({KERNEL})
\t          10a974 __send ({LIBC})
\t           21280 [unknown] ({LIBPQ})
\t           1c17f [unknown] ({LIBPQ})
\t            8dcf pg_send ({SERVER})
\tffffffffffffffff [unknown] ([unknown])

\t            8dcf http_feed ({SERVER})
\t            79a3 operator<(a, b) ({SERVER})

"""

CALLGRIND = """
events: Ir
ob=(1) /work/build/server-coro
fl=(1) /work/common/http/codec.c
fn=(1) http_feed
10 100
fi=(2) /work/common/base/str.h
+3 20
fe=(1)
12 3
cob=(2) /usr/lib/x86_64-linux-gnu/libpq.so.5.15
cfi=(3) ???
cfn=(2) PQsendQueryPrepared
calls=2 0
14 5000

ob=(2)
fl=(3)
fn=(2)
0 5000
ob=(1)
fl=(4) /work/server-coro/co/co.c
fn=(3) co_resume
* 7
cob=(1)
cfi=(5) /work/common/handler/exchange.c
cfn=(4) exchange_start
calls=2 30
+2 900
cfn=(4)
calls=1 30
* 450
"""


def frames(*names, object=KERNEL):
    return [Frame(name, object) for name in names]


@pytest.mark.parametrize(
    "stack, part",
    [
        (
            frames("pvm_irq_enable", "finish_task_switch.isra.0", "__schedule", "do_syscall_64"),
            "kernel: scheduling",
        ),
        (frames("tcp_poll", "sock_poll", "ep_item_poll.isra.0", "do_epoll_wait"), "kernel: waiting"),
        (frames("_copy_from_iter", "tcp_sendmsg_locked"), "kernel: copying"),
        (frames("kmem_cache_alloc_noprof", "__alloc_skb", "tcp_sendmsg_locked"), "kernel: network, client"),
        (frames("kmem_cache_alloc_noprof", "do_syscall_64"), "kernel: entry and exit"),
        (frames("what_is_this"), "kernel: other"),
        ([Frame("__libc_recv", LIBC), Frame("", LIBPQ)], "kernel: entry and exit"),
        ([Frame("malloc", LIBC), Frame("", LIBPQ)], "C library"),
        ([Frame("", LIBPQ)], "libpq"),
        ([Frame("http_feed", SERVER)], "HTTP"),
        ([Frame("co_resume", SERVER)], "coroutine switch"),
        ([Frame("serve", SERVER)], "server"),
        ([Frame("", "/usr/lib/libcrypto.so.3")], "other"),
        ([], "other"),
    ],
)
def test_a_sample_belongs_to_a_part(stack, part):
    assert parts.of_stack(stack, SOURCES) == part
    assert part in parts.ORDER


def test_the_network_is_the_databases_below_libpq():
    stack = frames("tcp_write_xmit", "entry_SYSCALL_64")
    assert (
        parts.of_stack([*stack, Frame("__send", LIBC), Frame("", LIBPQ)], {}) == "kernel: network, database"
    )
    assert (
        parts.of_stack([*stack, Frame("__send", LIBC), Frame("serve", SERVER)], {})
        == "kernel: network, client"
    )


def test_stacks_are_read_and_folded():
    first, second = stacks.parse(SCRIPT.splitlines())
    assert parts.of_stack(first, SOURCES) == "kernel: network, database"
    assert [frame.symbol for frame in second] == ["http_feed", "operator<(a, b)"]
    assert stacks.folded(Counter([first, second, second])) == {
        "pg_send;[libpq.so.5.15];__send;entry_SYSCALL_64_after_hwframe;tcp_rcv_established;sock_def_readable"
        ";pvm_irq_enable": 1,
        "operator<(a, b);http_feed": 2,
    }


def test_instructions_are_counted_once():
    found, requests = callgrind.read(CALLGRIND.splitlines())
    assert found == {"HTTP": 103, "common, other": 20, "libpq": 5000, "coroutine switch": 7}
    assert requests == 3


def test_system_calls_by_name(monkeypatch):
    text = "30,,raw_syscalls:sys_enter,1,100,,\n20,,syscalls:sys_enter_read,1,100,,\n0,,syscalls:sys_enter_poll,1,100,,\n"
    counter = system_calls.ByName(1)
    monkeypatch.setattr(counter, "_end", lambda: text)
    assert counter.counts() == {"read": 20, "other": 10}
    monkeypatch.setattr(counter, "_end", lambda: "")
    assert counter.counts() == {}


def test_a_flame_graph_has_a_box_a_function_as_wide_as_its_share():
    folded = Counter({"main;serve<1>;tcp_send": 30, "main;serve<1>": 10, "main;rare;rarest": 1, "idle": 9959})
    picture = ElementTree.fromstring(flame.svg(folded, "a & b", {"tcp_send"}, {"main"}))
    space = "{http://www.w3.org/2000/svg}"
    boxes = {
        group.find(f"{space}title").text: group.find(f"{space}rect") for group in picture.iter(f"{space}g")
    }
    assert set(boxes) == {"main: 0.4%", "serve<1>: 0.4%", "tcp_send: 0.3%", "idle: 99.6%"}
    assert float(boxes["idle: 99.6%"].get("width")) == pytest.approx(1180 * 0.9959, abs=1)
    main, callee = boxes["main: 0.4%"], boxes["tcp_send: 0.3%"]
    assert float(callee.get("y")) < float(main.get("y"))  # callees above their callers
    assert float(callee.get("x")) == pytest.approx(float(main.get("x")), abs=0.3)  # after "rare"
    assert len({box.get("fill") for box in boxes.values()}) > 1


@pytest.fixture
def folder(tmp_path):
    for server, factor in (("threaded", 2), ("libuv", 1)):
        for n in (0, 20):
            figures = {
                ("us", "all"): [90.0 * factor, 100.0 * factor, 105.0 * factor],
                ("us", "libpq"): [30.0, 31.0, 35.0],
                ("us", "kernel: waiting"): [7.0],  # not seen in the other repeats
                ("us", "HTTP"): [0.1, 0.1, 0.1],
                ("calls", "read"): [1.0, 1.0],  # the third repeat could not count
                ("calls", "all"): [1.0, 1.5],
            }
            measuring.write(tmp_path / where.FILE, server, n, figures)
    return tmp_path


def test_what_a_repeat_did_not_see_was_0_in_it(folder):
    rows = (folder / where.FILE).read_text().splitlines()
    assert "libuv,0,kernel: waiting,us,0,0,7" in rows
    assert "libuv,0,all,calls,1.25,1,1.5" in rows


def test_tables(folder):
    head, rows = where.cells([str(folder), "unit=us", "n=20"])
    assert head == ["µs of CPU per request", "threaded", "libuv"]
    # What is below 0.5% of the whole in every column has no row.
    assert rows == [
        ["libpq", "31.00 [30.00, 35.00]", "31.00 [30.00, 35.00]"],
        ["all", "200.00 [180.00, 210.00]", "100.00 [90.00, 105.00]"],
    ]
    head, rows = where.cells([str(folder), "unit=calls", "server=libuv"])
    assert head == ["system calls per request", "n=0", "n=20"] and rows[0] == ["read", "1.00", "1.00"]


def test_a_document_has_such_tables(folder):
    text = f"<!-- loadtest/tables where {folder} unit=calls n=0 -->\n<!-- end of table -->\n"
    made = markdown.remade(text)
    assert "\n| read | 1.00 | 1.00 |\n" in made and made.endswith("|\n<!-- end of table -->\n")


@pytest.mark.parametrize("words", ["unit=us", "unit=h n=1", "unit=us n=1 server=a", "unit=us n=7"])
def test_what_cannot_be_shown_is_said(folder, words):
    with pytest.raises(Failure):
        where.cells([str(folder), *words.split()])


def test_a_repeat_in_which_perf_counted_nothing_is_missing(monkeypatch):
    class Counter:
        def __init__(self, pid):
            self.pid = pid

        def begin(self):
            return True

        def counts(self):
            return {} if self.pid == 1 else {"read": 200}

    class Subject:
        class server:
            @staticmethod
            def stats():
                Subject.requests += 100
                return {"requests": Subject.requests}

        requests = 0

    monkeypatch.setattr(measuring.system_calls, "ByName", Counter)
    monkeypatch.setattr(measuring, "COUNT_S", 0)
    figures = {}
    measuring._count_calls(Subject, 1, figures)
    assert figures == {}
    measuring._count_calls(Subject, 2, figures)
    assert figures == {("calls", "read"): [2.0], ("calls", "all"): [2.0]}
