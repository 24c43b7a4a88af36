"""The queries of reports: who sees what, filters, pages, and parts of files."""

from datetime import timedelta
from typing import Any

import pytest
from contracts.messages import Query
from contracts.refusals import Code, Refusal
from contracts.report.report import (
    CreateLink,
    DeleteReport,
    FailReport,
    GetLinkedReport,
    GetReport,
    ListReports,
    ReadLinkedReport,
    ReadReport,
    ReportLink,
    ReportView,
)
from contracts.samples import TASK
from eventing.testing.harness import ServiceHarness
from runtime.bus.envelope import Envelope
from runtime.clock import new_id

from .desk import ADMIN, NOON, OWNER, STRANGER, Desk


async def linked(desk: Desk, report: ReportView) -> ReportLink:
    """Create a link to a report."""
    return await desk.send(CreateLink(report_id=report.id, link_id=new_id(), seconds=60))


async def ask_without_actor[R](desk: ServiceHarness, query: Query[R]) -> R:
    """Ask as somebody who is not logged in."""
    return await desk.dispatcher.ask(query, Envelope.begin())


@pytest.mark.parametrize("kind", [GetReport, ReadReport])
async def test_another_users_report_is_not_found(desk: Desk, kind: type[Query[Any]]) -> None:
    query = kind.model_validate({"report_id": (await desk.completed()).id})
    await desk.ask(query, ADMIN)
    with pytest.raises(Refusal, match=Code.REPORT_NOT_FOUND):
        await desk.ask(query, STRANGER)


async def test_reports_are_listed_newest_first_and_only_to_their_owner(desk: Desk) -> None:
    first, second = await desk.request(), await desk.request()
    await desk.request(STRANGER)
    page = await desk.ask(ListReports())
    assert ([report.id for report in page.items], page.total) == ([second.id, first.id], 2)
    assert (await desk.ask(ListReports(), ADMIN)).total == 3


async def test_reports_are_listed_by_subject_format_and_status(desk: Desk) -> None:
    done = await desk.completed()
    task = await desk.request(report_type="task", task_id=TASK, session_id=None, format="json")
    for query, expected in (
        (ListReports(session_id=done.session_id), done.id),
        (ListReports(task_id=task.task_id), task.id),
        (ListReports(format="json"), task.id),
        (ListReports(status="completed"), done.id),
    ):
        assert [report.id for report in (await desk.ask(query)).items] == [expected]


async def test_a_list_continues_after_a_report(desk: Desk) -> None:
    first, second = await desk.request(), await desk.request()
    page = await desk.ask(ListReports(limit=1))
    assert ([report.id for report in page.items], page.more) == ([second.id], True)
    assert [report.id for report in (await desk.ask(ListReports(after=second.id))).items] == [first.id]


async def test_a_part_of_a_file_is_read(desk: Desk) -> None:
    report = await desk.completed()
    part = await desk.ask(ReadReport(report_id=report.id, offset=3, length=4))
    assert (part.data, part.size_bytes, part.etag) == (b"3456", 10, "ab" * 32)
    assert (part.content_type, part.modified_at) == ("text/html; charset=utf-8", NOON)


@pytest.mark.parametrize(("offset", "length", "data"), [(8, 100, b"89"), (10, 5, b""), (99, 5, b""), (0, 0, b"")])
async def test_a_part_ends_with_the_file(desk: Desk, offset: int, length: int, data: bytes) -> None:
    report = await desk.completed()
    assert (await desk.ask(ReadReport(report_id=report.id, offset=offset, length=length))).data == data


async def test_a_part_of_another_version_is_refused(desk: Desk) -> None:
    report = await desk.completed()
    with pytest.raises(Refusal, match=Code.FILE_CHANGED):
        await desk.ask(ReadReport(report_id=report.id, etag="other"))


async def test_a_report_in_progress_has_no_file_yet(desk: Desk) -> None:
    report = await desk.request()
    with pytest.raises(Refusal, match=Code.REPORT_NOT_READY):
        await desk.ask(ReadReport(report_id=report.id))


async def test_a_failed_report_has_no_file(desk: Desk) -> None:
    report = await desk.request()
    await desk.send(FailReport(report_id=report.id, error_code=Code.REPORT_TOO_LARGE, error_detail="Too large."))
    with pytest.raises(Refusal, match=r"REPORT_HAS_NO_FILE: .*REPORT_TOO_LARGE: Too large"):
        await desk.ask(ReadReport(report_id=report.id))


async def test_the_holder_of_a_link_needs_no_account(desk: Desk) -> None:
    report = await desk.completed()
    token = (await linked(desk, report)).token
    assert (await ask_without_actor(desk, GetLinkedReport(report_id=report.id, token=token))).title == "My Session"
    part = await ask_without_actor(desk, ReadLinkedReport(report_id=report.id, token=token, offset=9))
    assert part.data == b"9"


async def test_a_forged_token_or_one_of_another_report_is_not_valid(desk: Desk) -> None:
    report, other = await desk.completed(), await desk.completed()
    token = (await linked(desk, other)).token
    for wrong in (token, "forged", ""):
        with pytest.raises(Refusal, match=Code.LINK_NOT_VALID):
            await ask_without_actor(desk, GetLinkedReport(report_id=report.id, token=wrong))


async def test_an_expired_link_is_not_valid(desk: Desk) -> None:
    report = await desk.completed()
    token = (await linked(desk, report)).token
    desk.at(NOON + timedelta(seconds=60))
    with pytest.raises(Refusal, match=Code.LINK_NOT_VALID):
        await ask_without_actor(desk, ReadLinkedReport(report_id=report.id, token=token))


async def test_the_link_of_a_deleted_report_is_not_valid(desk: Desk) -> None:
    report = await desk.completed()
    token = (await linked(desk, report)).token
    await desk.send(DeleteReport(report_id=report.id), OWNER)
    with pytest.raises(Refusal, match=Code.LINK_NOT_VALID):
        await ask_without_actor(desk, GetLinkedReport(report_id=report.id, token=token))
