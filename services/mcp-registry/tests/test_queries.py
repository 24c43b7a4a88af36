"""The queries of servers: who sees what, filters, exports and references."""

from typing import Any

import pytest
from contracts.mcp_registry.server import (
    CheckReferences,
    DeleteServer,
    ExportServers,
    GetServer,
    ListServers,
    SetServerEnabled,
)
from contracts.messages import Actor
from contracts.refusals import Code, Refusal

from .desk import Desk, unavailable
from .samples import ADMIN, OWNER, STRANGER, program, remote, tool


async def names(desk: Desk, actor: Actor = OWNER, **filters: Any) -> list[str]:
    return [server.name for server in (await desk.ask(ListServers(**filters), actor)).items]


async def test_another_users_server_is_not_found(desk: Desk) -> None:
    server = await desk.create()
    assert await desk.ask(GetServer(server_id=server.id), ADMIN)
    with pytest.raises(Refusal, match=f"{Code.MCP_SERVER_NOT_FOUND}: There is no MCP server {server.id}."):
        await desk.ask(GetServer(server_id=server.id), STRANGER)


async def test_users_of_a_global_server_do_not_see_how_it_is_reached(desk: Desk) -> None:
    server = await desk.create_global(headers={"X-Key": "plantedsecret"})
    await desk.check(server.id, tool("search"))
    seen = await desk.ask(GetServer(server_id=server.id))
    assert [seen.command, seen.args, seen.url, seen.env, seen.headers] == [None] * 5
    assert (seen.name, seen.health, [each.name for each in seen.tools]) == ("tickets", "healthy", ["search"])
    [listed] = (await desk.ask(ListServers())).items
    assert (listed.url, listed.headers) == (None, None)


async def test_users_of_a_global_server_do_not_see_why_a_check_failed(desk: Desk) -> None:
    server = await desk.create_global()
    await desk.check(server.id, failure=unavailable())
    seen = await desk.ask(GetServer(server_id=server.id))
    assert (seen.error_code, seen.error_detail) == (Code.MCP_SERVER_UNAVAILABLE, None)
    assert (await desk.latest(server.id)).error_detail == "The connection was refused."


async def test_a_changed_server_has_no_error_of_an_earlier_check(desk: Desk) -> None:
    server = await desk.create()
    await desk.check(server.id, failure=unavailable())
    await desk.update(server.id, description="new")
    assert (await desk.latest(server.id)).error_code is None


async def test_an_enabled_server_has_no_health_of_an_earlier_check(desk: Desk) -> None:
    server = await desk.create()
    await desk.check(server.id, failure=unavailable())
    for is_enabled in (False, True):
        await desk.send(SetServerEnabled(server_id=server.id, is_enabled=is_enabled))
    seen = await desk.latest(server.id)
    assert (seen.health, seen.error_code) == ("unknown", None)


async def test_the_owner_and_admins_see_how_a_global_server_is_reached(desk: Desk) -> None:
    server = await desk.create(headers={"X-Key": "plantedsecret"})
    await desk.update(server.id, ADMIN, is_global=True)
    for actor in (OWNER, ADMIN):
        assert (await desk.ask(GetServer(server_id=server.id), actor)).headers == {"X-Key": "***"}


async def test_own_and_global_servers_are_listed_newest_first(desk: Desk) -> None:
    await desk.create(remote(name="own"))
    await desk.create_global(remote(name="global"))
    await desk.create(remote(name="theirs"), STRANGER)
    assert await names(desk) == ["global", "own"]
    assert await names(desk, ADMIN) == ["theirs", "global", "own"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"server_type": "STDIO"}, ["files"]),
        ({"is_enabled": False}, ["off"]),
        ({"is_global": True}, ["global"]),
        ({"health": "unhealthy"}, ["off"]),
        ({"q": "ISSUES"}, ["off"]),
        ({"q": "glob"}, ["global"]),
        ({"q": "%"}, []),
        ({"server_type": "HTTP", "is_enabled": True}, ["global"]),
    ],
)
async def test_servers_are_listed_by_filters(desk: Desk, filters: dict[str, Any], expected: list[str]) -> None:
    await desk.create_program()
    await desk.create_global(remote(name="global"))
    off = await desk.create(remote(name="off", description="All issues"))
    await desk.check(off.id, failure=unavailable())
    await desk.send(SetServerEnabled(server_id=off.id, is_enabled=False))
    page = await desk.ask(ListServers(**filters))
    assert ([each.name for each in page.items], page.total) == (expected, len(expected))


async def test_a_list_continues_after_an_item(desk: Desk) -> None:
    servers = [await desk.create(remote(name=name)) for name in "abc"]
    assert await names(desk, after=servers[2].id, limit=1) == ["b"]


async def test_only_own_servers_are_exported_by_name(desk: Desk) -> None:
    for actor in (OWNER, ADMIN):
        await desk.create(remote(name="b"), actor)
        await desk.create(remote(name="A"), actor)
    await desk.create_global(remote(name="global"))
    assert [each.name for each in await desk.ask(ExportServers())] == ["A", "b"]
    assert [each.name for each in await desk.ask(ExportServers(), ADMIN)] == ["A", "b", "global"]


async def test_an_export_has_secrets_only_if_they_are_requested(desk: Desk) -> None:
    await desk.create(program(args=["a"]), env={"TOKEN": "plantedsecret"})
    [without] = await desk.ask(ExportServers())
    [complete] = await desk.ask(ExportServers(include_secrets=True))
    assert (without.env, complete.env) == ({}, {"TOKEN": "plantedsecret"})
    assert (complete.args, complete.is_enabled) == (["a"], True)


async def test_references_to_own_and_global_servers_are_valid(desk: Desk) -> None:
    own, other = await desk.create(), await desk.create_global(remote(name="Global"))
    await desk.ask(CheckReferences(references=["TICKETS", str(own.id), "global", str(other.id)]))


async def test_a_disabled_server_is_a_valid_reference(desk: Desk) -> None:
    server = await desk.create()
    await desk.send(SetServerEnabled(server_id=server.id, is_enabled=False))
    await desk.ask(CheckReferences(references=["tickets"]))


@pytest.mark.parametrize("actor", [STRANGER, ADMIN])
async def test_another_users_server_is_no_valid_reference(desk: Desk, actor: Actor) -> None:
    server = await desk.create()
    for reference in ("tickets", str(server.id)):
        with pytest.raises(Refusal, match=f"^{Code.MCP_SERVER_NOT_FOUND}: MCP server '{reference}'"):
            await desk.ask(CheckReferences(references=[reference]), actor)


async def test_a_deleted_server_is_no_valid_reference(desk: Desk) -> None:
    await desk.send(DeleteServer(server_id=(await desk.create()).id))
    with pytest.raises(Refusal, match=Code.MCP_SERVER_NOT_FOUND):
        await desk.ask(CheckReferences(references=["tickets"]))
