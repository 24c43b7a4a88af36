"""The decisions of a task about its backfill."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

import pytest
from contracts.messages import Event
from contracts.refusals import Code
from contracts.samples import BACKFILL, TASK
from contracts.task_scheduler.backfill import BackfillAdvanced, BackfillEnded, BackfillStarted
from contracts.task_scheduler.task import TaskCreated, TaskDeleted
from eventing.testing import Given, replayed
from task_scheduler.aggregate import Task

ID, OTHER = UUID(BACKFILL), uuid5(UUID(BACKFILL), "other")
FROM = datetime(2026, 11, 1, tzinfo=UTC)
TICKS = [FROM + timedelta(days=n) for n in range(3)]
TO = FROM + timedelta(days=3)
CREATED = TaskCreated.example()
STARTED = BackfillStarted(backfill_id=ID, from_at=FROM, to_at=TO, ticks=TICKS)
ADVANCED = [BackfillAdvanced(backfill_id=ID, tick=tick) for tick in TICKS]
COMPLETED = BackfillEnded(backfill_id=ID, status="completed")
CANCELLED = BackfillEnded(backfill_id=ID, status="cancelled")


def given(*events: Event) -> Given[Task]:
    return Given(Task(UUID(TASK)), CREATED, *events)


def start(task: Task) -> None:
    task.start_backfill(ID, FROM, TO, TICKS)


def advance(task: Task) -> None:
    task.advance_backfill()


def test_a_backfill_starts_with_its_ticks() -> None:
    given().when(start).then(STARTED)


def test_a_second_backfill_is_refused_while_one_is_running() -> None:
    given(STARTED).when(lambda task: task.start_backfill(OTHER, FROM, TO, TICKS)).refused(Code.BACKFILL_RUNNING)


def test_a_backfill_without_ticks_is_refused() -> None:
    given().when(lambda task: task.start_backfill(ID, FROM, TO, [])).refused(Code.NOTHING_TO_BACKFILL)


@pytest.mark.parametrize("ended", [COMPLETED, CANCELLED])
def test_another_backfill_may_start_when_one_has_ended(ended: BackfillEnded) -> None:
    given(STARTED, ADVANCED[0], ended).when(start).then(STARTED)


@pytest.mark.parametrize("done", range(3))
def test_a_backfill_advances_in_the_order_of_its_ticks(done: int) -> None:
    given(STARTED, *ADVANCED[:done]).when(advance).then(ADVANCED[done])


def test_a_backfill_completes_after_its_last_tick() -> None:
    given(STARTED, *ADVANCED).when(advance).then(COMPLETED)


def test_nothing_advances_without_a_backfill() -> None:
    given().when(advance).then()


def test_the_active_execution_derives_from_backfill_and_tick() -> None:
    task = given(STARTED, *ADVANCED[:2]).aggregate
    assert task.backfill_execution == uuid5(ID, TICKS[1].isoformat())
    assert task.unfinished == [task.backfill_execution]


def test_cancelling_ends_the_backfill() -> None:
    given(STARTED, ADVANCED[0]).when(lambda task: task.cancel_backfill(ID)).then(CANCELLED)


def test_cancelling_returns_the_active_execution() -> None:
    task = given(STARTED, ADVANCED[0]).aggregate
    assert task.cancel_backfill(ID) == [uuid5(ID, TICKS[0].isoformat())]


def test_a_backfill_that_is_over_cannot_be_cancelled() -> None:
    given(STARTED, CANCELLED).when(lambda task: task.cancel_backfill(ID)).refused(Code.BACKFILL_OVER)


def test_another_backfill_than_the_running_one_is_over() -> None:
    given(STARTED, ADVANCED[0]).when(lambda task: task.cancel_backfill(OTHER)).refused(Code.BACKFILL_OVER)


def test_a_deleted_task_has_no_backfill() -> None:
    task = given(STARTED, ADVANCED[0], TaskDeleted.example()).aggregate
    assert task.backfill_execution is None


def test_the_events_restore_the_backfill() -> None:
    task = Task(UUID(TASK))
    task.record(CREATED)
    start(task)
    advance(task)
    assert replayed(task).backfill == task.backfill
