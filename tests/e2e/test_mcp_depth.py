"""Sessions that use other sessions through the MCP server of the system."""

from typing import Any

import pytest
from onebox.testing.system import System, until
from simulator.testing import DONE, calling, scripted

from tests.e2e.mcp import call, outputs, register_url
from tests.e2e.tasks import FINE
from tests.e2e.user import User


@pytest.fixture
def sessions(system: System, user: User) -> list[str]:
    """Two sessions whose agents may use each other."""
    token = user.http.headers["authorization"]
    server = register_url(user, "agents", f"{system.base_url}/mcp", headers={"Authorization": token})
    assert server["health"] == "healthy"
    return [user.create("mcp__agents", mcp_servers=["agents"]) for _ in range(2)]


def query(session_id: str, message: str, **options: Any) -> tuple[str, dict[str, Any]]:
    """Return a call with which an agent queries another one."""
    return "mcp__agents__query_session", {"session_id": session_id, "message": message, **options}


def depth(user: User, session_id: str) -> int:
    return user.http.get(f"/sessions/{session_id}").raise_for_status().json()["depth"]


def test_agents_use_other_sessions_down_to_a_depth(user: User, sessions: list[str]) -> None:
    first, second = sessions
    [output] = call(user, first, query(second, FINE)).outputs
    assert '"text":"Fine."' in output
    assert [depth(user, id) for id in sessions] == [0, 1]
    message = FINE
    for session_id in (first, second, first, second):
        message = scripted(calling(query(session_id, message, wait=False, on_busy="enqueue")), DONE)
    user.ask(first, message).raise_for_status()
    until(lambda: refused(user, second))
    assert [depth(user, id) for id in sessions] == [2, 3]


def refused(user: User, session_id: str) -> bool:
    """Return whether the agent of a session was refused to use another one."""
    runs = user.items(f"/sessions/{session_id}/runs")
    return any("NESTING_TOO_DEEP" in output for run in runs for output in outputs(user, session_id, run["id"]))
