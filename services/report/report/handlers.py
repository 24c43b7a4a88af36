"""The command handlers of the report service: load, let the aggregate decide, save."""

import secrets
from datetime import datetime, timedelta

from contracts.refusals import Code, Refusal
from contracts.report.report import (
    CompleteReport,
    CreateLink,
    DeleteReport,
    ExpireReport,
    FailReport,
    RecordProgress,
    ReportLink,
    RequestReport,
)
from eventing.handling import Handlers

from report.aggregate import Report
from report.dependencies import Work
from report.links import hash_token

TOKEN_BYTES = 32
NO_PDF = "This server lacks a library that PDF needs. Choose the format html, markdown or json."

handles = Handlers()


@handles
async def request_report(command: RequestReport, work: Work) -> None:
    """Request a report for the actor. The job that creates it checks that its subject exists for the actor."""
    if command.request.format == "pdf" and not work.dependencies.pdf:
        raise Refusal(Code.PDF_NOT_AVAILABLE, NO_PDF)
    report = Report(command.report_id)
    report.create(work.actor.user_id, command.request)
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
        report.fail(command)


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


def _expires_at(work: Work) -> datetime | None:
    days = work.dependencies.retention_days
    return work.now + timedelta(days=days) if days else None
