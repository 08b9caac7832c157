"""GET /items, page by page."""

import pytest
from items import check_problem


@pytest.fixture
def empty(database):
    database.execute("DELETE FROM items")


def pages(connection, limit, between=lambda: None):
    after, ids = 0, []
    while after is not None:
        response = connection.ask("GET", f"/items?limit={limit}&after={after}")
        assert response.status == 200
        document = response.json()
        assert list(document) == ["items", "next"] and len(document["items"]) <= limit
        ids += [item["id"] for item in document["items"]]
        after = document["next"]
        assert after is None or after == ids[-1]
        between()
    return ids


def test_pages(connection, empty):
    assert connection.ask("GET", "/items").body == b'{"items":[],"next":null}'
    ids = [connection.ask("POST", "/items", {"name": f"i{i}"}).json()["id"] for i in range(45)]
    for limit in (1, 7, 15, 44, 45, 46, 100):
        assert pages(connection, limit) == ids
    default = connection.ask("GET", "/items").json()
    assert [item["id"] for item in default["items"]] == ids[:20] and default["next"] == ids[19]
    first = connection.ask("GET", f"/items/{ids[0]}").json()
    assert default["items"][0] == first
    assert connection.ask("GET", f"/items?after={ids[-1]}").json() == {"items": [], "next": None}


def test_pages_while_items_come_and_go(connection, empty):
    """What is there from the first page to the last is listed once, whatever happens around it."""
    ids = [connection.ask("POST", "/items", {"name": f"i{i}"}).json()["id"] for i in range(60)]
    fickle = iter(ids[5:55:5])
    staying = [id for i, id in enumerate(ids) if i < 5 or i >= 55 or i % 5]

    def meddle():
        connection.ask("POST", "/items", {"name": "late"})
        if (id := next(fickle, None)) is not None:
            assert connection.ask("DELETE", f"/items/{id}").status == 204

    late = iter(range(20))
    listed = pages(connection, 7, lambda: meddle() if next(late, None) is not None else None)
    assert listed == sorted(set(listed)) and set(staying) <= set(listed)


def test_a_page_of_large_items_ends_early(connection, empty):
    ids = [
        connection.ask("POST", "/items", {"name": "x", "payload": "x" * 400000}).json()["id"]
        for i in range(7)
    ]
    document = connection.ask("GET", "/items?limit=100").json()
    assert [item["id"] for item in document["items"]] == ids[:3] and document["next"] == ids[2]
    assert pages(connection, 100) == ids


@pytest.mark.parametrize(
    "query, member",
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=-1", "limit"),
        ("limit=x", "limit"),
        ("limit=", "limit"),
        ("after=-1", "after"),
        ("after=9223372036854775808", "after"),
        ("offset=1", "offset"),
        ("limit=1&limit=1", "limit"),
        ("limit=1%30%30%30", "limit"),
        ("after", None),
        ("limit=%", None),
    ],
)
def test_bad_pages(connection, query, member):
    check_problem(connection.ask("GET", f"/items?{query}"), 400, member)
    assert connection.lives_on()
