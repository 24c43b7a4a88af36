"""All messages about tasks as a whole, and their schedules."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from contracts.messages import Command, Event, KeysetWindow, Page, ProgressEvent, Query
from contracts.samples import EXECUTION, TASK, TIME, USER
from contracts.task_scheduler.task_view import NextRuns, RenderedPrompt, TaskSummary, TaskView
from contracts.task_scheduler.values import (
    ExecutionStatus,
    PartialTask,
    PauseReason,
    TaskDefinition,
    Variables,
)

_DEFINITION: dict[str, Any] = (
    {"name": "Daily Log Analysis", "description": "Analyze application logs"}
    | {"prompt_template": "Analyze logs from {{date}}", "allowed_tools": ["Read", "Bash"]}
    | {"is_scheduled": True, "schedule_cron": "0 9 * * *"}
)


class GetTask(Query[TaskView]):
    """Return one task."""

    subject = "qry.task_scheduler.get"
    senders = ("gateway", "report")
    sample = {"task_id": TASK}

    task_id: UUID


class ListTasks(KeysetWindow, Query[Page[TaskSummary]]):
    """Return the tasks of the actor, newest first; `q` is searched in the name."""

    subject = "qry.task_scheduler.list"
    sample = {"is_active": True, "limit": 20}

    is_active: bool | None = None
    is_scheduled: bool | None = None
    q: str | None = None


class FindTasks(Query[list[UUID]]):
    """Return those of the given ids whose tasks exist for the actor."""

    subject = "qry.task_scheduler.find"
    sample = {"task_ids": [TASK]}

    task_ids: list[UUID] = Field(max_length=1000)


class ListNextRuns(Query[NextRuns]):
    """Return the next `count` ticks of a task's schedule, without jitter."""

    subject = "qry.task_scheduler.list_next_runs"
    sample = {"task_id": TASK, "count": 3}

    task_id: UUID
    count: int = Field(default=10, ge=1, le=100)


class RenderPrompt(Query[RenderedPrompt]):
    """Return the prompt of a task as it would be rendered now, with the free variables of a scheduled run."""

    subject = "qry.task_scheduler.render_prompt"
    sample = {"task_id": TASK, "variables": {"date": "2026-11-26"}}

    task_id: UUID
    variables: Variables = {}


class CreateTask(Command[TaskView]):
    """Create a task for the actor."""

    subject = "cmd.task_scheduler.create"
    outcome_query = GetTask
    sample = {"task_id": TASK, "definition": _DEFINITION}

    task_id: UUID
    definition: TaskDefinition


class ChangeTask(Command[TaskView]):
    """Change the fields of a task that are set, and single options of `sdk_options`."""

    subject = "cmd.task_scheduler.change"
    outcome_query = GetTask
    sample = {"task_id": TASK, "changes": {"name": "Nightly", "schedule_cron": "0 3 * * *", "timeout_seconds": None}}

    task_id: UUID
    changes: PartialTask


class DeleteTask(Command[None]):
    """Delete a task, cancelling its executions."""

    subject = "cmd.task_scheduler.delete"
    sample = {"task_id": TASK}

    task_id: UUID


class PauseTask(Command[TaskView]):
    """Pause a task: no tick, trigger or event starts it; executions that are active or wait continue."""

    subject = "cmd.task_scheduler.pause"
    outcome_query = GetTask
    sample = {"task_id": TASK}

    task_id: UUID


class ResumeTask(Command[TaskView]):
    """Resume a paused task; ticks of the time in between are not made up for."""

    subject = "cmd.task_scheduler.resume"
    outcome_query = GetTask
    sample = {"task_id": TASK}

    task_id: UUID


class AdvanceSchedule(Command[None]):
    """Create an execution for each tick of a schedule that is due, and set the time of the next one."""

    subject = "cmd.task_scheduler.advance_schedule"
    senders = ()
    sample = {"task_id": TASK}

    task_id: UUID


class TaskCreated(Event):
    """A task was created. The values of `env` are masked."""

    subject = "evt.task_scheduler.created"
    sample = {"user_id": USER, "definition": _DEFINITION, "next_tick": TIME, "next_due_at": TIME}

    user_id: UUID
    definition: TaskDefinition
    next_tick: datetime | None
    next_due_at: datetime | None


class TaskChanged(Event):
    """A task was changed; the event carries the whole definition. The values of `env` are masked."""

    subject = "evt.task_scheduler.changed"
    sample = {"user_id": USER, "definition": _DEFINITION, "next_tick": TIME, "next_due_at": TIME}

    user_id: UUID
    definition: TaskDefinition
    next_tick: datetime | None
    next_due_at: datetime | None


class TaskEnvironmentSet(Event):
    """The environment variables of the task's agents were replaced. Their values are secrets."""

    subject = "evt.task_scheduler.environment_set"
    secret = True
    sample = {"variables": {"TOKEN": "secret"}}

    variables: dict[str, str] = Field(default={}, repr=False)


class TaskPaused(Event):
    """The task was paused, by a user or after a failure (`pause_on_failure`)."""

    subject = "evt.task_scheduler.paused"
    sample = {"reason": "requested"}

    reason: PauseReason


class TaskResumed(Event):
    """The task was resumed; its schedule continues with the next tick."""

    subject = "evt.task_scheduler.resumed"
    sample = {"next_tick": TIME, "next_due_at": TIME}

    next_tick: datetime | None
    next_due_at: datetime | None


class ScheduleAdvanced(ProgressEvent):
    """All ticks of the schedule up to `tick` were processed; the next one is processed at `next_due_at`."""

    subject = "evt.task_scheduler.schedule_advanced"
    sample = {"tick": TIME, "next_tick": TIME, "next_due_at": TIME}

    tick: datetime
    next_tick: datetime | None
    next_due_at: datetime | None


class ExecutionEnqueued(ProgressEvent):
    """An execution waits until another execution of the task has ended."""

    subject = "evt.task_scheduler.execution_enqueued"
    sample = {"execution_id": EXECUTION}

    execution_id: UUID


class ExecutionAdmitted(ProgressEvent):
    """An execution may run, and counts as active until it is released."""

    subject = "evt.task_scheduler.execution_admitted"
    sample = {"execution_id": EXECUTION}

    execution_id: UUID


class ExecutionReleased(ProgressEvent):
    """An execution that was active, or waited, has ended."""

    subject = "evt.task_scheduler.execution_released"
    sample = {"execution_id": EXECUTION, "status": "completed"}

    execution_id: UUID
    status: ExecutionStatus


class TaskDeleted(Event):
    """The task was deleted with its history; sessions that it created remain."""

    subject = "evt.task_scheduler.deleted"
    sample = {"user_id": USER}

    user_id: UUID


LifecycleEvent = TaskCreated | TaskChanged | TaskEnvironmentSet | TaskPaused | TaskResumed | TaskDeleted
ScheduleEvent = ScheduleAdvanced
SlotEvent = ExecutionEnqueued | ExecutionAdmitted | ExecutionReleased
