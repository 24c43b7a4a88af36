"""Runs with MCP servers in the whole service: a fake registry, real servers, and the real Claude Code."""

import asyncio
import json
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from contracts.mcp_registry.server import ResolveServers
from contracts.mcp_registry.values import MAX_RESOLVED, ResolvedServer
from contracts.messages import Faulted
from contracts.session.approval import ApprovalView, DecideApproval, ListApprovals
from contracts.session.conversation import ListToolCalls
from contracts.session.run_view import RunView
from eventing import retrying
from eventing.database import Database
from eventing.testing import eventually
from mcp_connection.testing.application import application
from mcp_connection.testing.server import ANY_HOST, http_app, serving
from session.agent.transcript import Transcript
from session.mcp import server_calls
from session.reactions import mcp
from simulator.testing import DONE, calling, scripted, tools_prompt

from services.gateway.tests.fake_services import FakeServices
from services.session.tests.deployment import Deployment, ServiceClient
from services.session.tests.desk import OWNER
from services.session.tests.mcp_servers import SECRET, Lab, Registry, at, program
from services.session.tests.processes import agents_of, kill_agents_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

ECHO = ("mcp__lab__echo", {"text": "hello there"})
DEPTH = ("mcp__lab__header", {"name": "x-agent-depth"})
PAINT: tuple[str, dict[str, Any]] = ("mcp__lab__paint", {})
TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'session'"


@pytest.fixture
def client(module_client: ServiceClient) -> ServiceClient:
    return module_client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def services(module_client: ServiceClient) -> FakeServices:
    return FakeServices(module_client.connection)


@pytest_asyncio.fixture(loop_scope="module")
async def registry(services: FakeServices) -> Registry:
    registry = Registry(services)
    await registry.start()
    return registry


@pytest_asyncio.fixture(loop_scope="module")
async def lab(registry: Registry) -> AsyncGenerator[Lab]:
    """A server over Streamable HTTP, which the registry resolves."""
    lab = Lab()
    async with serving(lab.streamable_http_app(transport_security=ANY_HOST), grace=0) as origin:
        registry.servers = [at(f"{origin}/mcp")]
        yield lab


def disabled(query: ResolveServers) -> list[ResolvedServer]:
    return [ResolvedServer(reference=each, problem="disabled") for each in query.references]


def evaluating(code: str) -> tuple[str, dict[str, Any]]:
    return "mcp__lab__evaluate", {"code": code}


type Call = tuple[str, dict[str, Any]]


async def run(client: ServiceClient, *tools: Call) -> tuple[RunView, list[str]]:
    """Run a session that may call all tools of the server; return the run, and the outputs of its tool calls."""
    return await run_in(client, await client.create(mcp_servers=["lab"], allowed_tools=["mcp__lab"]), *tools)


async def run_in(client: ServiceClient, session_id: UUID, *tools: Call) -> tuple[RunView, list[str]]:
    ended = await client.run(session_id, scripted(*map(calling, tools), DONE))
    calls = (await client.ask(ListToolCalls(session_id=session_id, run_id=ended.id))).items
    return ended, [(call.tool_output or {}).get("content", "") for call in calls]


async def pending(client: ServiceClient, session_id: UUID) -> ApprovalView:
    async def first() -> ApprovalView | None:
        found = (await client.ask(ListApprovals(session_id=session_id, status="pending"))).items
        return found[0] if found else None

    return await eventually(first)


async def test_a_run_calls_a_server_over_streamable_http(client: ServiceClient, lab: Lab) -> None:
    ended, outputs = await run(client, ECHO)
    [use] = ended.mcp_servers
    assert (ended.status, outputs, lab.calls) == ("completed", ["hello there"], ["hello there"])
    assert (use.reference, use.status, use.prefix, use.tools) == ("lab", "connected", "mcp__lab__", 5)


async def test_a_run_calls_a_server_over_sse(client: ServiceClient, registry: Registry) -> None:
    async with serving(Lab().sse_app(transport_security=ANY_HOST)) as origin:
        registry.servers = [at(f"{origin}/sse", "SSE")]
        _, outputs = await run(client, ECHO)
    assert outputs == ["hello there"]


