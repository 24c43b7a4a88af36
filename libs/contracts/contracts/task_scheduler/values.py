"""Value types of tasks."""

from typing import Annotated, Any, Literal
from uuid import UUID, uuid5

from pydantic import Field, JsonValue, PlainSerializer, PositiveInt

from contracts.messages import Message
from contracts.session.values import PartialSdkOptions, SdkOptions, TemplateMode

type TaskMode = TemplateMode
type OverlapPolicy = Literal["skip", "queue_one", "queue_all", "cancel_running", "allow"]
type ReportFormat = Literal["pdf", "html", "markdown", "json"]
type ExecutionStatus = Literal[
    "pending", "running", "completed", "failed", "cancelled", "skipped", "missed", "timed_out"
]
"""`pending` executions wait: for another execution of the task, or for the next attempt after a failure."""
type ExecutionTrigger = Literal["manual", "scheduled", "api", "backfill", "event"]
"""What started an execution: a user, a tick of the schedule, the URL of a trigger, a backfill, or an event."""
type PauseReason = Literal["requested", "failure"]
type BackfillStatus = Literal["running", "completed", "cancelled"]
type TaskCancelReason = Literal["requested", "overlap", "backfill_cancelled", "task_deleted"]

TERMINAL_EXECUTION_STATUSES = frozenset({"completed", "failed", "cancelled", "skipped", "missed", "timed_out"})

MAX_TASKS = 500
"""Tasks of a user who is no administrator."""
MAX_ACTIVE_EXECUTIONS = 50
"""Executions of one task that run at the same time (`allow`)."""
MAX_WAITING_EXECUTIONS = 50
"""Executions of one task that wait for their turn (`queue_all`)."""
MAX_BACKFILL_TICKS = 500
MAX_TRIGGERS = 20
MAX_CHAIN = 5
"""Tasks that may start each other one after the other by events."""

type Variables = dict[str, JsonValue]


def execution_report_id(execution_id: UUID) -> UUID:
    """Return the id of the report of an execution: all services derive it, so that there is only one."""
    return uuid5(execution_id, "report")


class TaskDefinition(Message):
    """What a task runs, when, and how failures and overlaps are handled. Times are in seconds."""

    name: str
    description: str = ""
    prompt_template: str
    variables: Variables = {}
    template_id: UUID | None = None
    allowed_tools: list[str] | None = None
    sdk_options: PartialSdkOptions = SdkOptions()
    mode: TaskMode = "non_interactive"
    is_scheduled: bool = False
    schedule_cron: str | None = None
    schedule_timezone: str = "UTC"
    on: list[str] = []
    overlap_policy: OverlapPolicy = "skip"
    catch_up_window_seconds: int = Field(default=300, ge=0)
    jitter_seconds: int = Field(default=0, ge=0)
    start_deadline_seconds: PositiveInt | None = None
    max_retries: int = Field(default=0, ge=0)
    timeout_seconds: PositiveInt | None = None
    pause_on_failure: bool = False
    generate_report: bool = False
    report_format: ReportFormat = "markdown"

    @property
    def session_options(self) -> SdkOptions:
        """The options of the task's sessions; `allowed_tools` of the task replaces that of `sdk_options`."""
        if self.allowed_tools is None:
            return self.sdk_options
        return self.sdk_options.overridden_by(SdkOptions(allowed_tools=self.allowed_tools))


class TaskChanges(Message):
    """The fields of a definition to change. One that is not set keeps its value; one that is set to None is cleared."""

    name: str | None = None
    description: str | None = None
    prompt_template: str | None = None
    variables: Variables | None = None
    template_id: UUID | None = None
    allowed_tools: list[str] | None = None
    sdk_options: PartialSdkOptions | None = None
    mode: TaskMode | None = None
    is_scheduled: bool | None = None
    schedule_cron: str | None = None
    schedule_timezone: str | None = None
    on: list[str] | None = None
    overlap_policy: OverlapPolicy | None = None
    catch_up_window_seconds: int | None = None
    jitter_seconds: int | None = None
    start_deadline_seconds: PositiveInt | None = None
    max_retries: int | None = None
    timeout_seconds: PositiveInt | None = None
    pause_on_failure: bool | None = None
    generate_report: bool | None = None
    report_format: ReportFormat | None = None

    def applied_to(self, definition: TaskDefinition) -> TaskDefinition:
        """Return the definition with these changes; options that are set replace single options.

        A cleared field has its default value; one that is required keeps its value. Unless `is_scheduled` is set, too,
        a task without a schedule is scheduled with its first `schedule_cron`, and no more when that is cleared.
        """
        changed = {name: getattr(self, name) for name in self.model_fields_set}
        fields = type(definition).model_fields
        update: dict[str, Any] = {
            name: fields[name].get_default() if value is None else value
            for name, value in changed.items()
            if value is not None or not fields[name].is_required()
        }
        if self.sdk_options is not None:
            update["sdk_options"] = definition.sdk_options.overridden_by(self.sdk_options)
        if "schedule_cron" in changed and "is_scheduled" not in changed:
            was_kept = definition.schedule_cron is not None and not definition.is_scheduled
            update["is_scheduled"] = self.schedule_cron is not None and not was_kept
        return definition.model_copy(update=update)


def _only_set_fields(changes: TaskChanges) -> dict[str, Any]:
    return changes.model_dump(mode="json", exclude_unset=True)


PartialTask = Annotated[TaskChanges, PlainSerializer(_only_set_fields)]
"""Changes of which only those that are set are serialized, so that the receiver knows which ones they are."""
