"""The resources of the MCP server, with the official client over HTTP."""

import json

import pytest
from contracts.messages import Page, Refused
from contracts.refusals import Code
from contracts.report.report import GetReport, ListReports
from contracts.samples import REPORT, SESSION
from contracts.session.conversation import ListMessages
from contracts.session.session import GetSession, ListSessions
from gateway.mcp_server.resources import MAX_LISTED, MAX_MESSAGES
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, TextResourceContents
from onebox.testing.mcp import mcp_client

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import FakeServices
from services.gateway.tests.report_files import serve_report


async def contents(base_url: str, services: FakeServices, uri: str) -> list[TextResourceContents]:
    async with mcp_client(base_url, services.token()) as client:
        found = (await client.read_resource(uri)).contents
    return [content for content in found if isinstance(content, TextResourceContents)]


async def refusal(base_url: str, services: FakeServices, uri: str) -> MCPError:
    async with mcp_client(base_url, services.token()) as client:
        with pytest.raises(MCPError) as refused:
            await client.read_resource(uri)
    return refused.value


async def test_the_newest_sessions_and_then_reports_are_listed(base_url: str, services: FakeServices):
    await services.answer(ListSessions, Page(items=[samples.session()], total=1000))
    await services.answer(ListReports, Page(items=[samples.report()], total=1000))
    async with mcp_client(base_url, services.token()) as client:
        first = await client.list_resources()
        second = await client.list_resources(cursor=first.next_cursor)
    assert [each.uri for each in first.resources] == [f"session://{SESSION}"]
    assert [(each.uri, each.mime_type) for each in second.resources] == [(f"report://{REPORT}", "application/pdf")]
    assert second.next_cursor is None
    assert {query.limit for query in services.of(ListSessions, ListReports)} == {MAX_LISTED}


async def test_an_unknown_cursor_is_refused(base_url: str, services: FakeServices):
    async with mcp_client(base_url, services.token()) as client:
        with pytest.raises(MCPError, match="VALIDATION_ERROR"):
            await client.list_resources(cursor="3")


async def test_templates_name_the_uris_of_all_resources(base_url: str, services: FakeServices):
    async with mcp_client(base_url, services.token()) as client:
        templates = (await client.list_resource_templates()).resource_templates
    assert [each.uri_template for each in templates] == ["session://{session_id}", "report://{report_id}"]


async def test_a_session_is_read_with_its_last_messages(base_url: str, services: FakeServices):
    await services.answer(GetSession, samples.session())
    newest_first = [samples.message(sequence_number=2), samples.message(sequence_number=1)]
    await services.answer(ListMessages, Page(items=newest_first, total=2))
    [content] = await contents(base_url, services, f"session://{SESSION}")
    read = json.loads(content.text)
    assert read["session"]["id"] == SESSION
    assert [message["sequence_number"] for message in read["messages"]] == [1, 2]
    assert [(query.order, query.limit) for query in services.of(ListMessages)] == [("desc", MAX_MESSAGES)]


async def test_a_report_is_read_with_its_text(base_url: str, services: FakeServices):
    await serve_report(services, b"# Report")
    [view, text] = await contents(base_url, services, f"report://{REPORT}")
    assert json.loads(view.text)["id"] == REPORT
    assert (text.text, text.mime_type) == ("# Report", "text/markdown; charset=utf-8")


async def test_a_report_without_text_is_read_as_its_description(base_url: str, services: FakeServices):
    await services.answer(GetReport, samples.report())
    [view] = await contents(base_url, services, f"report://{REPORT}")
    assert json.loads(view.text)["format"] == "pdf"


async def test_another_users_resource_is_not_found(base_url: str, services: FakeServices):
    await services.answer(GetSession, Refused(code=Code.SESSION_NOT_FOUND, detail="There is no session."))
    error = await refusal(base_url, services, f"session://{SESSION}")
    assert (error.code, error.data["error_code"]) == (INVALID_PARAMS, "SESSION_NOT_FOUND")


@each(
    "uri",
    ["session://one", "file:///etc/passwd", f"session://{SESSION}/../x", f"task://{SESSION}"],
)
async def test_an_unknown_uri_is_not_found(base_url: str, services: FakeServices, uri: str):
    assert (await refusal(base_url, services, uri)).data["error_code"] == "NOT_FOUND"
