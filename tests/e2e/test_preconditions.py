"""Conditional requests on the whole system: of changes to what a client has read, the first one is carried out."""

from typing import Any

import httpx

from tests.e2e.user import User, error

SERVER = {"name": "weather", "server_type": "HTTP", "url": "https://mcp.example.com/", "is_enabled": False}
"""Not enabled, since a check in the background would change it."""
TASK = {"name": "task", "prompt_template": "Hello"}
TEMPLATE = {"name": "template", "sdk_options": {"allowed_tools": ["Read"]}}
CREATED: dict[str, Any] = {"/sessions": {}, "/session-templates": TEMPLATE, "/tasks": TASK, "/mcp-servers": SERVER}


def tag(user: User, path: str) -> str:
    return user.http.get(path).raise_for_status().headers["etag"]


def change(user: User, path: str, if_match: str, **body: Any) -> httpx.Response:
    return user.http.patch(path, json=body, headers={"if-match": if_match})


def create(user: User, collection: str, body: Any) -> str:
    return f"{collection}/{user.http.post(collection, json=body).raise_for_status().json()['id']}"


def test_a_change_of_what_was_changed_meanwhile_is_412(shared_user: User) -> None:
    for path in [create(shared_user, *created) for created in CREATED.items()]:
        stale = tag(shared_user, path)
        changed = change(shared_user, path, stale, name="first")
        assert (changed.status_code, changed.headers["etag"]) == (200, tag(shared_user, path)), path
        refused = change(shared_user, path, stale, name="second")
        assert error(refused) == (412, "PRECONDITION_FAILED"), path
        assert shared_user.http.get(path).json()["name"] == "first", path
        refused = shared_user.http.delete(path, headers={"if-match": stale})
        assert error(refused) == (412, "PRECONDITION_FAILED"), path
        assert shared_user.http.delete(path, headers={"if-match": tag(shared_user, path)}).status_code == 204, path


def test_an_account_has_a_tag_that_its_change_makes_stale(shared_user: User, admin: User) -> None:
    path = f"/admin/users/{shared_user.id()}"
    stale = tag(admin, path)
    changed = change(admin, path, stale, quotas={"storage_bytes": 10**12})
    assert (changed.status_code, changed.headers["etag"]) == (200, tag(admin, path))
    assert error(change(admin, path, stale, role="viewer")) == (412, "PRECONDITION_FAILED")


def test_a_trigger_has_the_version_of_its_task(shared_user: User) -> None:
    task = create(shared_user, "/tasks", TASK)
    path = create(shared_user, f"{task}/triggers", {})
    stale = tag(shared_user, path)
    shared_user.http.patch(task, json={"name": "other"}).raise_for_status()
    refused = shared_user.http.delete(path, headers={"if-match": stale})
    assert error(refused) == (412, "PRECONDITION_FAILED")
    assert shared_user.http.delete(path, headers={"if-match": tag(shared_user, path)}).status_code == 204
