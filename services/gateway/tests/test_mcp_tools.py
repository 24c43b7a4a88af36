"""The tools of the MCP server, with the official client over HTTP."""

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from contracts.messages import Command, Page, Query, Refused
from contracts.refusals import Code
from contracts.report.report import GetReport, ListReports, ReportCompleted, RequestReport
from contracts.samples import EXECUTION, REPORT, RUN, SESSION, TASK
from contracts.session.approval import ListApprovals
from contracts.session.conversation import ListMessages
from contracts.session.run import CancelRun, GetRun, GetRunSummary, SubmitQuery
from contracts.session.session import CreateSession, GetSession, ListSessions
from contracts.task_scheduler.execution import ExecuteTask, GetExecution
from contracts.task_scheduler.task import ListTasks
from contracts.wire import AGENT_DEPTH_HEADER
from gateway.mcp_server.report import MAX_TEXT_BYTES
from gateway.mcp_server.server import TOOLS
from mcp import Client
from mcp.client.client import ConnectMode
from mcp.shared.exceptions import MCPError
from onebox.testing.mcp import code_of, mcp_client, text_of
from runtime.testing import eventually

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import FakeServices
from services.gateway.tests.harness import Harness
from services.gateway.tests.report_files import serve_report

type Connect = Callable[..., AbstractAsyncContextManager[Client]]

READING = {
    *("list_sessions", "get_session", "get_run", "list_messages", "list_tasks", "get_execution"),
    *("list_reports", "get_report", "list_approvals"),
}
ONE_SESSION = {"session_id": SESSION}
ONE_RUN = {"session_id": SESSION, "run_id": RUN}
QUERY = {"session_id": SESSION, "message": "Hello"}


def page_of(item: Any) -> Page[Any]:
    return Page(items=[item], total=1)


CALLS: list[tuple[str, dict[str, Any], type[Command[Any] | Query[Any]], Any]] = [
    ("create_session", {"name": "My Session"}, CreateSession, samples.session()),
    ("list_sessions", {"status": "active"}, ListSessions, page_of(samples.session())),
    ("get_session", ONE_SESSION, GetSession, samples.session()),
    ("query_session", QUERY | {"wait": False}, SubmitQuery, samples.run(status="running")),
    ("get_run", ONE_RUN, GetRun, samples.run()),
    ("cancel_run", ONE_RUN, CancelRun, samples.run(status="cancelled")),
    ("list_messages", ONE_SESSION | {"order": "desc"}, ListMessages, page_of(samples.message())),
    ("list_tasks", {"q": "log"}, ListTasks, page_of(samples.task())),
    ("run_task", {"task_id": TASK, "variables": {"date": "today"}}, ExecuteTask, samples.execution()),
    ("get_execution", {"task_id": TASK, "execution_id": EXECUTION}, GetExecution, samples.execution()),
    ("list_reports", {"format": "pdf"}, ListReports, page_of(samples.report())),
    ("get_report", {"report_id": REPORT}, GetReport, samples.report()),
    ("list_approvals", {"status": "pending"}, ListApprovals, page_of(samples.approval())),
]


@pytest.fixture(params=["auto", "legacy"])
def mode(request: pytest.FixtureRequest) -> ConnectMode:
    """The present version of the protocol, and the earlier ones, which begin with a handshake."""
    return request.param


@pytest.fixture
def connect(base_url: str, services: FakeServices, mode: ConnectMode) -> Connect:
    def connect(role: str = "user", **headers: str) -> AbstractAsyncContextManager[Client]:
        return mcp_client(base_url, services.token(role=role), mode, **headers)

    return connect


async def test_tools_are_listed_with_schemas_and_annotations(connect: Connect):
    async with connect() as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert tools.keys() == TOOLS.keys()
    assert {name for name, tool in tools.items() if tool.annotations and tool.annotations.read_only_hint} == READING
    assert all(tool.description and tool.output_schema for tool in tools.values())
    assert tools["get_session"].input_schema["required"] == ["session_id"]


