"""The query handlers of the report service, which read its read models."""

from uuid import UUID

from contracts.files import ByteRange, FilePart
from contracts.messages import Page
from contracts.refusals import Code, Refusal
from contracts.report.report import (
    GetLinkedReport,
    GetReport,
    ListReports,
    ReadLinkedReport,
    ReadReport,
    ReportView,
)
from contracts.report.values import MEDIA_TYPES, SUFFIXES
from eventing.database import Row
from eventing.handling import Handlers
from eventing.handling.reading import Filters, Listing, Table
from runtime import clock

from report.dependencies import Context
from report.links import hash_token

REPORTS = Table("reports", Code.REPORT_NOT_FOUND, key="position")
COLUMNS = ", ".join(name for name in ReportView.model_fields if name != "file_path")
FILE = "id, status, format, file_key, file_size_bytes, file_sha256, generated_at, error_code, error_detail"
LINKED = (
    "SELECT reports.* FROM reports JOIN report_links AS link ON link.report_id = reports.id "
    "WHERE reports.id = $1 AND link.token_hash = $2 AND link.expires_at > $3"
)

answers = Handlers()


def _view(row: Row) -> ReportView:
    # A path for clients, relative to the API; it is not a path of the host.
    path = f"/reports/{row['id']}{SUFFIXES[row['format']]}" if row["status"] == "completed" else None
    return ReportView.model_validate(row | {"file_path": path})


LISTING = Listing(REPORTS, COLUMNS, _view)


@answers
async def get_report(query: GetReport, context: Context) -> ReportView:
    """Return a report: an own one, or any for an admin."""
    return _view(await REPORTS.fetch(COLUMNS, query.report_id, context))


@answers
async def list_reports(query: ListReports, context: Context) -> Page[ReportView]:
    """Return the actor's reports (for an admin, all reports), newest first."""
    filters = Filters(
        session_id=query.session_id,
        task_id=query.task_id,
        execution_id=query.execution_id,
        format=query.format,
        status=query.status,
    )
    return await LISTING.page(query, context, filters)


@answers
async def read_report(query: ReadReport, context: Context) -> FilePart:
    """Return a part of the file of a report."""
    return await _read(await REPORTS.fetch(FILE, query.report_id, context), query, context)


@answers
async def get_linked_report(query: GetLinkedReport, context: Context) -> ReportView:
    """Return a report to the holder of a link."""
    row = await _linked(query.report_id, query.token, context)
    return _view({name: row[name] for name in ReportView.model_fields if name != "file_path"})


@answers
async def read_linked_report(query: ReadLinkedReport, context: Context) -> FilePart:
    """Return a part of the file of a report to the holder of a link."""
    return await _read(await _linked(query.report_id, query.token, context), query, context)


async def _linked(report_id: UUID, token: str, context: Context) -> Row:
    """Return the row of a report to which there is a link with this token.

    Raises:
        Refusal: LINK_NOT_VALID, whether the report, the link or neither exists.
    """
    row = await context.database.fetchrow(LINKED, report_id, hash_token(token), clock.now())
    if row is None:
        raise Refusal(Code.LINK_NOT_VALID, "This link is not valid, or has expired.")
    return dict(row)


async def _read(row: Row, part: ByteRange, context: Context) -> FilePart:
    if row["status"] == "failed":
        detail = f"The report failed, so it has no file: {row['error_code']}: {row['error_detail']}"
        raise Refusal(Code.REPORT_HAS_NO_FILE, detail)
    if row["status"] != "completed":
        raise Refusal(Code.REPORT_NOT_READY, f"Report {row['id']} is still being created.")
    etag, size = row["file_sha256"], row["file_size_bytes"]
    if part.etag not in (None, etag):
        raise Refusal(Code.FILE_CHANGED, "The file has changed since it was first read. Start the download again.")
    length = max(0, min(part.length, size - part.offset))
    data = await context.dependencies.storage.read(row["file_key"], part.offset, length) if length else b""
    return FilePart(
        size_bytes=size,
        modified_at=row["generated_at"],
        etag=etag,
        content_type=MEDIA_TYPES[row["format"]],
        data=data,
    )
