"""The read models of reports, and the due times that events set and cancel."""

from datetime import timedelta

import pytest
from contracts.refusals import Code, Refusal
from contracts.report.report import CreateLink, DeleteReport, GetReport, RecordProgress
from runtime.clock import new_id

from .desk import NOON, Desk


async def test_progress_is_shown(desk: Desk) -> None:
    report = await desk.request()
    await desk.send(RecordProgress(report_id=report.id, percent=40, step="rendering"))
    latest = await desk.latest(report.id)
    assert (latest.status, latest.progress_percent, latest.progress_step) == ("rendering", 40, "rendering")


async def test_a_completed_report_shows_its_file(desk: Desk) -> None:
    report = await desk.completed()
    assert (report.status, report.progress_percent, report.progress_step) == ("completed", 100, "done")
    assert (report.file_path, report.file_size_bytes) == (f"/reports/{report.id}.html", 10)
    assert (report.title, report.notes, report.generated_at) == ("My Session", ["a note"], NOON)


async def test_the_expiry_of_a_report_is_due(desk: Desk) -> None:
    report = await desk.completed()
    [due] = await desk.database.fetch("SELECT kind, id, at FROM due")
    assert tuple(due) == ("report_expiry", report.id, NOON + timedelta(days=90))


async def test_deleting_a_report_removes_its_row_links_and_due_time(desk: Desk) -> None:
    report = await desk.completed()
    await desk.send(CreateLink(report_id=report.id, link_id=new_id(), seconds=60))
    await desk.send(DeleteReport(report_id=report.id))
    with pytest.raises(Refusal, match=Code.REPORT_NOT_FOUND):
        await desk.ask(GetReport(report_id=report.id))
    for table in ("reports", "report_links", "due"):
        assert await desk.database.fetchval(f"SELECT count(*) FROM {table}") == 0  # noqa: S608  a constant


async def test_a_new_link_removes_those_that_have_expired(desk: Desk) -> None:
    report = await desk.completed()
    await desk.send(CreateLink(report_id=report.id, link_id=new_id(), seconds=60))
    desk.at(NOON + timedelta(hours=1))
    await desk.send(CreateLink(report_id=report.id, link_id=new_id(), seconds=60))
    assert await desk.database.fetchval("SELECT count(*) FROM report_links") == 1
