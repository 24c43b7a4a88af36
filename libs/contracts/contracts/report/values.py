"""Value types of reports."""

from datetime import datetime
from typing import Literal, Self
from uuid import UUID

from pydantic import model_validator

from contracts.messages import Message
from contracts.task_scheduler.values import ReportFormat

type ReportType = Literal["session", "task"]
type ReportStatus = Literal["pending", "rendering", "completed", "failed"]
type ReportStep = Literal["queued", "collecting", "rendering", "storing", "done"]

MEDIA_TYPES: dict[ReportFormat, str] = {
    "pdf": "application/pdf",
    "html": "text/html; charset=utf-8",
    "markdown": "text/markdown; charset=utf-8",
    "json": "application/json",
}
SUFFIXES: dict[ReportFormat, str] = {"pdf": ".pdf", "html": ".html", "markdown": ".md", "json": ".json"}


class ReportRequest(Message):
    """What a report is about, and what it contains.

    A report of the type `session` is about `session_id`. One of the type `task` is about the executions of `task_id`
    that were created from `from_at` (included) to `to_at` (excluded), or about `execution_id` alone; then `session_id`
    may name the session of that execution. `title` is derived from the subject if it is None.
    """

    report_type: ReportType = "session"
    session_id: UUID | None = None
    task_id: UUID | None = None
    execution_id: UUID | None = None
    from_at: datetime | None = None
    to_at: datetime | None = None
    format: ReportFormat
    title: str | None = None
    include_messages: bool = True
    include_tool_calls: bool = True
    include_metrics: bool = True

    @model_validator(mode="after")
    def _has_its_subject(self) -> Self:
        if (self.session_id if self.report_type == "session" else self.task_id) is None:
            raise ValueError(f"a report of the type {self.report_type} needs {self.report_type}_id")
        return self


class ReportFile(Message):
    """The file of a completed report. `key` is its name in the object store; `sha256` is its hash in hexadecimal."""

    key: str
    size_bytes: int
    sha256: str
    pages: int | None = None
    notes: list[str] = []
    """What was left out or shortened, for readers of the report."""
