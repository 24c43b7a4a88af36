"""Small contents that use every part of the templates, to try those of a theme."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from markupsafe import Markup

from report.content import ReportContent
from report.rendering.charts import Chart

EXAMPLE_CHART = Chart("Chart", "A chart.", lambda: Markup("<svg></svg>"))
"""Without a picture, because it would have to be drawn by a large library."""

_ID = UUID(int=1)
_AT = datetime(2026, 1, 1, tzinfo=UTC)
_RUN: dict[str, Any] = {
    "id": _ID, "query": "Query", "answer": "Answer", "status": "failed", "error_code": "MODEL_ERROR",
    "error_detail": "Detail", "started_at": _AT, "input_tokens": 1, "cost_usd": "0.1",
}  # fmt: skip
_CALL: dict[str, Any] = {
    "id": _ID,
    "name": "Bash",
    "status": "error",
    "input": {"command": "true"},
    "output": "x",
    "at": _AT,
}
_MESSAGE: dict[str, Any] = {"id": _ID, "role": "assistant", "model": "model", "text": "Text", "at": _AT}
_SESSION: dict[str, Any] = {
    "id": _ID, "name": "Session", "status": "active", "mode": "interactive", "created_at": _AT, "totals": {},
    "tools": [{"name": "Bash", "calls": 2, "errors": 1, "total_ms": 1}],
    "models": [{"model": "model", "messages": 1}],
    "runs": [_RUN, _RUN],
    "approvals": [{"tool_name": "Bash", "status": "denied", "message": "No", "at": _AT}],
    "files_changed": [{"path": "a.py", "writes": 1, "diff": "+x"}],
    "workspace": [{"path": "a.py", "size_bytes": 1}],
    "messages": [_MESSAGE | {"tool_calls": [_CALL, _CALL | {"diff": "+x"}]}],
}  # fmt: skip
_REPORT: dict[str, Any] = {
    "id": _ID, "title": "Title", "generated_at": _AT, "created_for": "Owner", "totals": {}, "notes": ["Note"],
}  # fmt: skip


def session_example() -> ReportContent:
    """Return a report about a session."""
    return ReportContent.model_validate(_REPORT | {"report_type": "session", "session": _SESSION})


def task_example() -> ReportContent:
    """Return a report about a task, without its conversation but with its tool calls."""
    execution = {
        "id": _ID, "status": "failed", "trigger": "manual", "error_code": "MODEL_ERROR", "session": _SESSION,
    }  # fmt: skip
    about = {"report_type": "task", "task_name": "Task", "from_at": _AT, "executions": [execution]}
    return ReportContent.model_validate(_REPORT | about | {"include_messages": False})
