"""The figures of one program that made load (wrk or pace): the same for both, as far as both know them."""

import dataclasses
import operator

from ..base import reading

Samples = list[tuple[int, int]]  # (microseconds, count)


class Broken(Exception):
    """This run of the program gave no result; the sentence says why."""


@dataclasses.dataclass(frozen=True)
class Operations:
    """Requests and responses with WORKLOAD=crud, by operation, in the order of requests.OPERATIONS."""

    issued: tuple[int, ...]
    answered: tuple[int, ...]  # by a response that is one to a request of that kind, and as it should be
    wrong: int  # responses to no request that was waiting
    first_wrong: str  # the beginning of one of these

    def __add__(self, other: "Operations") -> "Operations":
        return Operations(
            tuple(map(operator.add, self.issued, other.issued)),
            tuple(map(operator.add, self.answered, other.answered)),
            self.wrong + other.wrong,
            self.first_wrong if self.wrong else other.first_wrong,
        )


@dataclasses.dataclass(frozen=True)
class Paced:
    """The figures that pace has beyond those of wrk; pace.1 has the members of its JSON, of which these are some."""

    mode: str  # one of reading.MODES
    rate: float | None  # that was asked for; None in a closed loop
    idle: int  # connections
    idle_closed: int  # by the server, and opened again
    due: int  # arrivals in the window; in a closed loop, requests sent in it
    waited: int  # arrivals that found every connection busy
    queue_most: int  # of them at one time
    unfinished: int  # arrivals without a response when the drain ended; their latencies are lower bounds
    late: int  # sent by more than 2 ms later than they could have been
    cpu_share: float  # of its threads, in the window
    connect_s: float  # until all connections were open
    warmup_s: float
    all_requests: int  # responses from the first to the last, warm-up and idle connections included; and likewise:
    all_sent: int
    all_connections: int
    all_bytes: int
    service: Samples  # from the actual moment of sending
    series: list[dict]  # one for each second of the window
    unsound: list[str]  # why pace itself calls its result unsound; each begins with a word and a colon
    first_error: str

    @property
    def before_s(self) -> float:
        """From the start of pace to the begin of its window."""
        return self.connect_s + self.warmup_s


@dataclasses.dataclass(frozen=True)
class Result:
    requests: int  # responses received whole in the window, whatever their status
    duration_us: int
    bytes: int  # received in it, heads included
    errors: dict[str, int]  # of each kind that the program knows
    histogram: Samples  # latencies: of wrk still with its correction, of pace from the intended moment
    cpu_s: float = 0.0  # of the whole process
    operations: Operations | None = None  # of WORKLOAD=crud
    paced: Paced | None = None  # of pace

    @property
    def generator(self) -> str:
        return reading.PACE if self.paced else reading.WRK

    # wrk is started anew for its window, and has none before it and nothing after it. pace warms up in the same process:
    # what the server counted between two readings around it is to be held against these.

    @property
    def all_requests(self) -> int:
        return self.paced.all_requests if self.paced else self.requests

    @property
    def all_bytes(self) -> int:
        return self.paced.all_bytes if self.paced else self.bytes
