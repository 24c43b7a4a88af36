"""Results that the fake services return."""

from typing import Any

from contracts.identity.queries import TokensView, UserView
from contracts.samples import APPROVAL, MESSAGE, RUN, SESSION, TEMPLATE, TIME, TOOL_CALL, USER
from contracts.session.approval import ApprovalView
from contracts.session.conversation import MessageView, ToolCallView
from contracts.session.run import RunSummary, RunView
from contracts.session.session import SessionView
from contracts.session.template import CreateTemplate, TemplateView

REGISTRATION = {"email": "ada@example.com", "username": "ada", "password": "analytical engine"}


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
    return RunSummary.model_validate(
        {name: value for name, value in vars(run(**changed)).items() if name in RunSummary.model_fields}
    )


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
