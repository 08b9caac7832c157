"""The sessions of a server at its database: how the log calls them, and which of them are replaced."""

import re
import threading
import time

from service import RECOVERY, connections_up, is_a_sentence
from wire import eventually, request


def identities(server, count):
    """What the log calls so many connections: by worker and number where each worker has some, else by number."""
    workers = 0 if server.model == "hybrid" else server.stats()["workers"]
    return (
        {f"{i % workers}.{i // workers}" for i in range(count)} if workers else {str(i) for i in range(count)}
    )


def use_all(server, count):
    """So many requests at the same time; a thread finds out that a connection is lost when it uses it."""

    def use():
        server.get("/work?n=1&d=50")

    threads = [threading.Thread(target=use) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_the_log_tells_lost_connections_apart(start, cluster):
    server = start(DATABASE_URL=cluster.url, DB_POOL=4, WORKERS=2)
    eventually(lambda: connections_up(server) == 4)
    time.sleep(1.1)  # an idle connection of the threaded server is looked at after a second
    assert cluster.terminate() == 4
    use_all(server, 8)

    def lost():
        return re.findall(r" warn: database connection (\S+) lost: .*terminating connection", server.log)

    eventually(lambda: len(lost()) >= 4)
    assert sorted(lost()) == sorted(identities(server, 4)), server.log


def test_the_log_tells_which_connection_could_not_be_made(start, cluster):
    server = start(DATABASE_URL=cluster.url_with("app"), DB_POOL=4, WORKERS=2)
    eventually(lambda: connections_up(server) == 4)
    cluster.sql("ALTER ROLE app CONNECTION LIMIT 0")
    cluster.terminate()
    use_all(server, 8)
    eventually(lambda: server.said("too many connections"))
    failed = re.findall(r" warn: database connection (\S+): .*too many connections", server.log)
    assert failed and set(failed) <= identities(server, 4), server.log


def test_a_session_that_can_never_write_is_replaced(start, cluster):
    """Its default_transaction_read_only comes from the role, or from the database, and was set when it began."""
    cluster.sql("ALTER ROLE app SET default_transaction_read_only = on")
    server = start(DATABASE_URL=cluster.url_with("app"), DB_POOL=4, WORKERS=2)
    with server.connect() as connection:
        assert connection.ask("GET", "/work?n=2").status == 200
        assert is_a_sentence(connection.ask("POST", "/items", {"name": "tea"}), 503, "read-only")
        assert is_a_sentence(connection.ask("GET", "/readyz"), 503, "read-only")
        cluster.sql("ALTER ROLE app RESET default_transaction_read_only")

        def all_write():
            return all(connection.ask("POST", "/items", {"name": "tea"}).status == 201 for _ in range(8))

        eventually(all_write, within=3 * RECOVERY, every=0.2)
        assert connection.ask("GET", "/readyz").status == 200
        assert connection.ask("GET", "/work?n=2&w=1").status == 200


def test_sessions_that_become_read_only_are_replaced(start, cluster):
    """They began when writing was allowed. What is set since holds for those that begin now, and when it is reset,
    all write again."""
    server = start(DATABASE_URL=cluster.url_with("app"), DB_POOL=2, WORKERS=1)
    eventually(lambda: connections_up(server) == 2)
    cluster.sql("ALTER ROLE app SET default_transaction_read_only = on")
    cluster.terminate()
    eventually(
        lambda: server.ask("POST", "/items", {"name": "tea"}).status == 503 and connections_up(server) > 0
    )
    eventually(lambda: server.get("/readyz").status == 503)
    cluster.sql("ALTER ROLE app RESET default_transaction_read_only")
    eventually(
        lambda: all(server.ask("POST", "/items", {"name": "tea"}).status == 201 for _ in range(4)),
        within=3 * RECOVERY,
        every=0.2,
    )
    assert server.get("/readyz").status == 200


def test_a_drained_server_ends_when_it_says_so(start, cluster, proxy):
    """Though the database is silent, and a connection to it is being made."""
    url = cluster.url_with(host="127.0.0.1", port=proxy.port)
    server = start(DATABASE_URL=url, DB_POOL=2, WORKERS=1, QUERY_TIMEOUT=1)
    eventually(lambda: connections_up(server) == 2)
    proxy.holding = True
    with server.connect() as client:
        client.send(request("GET", "/readyz"))
        assert client.read().status in (503, 504)  # after QUERY_TIMEOUT; the connection is being made again
        client.send(request("GET", "/readyz"))
        time.sleep(0.1)
        server.process.terminate()
        assert client.read().status in (503, 504)
        eventually(lambda: server.said("drained") or server.process.poll() is not None, within=10)
        said = time.monotonic()
        assert server.wait(timeout=10) == 0, server.log
        assert time.monotonic() - said < 2
