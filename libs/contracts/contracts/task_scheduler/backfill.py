"""All messages about backfills: executions of a schedule for a period in the past, one after the other."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from contracts.messages import Command, Event, KeysetWindow, Page, ProgressEvent, Query, View
from contracts.samples import BACKFILL, TASK, TIME
from contracts.task_scheduler.values import MAX_BACKFILL_TICKS, BackfillStatus


class BackfillView(View):
    """A backfill of the ticks from `from_at` (included) to `to_at` (excluded); `done` of `total` have ended."""

    sample = {
        "id": BACKFILL,
        "task_id": TASK,
        "status": "running",
        "from_at": "2026-11-01T00:00:00Z",
        "to_at": "2026-11-08T00:00:00Z",
        "total": 7,
        "done": 2,
        "created_at": TIME,
        "ended_at": None,
    }

    id: UUID = Field(description="Id of the backfill.")
    task_id: UUID = Field(description="Id of the task.")
    status: BackfillStatus = Field(description="Current status.")
    from_at: datetime = Field(description="Start of the period, included.")
    to_at: datetime = Field(description="End of the period, excluded.")
    total: int = Field(description="Number of executions of the backfill.")
    done: int = Field(description="Number of executions that have ended.")
    created_at: datetime = Field(description="Time of creation.")
    ended_at: datetime | None = Field(description="Time of the end; null before.")


class GetBackfill(Query[BackfillView]):
    """Return one backfill of a task."""

    subject = "qry.task_scheduler.get_backfill"
    sample = {"task_id": TASK, "backfill_id": BACKFILL}

    task_id: UUID
    backfill_id: UUID


class ListBackfills(KeysetWindow, Query[Page[BackfillView]]):
    """Return the backfills of a task, newest first."""

    subject = "qry.task_scheduler.list_backfills"
    sample = {"task_id": TASK}

    task_id: UUID


class ListCompletedTicks(Query[list[datetime]]):
    """Return those of some ticks for which a task has an execution that was completed."""

    subject = "qry.task_scheduler.list_completed_ticks"
    senders = ()
    sample = {"task_id": TASK, "ticks": [TIME]}

    task_id: UUID
    ticks: list[datetime] = Field(max_length=MAX_BACKFILL_TICKS)


class StartBackfill(Command[BackfillView]):
    """Execute a task for the ticks of a period, in order; without `rerun`, only those that were not completed yet."""

    subject = "cmd.task_scheduler.start_backfill"
    outcome_query = GetBackfill
    sample = {"task_id": TASK, "backfill_id": BACKFILL, "from_at": TIME, "to_at": TIME}

    task_id: UUID
    backfill_id: UUID
    from_at: datetime
    to_at: datetime
    rerun: bool = False


class CancelBackfill(Command[BackfillView]):
    """Cancel a backfill and its active execution."""

    subject = "cmd.task_scheduler.cancel_backfill"
    outcome_query = GetBackfill
    sample = {"task_id": TASK, "backfill_id": BACKFILL}

    task_id: UUID
    backfill_id: UUID


class BackfillStarted(Event):
    """A backfill of these ticks was started."""

    subject = "evt.task_scheduler.backfill_started"
    sample = {"backfill_id": BACKFILL, "from_at": TIME, "to_at": TIME, "ticks": [TIME]}

    backfill_id: UUID
    from_at: datetime
    to_at: datetime
    ticks: list[datetime]


class BackfillAdvanced(ProgressEvent):
    """The backfill's execution for a tick was started; those of earlier ticks have ended."""

    subject = "evt.task_scheduler.backfill_advanced"
    sample = {"backfill_id": BACKFILL, "tick": TIME}

    backfill_id: UUID
    tick: datetime


class BackfillEnded(Event):
    """All executions of the backfill have ended, or it was cancelled."""

    subject = "evt.task_scheduler.backfill_ended"
    sample = {"backfill_id": BACKFILL, "status": "completed"}

    backfill_id: UUID
    status: BackfillStatus


BackfillEvent = BackfillStarted | BackfillAdvanced | BackfillEnded
