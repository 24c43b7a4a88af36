"""MCP servers, from registering to exporting, on the whole system."""

from collections.abc import Generator
from typing import Any

import pytest
from onebox.testing.system import System

from tests.e2e.user import User, newcomer

REMOTE: dict[str, Any] = {"name": "tickets", "server_type": "HTTP", "url": "https://mcp.invalid/"}


@pytest.fixture
def other(system: System) -> Generator[User]:
    yield from newcomer(system)


def exported(user: User, **query: str) -> str:
    return user.http.get("/mcp-servers/export", params=query).raise_for_status().text


def imported(user: User, text: str, **query: str) -> dict[str, Any]:
    response = user.http.post("/mcp-servers/import", files={"file": ("servers", text)}, params=query)
    return response.raise_for_status().json()


def test_an_export_can_be_imported_by_another_user(user: User, other: User) -> None:
    user.http.post("/mcp-servers", json=REMOTE | {"headers": {"X-Key": "plantedsecret"}}).raise_for_status()
    assert imported(other, exported(user, include_secrets="true"))["imported_count"] == 1
    assert exported(other, include_secrets="true") == exported(user, include_secrets="true")
    user.http.patch(f"/mcp-servers/{user.http.get('/mcp-servers').json()['items'][0]['id']}", json={"description": "d"})
    assert imported(user, exported(other), on_conflict="replace")["errors"] == []
    assert "plantedsecret" in exported(user, include_secrets="true")


def test_a_session_cannot_name_an_unknown_server(stranger: User) -> None:
    response = stranger.http.post("/sessions", json={"sdk_options": {"mcp_servers": ["nowhere"]}})
    assert (response.status_code, response.json()["error_code"]) == (422, "UNKNOWN_MCP_SERVER")
