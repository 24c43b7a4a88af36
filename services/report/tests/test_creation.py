"""The job that creates the file of a report: attempts, failures, and what late workers leave behind."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from contracts.refusals import Code
from contracts.report.report import DeleteReport, ReadReport, ReportCompleted, ReportFailed, ReportProgressed
from contracts.samples import EXECUTION, TASK
from contracts.task_scheduler.execution import GetExecution
from contracts.task_scheduler.task import GetTask
from eventing.reactions.jobs import JobFailed
from report.storage import StorageDenied
from runtime.metrics import metrics_of

from .desk import NOON, STRANGER, Desk, refusal


async def test_a_report_gets_a_file_with_its_content(desk: Desk) -> None:
    desk.others.session.say("Hello")
    report = await desk.request()
    await desk.create(report.id)
    latest = await desk.latest(report.id)
    assert (latest.status, latest.title, latest.pages, latest.notes) == ("completed", "My Session", 3, ["a note"])
    part = await desk.ask(ReadReport(report_id=report.id))
    assert json.loads(part.data)["session"]["messages"][0]["text"] == "Hello"
    assert len(part.etag) == 64
    assert desk.dependencies.renderer.rendered == ["html"]


async def test_progress_is_recorded_in_steps(desk: Desk) -> None:
    report = await desk.request()
    seen = list[tuple[int, str]]()

    async def look() -> None:
        stored = await desk.dispatcher.store.latest(ReportProgressed, report.id)
        assert stored
        seen.append((stored.event.percent, stored.event.step))

    desk.dependencies.renderer.meanwhile = look
    await desk.create(report.id)
    await look()
    assert seen == [(40, "rendering"), (95, "storing")]


async def test_the_session_is_asked_for_with_the_rights_of_the_owner(desk: Desk) -> None:
    report = await desk.request(STRANGER)
    await desk.create(report.id)
    assert all(envelope.actor == STRANGER for _, envelope in desk.others.asked)


async def test_a_report_about_a_session_that_is_gone_fails(desk: Desk) -> None:
    report = await desk.request(session_id=UUID(int=9))
    await desk.create(report.id)
    latest = await desk.latest(report.id)
    assert (latest.status, latest.error_code) == ("failed", Code.REPORT_FAILED)
    assert (latest.error_detail or "").startswith("SESSION_NOT_FOUND: There is no session")


@pytest.mark.parametrize(("kind", "code"), [(GetTask, Code.TASK_NOT_FOUND), (GetExecution, Code.EXECUTION_NOT_FOUND)])
async def test_a_report_about_a_task_that_is_gone_fails(desk: Desk, kind: type[Any], code: Code) -> None:
    report = await desk.request(report_type="task", session_id=None, task_id=TASK, execution_id=EXECUTION)
    desk.others.replies[GetTask] = None
    desk.others.replies[kind] = refusal(code)
    if kind is GetExecution:
        desk.others.replies[GetTask] = object()
    await desk.create(report.id)
    assert (await desk.latest(report.id)).error_detail == f"{code}: refused"


async def test_rendering_that_fails_fails_the_report(desk: Desk) -> None:
    report = await desk.request()

    async def fail() -> None:
        raise JobFailed(Code.REPORT_TOO_LARGE, "It used too much memory.")

    desk.dependencies.renderer.meanwhile = fail
    await desk.create(report.id)
    latest = await desk.latest(report.id)
    assert (latest.error_code, latest.error_detail) == (Code.REPORT_TOO_LARGE, "It used too much memory.")
    assert await desk.files(report.id) == []


async def test_a_report_that_somebody_waits_for_fails_when_the_machine_is_busy(desk: Desk) -> None:
    report = await desk.request()
    desk.dependencies.renderer.meanwhile = desk.dependencies.renderer.give_up
    failures = metrics_of("report").get_sample_value("reports_failed_total", {"code": "REPORT_FAILED"}) or 0
    await desk.create(report.id)
    assert (await desk.latest(report.id)).error_detail == "The machine is busy."
    assert metrics_of("report").get_sample_value("reports_failed_total", {"code": "REPORT_FAILED"}) == failures + 1


async def test_a_report_that_waited_for_a_day_fails(desk: Desk) -> None:
    report = await desk.request()
    desk.at(NOON + timedelta(days=1, seconds=1))
    await desk.create(report.id)
    assert "within a day" in ((await desk.latest(report.id)).error_detail or "")


async def test_a_store_that_refuses_access_fails_the_report(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def deny(*_: object) -> None:
        raise StorageDenied("the bucket secret-name refuses access")

    monkeypatch.setattr(desk.dependencies.storage, "put", deny)
    report = await desk.request()
    await desk.create(report.id)
    latest = await desk.latest(report.id)
    assert (latest.error_code, latest.error_detail) == (
        Code.STORAGE_FAILED,
        "The file of the report could not be stored.",
    )


async def test_a_store_that_is_unavailable_is_retried_later(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise ConnectionError

    report = await desk.request()
    with monkeypatch.context() as unavailable:
        unavailable.setattr(desk.dependencies.storage, "put", fail)
        with pytest.raises(ConnectionError):
            await desk.create(report.id)
    assert await desk.in_progress() == [report.id]
    await desk.create(report.id)
    assert (await desk.latest(report.id)).status == "completed"


async def test_a_report_that_was_given_up_says_so(desk: Desk) -> None:
    report = await desk.request()
    await desk.give_up(report.id)
    latest = await desk.latest(report.id)
    assert (latest.status, latest.error_code) == ("failed", Code.REPORT_FAILED)


async def test_nothing_is_left_of_a_report_deleted_while_it_is_rendered(desk: Desk) -> None:
    report = await desk.request()
    desk.dependencies.renderer.meanwhile = lambda: desk.send(DeleteReport(report_id=report.id))
    await desk.create(report.id)
    assert await desk.files(report.id) == []


async def test_nothing_is_left_of_a_report_deleted_while_it_is_stored(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = await desk.request()
    put = desk.dependencies.storage.put

    async def delete_and_put(key: str, file: Any) -> None:
        await put(key, file)
        await desk.send(DeleteReport(report_id=report.id))

    monkeypatch.setattr(desk.dependencies.storage, "put", delete_and_put)
    await desk.create(report.id)
    assert await desk.files(report.id) == []


async def test_a_late_worker_removes_only_its_own_file(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    report = await desk.request()
    put = desk.dependencies.storage.put
    first = dict[str, str]()

    async def be_overtaken(key: str, file: Any) -> None:
        monkeypatch.setattr(desk.dependencies.storage, "put", put)
        await put(key, file)
        await desk.complete(report.id)
        first["late"] = key

    monkeypatch.setattr(desk.dependencies.storage, "put", be_overtaken)
    await desk.create(report.id)
    assert first["late"]
    assert await desk.files(report.id) == [f"{report.id}/1.html"]


async def test_the_file_of_a_killed_worker_is_removed_after_the_next_one(desk: Desk) -> None:
    report = await desk.request()
    await desk.store(f"{report.id}/killed.html")
    await desk.create(report.id)
    assert len(await desk.files(report.id)) == 2
    await desk.see_latest(ReportCompleted, report.id)
    [left] = await desk.files(report.id)
    assert "killed" not in left
    assert (await desk.ask(ReadReport(report_id=report.id))).data


async def test_files_of_a_failed_report_are_removed(desk: Desk) -> None:
    report = await desk.request()
    await desk.store(f"{report.id}/killed.html")
    await desk.give_up(report.id)
    await desk.see_latest(ReportFailed, report.id)
    assert await desk.files(report.id) == []


async def test_temporary_files_are_removed(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (scratch := tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    seen = list[Path]()

    async def look() -> None:
        seen.extend(scratch.glob("*/content.json"))

    desk.dependencies.renderer.meanwhile = look
    await desk.create((await desk.request()).id)
    assert len(seen) == 1
    assert list(scratch.iterdir()) == []
