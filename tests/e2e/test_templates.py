"""Session templates, as a user has them."""

import json
from collections.abc import Generator
from typing import Any

import pytest
from httpx_sse import connect_sse
from onebox.testing.system import System, until
from simulator.testing import bash, scripted

from tests.e2e.user import User, newcomer

TEMPLATE = {
    "name": "DevOps Investigation Template",
    "description": "Pre-configured for infrastructure debugging",
    "category": "DEVOPS",
    "sdk_options": {"allowed_tools": ["Bash", "Read", "Write"], "permission_mode": "default"},
    "default_mode": "non_interactive",
    "is_public": False,
}


@pytest.fixture
def other(system: System) -> Generator[User]:
    yield from newcomer(system)


def test_a_session_from_a_template_is_counted(user: User) -> None:
    template = user.http.post("/session-templates", json=TEMPLATE).raise_for_status().json()
    body = {"template_id": template["id"], "sdk_options": {"max_turns": 7}}
    session = user.http.post("/sessions", json=body).raise_for_status().json()
    assert (session["mode"], session["sdk_options"]["allowed_tools"]) == ("non_interactive", ["Bash", "Read", "Write"])
    assert session["sdk_options"]["max_turns"] == 7
    assert user.bash(session["id"], "echo allowed") == "allowed"
    assert user.http.get(f"/session-templates/{template['id']}").json()["usage_count"] == 1


def received(user: User, path: str, types: str = "*.*") -> list[dict[str, Any]]:
    """Return all events so far; the creation of a new session is the last."""
    last = user.http.post("/sessions", json={"name": "last"}).raise_for_status().json()["id"]
    read: list[dict[str, Any]] = []
    with connect_sse(user.http, "GET", path, params={"types": types, "after": "0"}) as source:
        for event in source.iter_sse():
            read.append(json.loads(event.data))
            if read[-1].get("resource_id") == last:
                return read[:-1]
    raise AssertionError("the stream ended")


def test_events_of_a_template_are_sent_to_its_owner_only(user: User, other: User) -> None:
    template = user.http.post("/session-templates", json=TEMPLATE | {"is_public": True}).raise_for_status().json()
    user.http.patch(f"/session-templates/{template['id']}", json={"name": "new"}).raise_for_status()
    other.http.post("/sessions", json={"template_id": template["id"]}).raise_for_status()
    own = [event for event in received(user, "/events") if event.get("resource_id") == template["id"]]
    assert [(event["type"], event["session_id"]) for event in own] == [
        ("session.template_created", None),
        ("session.template_changed", None),
    ]
    assert not [event for event in received(other, "/events") if event.get("resource_id") == template["id"]]


def test_values_of_variables_are_never_sent(user: User) -> None:
    session_id = user.create(env={"TOKEN": "plantedsecret"})
    changed = {"sdk_options": {"env": {"TOKEN": "***", "A": "plantedsecret"}}}
    answers = [
        user.http.patch(f"/sessions/{session_id}", json=changed).raise_for_status(),
        user.http.get(f"/sessions/{session_id}"),
        user.http.get("/sessions"),
    ]
    events = [event for event in received(user, "/events") if event.get("resource_id") == session_id]
    assert [event["type"] for event in events] == ["session.created", "session.changed"]
    assert "plantedsecret" not in str([answer.text for answer in answers]) + str(events)
    assert events[0]["data"]["sdk_options"]["env"] == {"TOKEN": "***"}


def test_the_structured_output_is_in_the_event_of_a_completed_run(user: User) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    session_id = user.create(output_format={"type": "json_schema", "schema": schema})
    user.ask(session_id, scripted({"tools": [{"name": "StructuredOutput", "input": {"n": 42}}]}, {"text": "Done."}))
    [end] = [
        event for event in received(user, "/events", "session.run_completed,session.created") if "run_id" in str(event)
    ]
    assert end["data"]["structured_output"] == {"n": 42}


