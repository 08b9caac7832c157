"""Each shape of a request gets its response: the same bytes from all servers, however the request was cut."""

import pytest
from shapes import REFUSED, SERVED, head


@pytest.mark.parametrize("name", REFUSED)
def test_refused(connection, name):
    status, data = REFUSED[name]
    connection.send(data)
    response = connection.read()
    assert (
        response.status == status
        and response.closes
        and response["content-type"] == "application/problem+json"
    )
    assert response.json()["status"] == status and response.json()["detail"].endswith(".")
    assert connection.is_closed_by_server()


@pytest.mark.parametrize("name", SERVED)
def test_served(connection, name):
    status, data = SERVED[name]
    connection.send(data)
    response = connection.read()
    assert response.status == status and not response.closes
    assert connection.lives_on()


def test_nothing_after_a_refusal_gets_a_response(server):
    """What a smuggler has hidden behind a request that is refused must not be taken for a request."""
    for name, (_, data) in REFUSED.items():
        with server.connect() as connection:
            connection.send(data + head() * 2)
            assert connection.read().closes, name
            assert connection.is_closed_by_server(), name


def test_all_servers_send_the_same_bytes(servers):
    for name, (_, data) in (REFUSED | SERVED).items():
        responses = set()
        for server in servers:
            with server.connect() as connection:
                connection.send(data)
                responses.add(connection.read().without_date())
        assert len(responses) == 1, (name, responses)


def test_it_does_not_matter_how_the_bytes_were_cut(server):
    """Each byte in a packet of its own."""
    for name, (status, data) in (REFUSED | SERVED).items():
        if len(data) > 500:
            continue
        with server.connect() as whole, server.connect() as pieces:
            whole.send(data)
            for byte in data.encode("latin-1"):
                pieces.send(bytes([byte]))  # those behind a refusal are taken as well, and not read
            response = pieces.read()
            if response.status == 100:  # a client that waits for this gets it before the body
                response = pieces.read()
            assert response.status == status and whole.read().without_date() == response.without_date(), name
