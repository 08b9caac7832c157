"""Items that several clients change: If-Match, If-None-Match, and what happens without them."""

import threading

import pytest
from items import check_problem, patch, put
from shapes import head


# ---- Conditions


def test_if_match(connection, item):
    for tag in ('"2"', 'W/"1"', '"01"', '"x", "2"', '""'):
        check_problem(put(connection, item, {"name": "y"}, **{"If-Match": tag}), 412)
        check_problem(patch(connection, item, {"name": "y"}, **{"If-Match": tag}), 412)
        check_problem(connection.ask("DELETE", item["location"], headers={"If-Match": tag}), 412)
    assert connection.ask("GET", item["location"]).body == item.body
    version = 1
    for method in (put, patch):
        for list in ('"{}"', '"x", "{}"', '"{}","x"', 'W/"{}", "{}"', "*", '\t"{}"\t'):
            response = method(connection, item, {"name": "y"}, **{"If-Match": list.format(version, version)})
            version += 1
            assert response.status == 200 and response["etag"] == f'"{version}"', list
    assert connection.ask("DELETE", item["location"], headers={"If-Match": f'"{version}"'}).status == 204


def test_conditions_where_nothing_is(connection, item):
    """What fails without conditions gets the same response with them (RFC 9110 13.2.1)."""
    connection.ask("DELETE", item["location"])
    for method, body in (("GET", None), ("PUT", {"name": "x"}), ("PATCH", {}), ("DELETE", None)):
        for name in ("If-Match", "If-None-Match"):
            for list in ("*", '"1"'):
                check_problem(connection.ask(method, item["location"], body, {name: list}), 404)


def test_conditions_in_several_lines_are_one_list(connection, item):
    def ask(method, *lines):
        connection.send(head(f"{method} {item['location']} HTTP/1.1", *lines))
        return connection.read(method)

    assert ask("GET", 'If-None-Match: "x"', "Accept: */*", 'if-none-match: "1"').status == 304
    assert ask("GET", 'If-None-Match: "x"', 'If-None-Match: "y"').status == 200
    check_problem(ask("GET", "If-None-Match: *", 'If-None-Match: "1"'), 400)
    check_problem(ask("DELETE", 'If-Match: "2"', 'If-Match: "3"'), 412)
    assert ask("DELETE", 'If-Match: "2"', 'If-Match: "1"').status == 204


def test_if_none_match(connection, item):
    for list in ('"1"', 'W/"1"', '"x", "1"', "*", '"x",\t"1" ,'):
        for method in ("GET", "HEAD"):
            response = connection.ask(method, item["location"], headers={"If-None-Match": list})
            assert response.status == 304 and response["etag"] == '"1"', list
        check_problem(put(connection, item, {"name": "y"}, **{"If-None-Match": list}), 412)
    for list in ('"2"', '"10"', '""', 'W/"2", "3"'):
        response = connection.ask("GET", item["location"], headers={"If-None-Match": list})
        assert response.status == 200 and response.body == item.body


def test_if_match_goes_before_if_none_match(connection, item):
    headers = {"If-Match": '"2"', "If-None-Match": '"1"'}
    check_problem(connection.ask("GET", item["location"], headers=headers), 412)
    assert connection.ask("GET", item["location"], headers=headers | {"If-Match": '"1"'}).status == 304


@pytest.mark.parametrize("list", ["1", '"1', "x", '"1" "2"', "*, *", '* , "1"', 'w/"1"', "", '"1 "'])
def test_conditions_that_are_none(connection, item, list):
    for name in ("If-Match", "If-None-Match"):
        check_problem(connection.ask("GET", item["location"], headers={name: list}), 400)
        check_problem(connection.ask("DELETE", item["location"], headers={name: list}), 400)
    assert connection.ask("GET", item["location"]).status == 200


# ---- Several writers


def together(server, count, work):
    """Runs work(connection, number) on so many connections at once; the results in order."""
    results = [None] * count
    ready = threading.Barrier(count)

    def run(number):
        with server.connect() as connection:
            assert connection.lives_on()
            ready.wait()
            results[number] = work(connection, number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_of_two_writers_with_if_match_one_wins(server, connection, item):
    for version in range(1, 21):

        def write(mine, number):
            return (put if number else patch)(
                mine, item, {"name": f"writer {number}"}, **{"If-Match": f'"{version}"'}
            )

        responses = together(server, 2, write)
        assert sorted(response.status for response in responses) == [200, 412]
        winner = next(response for response in responses if response.status == 200)
        assert (
            winner["etag"] == f'"{version + 1}"'
            and connection.ask("GET", item["location"]).body == winner.body
        )


def test_patches_without_if_match_lose_nothing(server, connection, item):
    def write(mine, number):
        return [patch(mine, item, {"payload": {f"{number}.{i}": i}}).status for i in range(5)]

    statuses = sum(together(server, 8, write), [])
    taken = statuses.count(200)
    assert set(statuses) <= {200, 503} and taken >= 30  # 503: overtaken ten times, and says so
    final = connection.ask("GET", item["location"])
    assert final["etag"] == f'"{taken + 1}"' and len(final.json()["payload"]) == taken + 1


def test_one_delete_wins(server, item):
    responses = together(server, 8, lambda mine, _: mine.ask("DELETE", item["location"]).status)
    assert sorted(responses) == [204] + [404] * 7


def test_every_post_is_its_own_item(server, database):
    locations = together(
        server,
        8,
        lambda mine, number: [
            mine.ask("POST", "/items", {"name": f"p{number}"})["location"] for _ in range(10)
        ],
    )
    assert len(set(sum(locations, []))) == 80
