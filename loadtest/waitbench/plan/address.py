"""Where a server or a generator listens: http://host:port, as a user writes it."""

import ipaddress
import re


def parse(text: str) -> str:
    """As a URL without a slash at its end; `http://` may be left out before a host with a port. Raises ValueError with a sentence."""
    found = re.fullmatch(r"(http://)?((?:\[([0-9A-Fa-f:.]+)\]|[^/\s:\[\]]+)(?::(\d+))?)/?", text)
    if not found or not (found[1] or found[4]):
        raise ValueError(
            f"'{text}' is not http://host:port, with an IPv6 address in brackets: http://[::1]:8080"
        )
    _, where, ipv6, port = found.groups()
    if ipv6:
        ipaddress.IPv6Address(ipv6)  # its ValueError is a sentence
    if port and not 0 < int(port) < 65536:
        raise ValueError(f"'{text}': {port} is no port from 1 to 65535")
    return f"http://{where}"


def url(host: str, port: int) -> str:
    """Of a host as the resolver has it: an IPv6 address without brackets."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