def test_a_change_during_a_run_applies_to_the_next_run(user: User, system: System) -> None:
    session_id = user.create("Bash", env={"WHO": "before"})
    until_go = bash("until [ -e go ]; do sleep 0.1; done; echo $WHO")
    run_id = user.submit(session_id, scripted(until_go, {"text": "Done."})).raise_for_status().json()["id"]
    until(lambda: user.run(session_id, run_id)["tool_calls"])
    change = {"sdk_options": {"env": {"WHO": "after"}}}
    assert user.http.patch(f"/sessions/{session_id}", json=change).json()["status"] == "processing"
    (system.data_dir / "workspaces" / session_id / "go").touch()
    assert user.ended(session_id, run_id)["status"] == "completed"
    assert user.items(f"/sessions/{session_id}/tool-calls")[-1]["tool_output"]["content"] == "before"
    assert user.bash(session_id, "echo $WHO") == "after"


def test_a_fork_inherits_the_variables_of_its_parent(user: User) -> None:
    session_id = user.create("Bash", env={"TOKEN": "plantedsecret"})
    user.ask(session_id, scripted({"text": "Hello."})).raise_for_status()
    fork = user.http.post(f"/sessions/{session_id}/fork", json={"name": "two"}).raise_for_status().json()
    assert fork["sdk_options"]["env"] == {"TOKEN": "***"}
    assert user.bash(fork["id"], "echo ${#TOKEN}") == "13"


def test_another_users_session_cannot_be_changed(user: User, other: User) -> None:
    answer = other.http.patch(f"/sessions/{user.create()}", json={"name": "mine"})
    assert (answer.status_code, answer.json()["error_code"]) == (404, "SESSION_NOT_FOUND")


def test_a_template_is_found_changed_and_removed(user: User) -> None:
    template = user.http.post("/session-templates", json=TEMPLATE).raise_for_status().json()
    path = f"/session-templates/{template['id']}"
    changed = user.http.patch(path, json={"sdk_options": {"max_turns": 5}}).raise_for_status().json()
    assert changed["sdk_options"] == template["sdk_options"] | {"max_turns": 5}
    found = user.items("/session-templates", category="DEVOPS", q="INFRASTRUCTURE", is_public=False)
    assert found == [{name: value for name, value in changed.items() if name != "sdk_options"}]
    assert user.http.delete(path).status_code == 204
    assert user.http.get(path).status_code == 404


def test_a_public_template_is_readable_by_all_and_changed_by_its_owner(user: User, other: User) -> None:
    template = user.http.post("/session-templates", json=TEMPLATE | {"is_public": True}).raise_for_status().json()
    path = f"/session-templates/{template['id']}"
    assert other.http.get(path).json() == template
    assert other.http.post("/sessions", json={"template_id": template["id"]}).status_code == 201
    assert other.http.delete(path).json()["error_code"] == "NOT_OWNER"
    user.http.patch(path, json={"is_public": False}).raise_for_status()
    assert other.http.get(path).status_code == 404
    answer = other.http.post("/sessions", json={"template_id": template["id"]})
    assert (answer.status_code, answer.json()["error_code"]) == (404, "TEMPLATE_NOT_FOUND")


def test_a_changed_session_uses_its_new_options(user: User) -> None:
    session_id = user.create("Read", env={"TOKEN": "plantedsecret"})
    change = {"name": "renamed", "metadata": {"ticket": 42}, "sdk_options": {"allowed_tools": ["Bash"]}}
    session = user.http.patch(f"/sessions/{session_id}", json=change).raise_for_status().json()
    assert (session["name"], session["metadata"], session["sdk_options"]["env"]) == (
        "renamed",
        {"ticket": 42},
        {"TOKEN": "***"},
    )
    assert user.bash(session_id, "echo ${#TOKEN}") == "13"
    user.http.patch(f"/sessions/{session_id}", json={"sdk_options": {"env": {"TOKEN": "ab"}}}).raise_for_status()
    assert user.bash(session_id, "echo ${#TOKEN}") == "2"


def test_structured_output_is_valid_or_the_run_fails(user: User) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    session_id = user.create(output_format={"type": "json_schema", "schema": schema})
    answer = {"tools": [{"name": "StructuredOutput", "input": {"n": 42}}]}
    body = user.ask(session_id, scripted(answer, {"text": "Done."})).raise_for_status().json()
    assert body["structured_output"] == {"n": 42}
    run = user.http.get(f"/sessions/{session_id}/runs/{body['run_id']}").json()
    assert run["structured_output"] == {"n": 42}
    failed = user.ask(session_id, scripted({"text": "No."}))
    assert (failed.status_code, failed.json()["error_code"]) == (502, "OUTPUT_NOT_VALID")
