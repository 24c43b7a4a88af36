"""Results that the fake services return."""

from typing import Any

from contracts.identity.login import TokensView
from contracts.identity.user import UserView
from contracts.report.report import ReportLink, ReportView
from contracts.samples import (
    APPROVAL,
    BACKFILL,
    EXECUTION,
    LINK,
    MESSAGE,
    REPORT,
    RUN,
    SESSION,
    TASK,
    TEMPLATE,
    TIME,
    TOOL_CALL,
    TRIGGER,
    USER,
)
from contracts.session.approval import ApprovalView
from contracts.session.conversation import MessageView, ToolCallView
from contracts.session.run_view import RunSummary, RunView
from contracts.session.session_view import SessionView
from contracts.session.template import CreateTemplate, TemplateView
from contracts.task_scheduler.backfill import BackfillView
from contracts.task_scheduler.execution_view import ExecutionSummary, ExecutionView
from contracts.task_scheduler.task_view import TaskSummary, TaskView
from contracts.task_scheduler.trigger import NewTrigger, TriggerView
from contracts.task_scheduler.values import TaskDefinition
from pydantic import BaseModel

REGISTRATION = {"email": "ada@example.com", "username": "ada", "password": "plantedsecret-analytical engine"}


def user(**changed: Any) -> UserView:
    return UserView.model_validate(
        {
            "id": USER,
            "email": "ada@example.com",
            "username": "ada",
            "full_name": None,
            "role": "user",
            "is_active": True,
            "created_at": TIME,
        }
        | changed
    )


def tokens() -> TokensView:
    return TokensView(access_token="a.b.c", expires_in=3600, refresh_token="opaque", refresh_expires_in=604_800)


def session(**changed: Any) -> SessionView:
    return SessionView.model_validate(
        {
            "id": SESSION,
            "user_id": USER,
            "name": "My Session",
            "mode": "interactive",
            "status": "active",
            "sdk_options": {},
            "metadata": {},
            "working_directory_path": f"/workspaces/{SESSION}",
            "parent_session_id": None,
            "is_fork": False,
            "total_messages": 15,
            "total_tool_calls": 8,
            "total_cost_usd": "0.0523",
            "api_input_tokens": 1200,
            "api_output_tokens": 850,
            "created_at": TIME,
            "started_at": TIME,
            "updated_at": TIME,
        }
        | changed
    )


def message(**changed: Any) -> MessageView:
    return MessageView.model_validate(
        {
            "id": MESSAGE,
            "run_id": RUN,
            "message_type": "user",
            "content": {"content": "Hello"},
            "sequence_number": 1,
            "model": None,
            "parent_tool_call_id": None,
            "created_at": TIME,
        }
        | changed
    )


def tool_call(**changed: Any) -> ToolCallView:
    return ToolCallView.model_validate(
        {
            "id": TOOL_CALL,
            "run_id": RUN,
            "tool_name": "Read",
            "tool_input": {"path": "/app/test.py"},
            "tool_output": {"content": "def test(): pass"},
            "status": "success",
            "duration_ms": 120,
            "parent_tool_call_id": None,
            "created_at": TIME,
        }
        | changed
    )


def run(**changed: Any) -> RunView:
    return RunView.model_validate(
        {
            "id": RUN,
            "session_id": SESSION,
            "message": "Analyze the log.",
            "status": "completed",
            "attempt": 1,
            "error_code": None,
            "error_detail": None,
            "message_id": MESSAGE,
            "text": "All is well.",
            "structured_output": None,
            "tool_calls": [tool_call().model_dump(include={"id", "tool_name", "tool_input", "status"})],
            "usage": {"duration_ms": 3250, "input_tokens": 150, "output_tokens": 420, "cost_usd": "0.0012"},
            "created_at": TIME,
            "ended_at": TIME,
        }
        | changed
    )


def run_summary(**changed: Any) -> RunSummary:
    return _summary(RunSummary, run(**changed))


