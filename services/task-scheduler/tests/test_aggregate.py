"""The decisions of a task about its definition, its schedule and its slots."""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from contracts.refusals import Code
from contracts.samples import SESSION, TASK, USER
from contracts.task_scheduler.task import (
    ExecutionAdmitted,
    ExecutionEnqueued,
    ExecutionReleased,
    ScheduleAdvanced,
    TaskChanged,
    TaskCreated,
    TaskDeleted,
    TaskEnvironmentSet,
    TaskPaused,
    TaskResumed,
)
from contracts.task_scheduler.values import ExecutionStatus, OverlapPolicy, TaskDefinition
from eventing.store.state import codec_of
from eventing.testing import Given, refused, replayed
from task_scheduler.aggregate import Task
from task_scheduler.aggregate.schedule import MAX_TICKS, parse_schedule

from .memory_desk import NOON, TASK_ID, definition, execution_id, hourly

OWNER_ID = UUID(USER)
ONE, TWO, THREE = (execution_id(name) for name in ("one", "two", "three"))
HOUR = timedelta(hours=1)
HALF_PAST = NOON + HOUR / 2


def created(definition: TaskDefinition, next_tick: datetime | None = None) -> TaskCreated:
    return TaskCreated(user_id=OWNER_ID, definition=definition, next_tick=next_tick, next_due_at=next_tick)


def given(definition: TaskDefinition, *events: Any) -> Given[Task]:
    """A task whose next tick is at one o'clock if it has a schedule."""
    next_tick = NOON + HOUR if definition.is_scheduled else None
    return Given(Task(TASK_ID), created(definition, next_tick), *events)


def changed(definition: TaskDefinition, next_tick: datetime | None = None) -> TaskChanged:
    return TaskChanged(user_id=OWNER_ID, definition=definition, next_tick=next_tick, next_due_at=next_tick)


def advanced(tick: datetime) -> ScheduleAdvanced:
    return ScheduleAdvanced(tick=tick, next_tick=tick + HOUR, next_due_at=tick + HOUR)


def admitted(id: UUID) -> ExecutionAdmitted:
    return ExecutionAdmitted(execution_id=id)


def enqueued(id: UUID) -> ExecutionEnqueued:
    return ExecutionEnqueued(execution_id=id)


def released(id: UUID, status: ExecutionStatus = "completed") -> ExecutionReleased:
    return ExecutionReleased(execution_id=id, status=status)


def test_a_task_is_created_with_its_first_tick() -> None:
    then = created(hourly(), NOON + HOUR)
    Given(Task(TASK_ID)).when(lambda task: task.create(OWNER_ID, hourly(), HALF_PAST)).then(then)


@pytest.mark.parametrize("on_request", [definition(), definition(schedule_cron="@hourly")])
def test_a_task_that_is_not_scheduled_has_no_tick(on_request: TaskDefinition) -> None:
    Given(Task(TASK_ID)).when(lambda task: task.create(OWNER_ID, on_request, NOON)).then(created(on_request))


@pytest.mark.parametrize(
    ("invalid", "code", "field"),
    [
        (definition(is_scheduled=True), Code.INVALID_SCHEDULE, "schedule_cron: required"),
        (hourly(schedule_timezone="Nowhere"), Code.INVALID_TIMEZONE, "schedule_timezone: "),
        (definition(schedule_cron="* *"), Code.INVALID_SCHEDULE, "schedule_cron: "),
        (definition(schedule_cron="0 0 30 2 *"), Code.INVALID_SCHEDULE, "schedule_cron: "),
    ],
)
def test_an_invalid_schedule_is_refused_with_its_field(invalid: TaskDefinition, code: Code, field: str) -> None:
    assert refused(code, lambda: Task(TASK_ID).create(OWNER_ID, invalid, NOON)).startswith(field)


def test_environment_variables_are_masked_and_kept_apart() -> None:
    secret, masked = (definition(sdk_options={"env": {"TOKEN": value}}) for value in ("plantedsecret", "***"))
    then = created(masked), TaskEnvironmentSet(variables={"TOKEN": "plantedsecret"})
    Given(Task(TASK_ID)).when(lambda task: task.create(OWNER_ID, secret, NOON)).then(*then)


def test_a_mask_leaves_an_environment_variable_unchanged() -> None:
    before = definition(sdk_options={"env": {"A": "***", "B": "***"}})
    after = definition(sdk_options={"env": {"A": "***"}})
    variables = TaskEnvironmentSet(variables={"A": "1", "B": "2"})
    then = changed(after), TaskEnvironmentSet(variables={"A": "1"})
    given(before, variables).when(lambda task: task.change(after, NOON)).then(*then)


def test_only_the_value_of_an_environment_variable_changes() -> None:
    before, after = (definition(sdk_options={"env": {"A": value}}) for value in ("***", "2"))
    set_before, set_after = (TaskEnvironmentSet(variables={"A": value}) for value in ("1", "2"))
    given(before, set_before).when(lambda task: task.change(after, NOON)).then(changed(before), set_after)


