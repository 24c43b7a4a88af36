"""Sessions that use other sessions through the MCP server of the system."""

from typing import Any

import pytest
from onebox.testing.system import System, until
from simulator.testing import DONE, calling, scripted

from tests.e2e.mcp import call, outputs, register_url
from tests.e2e.tasks import FINE
from tests.e2e.user import User


@pytest.fixture
def sessions(mcp_system: System, mcp_user: User) -> list[str]:
    """Two sessions whose agents may use each other."""
    token = mcp_user.http.headers["authorization"]
    server = register_url(mcp_user, "agents", f"{mcp_system.base_url}/mcp", headers={"Authorization": token})
    assert server["health"] == "healthy"
    return [mcp_user.create("mcp__agents", mcp_servers=["agents"]) for _ in range(2)]


def query(session_id: str, message: str, **options: Any) -> tuple[str, dict[str, Any]]:
    """Return a call with which an agent queries another one."""
    return "mcp__agents__query_session", {"session_id": session_id, "message": message, **options}


def depth(user: User, session_id: str) -> int:
    return user.http.get(f"/sessions/{session_id}").raise_for_status().json()["depth"]


def test_an_agent_uses_another_session(mcp_user: User, sessions: list[str]) -> None:
    first, second = sessions
    [output] = call(mcp_user, first, query(second, FINE)).outputs
    assert '"text":"Fine."' in output
    assert [depth(mcp_user, id) for id in sessions] == [0, 1]


def test_a_circle_of_sessions_comes_to_an_end(mcp_user: User, sessions: list[str]) -> None:
    first, second = sessions
    message = FINE
    for session_id in (first, second, first, second):
        message = scripted(calling(query(session_id, message, wait=False, on_busy="enqueue")), DONE)
    mcp_user.ask(first, message).raise_for_status()
    until(lambda: refused(mcp_user, second))
    assert [depth(mcp_user, id) for id in sessions] == [2, 3]


def refused(user: User, session_id: str) -> bool:
    """Return whether the agent of a session was refused to use another one."""
    runs = user.items(f"/sessions/{session_id}/runs")
    return any("NESTING_TOO_DEEP" in output for run in runs for output in outputs(user, session_id, run["id"]))
