"""Executions of tasks as their users see them."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from contracts.messages import View
from contracts.refusals import Code
from contracts.samples import EXECUTION, REPORT, RUN, SESSION, TASK, TIME, USER
from contracts.session.values import Usage
from contracts.task_scheduler.values import ExecutionStatus, ExecutionTrigger, ReportFormat, Variables


class ExecutionSummary(View):
    """An execution as an item of a list."""

    sample = {
        "id": EXECUTION,
        "task_id": TASK,
        "user_id": USER,
        "status": "completed",
        "trigger": "scheduled",
        "scheduled_for": TIME,
        "attempt": 1,
        "session_id": SESSION,
        "run_id": RUN,
        "error_code": None,
        "error_detail": None,
        "usage": {"duration_ms": 3250, "input_tokens": 150, "output_tokens": 420, "cost_usd": 0.0012},
        "retry_of": None,
        "backfill_id": None,
        "trigger_id": None,
        "report_format": "markdown",
        "report_id": REPORT,
        "created_at": TIME,
        "started_at": TIME,
        "completed_at": "2026-11-25T09:05:30Z",
        "next_attempt_at": None,
    }

    id: UUID = Field(description="Id of the execution.")
    task_id: UUID = Field(description="Id of the task.")
    user_id: UUID = Field(description="Id of the owner.")
    status: ExecutionStatus = Field(description="Current status.")
    trigger: ExecutionTrigger = Field(
        description="What started the execution: `api` is a signed request, `event` an event named in `on`."
    )
    scheduled_for: datetime | None = Field(
        description="The tick of the schedule that the execution is for; null if it is for none."
    )
    attempt: int = Field(description="Number of the last attempt; 0 before the first one.")
    session_id: UUID | None = Field(description="Id of the session of the last attempt; null before the first one.")
    run_id: UUID | None = Field(description="Id of the run of the last attempt; null before the first one.")
    error_code: Code | None = Field(description="Code of the failure; null if there is none.")
    error_detail: str | None = Field(description="What went wrong; null if nothing did.")
    usage: Usage = Field(description="Resources that all attempts used.")
    retry_of: UUID | None = Field(description="Id of the execution that this one repeats; null if it repeats none.")
    backfill_id: UUID | None = Field(description="Id of the backfill that created the execution; null if none did.")
    trigger_id: UUID | None = Field(description="Id of the trigger; null if none started the execution.")
    report_format: ReportFormat | None = Field(description="Format of the report of the execution; null for none.")
    report_id: UUID | None = Field(
        description="Id of the report of the execution; null until it has ended, and for none."
    )
    created_at: datetime = Field(description="Time of creation.")
    started_at: datetime | None = Field(description="Time of the start of the first attempt; null before.")
    completed_at: datetime | None = Field(description="Time of the end; null before.")
    next_attempt_at: datetime | None = Field(
        description="Time of the next attempt after a failure; null if none is scheduled."
    )


class ExecutionView(ExecutionSummary):
    """An execution with its variables and, once it was submitted to its session, its prompt."""

    sample = ExecutionSummary.sample | {
        "variables": {"date": "2026-11-25"},
        "prompt": "Analyze logs from 2026-11-25",
    }

    variables: Variables = Field(
        description="Variables of the prompt: those of the task, overridden by those of the execution."
    )
    prompt: str | None = Field(description="The prompt; null until it is sent to the session.")