def test_snapshots_contain_no_environment_variables() -> None:
    task = Task(TASK_ID)
    task.create(OWNER_ID, definition(sdk_options={"env": {"TOKEN": "plantedsecret"}}), NOON)
    assert b"plantedsecret" not in codec_of(Task).dump(task, secrets=False)


def test_a_change_to_the_current_definition_records_nothing() -> None:
    given(hourly()).when(lambda task: task.change(hourly(), NOON + 5 * HOUR)).then()


def test_a_change_of_other_fields_keeps_a_tick_that_is_due() -> None:
    after = hourly(description="new")
    given(hourly()).when(lambda task: task.change(after, NOON + 2 * HOUR)).then(changed(after, NOON + HOUR))


def test_a_changed_schedule_continues_after_now() -> None:
    after = hourly(schedule_timezone="Asia/Kolkata")
    then = changed(after, NOON + 2 * HOUR + HOUR / 2)
    given(hourly()).when(lambda task: task.change(after, NOON + 2 * HOUR)).then(then)


def test_a_changed_schedule_continues_after_now_though_a_clock_was_ahead() -> None:
    after = definition(is_scheduled=True, schedule_cron="*/30 * * * *")
    then = changed(after, NOON + HOUR / 2)
    given(hourly(), advanced(NOON + 3 * HOUR)).when(lambda task: task.change(after, NOON)).then(then)


def test_a_schedule_that_is_switched_off_has_no_tick() -> None:
    after = definition(schedule_cron="@hourly")
    given(hourly()).when(lambda task: task.change(after, NOON)).then(changed(after))


@pytest.mark.parametrize("cron", ["@hourly", "@daily"])
def test_a_change_does_not_resume_a_paused_task(cron: str) -> None:
    after = definition(is_scheduled=True, schedule_cron=cron, description="new")
    given(hourly(), TaskPaused(reason="requested")).when(lambda task: task.change(after, NOON)).then(changed(after))


def test_an_invalid_change_of_a_paused_task_is_refused() -> None:
    paused, after = TaskPaused(reason="requested"), definition(schedule_timezone="Nowhere")
    given(hourly(), paused).when(lambda task: task.change(after, NOON)).refused(Code.INVALID_TIMEZONE)


def test_a_task_is_paused_once() -> None:
    given(hourly()).when(lambda task: (task.pause(), task.pause())).then(TaskPaused(reason="requested"))


def test_a_resumed_task_continues_after_now() -> None:
    tick = NOON + 6 * HOUR
    then = TaskResumed(next_tick=tick, next_due_at=tick)
    given(hourly(), TaskPaused(reason="failure")).when(lambda task: task.resume(NOON + 5 * HOUR)).then(then)


def test_a_resumed_task_continues_after_now_though_a_clock_was_ahead() -> None:
    tick = NOON + HOUR
    past = advanced(NOON + 3 * HOUR), TaskPaused(reason="requested")
    then = TaskResumed(next_tick=tick, next_due_at=tick)
    given(hourly(), *past).when(lambda task: task.resume(NOON)).then(then)


def test_a_task_that_is_not_paused_is_not_resumed() -> None:
    given(hourly()).when(lambda task: task.resume(NOON)).then()


def test_a_tick_that_is_due_is_processed_once() -> None:
    now = NOON + HOUR
    given(hourly()).when(lambda task: (task.advance_schedule(now), task.advance_schedule(now))).then(advanced(now))


def test_a_tick_is_not_processed_before_it_is_due() -> None:
    given(hourly()).when(lambda task: task.advance_schedule(NOON + HOUR - timedelta(microseconds=1))).then()


def test_several_ticks_are_processed_by_one_event() -> None:
    then = advanced(NOON + 3 * HOUR)
    given(hourly()).when(lambda task: task.advance_schedule(NOON + 3 * HOUR)).then(then)


def test_the_number_of_ticks_that_are_processed_at_once_is_bounded() -> None:
    then = advanced(NOON + MAX_TICKS * HOUR)
    task = hourly(catch_up_window_seconds=1000 * 3600)
    given(task).when(lambda task: task.advance_schedule(NOON + 1000 * HOUR)).then(then)


@pytest.mark.parametrize(
    ("window", "delay", "missed"),
    [(300, 300, False), (300, 301, True), (0, 60, False), (0, 61, True)],
)
def test_a_tick_is_missed_after_the_catch_up_window(window: int, delay: int, missed: bool) -> None:
    task = Given(Task(TASK_ID), created(hourly(catch_up_window_seconds=window), NOON + HOUR)).aggregate
    [due] = task.advance_schedule(NOON + HOUR + timedelta(seconds=delay))
    assert bool(due.missed) == missed
    assert not due.missed or due.missed.error_code == Code.CATCH_UP_WINDOW_PASSED


