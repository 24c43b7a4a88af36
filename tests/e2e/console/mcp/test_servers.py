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
from tests.e2e.console.tab import Console
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


async def test_a_server_is_listed_with_its_health_and_tools(console: Console, user: User, lab: Lab) -> None:
    register(user, lab.url, name="<b>Lab</b>")
    await console.open_servers()
    await expect(console.servers.get_by_role("rowheader")).to_contain_text("<b>Lab</b>")
    await expect(console.servers.locator(".chip:visible")).to_have_text(["enabled", "healthy"])
    await expect(console.servers.locator(".tools")).to_have_text("2")
    await expect(console.servers.locator(".latency")).to_have_text(re.compile(r"^\d+ ms$"))


async def test_a_server_that_cannot_be_reached_is_listed_with_the_reason(console: Console, user: User) -> None:
    register(user, NOWHERE)
    await console.open_servers()
    await expect(console.servers.locator(".health")).to_have_text("unhealthy")
    await expect(console.servers.locator(".problem")).to_have_text("MCP_SERVER_UNAVAILABLE")


@pytest.mark.parametrize("server_type", ["HTTP", "SSE"])
async def test_a_remote_server_is_registered_and_checked(console: Console, user: User, server_type: str) -> None:
    async with started("--transport", server_type.lower()) as server:
        await open_form(console)
        await register_by_form(
            console, name="Example", type=server_type, url=server.url, headers="X-Key: a: b\nX-Other: c"
        )
        await expect(console.health).to_have_text("healthy")
        await expect(console.server_tools.locator(".name", has_text="echo")).to_be_visible()
    [listed] = user.items("/mcp-servers")
    assert (listed["server_type"], listed["headers"]) == (server_type, {"X-Key": "***", "X-Other": "***"})


async def test_an_administrator_registers_a_program_for_all_users(admin_console: Console, mcp_admin: User) -> None:
    await open_form(admin_console)
    program = {"command": str(PYTHON), "arguments": f"-I\n-c\nexec({executing.SERVER!r})"}
    await admin_console.view.get_by_label("For all users").check()
    await register_by_form(admin_console, name="Program", type="STDIO", **program, environment="ONE=1=2")
    await expect(admin_console.health).to_have_text("healthy")
    await expect(admin_console.server_tools).to_have_count(1)
    server_id = admin_console.page.url.rpartition("/")[2]
    server = mcp_admin.http.get(f"/mcp-servers/{server_id}").json()
    assert (server["is_global"], server["env"]) == (True, {"ONE": "***"})


async def test_a_program_of_a_user_is_refused_with_the_reason(console: Console) -> None:
    await open_form(console)
    await register_by_form(console, name="Program", type="STDIO", command="kubectl-mcp")
    await expect(console.view.locator(".new [role=alert]")).to_contain_text("kubectl-mcp")
    await expect(console.view.get_by_label("For all users")).to_be_hidden()


async def test_a_malformed_header_is_not_sent(console: Console, user: User) -> None:
    await open_form(console)
    await register_by_form(console, name="Example", url=NOWHERE, headers="X-Key: a\nsesame")
    await expect(console.view.locator(".new [role=alert]")).to_have_text("Line 2 must have the form Name: value.")
    assert user.items("/mcp-servers") == []


async def test_the_list_follows_changes_of_servers(console: Console, user: User) -> None:
    kept, deleted = register(user, NOWHERE, name="kept"), register(user, NOWHERE, name="deleted")
    await console.open_servers()
    await expect(console.servers).to_have_count(2)
    user.http.post(f"/mcp-servers/{kept}/disable").raise_for_status()
    await expect(console.servers.last.locator(".state")).to_have_text("disabled")
    user.http.delete(f"/mcp-servers/{deleted}").raise_for_status()
    await expect(console.servers).to_have_text([re.compile("kept")])


async def test_a_file_is_imported_and_its_errors_are_shown(console: Console, user: User) -> None:
    text = '{"mcpServers": {"one": {"command": "rm"}, "two": {"url": "https://mcp.invalid/"}}}'
    await console.open_servers()
    await console.unfold("Import")
    file = {"name": "mcp.json", "mimeType": "application/json", "buffer": text.encode()}
    await console.view.get_by_label("File of this API").set_input_files([file])  # pyright: ignore[reportArgumentType]
    await console.press("Import")
    result = console.view.locator(".result p")
    await expect(result).to_have_text(["Imported: 1, skipped: 0, failed: 1.", re.compile("^one: .*rm")])
    await expect(console.servers.get_by_role("rowheader")).to_have_text([re.compile("two")])


async def test_servers_are_exported_as_the_form_says(console: Console, user: User) -> None:
    register(user, NOWHERE, headers={"X-Key": "plantedsecret"})
    await console.open_servers()
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
