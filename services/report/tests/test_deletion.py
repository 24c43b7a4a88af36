"""Deleting and expiring reports removes their files."""

from datetime import timedelta
from uuid import UUID

import pytest
from contracts.report.report import DeleteReport, ExpireReport, ReportDeleted
from eventing.due_times import DueTimes
from eventing.testing.due import process_due
from report.app import service
from report.due import REPORT_EXPIRY
from runtime import clock

from .desk import NOON, Desk


async def test_deleting_a_report_removes_all_of_its_files(desk: Desk) -> None:
    report, other = await desk.completed(), await desk.completed()
    await desk.store(f"{report.id}/late.html")
    await desk.send(DeleteReport(report_id=report.id))
    await desk.see_latest(ReportDeleted, report.id)
    assert await desk.files(report.id) == []
    assert len(await desk.files(other.id)) == 1


async def test_a_report_service_91_days_ahead_deletes_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    report = await desk.completed()
    monkeypatch.setattr(clock, "now", lambda: NOON + timedelta(days=91))
    assert await process_due(DueTimes([REPORT_EXPIRY], desk.dispatcher)) == 0
    assert len(await desk.files(report.id)) == 1


async def test_the_files_of_an_expired_report_are_removed_a_day_later(desk: Desk) -> None:
    expired, deleted = await desk.completed(), await desk.completed()
    await desk.send(DeleteReport(report_id=deleted.id))
    await desk.send(ExpireReport(report_id=expired.id))
    assert await _delays(desk, expired.id, deleted.id) == [timedelta(days=1), timedelta()]


async def _delays(desk: Desk, *ids: UUID) -> list[timedelta]:
    after = service.reactions.by_name["remove_files_of_deleted"].after
    assert after
    return [after(await desk.latest_event(ReportDeleted, id)) for id in ids]


@pytest.mark.parametrize("name", ["remove_other_files", "remove_files_of_failed", "remove_files_of_deleted"])
def test_files_that_a_stopped_worker_stores_later_are_removed_too(name: str) -> None:
    assert service.reactions.by_name[name].again == timedelta(hours=1)


async def test_a_report_is_deleted_when_its_retention_time_has_passed(desk: Desk) -> None:
    report = await desk.completed()
    due_times = DueTimes([REPORT_EXPIRY], desk.dispatcher)
    assert await process_due(due_times) == 0
    await desk.database.execute("UPDATE due SET at = at - $1::interval, try_at = at - $1::interval", timedelta(days=90))
    assert await process_due(due_times) == 1
    await desk.see_latest(ReportDeleted, report.id)
    assert await desk.files(report.id) == []
    assert await desk.database.fetchval("SELECT count(*) FROM reports") == 0
