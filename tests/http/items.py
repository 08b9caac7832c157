"""Requests that change an item, and the form of what refuses one."""


def put(connection, item, body, **headers):
    return connection.ask("PUT", item["location"], body, headers)


def patch(connection, item, body, **headers):
    return connection.ask("PATCH", item["location"], body, headers)


def check_problem(reply, status, member=None):
    assert reply.status == status and reply["content-type"] == "application/problem+json"
    problem = reply.json()
    assert problem["type"] == "about:blank" and problem["title"] == reply.reason and problem["status"] == status
    assert problem["detail"][0].isupper() or problem["detail"].startswith(member or "\0")
    assert problem["detail"].endswith(".") and problem.get("member") == member