@pytest.mark.parametrize("lacks_call", [False, True], ids=["conversation", "begun_calls"])
async def test_an_agent_gets_the_result_that_a_killed_one_did_not_get(
    client: ServiceClient, lab: Lab, monkeypatch: pytest.MonkeyPatch, lacks_call: bool
) -> None:
    session_id, append = await client.create(mcp_servers=["lab"], allowed_tools=["mcp__lab"]), Transcript.append
    transcripts, has_call = list[Transcript](), asyncio.Event()

    async def append_unless_lacking(transcript: Transcript, subpath: str, entries: list[Any]) -> None:
        transcripts.append(transcript)
        is_call = any(entry["type"] == "assistant" for entry in entries)
        if not (is_call and lacks_call and transcript is transcripts[0]):
            await append(transcript, subpath, entries)
        if is_call:
            has_call.set()

    async def kill_once_stored(work: partial[Any]) -> Any:
        result = await retrying.retry_transient(work)
        if server_calls.END in work.args and len(lab.calls) == 1:
            await has_call.wait()
            kill_agents_of(session_id)
        return result

    monkeypatch.setattr(Transcript, "append", append_unless_lacking)
    monkeypatch.setattr(server_calls, "retry_transient", kill_once_stored)
    ended, outputs = await run_in(client, session_id, ECHO, ECHO)
    assert (ended.attempt, lab.calls, outputs) == (2, outputs[1:], ["hello there"] * (2 + lacks_call))


async def test_a_server_is_sent_the_depth_of_what_the_agent_uses(client: ServiceClient, registry: Registry) -> None:
    session_id = await client.create(mcp_servers=["lab"], allowed_tools=["mcp__lab"])
    async with serving(http_app(application())) as origin:
        registry.servers = [at(f"{origin}/mcp")]
        registry.replace(headers={"x-agent-depth": "0"})  # which its owner configured
        _, first = await run_in(client, session_id, DEPTH)
        await client.wait_until_ended(await client.submit(session_id, scripted(DONE), depth=2))
        _, later = await run_in(client, session_id, DEPTH)
    assert (first, later) == (["1"], ["3"])


async def test_a_run_calls_a_stdio_server(client: ServiceClient, registry: Registry) -> None:
    registry.servers = [program()]
    ended, outputs = await run(client, evaluating("len(os.environ['TOKEN'])"))
    assert ([use.status for use in ended.mcp_servers], outputs) == (["connected"], [str(len(SECRET))])


async def test_a_server_that_crashed_is_started_again_for_the_next_call(
    client: ServiceClient, registry: Registry
) -> None:
    registry.servers = [program()]
    ended, outputs = await run(client, evaluating("os._exit(1)"), evaluating("'back'"))
    assert (ended.status, outputs[1]) == ("completed", "back")


async def test_a_huge_result_is_an_error_and_the_run_continues(client: ServiceClient, registry: Registry) -> None:
    registry.servers = [program()]
    ended, [huge] = await run(client, evaluating("'x' * 20_000_000"))
    assert (ended.status, ended.text) == ("completed", "Done.")
    assert len(huge) < 10_000


async def test_a_tool_that_was_changed_since_its_check_is_withheld(
    client: ServiceClient, lab: Lab, registry: Registry
) -> None:
    registry.replace(accepted_tools={"echo": "00"})
    ended, outputs = await run(client, ECHO)
    assert "No such tool available" in outputs[0]
    assert (ended.mcp_servers[0].tools, "echo" in ended.mcp_servers[0].withheld, lab.calls) == (0, True, [])


async def test_an_unavailable_server_does_not_prevent_a_run(client: ServiceClient, registry: Registry) -> None:
    registry.servers = [at("http://127.0.0.1:9/mcp")]
    ended, _ = await run(client)
    assert (ended.status, ended.mcp_servers[0].status) == ("completed", "failed")


async def test_a_server_that_was_disabled_since_is_reported(
    client: ServiceClient, lab: Lab, registry: Registry
) -> None:
    session_id = await client.create(mcp_servers=["lab"], allowed_tools=["mcp__lab"])
    await run_in(client, session_id, ECHO)
    registry.servers = [ResolvedServer(reference="lab", problem="disabled", detail="It is disabled.")]
    ended, outputs = await run_in(client, session_id, ECHO)
    assert (ended.mcp_servers[0].status, lab.calls) == ("disabled", ["hello there"])
    assert "No such tool available" in outputs[0]