def test_jitter_delays_ticks_and_keeps_their_order() -> None:
    task = Task(TASK_ID)
    task.create(OWNER_ID, hourly(jitter_seconds=7200), NOON)
    due = [event.next_due_at for event in task.pending if isinstance(event, TaskCreated)]
    for hours in range(1, 20):
        task.advance_schedule(NOON + hours * HOUR)
    due += [event.next_due_at for event in task.pending if isinstance(event, ScheduleAdvanced)]
    assert all(a and b and a < b for a, b in pairwise(due))
    assert all(each and each.minute for each in due)


def test_the_time_within_jitter_is_not_late() -> None:
    after = hourly(jitter_seconds=3599, catch_up_window_seconds=0)
    due_at = parse_schedule(after).due_at(TASK_ID, NOON + HOUR, 3599)
    task = Given(Task(TASK_ID), created(after, NOON + HOUR)).aggregate
    assert due_at > NOON + HOUR + timedelta(seconds=10)
    assert [due.missed for due in task.advance_schedule(due_at)] == [None]


def test_an_execution_is_admitted_if_none_is_active() -> None:
    given(definition()).when(lambda task: task.admit(ONE)).then(admitted(ONE))


@pytest.mark.parametrize("policy", ["queue_one", "queue_all"])
def test_a_second_execution_waits(policy: OverlapPolicy) -> None:
    task = given(definition(overlap_policy=policy), admitted(ONE))
    task.when(lambda task: task.admit(TWO)).then(enqueued(TWO))


def test_executions_are_released_and_admitted_in_order() -> None:
    task = given(definition(overlap_policy="queue_all"), admitted(ONE), enqueued(TWO), enqueued(THREE))
    then = released(ONE), admitted(TWO)
    task.when(lambda task: (task.release(ONE, "completed"), task.admit_waiting())).then(*then)


def test_all_executions_that_wait_are_admitted_if_overlaps_are_allowed() -> None:
    past = admitted(ONE), enqueued(TWO), enqueued(THREE), changed(definition(overlap_policy="allow"))
    then = admitted(TWO), admitted(THREE)
    given(definition(overlap_policy="queue_all"), *past).when(lambda task: task.admit_waiting()).then(*then)


def test_an_execution_without_a_slot_is_not_released() -> None:
    given(definition(), admitted(ONE)).when(lambda task: task.release(TWO, "completed")).then()


@pytest.mark.parametrize("status", ["failed", "timed_out"])
def test_a_failure_pauses_the_task_if_it_says_so(status: ExecutionStatus) -> None:
    task = given(definition(pause_on_failure=True), admitted(ONE))
    task.when(lambda task: task.release(ONE, status)).then(released(ONE, status), TaskPaused(reason="failure"))


@pytest.mark.parametrize("status", ["completed", "cancelled", "missed"])
def test_any_other_end_does_not_pause_the_task(status: ExecutionStatus) -> None:
    task = given(definition(pause_on_failure=True), admitted(ONE))
    task.when(lambda task: task.release(ONE, status)).then(released(ONE, status))


def test_a_failure_does_not_pause_a_task_that_is_paused() -> None:
    task = given(definition(pause_on_failure=True), admitted(ONE), TaskPaused(reason="requested"))
    task.when(lambda task: task.release(ONE, "failed")).then(released(ONE, "failed"))


def test_a_deleted_task_has_no_executions() -> None:
    task = given(hourly(), admitted(ONE), enqueued(TWO), TaskDeleted(user_id=OWNER_ID)).aggregate
    assert (task.unfinished, task.next_tick, task.deleted) == ([], None, True)


def test_the_state_of_a_task_survives_a_snapshot_and_a_replay() -> None:
    task = Task(UUID(TASK))
    task.create(OWNER_ID, hourly(sdk_options={"env": {"A": "1"}}, overlap_policy="queue_all"), NOON)
    task.admit(ONE)
    task.admit(TWO)
    task.advance_schedule(NOON + HOUR)
    task.pause()
    codec, copy = codec_of(Task), Task(UUID(TASK))
    codec.restore(copy, 1, NOON, codec.dump(task))
    assert codec.dump(copy) == codec.dump(replayed(task)) == codec.dump(task)


def test_the_state_of_a_task_does_not_grow_with_its_history() -> None:
    task, sizes = given(hourly(overlap_policy="queue_all")).aggregate, set[int]()
    for number in range(1, 300):
        task.advance_schedule(NOON + number * HOUR)
        id = execution_id(str(number))
        task.admit(id)
        task.release(id, "completed")
        sizes.add(len(codec_of(Task).dump(task)))
    assert len(sizes) == 1
    assert UUID(SESSION) not in task.unfinished


def test_the_schedule_of_a_removed_time_zone_is_retried() -> None:
    with pytest.raises(ValueError, match="Mars"):
        given(hourly(schedule_timezone="Mars/Olympus")).aggregate.advance_schedule(NOON + HOUR)
