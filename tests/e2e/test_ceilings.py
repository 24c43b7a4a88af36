"""Ceilings of roles, as administrators set them and users see them on the whole system."""

from typing import Any

import pytest
from onebox.testing.system import System, until
from simulator.testing import DONE, bash, scripted

from tests.e2e.user import User, change, error, newcomer

ONCE = scripted(bash("touch made"), DONE)
CEILINGS = "user.tools=!Bash, user.permission_modes=default|plan, user.max_turns=10, user.models=claude-sonnet-*|haiku"
REFUSED: dict[str, tuple[str, Any]] = {
    "allowed_tools": ("OPTION_NOT_ALLOWED", ["Bash(ls:*)"]),
    "permission_mode": ("OPTION_NOT_ALLOWED", "acceptEdits"),
    "max_turns": ("OPTION_NOT_ALLOWED", 11),
    "model": ("MODEL_NOT_ALLOWED", "opus"),
}


def tool_status(user: User, session_id: str) -> str:
    """Let the agent call Bash, and return the status of that call."""
    user.ask(session_id, ONCE).raise_for_status()
    return user.items(f"/sessions/{session_id}/tool-calls")[-1]["status"]


def test_a_demoted_administrator_is_limited_in_sessions_of_before(user: User, admin: User) -> None:
    change(admin, user, role="admin")
    until(lambda: user.http.get("/admin/users").status_code == 200)  # as the gateway sees it, not the account
    options = {"allowed_tools": ["Read"], "permission_mode": "bypassPermissions"}
    body = {"name": "one", "mode": "non_interactive", "sdk_options": options}
    session_id = user.http.post("/sessions", json=body).raise_for_status().json()["id"]
    until(lambda: tool_status(user, session_id) == "success")  # the session service learns of the role a bit later
    change(admin, user, role="user")
    until(lambda: user.http.get("/admin/users").status_code == 403)  # a query under way would be refused
    until(lambda: tool_status(user, session_id) == "denied")
    assert error(user.http.post(f"/sessions/{session_id}/fork", json={"name": "two"})) == (403, "ADMINS_ONLY")


@pytest.mark.long
def test_options_above_the_ceiling_are_refused_and_tools_denied() -> None:
    with System({"CEILINGS": CEILINGS}) as limited:
        limited.start()
        for user in newcomer(limited):
            for field, (code, value) in REFUSED.items():
                answer = user.http.post("/sessions", json={"name": "one", "sdk_options": {field: value}})
                assert error(answer) == (422, code), field
                assert answer.json()["errors"][0]["loc"] == ["body", "sdk_options", field]
            assert tool_status(user, user.create("Read")) == "error"
