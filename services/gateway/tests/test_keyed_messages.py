"""Messages over WebSockets and calls of MCP tools with an idempotency key: one effect, however often they are sent."""

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

import pytest
from contracts.messages import Faulted, Refused
from contracts.refusals import Code
from contracts.samples import SESSION, USER
from contracts.session.run import InterruptSession, SubmitQuery
from contracts.session.session import CreateSession, GetSession
from gateway.entry.idempotency import usage
from mcp import Client as McpClient
from mcp_types import CallToolResult
from onebox.testing.mcp import code_of, mcp_client

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import OTHER, FakeServices
from services.gateway.tests.test_idempotency import ids_of_messages
from services.gateway.tests.websocket_client import Client, open_websocket

type Connect = Callable[[], AbstractAsyncContextManager[McpClient]]
type Answer = tuple[str, dict[str, Any]]


@pytest.fixture(autouse=True)
async def service(services: FakeServices) -> FakeServices:
    await services.create_streams()
    await services.answer(GetSession, samples.session())
    await services.answer_with(SubmitQuery, lambda command: samples.run(id=command.run_id, status="queued"))
    await services.answer_with(CreateSession, lambda command: samples.session(id=command.session_id))
    await services.answer(InterruptSession, samples.session(status="active"))
    return services


@pytest.fixture
def connect(base_url: str, services: FakeServices) -> Connect:
    return lambda: mcp_client(base_url, services.token())


async def sent(client: Client, text: str = "Hello", key: object = "key-1", kind: str = "query") -> Answer:
    data = {"message": text} if kind == "query" else {}
    await client.socket.send(json.dumps({"type": kind, "idempotency_key": key, "data": data}))
    return await client.next()


async def over_new_socket(base_url: str, token: str, text: str = "Hello", key: object = "key-1") -> Answer:
    async with open_websocket(base_url, token) as client:
        await client.next()
        return await sent(client, text, key)


async def call(
    connect: Connect, tool: str = "create_session", key: object = "key-1", **arguments: Any
) -> CallToolResult:
    async with connect() as client:
        return await client.call_tool(tool, arguments or {"name": "one"}, meta=cast(Any, {"idempotency_key": key}))


def runs(services: FakeServices) -> set[Any]:
    return {command.run_id for command in services.of(SubmitQuery)}


async def test_a_query_sent_again_over_another_socket_is_one_run(base_url: str, services: FakeServices):
    first, again = [await over_new_socket(base_url, services.token()) for _ in range(2)]
    assert first == again
    assert len(services.of(SubmitQuery)) == 2
    assert len(runs(services)) == len({*ids_of_messages(services, SubmitQuery)}) == 1


async def test_queries_without_a_key_are_two_runs(base_url: str, services: FakeServices):
    for _ in range(2):
        await over_new_socket(base_url, services.token(), key=None)
    assert len(runs(services)) == 2


async def test_the_same_key_and_another_message_is_an_error(base_url: str, services: FakeServices):
    await over_new_socket(base_url, services.token())
    kind, data = await over_new_socket(base_url, services.token(), "Bye")
    assert (kind, data["code"]) == ("error", "IDEMPOTENCY_KEY_REUSED")


async def test_a_key_belongs_to_a_user(base_url: str, services: FakeServices):
    for user in (USER, str(OTHER)):
        await over_new_socket(base_url, services.token(sub=user))
    assert len(runs(services)) == 2


async def test_a_key_belongs_to_a_kind_of_message(base_url: str, services: FakeServices):
    async with open_websocket(base_url, services.token()) as client:
        await client.next()
        for kind in ("query", "interrupt"):
            assert (await sent(client, kind=kind))[0] == "status_change"
    assert len(services.of(SubmitQuery, InterruptSession)) == 2


@each("key", ["", "a b", 7, ["x"], "x" * 256])
async def test_an_invalid_key_is_an_error(base_url: str, services: FakeServices, key: object):
    _, data = await over_new_socket(base_url, services.token(), key=key)
    assert (data["code"], services.of(SubmitQuery)) == ("VALIDATION_ERROR", [])
    assert data["message"].startswith("idempotency_key: ")


async def test_an_invalid_message_leaves_its_key_unused(base_url: str, services: FakeServices):
    assert (await over_new_socket(base_url, services.token(), ""))[1]["code"] == "VALIDATION_ERROR"
    assert (await over_new_socket(base_url, services.token()))[0] == "status_change"


async def test_an_unanswered_query_can_be_sent_again(base_url: str, services: FakeServices):
    await services.answer(SubmitQuery, Faulted(detail="Restarting."))
    _, data = await over_new_socket(base_url, services.token())
    assert data["code"] == "UNAVAILABLE"
    await services.answer_with(SubmitQuery, lambda command: samples.run(id=command.run_id, status="queued"))
    assert (await over_new_socket(base_url, services.token()))[1]["run_id"] == data["run_id"]


async def test_a_refused_query_is_refused_again(base_url: str, services: FakeServices):
    await services.answer(SubmitQuery, Refused(code=Code.SESSION_BUSY, detail="Busy."))
    codes = [(await over_new_socket(base_url, services.token()))[1]["code"] for _ in range(2)]
    assert codes == ["SESSION_BUSY", "SESSION_BUSY"]
    assert len({*ids_of_messages(services, SubmitQuery)}) == 1


async def test_keyed_messages_count_for_the_user(
    base_url: str, services: FakeServices, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(usage, "MAX_RECORDS_BYTES", 1)
    await over_new_socket(base_url, services.token())
    assert (await over_new_socket(base_url, services.token()))[0] == "status_change"
    assert (await over_new_socket(base_url, services.token(), key="key-2"))[1]["code"] == "RATE_LIMIT_EXCEEDED"


async def test_a_tool_called_again_creates_one_session(connect: Connect, services: FakeServices):
    first, again = [await call(connect) for _ in range(2)]
    assert first.structured_content == again.structured_content
    assert len({*ids_of_messages(services, CreateSession)}) == 1


async def test_a_query_by_a_tool_is_one_run(connect: Connect, services: FakeServices):
    for _ in range(2):
        await call(connect, "query_session", session_id=SESSION, message="Hello", wait=False)
    assert len(runs(services)) == 1


async def test_calls_of_a_tool_without_a_key_create_two_sessions(connect: Connect, services: FakeServices):
    for _ in range(2):
        await call(connect, key=None)
    assert len({*ids_of_messages(services, CreateSession)}) == 2


async def test_the_same_key_and_other_arguments_is_an_error(connect: Connect):
    await call(connect)
    assert code_of(await call(connect, name="two")) == "IDEMPOTENCY_KEY_REUSED"


async def test_a_key_of_a_tool_that_reads_is_ignored(connect: Connect):
    for text in (SESSION, str(OTHER)):
        assert code_of(await call(connect, "get_session", session_id=text)) is None


@pytest.mark.usefixtures("impatient")
async def test_a_keyed_call_in_doubt_can_be_repeated(connect: Connect, services: FakeServices):
    await services.ignore(CreateSession)
    problem = cast(dict[str, Any], (await call(connect)).meta)["problem"]
    assert (problem["error_code"], problem["retry_after"]) == ("UNAVAILABLE", 1)
