"""Each shape of a request gets its answer, the same bytes from all servers, however its bytes were cut."""

import pytest
from shapes import REFUSED, SERVED, head


@pytest.mark.parametrize("name", REFUSED)
def test_refused(connection, name):
    status, data = REFUSED[name]
    connection.send(data)
    reply = connection.read()
    assert reply.status == status and reply.closes and reply["content-type"] == "application/problem+json"
    assert reply.json()["status"] == status and reply.json()["detail"].endswith(".")
    assert connection.is_closed_by_server()


@pytest.mark.parametrize("name", SERVED)
def test_served(connection, name):
    status, data = SERVED[name]
    connection.send(data)
    reply = connection.read()
    assert reply.status == status and not reply.closes
    assert connection.lives_on()


def test_nothing_behind_a_refusal_is_answered(server):
    """What a smuggler has hidden behind a request that is refused must not be taken for a request."""
    for name, (_, data) in REFUSED.items():
        with server.connect() as connection:
            connection.send(data + head() * 2)
            assert connection.read().closes, name
            assert connection.is_closed_by_server(), name


def test_all_three_answer_the_same_bytes(servers):
    for name, (_, data) in (REFUSED | SERVED).items():
        answers = set()
        for server in servers:
            with server.connect() as connection:
                connection.send(data)
                answers.add(connection.read().without_date())
        assert len(answers) == 1, (name, answers)


def test_it_does_not_matter_how_the_bytes_were_cut(server):
    """Each byte in a packet of its own."""
    for name, (status, data) in (REFUSED | SERVED).items():
        if len(data) > 500:
            continue
        with server.connect() as whole, server.connect() as pieces:
            whole.send(data)
            for byte in data.encode("latin-1"):
                pieces.send(bytes([byte]))  # those behind a refusal are taken as well, and not read
            reply = pieces.read()
            if reply.status == 100:  # who waits for a word gets it before the body
                reply = pieces.read()
            assert reply.status == status and whole.read().without_date() == reply.without_date(), name
