"""Session templates, as a user has them."""

from collections.abc import Generator

import pytest
from eventing.testing import eventually
from onebox.testing.system import System

from tests.e2e.user import User, newcomer, scripted

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


async def test_a_session_is_made_from_a_template_and_counted(user: User) -> None:
    template = user.http.post("/session-templates", json=TEMPLATE).raise_for_status().json()
    body = {"template_id": template["id"], "sdk_options": {"max_turns": 7}}
    session = user.http.post("/sessions", json=body).raise_for_status().json()
    assert (session["mode"], session["sdk_options"]["allowed_tools"]) == ("non_interactive", ["Bash", "Read", "Write"])
    assert session["sdk_options"]["max_turns"] == 7
    assert user.bash(session["id"], "echo allowed") == "allowed"

    async def counted() -> bool:
        return user.http.get(f"/session-templates/{template['id']}").json()["usage_count"] == 1

    await eventually(counted, within=30)


def test_a_template_is_found_changed_and_removed(user: User) -> None:
    template = user.http.post("/session-templates", json=TEMPLATE).raise_for_status().json()
    path = f"/session-templates/{template['id']}"
    changed = user.http.patch(path, json={"sdk_options": {"max_turns": 5}}).raise_for_status().json()
    assert changed["sdk_options"] == template["sdk_options"] | {"max_turns": 5}
    found = user.items("/session-templates", category="DEVOPS", q="INFRASTRUCTURE", is_public=False)
    assert found == [changed]
    assert user.http.delete(path).status_code == 204
    assert user.http.get(path).status_code == 404


def test_a_public_template_is_for_all_to_read_and_for_its_owner_to_change(user: User, other: User) -> None:
    template = user.http.post("/session-templates", json=TEMPLATE | {"is_public": True}).raise_for_status().json()
    path = f"/session-templates/{template['id']}"
    assert other.http.get(path).json() == template
    assert other.http.post("/sessions", json={"template_id": template["id"]}).status_code == 201
    assert other.http.delete(path).json()["error_code"] == "NOT_OWNER"
    user.http.patch(path, json={"is_public": False}).raise_for_status()
    assert other.http.get(path).status_code == 404
    answer = other.http.post("/sessions", json={"template_id": template["id"]})
    assert (answer.status_code, answer.json()["error_code"]) == (404, "TEMPLATE_NOT_FOUND")


def test_a_changed_session_goes_by_its_new_options(user: User) -> None:
    session_id = user.create("Read", env={"TOKEN": "sesame"})
    change = {"name": "renamed", "metadata": {"ticket": 42}, "sdk_options": {"allowed_tools": ["Bash"]}}
    session = user.http.patch(f"/sessions/{session_id}", json=change).raise_for_status().json()
    assert (session["name"], session["metadata"], session["sdk_options"]["env"]) == (
        "renamed",
        {"ticket": 42},
        {"TOKEN": "***"},
    )
    assert user.bash(session_id, "echo ${#TOKEN}") == "6"
    user.http.patch(f"/sessions/{session_id}", json={"sdk_options": {"env": {"TOKEN": "ab"}}}).raise_for_status()
    assert user.bash(session_id, "echo ${#TOKEN}") == "2"


def test_an_answer_has_the_form_that_was_asked_for_or_the_run_says_that_it_has_not(user: User) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    session_id = user.create(output_format={"type": "json_schema", "schema": schema})
    answer = {"tools": [{"name": "StructuredOutput", "input": {"n": 42}}]}
    body = user.ask(session_id, scripted(answer, {"text": "Done."})).raise_for_status().json()
    assert body["structured_output"] == {"n": 42}
    run = user.http.get(f"/sessions/{session_id}/runs/{body['run_id']}").json()
    assert run["structured_output"] == {"n": 42}
    failed = user.ask(session_id, scripted({"text": "No."}))
    assert (failed.status_code, failed.json()["error_code"]) == (502, "OUTPUT_NOT_VALID")
