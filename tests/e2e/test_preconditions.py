"""Conditional requests on the whole system: of changes to what a client has read, the first one is carried out."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.e2e.user import User, error

SERVER = {"name": "weather", "server_type": "HTTP", "url": "https://mcp.example.com/", "is_enabled": False}
"""Not enabled, since a check in the background would change it."""
TASK = {"name": "task", "prompt_template": "Hello"}
TEMPLATE = {"name": "template", "sdk_options": {"allowed_tools": ["Read"]}}


def tag(user: User, path: str) -> str:
    return user.http.get(path).raise_for_status().headers["etag"]


def change(user: User, path: str, if_match: str, **body: Any) -> httpx.Response:
    return user.http.patch(path, json=body, headers={"if-match": if_match})


def create(user: User, collection: str, body: Any) -> str:
    return f"{collection}/{user.http.post(collection, json=body).raise_for_status().json()['id']}"


CREATED: list[tuple[str, Any]] = [
    ("/sessions", {}),
    ("/session-templates", TEMPLATE),
    ("/tasks", TASK),
    ("/mcp-servers", SERVER),
]


@pytest.mark.parametrize(("collection", "body"), CREATED, ids=[path for path, _ in CREATED])
def test_a_change_of_what_was_changed_meanwhile_is_412(user: User, collection: str, body: Any) -> None:
    path = create(user, collection, body)
    stale = tag(user, path)
    changed = change(user, path, stale, name="first")
    assert (changed.status_code, changed.headers["etag"]) == (200, tag(user, path))
    assert error(change(user, path, stale, name="second")) == (412, "PRECONDITION_FAILED")
    assert user.http.get(path).json()["name"] == "first"
    assert error(user.http.delete(path, headers={"if-match": stale})) == (412, "PRECONDITION_FAILED")
    assert user.http.delete(path, headers={"if-match": tag(user, path)}).status_code == 204


def test_a_trigger_has_the_version_of_its_task(user: User) -> None:
    task = create(user, "/tasks", TASK)
    path = create(user, f"{task}/triggers", {})
    stale = tag(user, path)
    user.http.patch(task, json={"name": "other"}).raise_for_status()
    assert error(user.http.delete(path, headers={"if-match": stale})) == (412, "PRECONDITION_FAILED")
    assert user.http.delete(path, headers={"if-match": tag(user, path)}).status_code == 204


def test_an_account_has_a_tag_that_its_change_and_a_login_make_stale(user: User, admin: User) -> None:
    path = f"/admin/users/{user.id()}"
    stale = tag(admin, path)
    changed = change(admin, path, stale, quotas={"concurrent_runs": 2})
    assert (changed.status_code, changed.headers["etag"]) == (200, tag(admin, path))
    assert error(change(admin, path, stale, role="viewer")) == (412, "PRECONDITION_FAILED")
    stale = tag(admin, path)
    user.log_in()
    assert error(change(admin, path, stale, role="viewer")) == (412, "PRECONDITION_FAILED")


def test_of_twenty_changes_with_one_tag_one_wins(user: User) -> None:
    path = create(user, "/sessions", {})
    read = tag(user, path)
    with ThreadPoolExecutor(20) as clients:
        sent = [clients.submit(change, user, path, read, name=f"{n}") for n in range(20)]
        statuses = sorted(each.result(60).status_code for each in sent)
    assert statuses == [200, *[412] * 19]


def test_a_current_copy_is_304_until_a_run_changes_it(user: User) -> None:
    path = f"/sessions/{user.create()}"
    read = {"if-none-match": tag(user, path)}
    assert user.http.get(path, headers=read).status_code == 304
    user.ask(path.rpartition("/")[2], "Hello").raise_for_status()
    assert user.http.get(path, headers=read).status_code == 200


def test_a_keyed_change_is_repeated_with_its_precondition(user: User) -> None:
    path = create(user, "/sessions", {})
    headers = {"if-match": tag(user, path), "idempotency-key": "one"}
    answers = [user.http.patch(path, json={"name": "two"}, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]


def test_of_twenty_writers_with_one_tag_of_a_file_one_wins(user: User) -> None:
    path = f"{create(user, '/sessions', {})}/workspace/notes.txt"

    def statuses(method: str, headers: dict[str, str]) -> list[int]:
        with ThreadPoolExecutor(20) as clients:
            sent = [clients.submit(user.http.request, method, path, content=f"{n}", headers=headers) for n in range(20)]
            return sorted(each.result(60).status_code for each in sent)

    assert statuses("PUT", {"if-none-match": "*"}) == [201, *[412] * 19]
    assert statuses("PUT", {"if-match": tag(user, path)}) == [200, *[412] * 19]
    assert statuses("DELETE", {"if-match": tag(user, path)}) == [204, *[412] * 19]
