"""Tools for reports."""

from typing import Annotated
from uuid import UUID

from contracts.report.report import GetReport, ReadReport, ReportView
from pydantic import Field, StrictBool

from gateway.files.downloads import Download
from gateway.mcp_server.call import Call
from gateway.mcp_server.pages import DEFAULT_LIMIT, Items, Limit
from gateway.mcp_server.tool import CREATES, READS, Tools
from gateway.schemas.base import RequestBody
from gateway.schemas.report import NewReport, Report, ReportWindow
from gateway.waiting.reports import check_created

MAX_TEXT_BYTES = 256 * 1024
TEXT_FORMATS = frozenset({"markdown", "json"})

tools = Tools()


class ReportsToList(ReportWindow, RequestBody):
    """Arguments of `list_reports`."""

    limit: Limit = DEFAULT_LIMIT


class ReportToCreate(NewReport):
    """Arguments of `create_report`."""

    wait: Annotated[
        StrictBool, Field(description="Whether to wait until the report is ready. If not, read it with `get_report`.")
    ] = True


class ReportId(RequestBody):
    """Arguments of tools for one report."""

    report_id: Annotated[UUID, Field(description="Id of the report.")]


class ReportWithText(Report):
    """A report with its text."""

    sample = Report.sample | {"text": None, "truncated": False}

    text: Annotated[
        str | None,
        Field(description="Text of a completed report in the format `markdown` or `json`; null for other formats."),
    ]
    truncated: Annotated[bool, Field(description="Whether only the beginning of the text is returned.")]


@tools.add(READS)
async def list_reports(arguments: ReportsToList, call: Call) -> Items[Report]:
    """List your reports, newest first."""
    page = await call.caller.ask(arguments.query())
    return Items[Report].over(page, list(map(Report.of, page.items)), arguments)


@tools.add(CREATES)
async def create_report(arguments: ReportToCreate, call: Call) -> Report:
    """Create a report about a session, or about the executions of a task, and return it when it is ready.

    If the wait is too long, the report is returned as it is, and is still created. Read its text with `get_report`.
    """
    await call.caller.ask(arguments.subject())
    command = arguments.command()
    if arguments.wait:
        view = await call.gateway.reports.until_ended(command, call.caller, call.disconnected)
    else:
        view = await call.caller.ask(command)
    check_created(view)
    return Report.of(view)


@tools.add(READS)
async def get_report(arguments: ReportId, call: Call) -> ReportWithText:
    """Get a report, with its text if the format is `markdown` or `json`; at most 256 KiB of it.

    Files of other formats are downloaded from `/api/v1/reports/{report_id}/download`.
    """
    return await read_report(arguments.report_id, call)


async def read_report(report_id: UUID, call: Call) -> ReportWithText:
    """Return a report with its text.

    Raises:
        Refusal: the report does not exist for the caller.
    """
    view = await call.caller.ask(GetReport(report_id=report_id))
    text = await _beginning(view, call) if view.status == "completed" and view.format in TEXT_FORMATS else None
    truncated = text is not None and (view.file_size_bytes or 0) > MAX_TEXT_BYTES
    return ReportWithText.of(view, text=text, truncated=truncated)


async def _beginning(view: ReportView, call: Call) -> str:
    file = Download(ReadReport(report_id=view.id), view.title, call.caller)
    return (await file.beginning(MAX_TEXT_BYTES)).decode(errors="ignore")  # the last character may be cut
