"""Models of tasks."""

from typing import Annotated, Any
from uuid import UUID

from contracts.session.session import CheckOptions
from contracts.task_scheduler.task import ChangeTask, CreateTask
from contracts.task_scheduler.task_view import NextRuns, RenderedPrompt, TaskSummary, TaskView
from contracts.task_scheduler.values import OverlapPolicy, ReportFormat, TaskChanges, TaskDefinition, TaskMode
from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, StrictBool, StringConstraints

from gateway import ids
from gateway.schemas.base import UNCHANGED, RequestBody, ResponseModel, without_default
from gateway.schemas.lists import KeysetWindow, ListPage, Words
from gateway.schemas.options import Identifier, Options, Tools, at_most, shallow

MAX_VARIABLES_BYTES = 64 * 1024
WEEK_SECONDS = 7 * 24 * 3600
DEFAULTS = TaskDefinition(name="", prompt_template="")

Variables = Annotated[
    dict[Identifier, JsonValue], BeforeValidator(shallow), AfterValidator(at_most(MAX_VARIABLES_BYTES))
]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Description = Annotated[str, Field(max_length=2_000)]
PromptTemplate = Annotated[str, Field(min_length=1, max_length=100_000)]
Mode = Annotated[TaskMode, Field(description="Mode of the sessions. `non_interactive`: nobody is asked for approval.")]
Cron = Annotated[str, Field(min_length=1, max_length=200)]
Timezone = Annotated[str, Field(min_length=1, max_length=100)]
EventNames = Annotated[list[Annotated[str, Field(min_length=1, max_length=100)]], Field(max_length=20)]
CatchUpWindow = Annotated[int, Field(strict=True, ge=0, le=WEEK_SECONDS)]
Jitter = Annotated[int, Field(strict=True, ge=0, le=3_600)]
Retries = Annotated[int, Field(strict=True, ge=0, le=10)]
Deadline = Annotated[int, Field(strict=True, ge=1, le=WEEK_SECONDS)]


class NewTask(RequestBody):
    """A task to create."""

    described_by = TaskView

    sample = CreateTask.sample["definition"]

    name: Name
    description: Description = DEFAULTS.description
    prompt_template: PromptTemplate
    variables: Variables = DEFAULTS.variables
    template_id: UUID | None = DEFAULTS.template_id
    allowed_tools: Tools | None = DEFAULTS.allowed_tools
    sdk_options: Annotated[
        Options, Field(description="Options of the agent, as of sessions.", json_schema_extra=without_default)
    ] = Options()
    mode: Mode = DEFAULTS.mode
    is_scheduled: Annotated[
        StrictBool,
        Field(
            description="Whether the schedule starts the task. Default: true if `schedule_cron` is sent.",
            json_schema_extra=without_default,
        ),
    ] = DEFAULTS.is_scheduled
    schedule_cron: Cron | None = DEFAULTS.schedule_cron
    schedule_timezone: Timezone = DEFAULTS.schedule_timezone
    on: EventNames = DEFAULTS.on
    overlap_policy: OverlapPolicy = DEFAULTS.overlap_policy
    catch_up_window_seconds: CatchUpWindow = DEFAULTS.catch_up_window_seconds
    jitter_seconds: Jitter = DEFAULTS.jitter_seconds
    start_deadline_seconds: Deadline | None = DEFAULTS.start_deadline_seconds
    max_retries: Retries = DEFAULTS.max_retries
    timeout_seconds: Deadline | None = DEFAULTS.timeout_seconds
    pause_on_failure: StrictBool = DEFAULTS.pause_on_failure
    generate_report: StrictBool = DEFAULTS.generate_report
    report_format: ReportFormat = DEFAULTS.report_format

    def command(self) -> CreateTask:
        """Return the command; a task with a schedule is scheduled unless the client says otherwise."""
        fields: dict[str, Any] = {name: getattr(self, name) for name in type(self).model_fields}
        if "is_scheduled" not in self.model_fields_set:
            fields["is_scheduled"] = self.schedule_cron is not None
        return CreateTask(task_id=ids.new_id(), definition=TaskDefinition(**fields))

    def check(self) -> CheckOptions:
        """Return the query that checks the options of the task's sessions."""
        return CheckOptions(sdk_options=self.sdk_options, template_id=self.template_id)


class TaskChange(RequestBody):
    """The fields of a task to change; omitted fields stay as they are, and null clears those that may be null."""

    described_by = TaskView

    sample = {"schedule_cron": "0 3 * * *", "timeout_seconds": None, "sdk_options": {"max_turns": 5}}

    name: Name = UNCHANGED
    description: Description = UNCHANGED
    prompt_template: PromptTemplate = UNCHANGED
    variables: Variables = UNCHANGED
    template_id: UUID | None = UNCHANGED
    allowed_tools: Tools | None = UNCHANGED
    sdk_options: Annotated[Options, Field(description="Options to change; used from the next attempt on.")] = UNCHANGED
    mode: Mode = UNCHANGED
    is_scheduled: Annotated[
        StrictBool,
        Field(description="Whether the schedule starts the task. A first `schedule_cron` sets it, and null clears it."),
    ] = UNCHANGED
    schedule_cron: Cron | None = UNCHANGED
    schedule_timezone: Timezone = UNCHANGED
    on: EventNames = UNCHANGED
    overlap_policy: OverlapPolicy = UNCHANGED
    catch_up_window_seconds: CatchUpWindow = UNCHANGED
    jitter_seconds: Jitter = UNCHANGED
    start_deadline_seconds: Deadline | None = UNCHANGED
    max_retries: Retries = UNCHANGED
    timeout_seconds: Deadline | None = UNCHANGED
    pause_on_failure: StrictBool = UNCHANGED
    generate_report: StrictBool = UNCHANGED
    report_format: ReportFormat = UNCHANGED

    def command(self, task_id: UUID) -> ChangeTask:
        """Return the command."""
        changes = TaskChanges(**{name: getattr(self, name) for name in self.model_fields_set})
        return ChangeTask(task_id=task_id, changes=changes)

    def check(self) -> CheckOptions | None:
        """Return the query that checks what is changed of the sessions' options; None if that is nothing."""
        if self.model_fields_set.isdisjoint(("sdk_options", "template_id")):
            return None
        return CheckOptions(sdk_options=self.sdk_options or Options(), template_id=self.template_id)


class TaskWindow(KeysetWindow):
    """Query parameters of the list of tasks."""

    is_active: Annotated[
        bool | None, Field(description="Return only tasks that are active, or only paused ones.", examples=[True])
    ] = None
    is_scheduled: Annotated[
        bool | None, Field(description="Return only tasks with a schedule, or only others.", examples=[True])
    ] = None
    q: Annotated[
        Words | None,
        Field(
            min_length=1, max_length=200, description="Return only tasks with this text in the name.", examples=["log"]
        ),
    ] = None


class Task(TaskView, ResponseModel):
    """A task."""


class TaskListed(TaskSummary, ResponseModel):
    """A task in a list, without its prompt, variables and options."""


class TaskPage(ListPage[TaskListed]):
    """Tasks, newest first."""


class UpcomingRuns(NextRuns, ResponseModel):
    """The next times at which a schedule starts a task."""


class Prompt(RenderedPrompt, ResponseModel):
    """A prompt, and the variables that it was rendered with."""
