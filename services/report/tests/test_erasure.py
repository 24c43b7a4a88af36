"""The events of a deleted report are erased."""

import pytest
from contracts.refusals import Code, Refusal
from contracts.report.report import DeleteReport
from eventing.database import Database
from eventing.testing.breaking import dump_events, erase_deleted

from .desk import OWNER, STRANGER, Desk

TITLE = "My Session"
"""The title of each report."""


async def test_events_of_a_deleted_report_are_erased(desk: Desk, owner: Database) -> None:
    await desk.send(DeleteReport(report_id=(await desk.completed()).id))
    assert TITLE in await dump_events(owner)
    await erase_deleted(desk.database, owner)
    assert TITLE not in await dump_events(owner)


async def test_commands_on_an_erased_report_are_refused(desk: Desk, owner: Database) -> None:
    report = await desk.completed()
    await desk.send(DeleteReport(report_id=report.id))
    await erase_deleted(desk.database, owner)
    for actor in (OWNER, STRANGER):
        with pytest.raises(Refusal, match=Code.REPORT_NOT_FOUND):
            await desk.send(DeleteReport(report_id=report.id), actor)
    with pytest.raises(Refusal, match=Code.REPORT_NOT_FOUND):
        await desk.complete(report.id)