@each(("name", "arguments", "kind", "reply"), CALLS)
async def test_a_tool_sends_the_message_of_its_route(
    connect: Connect, services: FakeServices, name: str, arguments: dict[str, Any], kind: Any, reply: Any
):
    await services.answer(kind, reply)
    async with connect() as client:
        result = await client.call_tool(name, arguments)
    assert not result.is_error, text_of(result)
    assert json.loads(text_of(result)) == result.structured_content
    [message] = services.of(kind)
    sent = message.model_dump(mode="json")
    assert sent | {name: value for name, value in arguments.items() if name in sent} == sent


async def test_a_query_waits_for_the_answer_and_reports_progress(connect: Connect, services: FakeServices):
    await services.answer(SubmitQuery, samples.run(status="running"))
    await services.answer(GetRunSummary, samples.run_summary(status="running"))
    await services.answer(GetRun, samples.run())
    reports = list[float]()

    async def end_at_the_second_report(progress: float, total: float | None, message: str | None) -> None:
        reports.append(progress)
        if len(reports) == 2:
            [command] = services.of(SubmitQuery)
            await services.end_run(command.session_id, command.run_id)

    async with connect() as client:
        result = await client.call_tool("query_session", QUERY, progress_callback=end_at_the_second_report)
    assert result.structured_content["text"] == "All is well."
    assert reports == sorted(reports)


