"""The command handlers of the report service: load, let the aggregate decide, save."""

import secrets
from datetime import datetime, timedelta

from contracts.messages import Failure
from contracts.refusals import Code, Refusal
from contracts.report.report import (
    CompleteReport,
    CreateLink,
    DeleteReport,
    ExpireReport,
    FailReport,
    ListReports,
    RecordProgress,
    ReportLink,
    RequestReport,
)
from contracts.report.values import ReportStatus
from eventing.handling import Handlers

from report.aggregate import Report
from report.dependencies import Work
from report.links import hash_token

TOKEN_BYTES = 32
MAX_IN_PROGRESS = 10
"""Of one user. More would let others wait for minutes."""
IN_PROGRESS: tuple[ReportStatus, ...] = ("pending", "rendering")
NO_PDF = "This server lacks a library that PDF needs. Choose the format html, markdown or json."

handles = Handlers()


@handles
async def request_report(command: RequestReport, work: Work) -> None:
    """Request a report for the actor. The job that creates it checks that its subject exists for the actor."""
    report = Report(command.report_id)
    report.create(work.actor.user_id, command.request)
    has_pdf = command.request.format != "pdf" or await work.dependencies.pdf.available()
    if command.automatic and not has_pdf:
        report.fail(Failure(error_code=Code.PDF_NOT_AVAILABLE, error_detail=NO_PDF), _expires_at(work))
    elif not has_pdf:
        raise Refusal(Code.PDF_NOT_AVAILABLE, NO_PDF)
    elif not command.automatic:
        await _check_number(work)
    await work.save(report)


@handles
async def record_progress(command: RecordProgress, work: Work) -> None:
    """Record how far the work on a report is."""
    async with work.change(Report, command.report_id) as report:
        report.progress(command.percent, command.step)


@handles
async def complete_report(command: CompleteReport, work: Work) -> None:
    """Record the file of a report, which is kept for the retention time."""
    async with work.change(Report, command.report_id) as report:
        report.complete(command.title, command.file, _expires_at(work))


@handles
async def fail_report(command: FailReport, work: Work) -> None:
    """Record that a report could not be created."""
    async with work.change(Report, command.report_id) as report:
        report.fail(command, _expires_at(work))


@handles
async def expire_report(command: ExpireReport, work: Work) -> None:
    """Delete a report whose retention time has passed."""
    async with work.change(Report, command.report_id) as report:
        report.delete(expired=True)


@handles
async def delete_report(command: DeleteReport, work: Work) -> None:
    """Delete a report."""
    async with work.change(Report, command.report_id) as report:
        report.delete()


@handles
async def create_link(command: CreateLink, work: Work) -> ReportLink:
    """Create a link. Only the hash of its token is stored, so nobody who reads the events or tables can use it."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    async with work.change(Report, command.report_id) as report:
        expires_at = report.create_link(command.link_id, hash_token(token), work.now, command.seconds)
    return ReportLink(id=command.link_id, report_id=command.report_id, token=token, expires_at=expires_at)


async def _check_number(work: Work) -> None:
    """Check that the actor has few reports in progress, because reports are created in the order of their requests.

    Raises:
        Refusal: TOO_MANY_REPORTS. Administrators, who see the reports of all users, are not limited.
    """
    await work.lock(work.actor.user_id)  # concurrent requests would all count the same
    if work.actor.role == "admin":
        return
    pages = [await work.ask(ListReports(status=status, limit=1)) for status in IN_PROGRESS]
    if sum(page.total for page in pages) >= MAX_IN_PROGRESS:
        detail = f"{MAX_IN_PROGRESS} of your reports are in progress. Wait until one of them is ready."
        raise Refusal(Code.TOO_MANY_REPORTS, detail)


def _expires_at(work: Work) -> datetime | None:
    days = work.dependencies.retention_days
    return work.now + timedelta(days=days) if days else None
