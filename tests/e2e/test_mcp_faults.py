"""MCP servers that are hostile, slow or killed, and replicas that are killed meanwhile."""

import os
import signal
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from mcp_connection.testing import started
from onebox.testing.system import System, until
from simulator.testing import DONE, calling, scripted

from tests.e2e.mcp import PROGRAM, ToolCall, call, execute, register, register_url
from tests.e2e.processes import seconds_of, sleeping
from tests.e2e.user import PATIENCE, User

SECONDS = seconds_of(__name__)
SLEEP = execute(f"subprocess.run(['sleep', '{SECONDS}'])")
SLEEPING = scripted(calling(SLEEP), DONE)
HOSTILE = ("hang", "endless-body", "endless-pages", "endless-notifications", "long-descriptions", "hanging-list")


@pytest.fixture
def session_id(user: User, mcp_admin: User) -> str:
    """A session with a STDIO server whose tool executes Python."""
    register(mcp_admin, "lab", PROGRAM | {"is_global": True})
    return user.create("mcp__lab", mcp_servers=["lab"])


@contextmanager
def suspended(system: System, service: str) -> Generator[None]:
    """Suspend a service for the duration of the context, so that it answers nothing."""
    pid = system.pids()[service]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.long
async def test_hostile_servers_do_not_prevent_a_run(user: User) -> None:
    async with started(module="mcp_connection.testing.hostile") as hostile, started() as server:
        for mode in HOSTILE:
            body = {"name": mode, "server_type": "HTTP", "url": f"{hostile.url}/{mode}"}
            user.http.post("/mcp-servers", json=body).raise_for_status()
        register_url(user, "lab", server.url)
        session_id = user.create("mcp__lab", mcp_servers=[*HOSTILE, "lab"])
        echo: ToolCall = ("mcp__lab__echo", {"text": "hello there"})
        turn = call(user, session_id, echo)
    assert (turn.run["status"], turn.outputs) == ("completed", ["hello there"])
    assert turn.statuses == ["failed"] * len(HOSTILE) + ["connected"]
    assert all(use["detail"] for use in turn.run["mcp_servers"][:-1])


def test_cancelling_a_run_ends_the_call_of_a_tool(user: User, session_id: str) -> None:
    run_id = user.submit(session_id, SLEEPING).raise_for_status().json()["id"]
    until(lambda: sleeping(SECONDS))
    user.http.post(f"/sessions/{session_id}/runs/{run_id}/cancel").raise_for_status()
    until(lambda: not sleeping(SECONDS))
    assert user.ended(session_id, run_id)["status"] == "cancelled"


@pytest.mark.long
def test_a_run_continues_without_the_registry(system: System, user: User, session_id: str) -> None:
    with suspended(system, "mcp_registry"):
        turn = call(user, session_id)
    until(lambda: user.http.get("/mcp-servers").is_success)  # the bus has disconnected it meanwhile
    [use] = turn.run["mcp_servers"]
    assert (turn.run["status"], use["status"]) == ("completed", "failed")
    assert use["detail"] == "The MCP registry is not available."


@pytest.mark.long
def test_a_replica_that_is_killed_during_a_call_leaves_no_server_running(
    system: System, user: User, session_id: str
) -> None:
    with ThreadPoolExecutor(1) as caller:
        asked = caller.submit(user.ask, session_id, SLEEPING)
        until(lambda: sleeping(SECONDS))
        system.kill("session")
        answer = asked.result(PATIENCE)
    assert answer.json()["error_code"] == "RUN_INTERRUPTED"
    until(lambda: not sleeping(SECONDS))
    assert call(user, session_id, execute("result = 'again'")).outputs == ['"again"']