async def test_the_wait_for_an_answer_is_bounded(
    connect: Connect, services: FakeServices, harness: Harness, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(harness.gateway.waits, "timeout", 0.1)
    await services.answer(SubmitQuery, samples.run(status="running"))
    await services.answer(GetRunSummary, samples.run_summary(status="running"))
    async with connect() as client:
        result = await client.call_tool("query_session", QUERY)
    assert (result.is_error, result.structured_content["status"]) == (False, "running")


async def test_a_failed_run_is_an_error(connect: Connect, services: FakeServices):
    await services.answer(SubmitQuery, samples.run(status="failed", error_code=Code.BUDGET_EXCEEDED))
    async with connect() as client:
        assert code_of(await client.call_tool("query_session", QUERY)) == "BUDGET_EXCEEDED"


@each("wait", [True, False])
async def test_a_report_is_created(connect: Connect, services: FakeServices, wait: bool):
    await services.answer(GetSession, samples.session())
    await services.answer(RequestReport, samples.report(status="rendering", progress_percent=40))
    await services.answer(GetReport, samples.report())
    arguments = {"session_id": SESSION, "format": "pdf", "wait": wait}
    async with connect() as client:
        [result, _] = await asyncio.gather(
            client.call_tool("create_report", arguments), _complete(services) if wait else asyncio.sleep(0)
        )
    assert result.structured_content["status"] == ("completed" if wait else "rendering")


async def _complete(services: FakeServices) -> None:
    await eventually(lambda: services.of(RequestReport))
    [command] = services.of(RequestReport)
    event = ReportCompleted.model_validate(ReportCompleted.sample)
    subject = f"{event.subject}.{SESSION}.{command.report_id}"
    await services.client.publish(subject, event.model_dump_json().encode())


async def test_a_failed_report_is_an_error(connect: Connect, services: FakeServices):
    await services.answer(GetSession, samples.session())
    await services.answer(RequestReport, samples.report(status="failed", error_code=Code.REPORT_TOO_LARGE))
    async with connect() as client:
        result = await client.call_tool("create_report", {"session_id": SESSION, "format": "pdf"})
    assert code_of(result) == "REPORT_TOO_LARGE"


async def test_a_report_is_returned_with_the_beginning_of_its_text(connect: Connect, services: FakeServices):
    await serve_report(services, b"x" + "é".encode() * MAX_TEXT_BYTES)
    async with connect() as client:
        report = (await client.call_tool("get_report", {"report_id": REPORT})).structured_content
    assert report["truncated"]
    assert report["text"] == "x" + "é" * (MAX_TEXT_BYTES // 2 - 1)  # the last character would have been cut


async def test_a_list_says_whether_items_follow(connect: Connect, services: FakeServices):
    await services.answer(ListSessions, Page(items=[samples.session()], total=21))
    async with connect() as client:
        page = (await client.call_tool("list_sessions", {})).structured_content
    assert (page["total"], page["more"], services.of(ListSessions)[0].limit) == (21, True, 20)


async def test_another_users_session_is_not_found(connect: Connect, services: FakeServices):
    await services.answer(GetSession, Refused(code=Code.SESSION_NOT_FOUND, detail="There is no session."))
    async with connect() as client:
        result = await client.call_tool("get_session", ONE_SESSION)
    assert (code_of(result), text_of(result)) == ("SESSION_NOT_FOUND", "SESSION_NOT_FOUND: There is no session.")


async def test_a_service_that_is_unavailable_is_an_error(connect: Connect):
    async with connect() as client:
        assert code_of(await client.call_tool("get_session", ONE_SESSION)) == "UNAVAILABLE"


@pytest.mark.usefixtures("impatient")
async def test_a_command_without_a_reply_may_have_been_carried_out(connect: Connect, services: FakeServices):
    await services.ignore(CreateSession)
    async with connect() as client:
        result = await client.call_tool("create_session", {})
    assert code_of(result) == "UNAVAILABLE"
    assert "check whether it took effect" in text_of(result)


@each(
    ("arguments", "expected"),
    [
        ({}, "session_id: This field is required"),
        ({"session_id": "one"}, "session_id: Must be a UUID"),
        ({"session_id": SESSION, "sesion": 1}, "sesion: Unknown field (did you mean `session_id`?)"),
    ],
)
async def test_invalid_arguments_are_explained(connect: Connect, arguments: dict[str, Any], expected: str):
    async with connect() as client:
        result = await client.call_tool("get_session", arguments)
    assert text_of(result) == f"VALIDATION_ERROR: {expected}."


async def test_an_unknown_tool_is_a_protocol_error(connect: Connect):
    async with connect() as client:
        with pytest.raises(MCPError, match="There is no tool decide_approval"):
            await client.call_tool("decide_approval", {})


@each(("name", "arguments"), [call[:2] for call in CALLS if call[0] not in READING])
async def test_a_viewer_may_not_use_a_tool_that_changes_anything(
    connect: Connect, name: str, arguments: dict[str, Any]
):
    async with connect("viewer") as client:
        assert code_of(await client.call_tool(name, arguments)) == "FORBIDDEN"


async def test_a_viewer_may_read_with_tools(connect: Connect, services: FakeServices):
    await services.answer(GetSession, samples.session())
    async with connect("viewer") as client:
        assert not (await client.call_tool("get_session", ONE_SESSION)).is_error


@each(("name", "kind"), [("create_session", CreateSession), ("query_session", SubmitQuery), ("run_task", ExecuteTask)])
async def test_what_an_agent_uses_gets_its_depth(connect: Connect, services: FakeServices, name: str, kind: Any):
    [(_, arguments, _, reply)] = [call for call in CALLS if call[0] == name]
    await services.answer(kind, reply)
    async with connect(**{AGENT_DEPTH_HEADER: "3"}) as client:
        await client.call_tool(name, arguments)
    assert services.of(kind)[0].depth == 3


@each("name", ["create_session", "query_session", "run_task"])
async def test_an_agent_that_is_nested_too_deep_may_not_use_another_one(connect: Connect, name: str):
    [(_, arguments, _, _)] = [call for call in CALLS if call[0] == name]
    async with connect(**{AGENT_DEPTH_HEADER: "4"}) as client:
        assert code_of(await client.call_tool(name, arguments)) == "NESTING_TOO_DEEP"


async def test_an_agent_that_is_nested_too_deep_may_read(connect: Connect, services: FakeServices):
    await services.answer(GetSession, samples.session())
    async with connect(**{AGENT_DEPTH_HEADER: "4"}) as client:
        assert not (await client.call_tool("get_session", ONE_SESSION)).is_error
