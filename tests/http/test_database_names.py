"""The database by its name: each address that the resolver knows is tried, and those that psql would find are found."""

import contextlib

import pytest
from network import Proxy
from namespaces import addresses_of, own_network, with_names
from service import connections_up, is_back
from wire import eventually

THREE = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]


@pytest.mark.parametrize("addresses", [THREE, ["::1", "127.0.0.1"]], ids=["three of IPv4", "both families"])
def test_a_database_on_the_last_of_several_addresses(start, cluster, tmp_path, addresses):
    """As "localhost" is ::1 and 127.0.0.1, and PostgreSQL may listen on one of them alone. All connections are made,
    and made again after the database was restarted."""
    prefix = with_names(tmp_path, [f"{address} several-addresses" for address in addresses])
    *others, last = addresses_of("several-addresses", prefix)
    if not others:
        pytest.skip(f"this machine has no use for all of {addresses}")
    with Proxy(cluster.port, (last, 0)) as proxy:
        url = cluster.url_with(host="several-addresses", port=proxy.port)
        server = start(prefix=prefix, DATABASE_URL=url, DB_POOL=4)
        eventually(lambda: connections_up(server) == 4)
        is_back(server, cluster.restart(), 4)


def test_database_by_name(start, cluster):
    server = start(DATABASE_URL=cluster.url_with(host="localhost"), DB_POOL=4)
    eventually(lambda: connections_up(server) == 4)
    is_back(server, cluster.restart(), 4)


# Where a machine has addresses of one family alone, AI_ADDRCONFIG hides the other one, which loopback has all the same.
@pytest.mark.parametrize(
    "addresses, address",
    [([], "127.0.0.1"), ([], "::1"), (["fd00::9/128"], "127.0.0.1"), (["10.9.9.9/32"], "::1")],
    ids=["loopback only, 127.0.0.1", "loopback only, ::1", "IPv6 only, 127.0.0.1", "IPv4 only, ::1"],
)
def test_a_database_on_the_loopback_interface(launch, cluster, tmp_path, addresses, address):
    named = with_names(tmp_path, [f"{address} the-database"])
    with contextlib.ExitStack() as stack:
        network, listener = stack.enter_context(own_network(addresses, address))
        proxy = stack.enter_context(Proxy(cluster.port, listener=listener))
        url = cluster.url_with(host="the-database", port=proxy.port)
        server = launch(prefix=[*network, *named], DATABASE_URL=url, DB_POOL=2)
        eventually(lambda: server.said("listening") or server.process.poll() is not None)
        assert server.said("listening"), server.log
        assert server.stop() == 0
