"""Tasks as their users see them."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from contracts.messages import View
from contracts.refusals import Code
from contracts.samples import EXECUTION, TASK, TIME, USER
from contracts.session.values import SdkOptions
from contracts.task_scheduler.values import (
    ExecutionStatus,
    OverlapPolicy,
    PauseReason,
    ReportFormat,
    TaskDefinition,
    TaskMode,
    Variables,
)


class TaskSummary(View):
    """A task as an item of a list. The `last_` fields describe the execution that was created last."""

    sample = {
        "id": TASK,
        "user_id": USER,
        "name": "Daily Log Analysis",
        "description": "Analyze application logs",
        "is_active": True,
        "pause_reason": None,
        "is_scheduled": True,
        "schedule_cron": "0 9 * * *",
        "schedule_timezone": "UTC",
        "on": [],
        "overlap_policy": "skip",
        "next_run_at": "2026-11-26T09:00:00Z",
        "last_run_at": TIME,
        "last_execution_id": EXECUTION,
        "last_status": "completed",
        "last_error_code": None,
        "created_at": TIME,
        "updated_at": TIME,
    }

    id: UUID = Field(description="Id of the task.")
    user_id: UUID = Field(description="Id of the owner.")
    name: str = Field(description="Name of the task.")
    description: str = Field(description="What the task is for.")
    is_active: bool = Field(description="Whether the task is active; a paused one is started by nothing but a user.")
    pause_reason: PauseReason | None = Field(
        description="Why the task is paused: `requested` or `failure`; null if it is not."
    )
    is_scheduled: bool = Field(description="Whether the schedule starts the task.")
    schedule_cron: str | None = Field(
        description="Schedule: five cron fields, or a nickname like `@daily`; null for none."
    )
    schedule_timezone: str = Field(description="IANA time zone of the schedule, like `Europe/Berlin`.")
    on: list[str] = Field(
        description="Names of events of the owner's resources that start the task, like `session.run_failed` or "
        "`session.*`."
    )
    overlap_policy: OverlapPolicy = Field(
        description="What happens to an execution if another one is active. `skip`: it is skipped. `queue_one`, "
        "`queue_all`: it waits, alone or with others. `cancel_running`: the active ones are cancelled. "
        "`allow`: it runs beside them."
    )
    next_run_at: datetime | None = Field(
        description="Time at which the schedule starts the task next; null if it does not."
    )
    last_run_at: datetime | None = Field(description="Time of the last execution; null if there is none.")
    last_execution_id: UUID | None = Field(
        description="Id of the execution that was created last; null if there is none."
    )
    last_status: ExecutionStatus | None = Field(description="Status of the last execution; null if there is none.")
    last_error_code: Code | None = Field(
        description="Code of the failure of the last execution; null if there is none."
    )
    created_at: datetime = Field(description="Time of creation.")
    updated_at: datetime = Field(description="Time of the last change.")


class TaskView(TaskSummary):
    """A task with its definition, as its owner sees it. Values of `sdk_options.env` are masked."""

    sample = (
        vars(TaskDefinition(name="Daily Log Analysis", prompt_template="Analyze logs from {{date}}"))
        | TaskSummary.sample
        | {"allowed_tools": ["Read", "Bash"]}
    )

    prompt_template: str = Field(description="Jinja template of the prompt: `{{date}}` inserts a variable.")
    variables: Variables = Field(
        description="Variables of the prompt, at most 64 KiB of JSON; those of an execution override them."
    )
    template_id: UUID | None = Field(
        description="Id of the session template that supplies options and mode; null for none."
    )
    allowed_tools: list[str] | None = Field(
        description="Tools to run without approval; null for those in `sdk_options`."
    )
    sdk_options: SdkOptions = Field(description="Options of the agent.")
    mode: TaskMode = Field(description="Mode of the sessions.")
    catch_up_window_seconds: int = Field(
        description="How late a tick may be processed, in seconds; a later one is `missed`."
    )
    jitter_seconds: int = Field(
        description="Ticks are delayed by up to this many seconds, always by the same for a tick, to spread load."
    )
    start_deadline_seconds: int | None = Field(
        description="Seconds that an execution may wait for its start; then it is `missed`. Null: no limit."
    )
    max_retries: int = Field(description="Maximum number of further attempts after failures that may be temporary.")
    timeout_seconds: int | None = Field(
        description="Seconds from the first start to the end, with retries; null for no limit."
    )
    pause_on_failure: bool = Field(description="Whether a failed execution pauses the task.")
    generate_report: bool = Field(description="Whether each execution gets a report when it has ended.")
    report_format: ReportFormat = Field(description="Format of the reports of the executions.")


class NextRuns(View):
    """The next ticks of a schedule; empty if the task has none or is paused."""

    sample = {"schedule_cron": "0 9 * * *", "schedule_timezone": "UTC", "items": [TIME]}

    schedule_cron: str | None = Field(description="Schedule of the task; null for none.")
    schedule_timezone: str = Field(description="IANA time zone of the schedule.")
    items: list[datetime] = Field(description="The times, in UTC.")


class RenderedPrompt(View):
    """A prompt as an execution would send it, and the variables that it was rendered with."""

    sample = {
        "prompt": "Analyze logs from 2025-10-19",
        "variables": {"date": "2025-10-19", "task_name": "Daily Log Analysis"},
    }

    prompt: str = Field(description="The prompt.")
    variables: Variables = Field(description="The variables that the prompt was rendered with.")
