"""Requests that change an item, and the form of what refuses one."""


def put(connection, item, body, **headers):
    return connection.ask("PUT", item["location"], body, headers)


def patch(connection, item, body, **headers):
    return connection.ask("PATCH", item["location"], body, headers)


def check_problem(response, status, member=None):
    assert response.status == status and response["content-type"] == "application/problem+json"
    problem = response.json()
    assert (
        problem["type"] == "about:blank"
        and problem["title"] == response.reason
        and problem["status"] == status
    )
    assert problem["detail"][0].isupper() or problem["detail"].startswith(member or "\0")
    assert problem["detail"].endswith(".") and problem.get("member") == member
