"""Reports about sessions and tasks: `/api/v1/reports`."""

from typing import Annotated
from uuid import UUID

from contracts.refusals import Code
from contracts.report.report import (
    DeleteReport,
    GetLinkedReport,
    GetReport,
    ReadLinkedReport,
    ReadReport,
)
from contracts.report.values import MEDIA_TYPES, SUFFIXES
from fastapi import APIRouter, Depends, Query, Request, Response

from gateway.clients.authentication import Caller, CallerOrLinkHolder
from gateway.files.downloads import Download, download_responses
from gateway.files.file_names import file_name
from gateway.problems import EdgeCode, documented, headed
from gateway.routing.bodies import JsonRoute
from gateway.routing.changes import Unrecorded
from gateway.routing.prefer import PREFER, preferred
from gateway.schemas.report import NewReport, NewReportLink, Report, ReportLink, ReportPage, ReportWindow, report_path
from gateway.state import gateway_of
from gateway.waiting.reports import check_created

SUBJECT_PROBLEMS = (Code.SESSION_NOT_FOUND, Code.TASK_NOT_FOUND, Code.EXECUTION_NOT_FOUND)
ONE_HOUR = NewReportLink()

router = APIRouter(prefix="/api/v1/reports", tags=["Reports"], route_class=JsonRoute)


@router.post(
    "",
    operation_id="createReport",
    summary="Create a report",
    status_code=201,
    response_model=Report,
    openapi_extra={"parameters": [PREFER]},
    responses=headed(
        {
            202: {
                "model": Report,
                "description": "With `Prefer: respond-async`: the report was requested; `Location` is its path",
            }
        }
        | documented(
            *SUBJECT_PROBLEMS,
            Code.PDF_NOT_AVAILABLE,
            Code.REPORT_FAILED,
            Code.REPORT_NOT_FOUND,
            Code.REPORT_TOO_LARGE,
            Code.STORAGE_FAILED,
            Code.TOO_MANY_REPORTS,
            EdgeCode.ANSWER_NOT_READY,
        ),
        {
            201: ("Location",),
            202: ("Location", "Preference-Applied"),
            500: ("Location",),
            504: ("Location",),
        },
    ),
)
async def create(body: NewReport, caller: Caller, request: Request) -> Response:
    """Creates a report about a session, or about the executions of a task, and returns it when it is ready.

    The report is created all the same if the client disconnects. With `Prefer: respond-async`, the response is 202 with
    the report as it is now; the stream `/events` sends its progress as `report.progress`, then `report.completed` or
    `report.failed`.
    """
    await caller.ask(body.subject())
    command = body.command()
    headers = {"Location": report_path(command.report_id)}
    if preferred(request, "respond-async"):
        headers["Preference-Applied"] = "respond-async"
        return Report.of(await caller.ask(command)).response(202, headers)
    gateway = gateway_of(request)
    view = await gateway.reports.outcome(command, caller, gateway.disconnected(request))
    check_created(view)
    return Report.of(view).response(201, headers)


@router.get(
    "",
    operation_id="listReports",
    summary="List reports",
    response_model=ReportPage,
    responses=documented(Code.REPORT_NOT_FOUND),
)
async def index(window: Annotated[ReportWindow, Query()], caller: Caller, request: Request) -> Response:
    """Returns the caller's reports, newest first. Administrators see all."""
    page = await caller.ask(window.query())
    return ReportPage.over(page, window, request).response()


@router.get(
    "/{report_id}",
    operation_id="getReport",
    summary="Get a report",
    response_model=Report,
    responses=documented(Code.REPORT_NOT_FOUND),
)
async def show(report_id: UUID, caller: Caller) -> Response:
    """Returns the report with its status and progress, and why it failed if it did."""
    return Report.of(await caller.ask(GetReport(report_id=report_id))).response()


@router.delete(
    "/{report_id}",
    operation_id="deleteReport",
    summary="Delete a report",
    status_code=204,
    responses=documented(Code.REPORT_NOT_FOUND),
)
async def delete(report_id: UUID, caller: Caller) -> Response:
    """Deletes the report with its file and its links. A report that is still being created is not continued."""
    await caller.ask(DeleteReport(report_id=report_id))
    return Response(status_code=204)


@router.get(
    "/{report_id}/download",
    operation_id="downloadReport",
    summary="Download a report",
    response_class=Response,
    openapi_extra={"security": [{}]},  # an access token or, with `link`, none
    responses=headed(
        download_responses(*MEDIA_TYPES.values())
        | documented(
            Code.REPORT_NOT_FOUND,
            Code.REPORT_NOT_READY,
            Code.REPORT_HAS_NO_FILE,
            Code.LINK_NOT_VALID,
            Code.FILE_CHANGED,
            Code.STORAGE_FAILED,
            EdgeCode.RANGE_NOT_SATISFIABLE,
        ),
        {416: ("Content-Range",)},
    ),
)
async def download(
    report_id: UUID,
    caller: CallerOrLinkHolder,
    request: Request,
    link: Annotated[
        str | None,
        Query(max_length=200, description="Token of a link; with it, no access token is needed.", examples=["bGluaw"]),
    ] = None,
) -> Response:
    """Returns the report as a file. Supports `Range`, `If-Range` and `If-None-Match`."""
    if link is None:
        view, query = await caller.ask(GetReport(report_id=report_id)), ReadReport(report_id=report_id)
    else:
        view = await caller.ask(GetLinkedReport(report_id=report_id, token=link))
        query = ReadLinkedReport(report_id=report_id, token=link)
    return await Download(query, file_name(view.title, SUFFIXES[view.format], "report"), caller).response(
        request.headers
    )


@router.post(
    "/{report_id}/links",
    operation_id="createReportLink",
    dependencies=[Depends(Unrecorded())],
    summary="Create a link to a report",
    status_code=201,
    response_model=ReportLink,
    responses=headed(
        documented(Code.REPORT_NOT_FOUND, Code.REPORT_NOT_READY, Code.REPORT_HAS_NO_FILE), {201: ("Cache-Control",)}
    ),
)
async def create_link(report_id: UUID, caller: Caller, request: Request, body: NewReportLink = ONE_HOUR) -> Response:
    """Creates a link with which anybody can download the report, without an access token, until the link expires.

    The URL is not shown again. Deleting the report revokes its links.
    """
    return ReportLink.at(request, await caller.ask(body.command(report_id))).response(201)
