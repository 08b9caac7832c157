"""The kernel's connection tracking (nf_conntrack), which Docker and most firewalls turn on, for loopback too. It keeps
each connection for two minutes after its end. When its table is full the kernel drops the first packet of every new
connection, to whatever program on the machine: a load with a new connection for each request comes to that in seconds."""

from ..base import kernel

SETTINGS = "proc/sys/net/netfilter/nf_conntrack_"
COUNTS = "proc/net/stat/nf_conntrack"  # a line for each CPU, in hexadecimal


def dropped() -> int | None:
    """New connections that were dropped since the machine was started; None where nothing is tracked."""
    return kernel.read(COUNTS, _dropped)


def _dropped(text: str) -> int:
    names, *lines = (line.split() for line in text.splitlines())
    return sum(int(words[names.index("drop")], 16) for words in lines)


def sustained() -> float | None:
    """New connections per second that the table holds for ever; None where nothing is tracked."""
    most = kernel.number(f"{SETTINGS}max")
    kept_s = kernel.number(f"{SETTINGS}tcp_timeout_time_wait")
    return most / kept_s if most and kept_s else None


def warning() -> str | None:
    """For a load with new connections, as a sentence."""
    rate = sustained()
    if rate is None:
        return None
    return (
        f"connection tracking holds {rate:,.0f} new connections per second; above that the kernel drops new ones: with few"
        " requests per connection (K), sysctl net.netfilter.nf_conntrack_tcp_timeout_time_wait=1 prevents it"
    )