def approval(**changed: Any) -> ApprovalView:
    return ApprovalView.model_validate(
        {
            "id": APPROVAL,
            "session_id": SESSION,
            "run_id": RUN,
            "tool_call_id": TOOL_CALL,
            "tool_name": "Bash",
            "tool_input": {"command": "ls"},
            "status": "pending",
            "decided_by": None,
            "message": None,
            "remember": None,
            "delivered": False,
            "created_at": TIME,
            "expires_at": TIME,
            "decided_at": None,
        }
        | changed
    )


def template(**changed: Any) -> TemplateView:
    values = {name: value for name, value in CreateTemplate.sample.items() if name != "template_id"}
    rest = {"id": TEMPLATE, "user_id": USER, "usage_count": 3, "created_at": TIME, "updated_at": TIME}
    return TemplateView.model_validate(values | rest | changed)


def task(**changed: Any) -> TaskView:
    definition = TaskDefinition(name="Daily", prompt_template="Analyze logs from {{date}}", schedule_cron="@daily")
    rest = {
        "id": TASK,
        "user_id": USER,
        "is_active": True,
        "pause_reason": None,
        "next_run_at": TIME,
        "last_run_at": None,
        "last_execution_id": None,
        "last_status": None,
        "last_error_code": None,
        "created_at": TIME,
        "updated_at": TIME,
    }
    return TaskView.model_validate(vars(definition) | rest | changed)


def task_summary(**changed: Any) -> TaskSummary:
    return _summary(TaskSummary, task(**changed))


def execution(**changed: Any) -> ExecutionView:
    return ExecutionView.model_validate(
        {
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
            "usage": {"duration_ms": 3250, "input_tokens": 150, "output_tokens": 420, "cost_usd": "0.0012"},
            "retry_of": None,
            "backfill_id": None,
            "trigger_id": None,
            "report_format": None,
            "report_id": None,
            "created_at": TIME,
            "started_at": TIME,
            "completed_at": "2026-11-25T09:05:30Z",
            "next_attempt_at": None,
            "variables": {"date": "2026-11-25"},
            "prompt": "Analyze logs from 2026-11-25",
        }
        | changed
    )


def execution_summary(**changed: Any) -> ExecutionSummary:
    return _summary(ExecutionSummary, execution(**changed))


def backfill(**changed: Any) -> BackfillView:
    return BackfillView.model_validate(
        {
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
        | changed
    )


def trigger(**changed: Any) -> TriggerView:
    names = {"id": TRIGGER, "task_id": TASK, "name": "Deployments", "created_at": TIME}
    return TriggerView.model_validate({**names, "rotated_at": None, "last_fired_at": None, **changed})


def new_trigger() -> NewTrigger:
    return NewTrigger(**vars(trigger()), secret="whsec_c2VjcmV0")


def report(**changed: Any) -> ReportView:
    return ReportView.model_validate(
        {
            "id": REPORT,
            "user_id": USER,
            "report_type": "session",
            "session_id": SESSION,
            "task_id": None,
            "execution_id": None,
            "from_at": None,
            "to_at": None,
            "format": "pdf",
            "title": "My Session",
            "include_messages": True,
            "include_tool_calls": True,
            "include_metrics": True,
            "status": "completed",
            "progress_percent": 100,
            "progress_step": "done",
            "file_path": f"/reports/{REPORT}.pdf",
            "file_size_bytes": 245760,
            "pages": 12,
            "notes": [],
            "error_code": None,
            "error_detail": None,
            "created_at": TIME,
            "generated_at": TIME,
            "expires_at": None,
        }
        | changed
    )


def report_link() -> ReportLink:
    return ReportLink.model_validate({"id": LINK, "report_id": REPORT, "token": "bGluaw", "expires_at": TIME})


def _summary[M: BaseModel](kind: type[M], view: BaseModel) -> M:
    return kind.model_validate({name: value for name, value in vars(view).items() if name in kind.model_fields})
