"""Tests of connections to real servers, alike over all transports that need no sandbox."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import NamedTuple
from uuid import UUID

import pytest
import pytest_asyncio
from contracts.mcp_registry.values import ServerConnection, ServerDefinition, ServerType
from contracts.refusals import Code
from mcp.shared.exceptions import MCPError
from mcp_connection import NO_CALLBACKS, Callbacks, ConnectionFailed, ConnectionLimits, Connector, Elicitation, clients
from mcp_connection.answers import accepted, declined
from mcp_connection.testing import InMemoryConnector, started
from mcp_connection.testing.application import application
from mcp_connection.testing.server import ANY_HOST, http_app, serving
from mcp_connection.upstream import Upstream
from mcp_types import CallToolResult, ElicitResult, TextContent, TextResourceContents
from runtime.http.addresses import AddressRules
from runtime.testing import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("servers")]

LOOPBACK = AddressRules.parse("127.0.0.1")
LIMITS = ConnectionLimits(connect_seconds=60, list_seconds=60, call_seconds=60, result_bytes=4096)


def connection(url: str = "http://localhost", server_type: ServerType = "HTTP", **headers: str) -> ServerConnection:
    definition = ServerDefinition(name="example", server_type=server_type, url=url)
    return ServerConnection(id=UUID(int=1), version=1, definition=definition, headers=headers)


class Way(NamedTuple):
    """How a test connects: with the newest version of the protocol, or with the one that most servers speak."""

    transport: str
    protocol: str


@asynccontextmanager
async def connecting(
    way: Way, callbacks: Callbacks = NO_CALLBACKS, limits: ConnectionLimits = LIMITS, **headers: str
) -> AsyncGenerator[Upstream]:
    """Start a server in this process, and connect to it."""
    app = application()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clients, "PROTOCOL", way.protocol)
        if way.transport == "memory":
            connector = InMemoryConnector({"example": app}, limits)
            async with connector, connector.connect(connection(), callbacks=callbacks) as upstream:
                yield upstream
            return
        sse = way.transport == "sse"
        served = app.sse_app(transport_security=ANY_HOST) if sse else http_app(app, json=way.transport == "json")
        async with serving(served) as origin, Connector(None, LOOPBACK, limits) as connector:
            server = connection(f"{origin}/sse" if sse else f"{origin}/mcp", "SSE" if sse else "HTTP", **headers)
            async with connector.connect(server, callbacks=callbacks) as upstream:
                yield upstream


def text(result: CallToolResult) -> str:
    [content] = result.content
    assert isinstance(content, TextContent)
    return content.text


def ways(*transports: str) -> list[Way]:
    return [Way(transport, protocol) for transport in transports for protocol in ("auto", "legacy")]


answering = [*ways("http"), *(pytest.param(way, marks=pytest.mark.long) for way in ways("memory", "sse"))]


def name_of(way: Way) -> str:
    return "-".join(way)


TWO_WAY = ways("memory", "http", "sse")
two_way_transports = pytest.mark.parametrize("way", TWO_WAY, ids=name_of)
shared_two_way_transports = pytest.mark.parametrize("upstream", TWO_WAY, ids=name_of, indirect=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=ways("memory", "http", "json", "sse"), ids=name_of)
async def upstream(request: pytest.FixtureRequest) -> AsyncGenerator[Upstream]:
    """A connection that tests share."""
    connected, done = asyncio.get_running_loop().create_future(), asyncio.Event()

    async def hold() -> None:  # a connection has to be closed by the task that opened it
        async with connecting(request.param) as upstream:
            connected.set_result(upstream)
            await done.wait()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(hold())
        yield await connected
        done.set()


async def test_the_name_and_version_of_a_server_are_known(upstream: Upstream) -> None:
    assert (upstream.name, upstream.version) == ("example", "1.0.0")


async def test_all_tools_are_listed(upstream: Upstream) -> None:
    tools = {tool.name: tool for tool in await upstream.list_tools()}
    assert tools["add"].description == "Return the sum of two numbers."
    assert tools["add"].input_schema["required"] == ["a", "b"]


async def test_a_tool_is_called(upstream: Upstream) -> None:
    result = await upstream.call_tool("add", {"a": 1, "b": 2})
    assert (text(result), result.structured_content) == ("3", {"result": 3})


async def test_a_tool_that_fails_returns_an_error(upstream: Upstream) -> None:
    result = await upstream.call_tool("fail", {"reason": "no disk"})
    assert result.is_error
    assert "no disk" in text(result)


async def test_resources_are_listed_and_read(upstream: Upstream) -> None:
    [resource] = await upstream.list_resources()
    [contents] = (await upstream.read_resource(str(resource.uri))).contents
    assert isinstance(contents, TextResourceContents)
    assert contents.text == "Hello"


async def test_prompts_are_listed_and_filled_in(upstream: Upstream) -> None:
    [prompt] = await upstream.list_prompts()
    [message] = (await upstream.get_prompt(prompt.name, {"name": "Ada"})).messages
    assert isinstance(message.content, TextContent)
    assert message.content.text == "Greet Ada."


async def test_a_resource_that_does_not_exist_is_an_error_of_the_server(upstream: Upstream) -> None:
    with pytest.raises(MCPError):
        await upstream.read_resource("example://nothing")
    assert upstream.failure is None


@shared_two_way_transports
async def test_progress_is_reported(upstream: Upstream) -> None:
    reports: list[tuple[float, float | None, str | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        reports.append((progress, total, message))

    await upstream.call_tool("count", {"steps": 2}, note)
    await eventually(lambda: len(reports) == 2)
    assert sorted(reports) == [(1, 2, "step 1"), (2, 2, "step 2")]


@two_way_transports
async def test_the_user_is_asked_and_answers(way: Way) -> None:
    questions: list[Elicitation] = []

    async def answer(question: Elicitation) -> ElicitResult:
        questions.append(question)
        return accepted({"color": "red"})

    async with connecting(way, Callbacks(elicit=answer)) as upstream:
        assert text(await upstream.call_tool("ask", {"question": "Which?"})) == "accept: red"
    assert (questions[0].message, list(questions[0].schema["properties"])) == ("Which?", ["color"])


@two_way_transports
async def test_the_user_declines(way: Way) -> None:
    async def decline(question: Elicitation) -> ElicitResult:
        return declined()

    async with connecting(way, Callbacks(elicit=decline)) as upstream:
        assert text(await upstream.call_tool("ask", {"question": "Which?"})) == "decline: "


@pytest.mark.parametrize("way", answering, ids=name_of)
async def test_the_time_for_an_answer_does_not_count(way: Way) -> None:
    async def answer(question: Elicitation) -> ElicitResult:
        await asyncio.sleep(3)
        return accepted({"color": "red"})

    async with connecting(way, Callbacks(elicit=answer), limits=replace(LIMITS, call_seconds=2)) as upstream:
        assert text(await upstream.call_tool("ask", {"question": "Which?"})) == "accept: red"


@shared_two_way_transports
async def test_elicitation_is_not_offered_if_nobody_can_be_asked(upstream: Upstream) -> None:
    with pytest.raises(MCPError, match="did not declare"):
        await upstream.call_tool("ask", {"question": "Which?"})


@two_way_transports
async def test_changed_tools_are_announced_and_listed(way: Way) -> None:
    changes: list[None] = []
    async with connecting(way, Callbacks(on_tools_changed=lambda: changes.append(None))) as upstream:
        await upstream.list_tools()
        await upstream.call_tool("rename", {"description": "Now different."})
        await eventually(lambda: len(changes) > 0)
        tools = {tool.name: tool.description for tool in await upstream.list_tools()}
    assert tools["echo"] == "Now different."


async def test_calls_run_concurrently(upstream: Upstream) -> None:
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(upstream.call_tool("wait", {"seconds": 60}))
        assert text(await upstream.call_tool("echo", {"text": "quick"})) == "quick"
        waiting.cancel()


async def test_a_connection_survives_a_cancelled_call(upstream: Upstream) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await upstream.call_tool("wait", {"seconds": 60})
    assert text(await upstream.call_tool("echo", {"text": "alive"})) == "alive"


async def test_long_results_are_cut_with_a_note(upstream: Upstream) -> None:
    result = await upstream.call_tool("large", {"characters": 100_000})
    assert len(text(result)) < 5000
    assert text(result).endswith("[The result was cut off: it exceeds 4 KiB.]")


@pytest.mark.parametrize("way", ways("http", "json", "sse"), ids=name_of)
async def test_headers_are_sent(way: Way) -> None:
    async with connecting(way, Authorization="Bearer x") as upstream:
        assert text(await upstream.call_tool("header", {"name": "authorization"})) == "Bearer x"


async def test_calls_after_the_end_of_a_connection_fail() -> None:
    async with connecting(Way("memory", "auto")) as upstream:
        pass
    with pytest.raises(ConnectionFailed, match="closed"):
        await upstream.call_tool("echo", {"text": "x"})


@pytest.mark.parametrize(
    "way",
    [
        Way("http", "auto"),
        Way("sse", "legacy"),
        *(pytest.param(way, marks=pytest.mark.long) for way in (Way("http", "legacy"), Way("sse", "auto"))),
    ],
    ids=name_of,
)
async def test_a_server_that_crashes_ends_the_call(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "PROTOCOL", way.protocol)
    async with started("--transport", way.transport) as program, Connector(None, LOOPBACK, LIMITS) as connector:
        server_type = "SSE" if way.transport == "sse" else "HTTP"
        async with connector.connect(connection(program.url, server_type)) as upstream:
            with pytest.raises(ConnectionFailed) as raised:
                await upstream.call_tool("crash", {})
            assert raised.value.code == Code.MCP_SERVER_UNAVAILABLE
            await eventually(lambda: upstream.failure is not None)


async def test_a_call_that_takes_too_long_fails() -> None:
    limits = replace(LIMITS, call_seconds=0.1)
    connector = InMemoryConnector({"example": application()}, limits)
    async with connector, connector.connect(connection()) as upstream:
        with pytest.raises(ConnectionFailed, match=r"within 0\.1 seconds") as raised:
            await upstream.call_tool("wait", {"seconds": 60})
    assert raised.value.code == Code.MCP_SERVER_TIMEOUT
