"""The read model of servers, the tables of secrets, and the due times of checks."""

from datetime import timedelta

import pytest
from contracts.mcp_registry.server import DeleteServer, SetServerEnabled
from contracts.refusals import Code, Refusal
from mcp_registry.secret_tables import ENVIRONMENTS, HEADERS

from .desk import Desk, unavailable
from .samples import NOON, OWNER, URL, program, remote, tool

TABLES = ("servers", "server_environments", "server_headers", "due")


async def test_creating_a_server_returns_its_view(desk: Desk) -> None:
    server = await desk.create(remote(description="Tickets", allowed_tools=["search"]))
    assert (server.name, server.url, server.user_id) == ("tickets", URL, OWNER.user_id)
    assert (server.description, server.allowed_tools) == ("Tickets", ["search"])
    assert (server.health, server.is_enabled, server.is_authorized, server.tools) == ("unknown", True, False, [])
    assert server.created_at == NOON


async def test_secrets_are_masked_in_the_view(desk: Desk) -> None:
    assert (await desk.create(headers={"Authorization": "plantedsecret"})).headers == {"Authorization": "***"}
    assert (await desk.create_program(TOKEN="plantedsecret")).env == {"TOKEN": "***"}


async def test_values_of_secrets_are_stored_apart(desk: Desk) -> None:
    headers, env = (
        await desk.create(headers={"X-Key": "plantedsecret"}),
        await desk.create_program(TOKEN="plantedsecret-2"),
    )
    assert await HEADERS.get(headers.id, desk.database) == {"X-Key": "plantedsecret"}
    assert await ENVIRONMENTS.get(env.id, desk.database) == {"TOKEN": "plantedsecret-2"}


async def test_updating_a_server_returns_its_view(desk: Desk) -> None:
    server = await desk.create(program(args=["a"]), env={"TOKEN": "plantedsecret"})
    desk.at(NOON + timedelta(hours=1))
    changed = await desk.update(server.id, name="renamed", workspace="read", env={"TOKEN": "***", "B": "1"})
    assert (changed.name, changed.workspace, changed.args) == ("renamed", "read", ["a"])
    assert changed.env == {"TOKEN": "***", "B": "***"}
    assert changed.updated_at == NOON + timedelta(hours=1)
    assert await ENVIRONMENTS.get(server.id, desk.database) == {"TOKEN": "plantedsecret", "B": "1"}


async def test_a_checked_server_shows_its_health_and_tools(desk: Desk) -> None:
    server = await desk.check((await desk.create()).id, tool("search", "Searches."), tool("read"))
    assert (server.health, server.error_code, server.server_version) == ("healthy", None, "1.2")
    assert [(each.name, each.description) for each in server.tools] == [("search", "Searches."), ("read", "")]
    assert (server.tool_count, server.checked_at) == (2, NOON)
    assert server.latency_ms is not None


async def test_a_failed_check_shows_the_reason_and_keeps_the_tools(desk: Desk) -> None:
    server = await desk.create()
    await desk.check(server.id, tool("search"))
    failed = await desk.check(server.id, failure=unavailable())
    assert (failed.health, failed.error_code) == ("unhealthy", Code.MCP_SERVER_UNAVAILABLE)
    assert (failed.error_detail, failed.latency_ms) == ("The connection was refused.", None)
    assert failed.tool_count == 1


async def test_a_check_that_succeeds_again_clears_the_reason(desk: Desk) -> None:
    server = await desk.create()
    await desk.check(server.id, failure=unavailable())
    healthy = await desk.check(server.id, tool("search"))
    assert (healthy.health, healthy.error_code, healthy.error_detail) == ("healthy", None, None)


async def test_a_changed_server_shows_the_difference(desk: Desk) -> None:
    server = await desk.create()
    await desk.check(server.id, tool("search"), tool("gone"))
    changed = await desk.check(server.id, tool("search", "new"), tool("added"))
    assert changed.health == "changed"
    assert changed.difference.model_dump() == {"added": ["added"], "removed": ["gone"], "changed": ["search"]}


async def test_another_target_has_no_tools_until_it_is_checked(desk: Desk) -> None:
    server = await desk.create()
    await desk.check(server.id, tool("search"))
    changed = await desk.update(server.id, url="https://other.example")
    assert (changed.health, changed.tools, changed.server_version) == ("unknown", [], None)
    assert (await desk.check(server.id, tool("search", "new"))).health == "healthy"


async def test_a_healthy_server_is_checked_again_later(desk: Desk) -> None:
    server = await desk.create()
    assert await desk.due() == []
    await desk.check(server.id)
    [due] = await desk.due()
    assert NOON + timedelta(seconds=810) <= due <= NOON + timedelta(seconds=900)


async def test_a_failing_server_is_checked_again_soon_and_then_less_often(desk: Desk) -> None:
    server = await desk.create()
    pauses = list[float]()
    for _ in range(3):
        await desk.check(server.id, failure=unavailable())
        pauses += [(due - NOON).total_seconds() for due in await desk.due()]
    assert pauses == [pytest.approx(seconds * 0.95, rel=0.06) for seconds in (60, 120, 240)]


async def test_a_disabled_server_is_not_checked_any_more(desk: Desk) -> None:
    server = await desk.create()
    await desk.check(server.id)
    await desk.request_check(server.id)
    disabled = await desk.send(SetServerEnabled(server_id=server.id, is_enabled=False))
    assert not disabled.is_enabled
    assert (await desk.due(), await desk.in_progress()) == ([], [])


async def test_an_enabled_server_is_checked_immediately(desk: Desk) -> None:
    server = await desk.create()
    for is_enabled in (False, True):
        await desk.send(SetServerEnabled(server_id=server.id, is_enabled=is_enabled))
    assert len(await desk.in_progress()) == 1


async def test_a_deleted_server_leaves_no_row_no_secret_and_no_due_time(desk: Desk) -> None:
    server = await desk.create(headers={"X-Key": "plantedsecret"})
    await desk.check(server.id)
    await desk.send(DeleteServer(server_id=server.id))
    counts = [await desk.database.fetchval(f"SELECT count(*) FROM {name}") for name in TABLES]  # noqa: S608
    assert counts == [0] * len(TABLES)
    with pytest.raises(Refusal, match=Code.MCP_SERVER_NOT_FOUND):
        await desk.latest(server.id)


async def test_no_table_holds_a_secret_in_clear(desk: Desk) -> None:
    server = await desk.create_program(TOKEN="plantedsecret")
    await desk.check(server.id)
    await desk.update(server.id, env={"TOKEN": "plantedsecret-2"})
    assert await desk.found("plantedsecret", "plantedsecret-2") == []
