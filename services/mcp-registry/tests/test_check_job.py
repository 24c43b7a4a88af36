"""The job that checks a server, with a fake connector."""

import asyncio

import pytest
from contracts.mcp_registry.server import DeleteServer, SetServerEnabled
from contracts.refusals import Code
from mcp_connection import ConnectionFailed
from mcp_registry.reactions import check

from .desk import Desk, unavailable
from .samples import ADMIN, program, tool


async def test_a_check_connects_with_the_secrets_of_the_server(desk: Desk) -> None:
    server = await desk.create(headers={"X-Key": "plantedsecret"})
    await desk.do_job(server.id)
    assert [(each.id, each.headers) for each in desk.connector.connected] == [(server.id, {"X-Key": "plantedsecret"})]
    assert (await desk.latest(server.id)).health == "healthy"


@pytest.mark.parametrize("code", [Code.MCP_SERVER_INVALID, Code.MCP_SERVER_TIMEOUT, Code.ADDRESS_NOT_ALLOWED])
async def test_a_failed_connection_is_the_result_of_the_check(desk: Desk, code: Code) -> None:
    server = await desk.check((await desk.create()).id, failure=ConnectionFailed(code, "Because."))
    assert (server.health, server.error_code, server.error_detail) == ("unhealthy", code, "Because.")
    assert await desk.in_progress() == []


async def test_a_check_that_hangs_is_ended(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "CHECK_SECONDS", 0.05)
    desk.connector.meanwhile = asyncio.Event().wait
    server = await desk.create()
    await desk.do_job(server.id)
    assert (await desk.latest(server.id)).error_code == Code.MCP_SERVER_TIMEOUT


async def test_texts_of_the_server_about_itself_are_cut(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "MAX_TEXT", 2)
    server = await desk.check((await desk.create()).id)
    assert server.server_version == "1."


async def test_a_program_that_its_owner_may_not_start_is_not_started(desk: Desk) -> None:
    server = await desk.create(program(command="bash"), ADMIN)
    del desk.actors.known[ADMIN.user_id]
    await desk.do_job(server.id)
    assert (await desk.latest(server.id)).error_code == Code.COMMAND_NOT_ALLOWED
    assert desk.connector.connected == []


async def test_a_server_that_is_updated_during_a_check_is_checked_again(desk: Desk) -> None:
    server = await desk.create()
    await desk.check(server.id, tool("search"))

    async def update() -> None:
        desk.connector.meanwhile = None
        await desk.update(server.id, url="https://other.example")

    desk.connector.meanwhile, desk.connector.tools = update, [tool("old")]
    await desk.request_check(server.id)
    earlier = await desk.in_progress()
    await desk.do_job(server.id)
    assert len(await desk.in_progress()) == 1
    assert await desk.in_progress() != earlier
    assert (await desk.latest(server.id)).tools == []


@pytest.mark.parametrize("end", ["delete", "disable"])
async def test_a_server_that_is_deleted_or_disabled_during_a_check_is_left_alone(desk: Desk, end: str) -> None:
    server = await desk.create()
    commands = {
        "delete": DeleteServer(server_id=server.id),
        "disable": SetServerEnabled(server_id=server.id, is_enabled=False),
    }
    desk.connector.meanwhile = lambda: desk.send(commands[end])
    await desk.do_job(server.id)
    assert (await desk.in_progress(), await desk.due()) == ([], [])


async def test_a_check_that_is_given_up_makes_the_server_unhealthy(desk: Desk) -> None:
    server = await desk.create()
    await desk.give_up(server.id)
    latest = await desk.latest(server.id)
    assert (latest.health, latest.error_code) == ("unhealthy", Code.MCP_SERVER_UNAVAILABLE)
    assert len(await desk.due()) == 1


async def test_an_unexpected_error_is_retried_later(desk: Desk) -> None:
    server = await desk.create()
    desk.connector.failure = RuntimeError("bug")
    with pytest.raises(RuntimeError):
        await desk.do_job(server.id)
    assert len(await desk.in_progress()) == 1


async def test_the_result_of_a_second_delivery_is_ignored(desk: Desk) -> None:
    server = await desk.create()
    await desk.do_job(server.id)
    desk.connector.failure = unavailable()
    await desk.do_job(server.id)
    assert (await desk.latest(server.id)).health == "healthy"