async def test_a_run_waits_until_the_registry_is_available(
    client: ServiceClient, lab: Lab, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcp, "RESOLVE_SECONDS", 60)
    monkeypatch.setattr(retrying, "PAUSES", (0.05,) * 9)
    faults = [Faulted(detail="Not now.")] * 10  # five attempts: a query that fails is sent a second time
    await registry.services.answer_with(ResolveServers, lambda _: faults.pop() if faults else registry.servers)
    ended, _ = await run(client, ECHO)
    assert (ended.mcp_servers[0].status, lab.calls) == ("connected", ["hello there"])


async def test_a_run_does_not_wait_forever_for_the_registry(
    client: ServiceClient, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcp, "RESOLVE_SECONDS", 0.2)
    await registry.services.ignore(ResolveServers)
    ended, _ = await run(client)
    assert (ended.status, ended.mcp_servers[0].detail) == ("completed", "The MCP registry is not available.")


async def test_servers_are_resolved_for_the_owner_of_the_session(
    client: ServiceClient, lab: Lab, registry: Registry
) -> None:
    await run(client, ECHO)
    [(query, envelope)] = [each for each in registry.services.received if isinstance(each[0], ResolveServers)]
    assert (query.references, envelope.actor) == (["lab"], OWNER)


async def test_many_servers_are_resolved_in_parts(client: ServiceClient, registry: Registry) -> None:
    names = [f"server {number}" for number in range(MAX_RESOLVED + 1)]
    await registry.services.answer_with(ResolveServers, disabled)
    ended, _ = await run_in(client, await client.create(mcp_servers=names))
    assert [server.reference for server in ended.mcp_servers] == names


async def test_an_approval_is_remembered_for_the_session(client: ServiceClient, lab: Lab) -> None:
    session_id = await client.create(mcp_servers=["lab"])
    first = await client.submit(session_id, tools_prompt(ECHO))
    approval = await pending(client, session_id)
    assert (approval.tool_name, approval.tool_input) == ECHO
    await client.ask(DecideApproval(approval_id=approval.id, decision="approved", remember="session"))
    await client.wait_until_ended(first)
    await run_in(client, session_id, ("mcp__lab__echo", {"text": "again"}))
    assert lab.calls == ["hello there", "again"]


async def test_a_question_of_a_server_is_an_approval_with_a_form(client: ServiceClient, lab: Lab) -> None:
    session_id = await client.create(mcp_servers=["lab"], allowed_tools=["mcp__lab"])
    asking = await client.submit(session_id, tools_prompt(PAINT))
    approval = await pending(client, session_id)
    assert (approval.kind, approval.tool_input) == ("elicitation", {"message": "Which colour?"})
    assert approval.form
    assert list(approval.form["properties"]) == ["colour"]
    await client.ask(DecideApproval(approval_id=approval.id, decision="approved", content={"colour": "red"}))
    await client.wait_until_ended(asking)
    [call] = (await client.ask(ListToolCalls(session_id=session_id))).items
    assert call.tool_output == {"content": "accept red"}


async def test_an_agent_is_replaced_if_the_way_to_a_server_changes(
    client: ServiceClient, lab: Lab, registry: Registry
) -> None:
    session_id = await client.create(mcp_servers=["lab"], allowed_tools=["mcp__lab"])
    changes: list[dict[str, Any]] = [{}, {"version": 2}, {"headers": {"X-Token": "other"}}]
    agents: list[list[int]] = []
    for change in changes:
        registry.replace(**change)
        await run_in(client, session_id, ECHO)
        agents.append(agents_of(session_id))
    assert (agents[1] == agents[0], agents[2] == agents[0], lab.calls) == (True, False, ["hello there"] * 3)


async def test_no_secret_of_a_server_is_stored(
    client: ServiceClient, lab: Lab, module_deployment: Deployment, capfd: pytest.CaptureFixture[str]
) -> None:
    await run(client, ("mcp__lab__leak", {}), ("ReadMcpResourceTool", {"server": "lab", "uri": "note://one"}))
    async with Database.open(module_deployment.settings.database_url, "session") as database:
        for name in [row["table_name"] for row in await database.fetch(TABLES)]:
            rows = json.dumps([str(row["r"]) for row in await database.fetch(f"SELECT t::text AS r FROM {name} t")])  # noqa: S608
            assert SECRET not in rows
            assert SECRET.encode().hex() not in rows
    captured = capfd.readouterr()
    assert SECRET not in captured.out + captured.err
