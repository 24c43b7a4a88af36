"""Options that agents have from templates, changes and forks of sessions."""

from onebox.testing.system import System, until
from simulator.testing import bash, scripted

from tests.e2e.user import User

TEMPLATE = {
    "name": "DevOps Investigation Template",
    "category": "DEVOPS",
    "sdk_options": {"allowed_tools": ["Bash", "Read", "Write"], "permission_mode": "default"},
    "default_mode": "non_interactive",
    "is_public": True,
}


def test_a_session_from_a_public_template_is_counted(shared_user: User, stranger: User) -> None:
    template = shared_user.http.post("/session-templates", json=TEMPLATE).raise_for_status().json()
    body = {"template_id": template["id"], "sdk_options": {"max_turns": 7}}
    session = stranger.http.post("/sessions", json=body).raise_for_status().json()
    assert (session["mode"], session["sdk_options"]["allowed_tools"]) == ("non_interactive", ["Bash", "Read", "Write"])
    assert session["sdk_options"]["max_turns"] == 7
    assert stranger.bash(session["id"], "echo allowed") == "allowed"
    assert shared_user.http.get(f"/session-templates/{template['id']}").json()["usage_count"] == 1


def test_a_change_during_a_run_applies_to_the_next_run_and_to_forks(shared_user: User, system: System) -> None:
    session_id = shared_user.create("Bash", env={"TOKEN": "plantedsecret"})
    path = f"/sessions/{session_id}"
    until_go = bash("until [ -e go ]; do sleep 0.1; done; echo ${#TOKEN}")
    run_id = shared_user.submit(session_id, scripted(until_go, {"text": "Done."})).raise_for_status().json()["id"]
    until(lambda: shared_user.run(session_id, run_id)["tool_calls"])
    change = {"sdk_options": {"env": {"TOKEN": "ab"}}}
    changed = shared_user.http.patch(path, json=change).raise_for_status().json()
    assert (changed["status"], changed["sdk_options"]["env"]) == ("processing", {"TOKEN": "***"})
    (system.data_dir / "workspaces" / session_id / "go").touch()
    assert shared_user.ended(session_id, run_id)["status"] == "completed"
    assert shared_user.items(f"{path}/tool-calls")[-1]["tool_output"]["content"] == "13"
    fork = shared_user.http.post(f"{path}/fork", json={"name": "two"}).raise_for_status().json()
    assert [shared_user.bash(id, "echo ${#TOKEN}") for id in (session_id, fork["id"])] == ["2", "2"]
