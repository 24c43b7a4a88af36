"""Real MCP servers, checked, authorized and used by agents, on the whole system."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp_connection.testing.programs import started, stdio_command
from onebox.testing.authorization_server import Protected, consent, protected_server
from onebox.testing.system import System
from runtime.testing import eventually
from simulator.testing import DONE, calling, scripted

from tests.e2e.user import User, newcomer

SOURCES = Path(__file__).parents[2]
SETTINGS = {"MCP_ALLOWED_ADDRESSES": "127.0.0.1", "MCP_PROGRAM_DIRS": f"{sys.prefix}:{SOURCES / 'libs'}"}

CALLBACK = "/api/v1/mcp-servers/oauth/callback"


@pytest.fixture(scope="module")
def open_system(servers: None) -> Generator[System]:
    """Yield a system whose operator allows servers on this machine."""
    with System(SETTINGS) as system:
        system.start()
        yield system


@pytest.fixture
def owner(open_system: System) -> Generator[User]:
    yield from newcomer(open_system)


@pytest.fixture
async def protected() -> AsyncGenerator[Protected]:
    async with protected_server() as server:
        yield server


def add(user: User, **fields: Any) -> str:
    """Register a server, and return its path."""
    return f"/mcp-servers/{user.http.post('/mcp-servers', json=fields).raise_for_status().json()['id']}"


def checked(user: User, path: str) -> dict[str, Any]:
    return user.http.post(f"{path}/check").raise_for_status().json()


def tools_of(server: dict[str, Any]) -> set[str]:
    assert server["health"] == "healthy", server["error_detail"]
    return {tool["name"] for tool in server["tools"]}


def called(user: User, name: str) -> str:
    """Let the agent of a new session call a tool of a server, and return the result."""
    session_id = user.create(f"mcp__{name}", mcp_servers=[name])
    user.ask(session_id, scripted(calling((f"mcp__{name}__echo", {"text": "hello"})), DONE)).raise_for_status()
    return user.items(f"/sessions/{session_id}/tool-calls")[-1]["tool_output"]["content"]


@pytest.mark.parametrize(("transport", "server_type"), [("http", "HTTP"), ("sse", "SSE")])
async def test_a_remote_server_is_checked_and_used(transport: str, server_type: str, owner: User):
    async with started("--transport", transport) as program:
        server = checked(owner, add(owner, name=transport, server_type=server_type, url=program.url))
        result = called(owner, transport)
    assert ({"add", "echo"} <= tools_of(server), result) == (True, "hello")


def test_a_program_is_checked_and_used(open_system: System) -> None:
    admin, [command, *args] = User(open_system.base_url), stdio_command()
    with admin.http:
        admin.log_in(open_system.admin_email, open_system.admin_password)
        server = checked(admin, add(admin, name="program", server_type="STDIO", command=command, args=args))
        result = called(admin, "program")
    assert ({"add", "echo"} <= tools_of(server), result) == (True, "hello")


async def test_a_user_authorizes_a_server(open_system: System, owner: User, protected: Protected):
    path = add(owner, name="protected", server_type="HTTP", url=protected.url)
    # In a thread, as the protected server runs in this one.
    required = await asyncio.to_thread(checked, owner, path)
    offered = (await asyncio.to_thread(owner.http.post, f"{path}/authorize")).raise_for_status()
    returned = await consent(offered.json()["authorization_url"])
    async with httpx2.AsyncClient(base_url=open_system.base_url, timeout=60) as browser:
        elsewhere = await browser.get(CALLBACK, params=returned)
        browser.cookies.update(dict(offered.cookies))
        response = await browser.get(CALLBACK, params=returned)
        repeated = await browser.get(CALLBACK, params=returned)
    await eventually(lambda: owner.http.get(path).json()["is_authorized"])
    authorized = await asyncio.to_thread(checked, owner, path)
    owner.http.delete(f"{path}/authorization").raise_for_status()
    await eventually(lambda: not protected.provider.access)
    assert required["health"] == "authorization_required"
    assert [each.status_code for each in (elsewhere, response, repeated)] == [400, 200, 400]
    assert tools_of(authorized) == {"whoami"}
    assert owner.http.get(path).json()["health"] == "authorization_required"
