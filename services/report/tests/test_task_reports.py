"""Reports about tasks: those that executions get by themselves, and the content of those about a period."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from contracts.identity.user import GetActor
from contracts.messages import Event, Page
from contracts.refusals import Code
from contracts.report.report import DeleteReport, ListReports, ReadReport, ReportView
from contracts.samples import EXECUTION, RUN, SESSION, TASK
from contracts.session.values import Usage
from contracts.task_scheduler.execution import (
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionTimedOut,
    GetExecution,
    ListExecutions,
)
from contracts.task_scheduler.execution_view import ExecutionSummary, ExecutionView
from contracts.task_scheduler.task import GetTask
from contracts.task_scheduler.task_view import TaskView
from contracts.task_scheduler.values import execution_report_id
from eventing.recording import Recorded
from report.content import ReportContent
from report.handlers import MAX_IN_PROGRESS
from runtime.bus import NoResponders
from runtime.bus.envelope import Envelope

from .desk import ADMIN, NOON, OWNER, Desk, refusal

NOTHING: dict[str, Any] = dict.fromkeys(
    ("scheduled_for", "error_code", "error_detail", "retry_of", "backfill_id", "trigger_id", "next_attempt_at"), None
)


def execution(n: int = 0, **fields: Any) -> ExecutionView:
    """Return an execution that was created `n` hours after noon."""
    id = UUID(EXECUTION) if n == 0 else UUID(int=n)
    at = NOON + timedelta(hours=n)
    usage = Usage(input_tokens=5, output_tokens=6, cost_usd=1, duration_ms=7)  # pyright: ignore[reportArgumentType]
    base = {"id": id, "task_id": TASK, "user_id": OWNER.user_id, "status": "completed", "trigger": "scheduled"}
    base |= {"attempt": 1, "session_id": SESSION, "run_id": RUN, "usage": usage, "variables": {}, "prompt": "Go"}
    base |= {"created_at": at, "started_at": at, "completed_at": at}
    base |= {"report_format": "html", "report_id": execution_report_id(UUID(EXECUTION))}
    return ExecutionView.model_validate(NOTHING | base | fields)


def task() -> TaskView:
    """Return a task."""
    return TaskView.model_construct(id=UUID(TASK), name="Nightly")


@pytest.fixture
def executed(desk: Desk) -> Desk:
    """A desk with a task that has one execution."""
    desk.others.replies |= {GetTask: task(), GetExecution: execution()}
    return desk


ENDS: list[Callable[[], Event]] = [
    lambda: ExecutionCompleted(task_id=UUID(TASK), attempt=1, usage=Usage()),
    lambda: ExecutionFailed(
        task_id=UUID(TASK), attempt=1, usage=Usage(), error_code=Code.MODEL_ERROR, error_detail="529"
    ),
    lambda: ExecutionTimedOut(task_id=UUID(TASK), attempt=1),
]


async def end(desk: Desk, event: Event | None = None) -> list[ReportView]:
    """Publish the end of the execution, and return the reports that there are."""
    envelope = Envelope.begin(actor=ADMIN)
    await desk.see(Recorded(UUID(EXECUTION), 3, NOON, event or ENDS[0](), envelope, OWNER.user_id))
    return (await desk.ask(ListReports())).items


@pytest.mark.parametrize("event", ENDS)
async def test_an_execution_that_ended_gets_a_report(executed: Desk, event: Callable[[], Event]) -> None:
    [report] = await end(executed, event())
    assert (report.id, report.format, report.user_id) == (
        execution_report_id(UUID(EXECUTION)),
        "html",
        OWNER.user_id,
    )
    assert (report.report_type, report.task_id, report.execution_id) == ("task", UUID(TASK), UUID(EXECUTION))


async def test_the_report_of_an_execution_is_found_by_its_session(executed: Desk) -> None:
    [report] = await end(executed)
    assert (await executed.ask(ListReports(session_id=UUID(SESSION)))).items == [report]
    await executed.create(report.id)
    part = await executed.ask(ReadReport(report_id=report.id))
    assert ReportContent.model_validate_json(part.data).executions[0].id == UUID(EXECUTION)


async def test_a_repeated_event_requests_no_second_report(executed: Desk) -> None:
    await end(executed)
    assert len(await end(executed)) == 1


async def test_a_repeated_event_does_not_bring_back_a_deleted_report(executed: Desk) -> None:
    [report] = await end(executed)
    await executed.send(DeleteReport(report_id=report.id))
    assert await end(executed) == []


async def test_an_execution_that_is_to_have_no_report_gets_none(executed: Desk) -> None:
    executed.others.replies[GetExecution] = execution(report_id=None)
    assert await end(executed) == []


@pytest.mark.parametrize(
    ("kind", "code"),
    [(GetExecution, Code.TASK_NOT_FOUND), (GetActor, Code.USER_INACTIVE), (GetActor, Code.USER_NOT_FOUND)],
)
async def test_a_deleted_task_or_a_disabled_owner_gets_no_report(executed: Desk, kind: type[Any], code: Code) -> None:
    executed.others.replies[kind] = refusal(code)
    assert await end(executed) == []


async def test_without_pdf_the_report_of_an_execution_says_why_it_failed(executed: Desk) -> None:
    executed.others.replies[GetExecution] = execution(report_format="pdf")
    executed.dependencies.pdf.possible = False
    [report] = await end(executed)
    assert (report.status, report.error_code) == ("failed", Code.PDF_NOT_AVAILABLE)
    assert await executed.in_progress() == []


async def test_many_reports_in_progress_do_not_prevent_that_of_an_execution(executed: Desk) -> None:
    for _ in range(MAX_IN_PROGRESS):
        await executed.request()
    assert len(await end(executed)) == MAX_IN_PROGRESS + 1


async def content(desk: Desk, **fields: Any) -> ReportContent:
    """Return the content of a report about the task."""
    report = await desk.request(report_type="task", session_id=None, task_id=TASK, **fields)
    await desk.create(report.id)
    part = await desk.ask(ReadReport(report_id=report.id))
    return ReportContent.model_validate_json(part.data)


async def test_the_report_of_an_execution_is_tried_again_for_an_hour(executed: Desk) -> None:
    [report] = await end(executed)
    executed.dependencies.renderer.meanwhile = executed.dependencies.renderer.give_up
    with pytest.raises(NoResponders, match="busy"):
        await executed.create(report.id)
    executed.at(NOON + timedelta(hours=1, seconds=1))
    await executed.create(report.id)
    assert (await executed.latest(report.id)).error_detail == "The machine is busy."


def listed(desk: Desk, *executions: ExecutionSummary) -> None:
    """Let the task have these executions, the newest first."""
    items = [ExecutionSummary(**each.model_dump(include=set(ExecutionSummary.model_fields))) for each in executions]
    desk.others.replies[ListExecutions] = Page(items=items, total=len(items))


async def test_the_report_of_an_execution_contains_its_session(executed: Desk) -> None:
    executed.others.session.say("Hello")
    report = await content(executed, execution_id=EXECUTION)
    assert (report.title, report.task_name, report.session) == ("Nightly", "Nightly", None)
    [section] = report.executions
    assert (section.status, section.totals.input_tokens, section.totals.messages) == ("completed", 5, 1)
    assert section.session
    assert section.session.messages[0].text == "Hello"


async def test_a_report_about_a_period_has_its_executions_oldest_first(executed: Desk) -> None:
    listed(executed, *(execution(n) for n in (4, 3, 2, 1)))
    report = await content(executed, from_at=NOON + timedelta(hours=2), to_at=NOON + timedelta(hours=4))
    assert [section.id for section in report.executions] == [UUID(int=2), UUID(int=3)]
    assert (report.totals.runs, str(report.totals.cost_usd), report.totals.input_tokens) == (2, "2", 10)


async def test_a_deleted_session_leaves_its_execution_in_the_report(executed: Desk) -> None:
    listed(executed, execution(1, session_id=UUID(int=5)))
    report = await content(executed)
    assert [(section.status, section.session) for section in report.executions] == [("completed", None)]
    assert report.notes == ["Sessions that were deleted are not shown."]


async def test_many_executions_are_cut_with_notes(executed: Desk) -> None:
    executed.others.session.say("Hello")
    listed(executed, *(execution(n) for n in range(101, 0, -1)))
    report = await content(executed)
    assert (len(report.executions), report.executions[-1].id) == (100, UUID(int=101))
    conversations = [bool(each.session and each.session.messages) for each in report.executions]
    assert conversations == [False] * 80 + [True] * 20
    assert report.notes == [
        "Only the newest 100 executions of the period are shown.",
        "Only the newest 20 executions are shown with their conversation.",
    ]
