"""Deleting and expiring reports removes their files."""

from datetime import timedelta

from contracts.report.report import DeleteReport, ReportDeleted
from eventing.due_times import DueTimes
from eventing.testing.due import process_due
from report.due import REPORT_EXPIRY

from .desk import Desk


async def test_deleting_a_report_removes_all_of_its_files(desk: Desk) -> None:
    report, other = await desk.completed(), await desk.completed()
    await desk.store(f"{report.id}/late.html")
    await desk.send(DeleteReport(report_id=report.id))
    await desk.see_latest(ReportDeleted, report.id)
    assert await desk.files(report.id) == []
    assert len(await desk.files(other.id)) == 1


async def test_a_report_is_deleted_when_its_retention_time_has_passed(desk: Desk) -> None:
    report = await desk.completed()
    due_times = DueTimes([REPORT_EXPIRY], desk.dispatcher)
    assert await process_due(due_times) == 0
    await desk.database.execute("UPDATE due SET at = at - $1::interval, try_at = at - $1::interval", timedelta(days=90))
    assert await process_due(due_times) == 1
    await desk.see_latest(ReportDeleted, report.id)
    assert await desk.files(report.id) == []
    assert await desk.database.fetchval("SELECT count(*) FROM reports") == 0
