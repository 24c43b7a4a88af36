"""A user authorizes the system at a real authorization server, for an MCP server that demands it."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import httpx2
import pytest
from onebox.testing.authorization_server import Protected, consent, protected_server
from onebox.testing.system import System
from runtime.testing import eventually

from tests.e2e.user import PATIENCE, User

CALLBACK = "/api/v1/mcp-servers/oauth/callback"


@pytest.fixture
async def protected() -> AsyncGenerator[Protected]:
    async with protected_server() as server:
        yield server


def checked(user: User, path: str) -> dict[str, Any]:
    return user.http.post(f"{path}/check").raise_for_status().json()


async def test_a_user_authorizes_a_server(system: System, user: User, protected: Protected):
    server = {"name": "protected", "server_type": "HTTP", "url": protected.url}
    path = f"/mcp-servers/{user.http.post('/mcp-servers', json=server).raise_for_status().json()['id']}"
    # In a thread, as the protected server runs in this one.
    required = await asyncio.to_thread(checked, user, path)
    offered = (await asyncio.to_thread(user.http.post, f"{path}/authorize")).raise_for_status()
    returned = await consent(offered.json()["authorization_url"])
    async with httpx2.AsyncClient(base_url=system.base_url, timeout=PATIENCE) as browser:
        elsewhere = await browser.get(CALLBACK, params=returned)
        browser.cookies.update(dict(offered.cookies))
        response = await browser.get(CALLBACK, params=returned)
        repeated = await browser.get(CALLBACK, params=returned)
    await eventually(lambda: user.http.get(path).json()["is_authorized"])
    authorized = await asyncio.to_thread(checked, user, path)
    user.http.delete(f"{path}/authorization").raise_for_status()
    await eventually(lambda: not protected.provider.access)
    assert required["health"] == "authorization_required"
    assert [each.status_code for each in (elsewhere, response, repeated)] == [400, 200, 400]
    assert (authorized["health"], [tool["name"] for tool in authorized["tools"]]) == ("healthy", ["whoami"])
    assert user.http.get(path).json()["health"] == "authorization_required"
