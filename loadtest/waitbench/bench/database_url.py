"""DATABASE_URL without its secrets. A results folder is published, and a log is pasted into a bug report: nothing
that the load test writes may hold a password."""

import re
from typing import Any
from urllib.parse import quote

import psycopg2
import psycopg2.extensions

NOT_READABLE = "(not readable)"
ADVICE = (
    "DATABASE_URL is not readable (it is not shown, since it may hold a password): it is to be"
    " postgresql://user:password@host:port/database, where special characters of the password are written as in"
    " %40 for @, or host=... user=... password='...' dbname=..."
)
SECRETS = "password", "sslpassword"  # parameters of libpq that nobody else may know
SHOWN = "host", "hostaddr", "port", "dbname"
LEAST = 4  # characters: a shorter text occurs by chance, too


def parameters(url: str) -> dict[str, str] | None:
    """Its parts as libpq reads them; None when libpq cannot, or when a part of a password is likely to be in
    another parameter: libpq takes the password of postgresql://me:a@b@host/db to be a, and the host to be b@host.
    """
    try:
        found = psycopg2.extensions.parse_dsn(url)
    except (psycopg2.Error, UnicodeError, ValueError):
        return None
    numbers = re.fullmatch(r"[0-9,]*", found.get("port", ""))
    others = (found.get(name, "") for name in SHOWN)
    return found if numbers and not any(re.search("[@=]|://", text) for text in others) else None


def shown(url: str) -> str:
    """The address alone, as postgresql://host:port/database, in whatever form libpq was given it."""
    found = parameters(url)
    if not url or found is None:
        return NOT_READABLE if url else ""
    hosts = (found.get("host") or found.get("hostaddr") or "").split(",")
    ports = found.get("port", "").split(",")
    ports = ports * len(hosts) if len(ports) == 1 else ports + [""] * len(hosts)
    places = [_host(host) + (f":{port}" if port else "") for host, port in zip(hosts, ports)]
    return f"postgresql://{','.join(places)}/{quote(found.get('dbname', ''), safe='')}"


def for_program(url: str) -> tuple[str, dict[str, str]]:
    """(the address without its password, environment variables with it): a command line is for everybody to see."""
    found = psycopg2.extensions.parse_dsn(url)
    password = found.pop("password", None)
    return psycopg2.extensions.make_dsn(**found), {"PGPASSWORD": password} if password else {}


def hide(text: str, url: str) -> str:
    """A text that another program wrote, without the secrets of the URL that it was given."""
    if not url:
        return text
    found: dict[str, Any] = parameters(url) or {}
    known = {found.get(name) for name in ("user", "dbname", "host")}
    secrets = {found[name] for name in SECRETS if found.get(name)} - known
    text = text.replace(url, shown(url))
    for secret in secrets:
        for form in (secret, quote(secret, safe="")):
            text = text.replace(form, "***") if len(form) >= LEAST else text
    return text


def _host(name: str) -> str:
    # An IPv6 address has colons of its own; the folder of a Unix socket has slashes.
    return f"[{name}]" if ":" in name else quote(name, safe="")
