"""The list of settings: what parses each, what it defaults to, and what the help says."""

from typing import Callable

from . import address, matrix
from .parsers import choice, list_of, number, requests_of_a_connection, shares, text_of


class Usage(Exception):
    """A setting that is not possible: one line that names it. The command line exits with 2."""


# name: (parser, default, help). A default of None comes from the preset, or is explained by the help.
SETTINGS: dict[str, tuple[Callable, str | None, str]] = {
    "PRESET": (choice("quick", "full"), "quick", "what the settings below default to: quick or full"),
    "SERVERS": (
        list_of(matrix.parse_server),
        None,
        "list: model[:name][+option=value...], models of SERVER_LIST; README.md has the options; default: every"
        " server of SERVER_LIST",
    ),
    "SERVER_LIST": (
        text_of,
        None,
        "CSV file that lists the servers and how to start each; default: servers.csv",
    ),
    "TARGETS": (
        list_of(matrix.parse_target),
        "",
        "list: name=http://host:port, servers that run elsewhere; instead of SERVERS. name@nginx=http://host:port"
        " is the same server's address behind nginx; default where nothing is built: the servers of docker compose"
        " that respond on this machine",
    ),
    "GENERATORS": (
        list_of(address.parse),
        "",
        "list: http://host:port of loadtest/generator on each host that is to make load, for TARGETS; default:"
        " this one",
    ),
    "WORKLOAD": (
        choice(*matrix.WORKLOADS),
        matrix.USUAL,
        "work: GET /work with N, M, W, D and T; crud: a mix of reads and writes of /items, which these have no"
        " part in",
    ),
    "MIX": (
        shares,
        None,
        "with WORKLOAD=crud, the shares of reads, lists, creates, replaces, patches and deletes;"
        " default: 70 20 4 3 2 1",
    ),
    "N": (list_of(number(0, 1000)), None, "list: queries per request"),
    "M": (list_of(number(0, 16777216)), None, "list: bytes of a response's body, 0 or at least 64"),
    "W": (list_of(number(0, 1000)), None, "list: updates among the N queries"),
    "D": (list_of(number(0, 10000)), None, "list: milliseconds that the database adds to each query"),
    "T": (
        list_of(number(0, 60000)),
        None,
        "list: milliseconds that a request waits, before its queries, for something else than the database",
    ),
    "C": (
        list_of(number(1, 60000)),
        None,
        "list: connections that are kept open, one request each at a time",
    ),
    "K": (
        list_of(requests_of_a_connection),
        "unlimited",
        "list: requests per connection, after which it is closed and opened anew; numbers from 1, or unlimited",
    ),
    "I": (
        list_of(number(0, 60000)),
        "0",
        "list: idle connections that are open beside the C; each makes one request when it is opened",
    ),
    "MODE": (
        choice(*matrix.MODES),
        matrix.CLOSED,
        "closed: each connection sends its next request when it has had the response; open: requests are due at a rate"
        " that does not depend on the responses",
    ),
    "LOAD": (
        list_of(number(1, 1000)),
        None,
        "list, with MODE=open: the rates, in percent of a reference rate, the rate of the slowest server in a closed"
        " loop; default: 10 25 50 75 90 95",
    ),
    "ARRIVALS": (
        choice(*matrix.ARRIVALS),
        None,
        "with MODE=open, the times between arrivals: poisson (exponential) or constant; default: poisson",
    ),
    "SLO": (
        number(0, 60000, whole=False),
        None,
        "with MODE=open, milliseconds: the capacity of a server is its highest rate with a p99 of at most that; 0: it"
        " is not searched for; default: 10",
    ),
    "GENERATOR": (
        choice(*matrix.GENERATORS),
        None,
        "wrk or pace, the program that makes the load; default: pace with MODE=open, with K and with I, and else wrk",
    ),
    "PROXY": (
        list_of(choice("none", "nginx")),
        "none",
        "list of none and nginx: what stands in front of the server; with TARGETS, by default, what all of them name",
    ),
    "DURATION": (number(0.5, 600, whole=False), None, "seconds for which a run is measured"),
    "WARMUP": (
        number(0, 600, whole=False),
        None,
        "seconds of load before that, whose results are discarded",
    ),
    "REPEATS": (number(1, 1000), None, "blocks at each point; fewer than 12 are called exploratory"),
    "POOL": (number(1, 10000), "16", "database connections of a server, the same total for every server"),
    "SEED": (number(0, 2**63 - 1), None, "of all random order; default: a new one each time, recorded"),
    "OUT": (text_of, None, "results folder; one already begun is continued; default: results/<UTC time>"),
    "BUILD": (
        text_of,
        "build",
        "folder of the built programs, $BUILD in SERVER_LIST, from the project's root",
    ),
    "DATABASE_URL": (
        text_of,
        "",
        "PostgreSQL with db/schema.sql, whose rows are reset; default: a private one (db/local)",
    ),
    "DB_RESET": (
        choice("no", "yes"),
        "no",
        "yes: rows of DATABASE_URL that db/seed.sql did not make may be deleted; no: where there are any, the load"
        " test refuses to start",
    ),
    "PORT": (number(1, 65535), "18080", "of the server that is measured, on 127.0.0.1; nginx one higher"),
    "PIN": (
        choice("auto", "none"),
        "auto",
        "auto: on 4 CPUs or more, server, database and wrk have CPUs of their own",
    ),
    "CPU_GROUPS": (
        choice("service", "flat", "session"),
        None,
        "how the kernel divides CPU time: service: server, database and wrk have a control group of equal weight"
        " each; flat: one for all; session: none, by session (autogroup); default: service; with TARGETS it says how"
        " they were started",
    ),
    "SYSCALLS": (
        choice("auto", "none"),
        "auto",
        "auto: count system calls, in a pass of its own after a point's first block",
    ),
    "STEAL_MAX": (
        number(0, 1, whole=False),
        "0.02",
        "a run is unsound if its host stole more than this share of the CPU time",
    ),
    # An idle server in C used less than 0.001, health checks included; a runtime that compiles and collects while it
    # idles 0.004 to 0.025.
    "BYSTANDER_MAX": (
        number(0, 100, whole=False),
        "0.01",
        "with TARGETS: a run is unsound if another of them used more than this share of a CPU meanwhile",
    ),
    "FIGURES": (
        choice("slides", "page", "none"),
        "slides",
        "slides: write each picture of report.html into figures/, too, as SVG and PNG; page: in report.html alone; none: no"
        " pictures, but the tables behind them",
    ),
    "QUIET": (
        choice("0", "1"),
        "0",
        "1, or the flag -q or --quiet without a value: no progress and no announcements, only the answer and errors",
    ),
    "RETRIES": (number(0, 100), "3", "times that an unsound block is run again until its point is given up"),
}
AXES = ("N", "M", "W", "D", "T", "C", "K", "I")
OF_WORK = ("N", "M", "W", "D", "T")  # what WORKLOAD=crud has no use for
MIX = "70 20 4 3 2 1"
