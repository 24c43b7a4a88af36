"""MCP servers of users of the whole system, and sessions that use them."""

from dataclasses import dataclass
from typing import Any

from mcp_connection.testing.executing import SERVER
from sandbox.bwrap_args import PYTHON
from simulator.testing import DONE, calling, scripted

from tests.e2e.user import User

PROGRAM: dict[str, Any] = {"server_type": "STDIO", "command": str(PYTHON), "args": ["-I", "-c", SERVER]}
"""A server whose tool `run` executes Python in its sandbox."""

type ToolCall = tuple[str, dict[str, Any]]


def execute(code: str) -> ToolCall:
    """Return a call of `PROGRAM`, registered under the name "lab"."""
    return "mcp__lab__run", {"code": code}


def register(user: User, name: str, definition: dict[str, Any]) -> dict[str, Any]:
    """Register a server, and return it after its first check."""
    created = user.http.post("/mcp-servers", json={"name": name} | definition).raise_for_status().json()
    return user.http.post(f"/mcp-servers/{created['id']}/check").raise_for_status().json()


def register_url(user: User, name: str, url: str, kind: str = "HTTP", **fields: Any) -> dict[str, Any]:
    """Register a remote server, and return it after its first check."""
    return register(user, name, {"server_type": kind, "url": url, **fields})


@dataclass(frozen=True)
class Turn:
    """A run that has ended, and the outputs of its tool calls."""

    run: dict[str, Any]
    outputs: list[str]

    @property
    def statuses(self) -> list[str]:
        """How the run used the servers that its session names."""
        return [use["status"] for use in self.run["mcp_servers"]]


def call(user: User, session_id: str, *tools: ToolCall) -> Turn:
    """Let the agent call tools one after another."""
    return ask(user, session_id, scripted(*(calling(tool) for tool in tools), DONE))


def ask(user: User, session_id: str, message: str) -> Turn:
    """Send a message to the agent, and wait for the end of the run."""
    run_id = user.ask(session_id, message).json()["run_id"]
    return Turn(user.ended(session_id, run_id), outputs(user, session_id, run_id))


def outputs(user: User, session_id: str, run_id: str) -> list[str]:
    """Return the outputs of the tool calls of a run."""
    calls = user.items(f"/sessions/{session_id}/tool-calls", run_id=run_id)
    return [each["tool_output"]["content"] if each["tool_output"] else "" for each in calls]
