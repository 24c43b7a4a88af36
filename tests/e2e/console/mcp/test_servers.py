"""MCP servers are listed, registered, imported and exported."""

import asyncio
import re
from pathlib import Path

import pytest
from mcp_connection.testing import executing
from mcp_connection.testing.programs import started
from playwright.async_api import expect
from sandbox.bwrap_args import PYTHON

from tests.e2e.console.mcp.lab import Lab, register
from tests.e2e.console.tab import Console, all_of
from tests.e2e.user import User

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOWHERE = "https://mcp.invalid/"


async def open_form(console: Console) -> None:
    await console.open_servers()
    await console.unfold("New MCP server")


async def register_by_form(console: Console, **values: str) -> None:
    for label, value in values.items():
        field = console.view.get_by_label(re.compile(f"^{label}", re.IGNORECASE))
        await (field.select_option(value) if label == "type" else field.fill(value))
    await console.press("Register")


@pytest.mark.long
async def test_servers_are_listed_with_their_health_and_followed(console: Console, user: User, lab: Lab) -> None:
    kept, deleted = register(user, lab.url, name="<b>Lab</b>"), register(user, NOWHERE, name="deleted")
    await console.open_servers()
    await expect(console.servers.get_by_role("rowheader")).to_have_text(all_of("deleted", "<b>Lab</b>"))
    await expect(console.servers.locator(".health")).to_have_text(["unhealthy", "healthy"])
    await expect(console.servers.first.locator(".problem")).to_have_text("MCP_SERVER_UNAVAILABLE")
    await expect(console.servers.last.locator(".tools")).to_have_text("2")
    await expect(console.servers.last.locator(".latency")).to_have_text(re.compile(r"^\d+ ms$"))
    user.http.post(f"/mcp-servers/{kept}/disable").raise_for_status()
    await expect(console.servers.last.locator(".state")).to_have_text("disabled")
    user.http.delete(f"/mcp-servers/{deleted}").raise_for_status()
    await expect(console.servers.get_by_role("rowheader")).to_have_text(all_of("<b>Lab</b>"))


async def test_a_remote_server_is_registered_once_its_form_is_valid(console: Console, user: User, lab: Lab) -> None:
    await open_form(console)
    await expect(console.view.get_by_label("For all users")).to_be_hidden()
    await register_by_form(console, name="Program", type="STDIO", command="kubectl-mcp")
    alert = console.view.locator(".new [role=alert]")
    await expect(alert).to_contain_text("kubectl-mcp")
    await register_by_form(console, name="Example", type="HTTP", url=lab.url, headers="X-Key: a\nsesame")
    await expect(alert).to_have_text("Line 2 must have the form Name: value.")
    assert user.items("/mcp-servers") == []
    await register_by_form(console, headers="X-Key: a: b\nX-Other: c")
    await expect(console.health).to_have_text("healthy")
    await expect(console.server_tools.locator(".name", has_text="echo")).to_be_visible()
    [listed] = user.items("/mcp-servers")
    assert (listed["name"], listed["server_type"]) == ("Example", "HTTP")
    assert listed["headers"] == {"X-Key": "***", "X-Other": "***"}


@pytest.mark.long
async def test_a_server_over_events_is_registered_and_checked(console: Console, user: User) -> None:
    async with started("--transport", "sse") as server:
        await open_form(console)
        await register_by_form(console, name="Example", type="SSE", url=server.url)
        await expect(console.health).to_have_text("healthy")
        await expect(console.server_tools.locator(".name", has_text="echo")).to_be_visible()
    [listed] = user.items("/mcp-servers")
    assert listed["server_type"] == "SSE"


@pytest.mark.long
async def test_an_administrator_registers_a_program_for_all_users(admin_console: Console, admin: User) -> None:
    await open_form(admin_console)
    program = {"command": str(PYTHON), "arguments": f"-I\n-c\nexec({executing.SERVER!r})"}
    await admin_console.view.get_by_label("For all users").check()
    await register_by_form(admin_console, name="Program", type="STDIO", **program, environment="ONE=1=2")
    await expect(admin_console.health).to_have_text("healthy")
    await expect(admin_console.server_tools).to_have_count(1)
    server_id = admin_console.page.url.rpartition("/")[2]
    server = admin.http.get(f"/mcp-servers/{server_id}").json()
    assert (server["is_global"], server["env"]) == (True, {"ONE": "***"})


async def test_a_file_is_imported_and_all_is_exported_as_chosen(console: Console, user: User) -> None:
    text = '{"mcpServers": {"one": {"command": "rm"}, "two": {"url": "%s", "headers": {"X-Key": "plantedsecret"}}}}'
    await console.open_servers()
    await console.unfold("Import")
    file = {"name": "mcp.json", "mimeType": "application/json", "buffer": (text % NOWHERE).encode()}
    await console.view.get_by_label("File of this API").set_input_files([file])  # pyright: ignore[reportArgumentType]
    await console.press("Import")
    result = console.view.locator(".result p")
    await expect(result).to_have_text(["Imported: 1, skipped: 0, failed: 1.", re.compile("^one: .*rm")])
    await expect(console.servers.get_by_role("rowheader")).to_have_text(all_of("two"))
    await console.unfold("Export")
    await console.view.get_by_label("Format").select_option("JSON")
    await console.view.get_by_label("Style").select_option("mcpServers")
    await console.view.get_by_label("With the values").check()
    async with console.page.expect_download() as downloading:
        await console.press("Export")
    download = await downloading.value
    content = await asyncio.to_thread(Path(await download.path()).read_text)
    assert download.suggested_filename == "mcp-servers.json"
    assert '"mcpServers"' in content
    assert "plantedsecret" in content
