"""gdb: the backtrace of a coroutine that is suspended.

    (gdb) source server-coro/co/co_gdb.py
    (gdb) co-bt EXPRESSION      of one coroutine, say  co-bt watch->co
    (gdb) co-all                of every client of every worker (server-coro only)

A suspended coroutine's registers lie on its stack, where co_switch_x86_64.S and co_switch_aarch64.S
have put them. They are loaded, gdb unwinds, and they are put back: a running process is needed, gdb
cannot set the registers of a core file. Not for -DCO_PORTABLE.
"""

import gdb

# Register -> offset from the stack pointer that co_switch() saved, and how much it takes off on return.
X86_64 = ({"r15": 8, "r14": 16, "r13": 24, "r12": 32, "rbx": 40, "rbp": 48, "rip": 56}, 64)
AARCH64 = ({**{f"x{19 + i}": 8 * i for i in range(12)}, "pc": 88}, 160)


def layout():
    """The layout of a context on the architecture of the program."""
    name = gdb.selected_frame().architecture().name()
    return AARCH64 if name.startswith("aarch64") else X86_64


def word(address):
    """The 64-bit word at an address."""
    return int(gdb.parse_and_eval(f"*(unsigned long *){address:#x}"))


def backtrace(coroutine):
    """Prints the backtrace of a struct co *."""
    if int(coroutine["state"]) != 0:
        print("  it is not suspended")
        return
    registers, size = layout()
    context = int(coroutine["context"])
    wanted = {name: word(context + offset) for name, offset in registers.items()}
    wanted["sp"] = context + size
    frame = gdb.selected_frame()
    gdb.newest_frame().select()
    saved = {name: int(gdb.parse_and_eval(f"(unsigned long)${name}")) for name in wanted}
    try:
        for name, value in wanted.items():
            gdb.execute(f"set ${name} = {value:#x}", to_string=True)
        gdb.execute("backtrace")
    finally:
        for name, value in saved.items():
            gdb.execute(f"set ${name} = {value:#x}", to_string=True)
    if frame.is_valid():
        frame.select()


class CoroutineBacktrace(gdb.Command):
    """co-bt EXPRESSION: the backtrace of the suspended coroutine (a struct co *)."""

    def __init__(self):
        super().__init__("co-bt", gdb.COMMAND_STACK, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument, from_tty):
        """Called by gdb."""
        coroutine = gdb.parse_and_eval(argument)
        if int(coroutine) == 0:
            raise gdb.GdbError("no coroutine: the pointer is NULL")
        backtrace(coroutine.cast(gdb.lookup_type("struct co").pointer()))


class AllCoroutines(gdb.Command):
    """co-all: the backtrace of every client's coroutine, worker by worker (server-coro)."""

    def __init__(self):
        super().__init__("co-all", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        """Called by gdb."""
        workers = gdb.parse_and_eval("workers")
        for index in range(int(gdb.parse_and_eval("app.config.workers"))):
            connection = workers[index]["connections"]["lh_first"]
            while int(connection) != 0:
                print(f"worker {index}, client at descriptor {int(connection['watch']['fd'])}:")
                if int(connection["co"]) == 0:
                    print("  at rest: it has no coroutine")
                else:
                    backtrace(connection["co"])
                connection = connection["entry"]["le_next"]


CoroutineBacktrace()
AllCoroutines()
