"""The command handlers of reports."""

import asyncio
from datetime import timedelta

import pytest
from contracts.refusals import Code, Refusal
from contracts.report.report import (
    CreateLink,
    DeleteReport,
    ExpireReport,
    FailReport,
    LinkCreated,
    RecordProgress,
    ReportDeleted,
)
from report.handlers import MAX_IN_PROGRESS
from runtime.clock import new_id

from .desk import ADMIN, NOON, OWNER, STRANGER, Desk


async def test_a_requested_report_waits_for_its_file(desk: Desk) -> None:
    report = await desk.request(title="For the board", include_metrics=False)
    assert (report.status, report.progress_percent, report.progress_step) == ("pending", 0, "queued")
    assert (report.title, report.include_messages, report.include_metrics) == ("For the board", True, False)
    assert await desk.in_progress() == [report.id]


async def test_pdf_is_refused_where_it_cannot_be_created(desk: Desk) -> None:
    desk.dependencies.pdf.possible = False
    with pytest.raises(Refusal, match=r"PDF_NOT_AVAILABLE: .*Choose the format html"):
        await desk.request(format="pdf")
    assert (await desk.request(format="html")).status == "pending"


async def test_a_completed_report_expires_after_the_retention_time(desk: Desk) -> None:
    assert (await desk.completed()).expires_at == NOON + timedelta(days=90)


async def test_without_a_retention_time_a_report_never_expires(desk: Desk) -> None:
    desk.dependencies.retention_days = 0
    assert (await desk.completed()).expires_at is None
    assert await desk.database.fetch("SELECT FROM due") == []


@pytest.mark.parametrize("kind", [DeleteReport, ExpireReport])
async def test_another_users_report_is_not_found(desk: Desk, kind: type[DeleteReport | ExpireReport]) -> None:
    report = await desk.completed()
    with pytest.raises(Refusal, match=Code.REPORT_NOT_FOUND):
        await desk.send(kind(report_id=report.id), STRANGER)
    await desk.send(kind(report_id=report.id), ADMIN)


async def test_expiring_records_that_nobody_deleted_it(desk: Desk) -> None:
    report = await desk.completed()
    await desk.send(ExpireReport(report_id=report.id))
    stored = await desk.dispatcher.store.latest(ReportDeleted, report.id)
    assert stored
    assert (stored.event.expired, stored.event.key) == (True, f"{report.id}/1.html")


async def test_a_deleted_report_accepts_no_progress(desk: Desk) -> None:
    report = await desk.request()
    await desk.send(DeleteReport(report_id=report.id))
    with pytest.raises(Refusal, match=Code.REPORT_NOT_FOUND):
        await desk.send(RecordProgress(report_id=report.id, percent=10, step="collecting"))


async def test_a_failed_report_says_why(desk: Desk) -> None:
    report = await desk.request()
    failed = FailReport(report_id=report.id, error_code=Code.REPORT_FAILED, error_detail="It took too long.")
    await desk.send(failed)
    latest = await desk.latest(report.id)
    assert (latest.status, latest.error_code, latest.error_detail) == ("failed", "REPORT_FAILED", "It took too long.")
    assert await desk.in_progress() == []


async def test_a_failed_report_expires_after_the_retention_time(desk: Desk) -> None:
    report = await desk.request()
    await desk.give_up(report.id)
    assert (await desk.latest(report.id)).expires_at == NOON + timedelta(days=90)
    assert [row["id"] for row in await desk.database.fetch("SELECT id FROM due")] == [report.id]


async def test_concurrent_requests_cannot_exceed_the_number_in_progress(desk: Desk) -> None:
    requests = [desk.request() for _ in range(MAX_IN_PROGRESS + 5)]
    outcomes = await asyncio.gather(*requests, return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, Refusal)]
    assert [refusal.code for refusal in refused] == [Code.TOO_MANY_REPORTS] * 5
    assert (await desk.request(STRANGER)).status == "pending"


async def test_a_finished_report_makes_space_for_another(desk: Desk) -> None:
    reports = [await desk.request() for _ in range(MAX_IN_PROGRESS)]
    await desk.give_up(reports[0].id)
    await desk.request()
    with pytest.raises(Refusal, match=Code.TOO_MANY_REPORTS):
        await desk.request()
    assert (await desk.request(ADMIN)).status == "pending"


async def test_the_token_of_a_link_is_stored_nowhere(desk: Desk) -> None:
    report = await desk.completed()
    link = await desk.send(CreateLink(report_id=report.id, link_id=new_id(), seconds=3600), OWNER)
    stored = await desk.dispatcher.store.latest(LinkCreated, report.id)
    assert stored
    assert link.token not in stored.event.model_dump_json()
    assert link.token not in str(await desk.database.fetch("SELECT * FROM report_links"))
    assert (len(link.token), link.expires_at) == (43, NOON + timedelta(hours=1))
