"""The events of a deleted MCP server are erased."""

import pytest
from contracts.mcp_registry.server import DeleteServer
from contracts.refusals import Code, Refusal
from eventing.database import Database
from eventing.testing.breaking import WORD, erase_deleted

from .desk import Desk
from .samples import OWNER, STRANGER, remote, tool


async def test_events_of_a_deleted_server_are_erased(desk: Desk, owner: Database) -> None:
    server = await desk.create(remote(url=f"https://{WORD}.example.com/mcp"), headers={"X-Key": WORD})
    await desk.check(server.id, tool("search", WORD))
    await desk.send(DeleteServer(server_id=server.id))
    assert await desk.found(WORD) == [WORD]
    await erase_deleted(desk.database, owner)
    assert await desk.found(WORD) == []


async def test_commands_on_an_erased_server_are_refused(desk: Desk, owner: Database) -> None:
    server = await desk.create()
    await desk.send(DeleteServer(server_id=server.id))
    await erase_deleted(desk.database, owner)
    for actor in (OWNER, STRANGER):
        with pytest.raises(Refusal, match=Code.MCP_SERVER_NOT_FOUND):
            await desk.send(DeleteServer(server_id=server.id), actor)
    with pytest.raises(Refusal, match=Code.MCP_SERVER_NOT_FOUND):
        await desk.request_check(server.id)
