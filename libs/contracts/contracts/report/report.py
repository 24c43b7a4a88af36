"""All messages about reports."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from contracts.files import ByteRange, FilePart
from contracts.messages import Command, Event, Failure, KeysetWindow, Message, Page, ProgressEvent, Query, View
from contracts.refusals import Code
from contracts.report.values import ReportFile, ReportRequest, ReportStatus, ReportStep, ReportType
from contracts.samples import LINK, REPORT, SESSION, TIME, USER
from contracts.task_scheduler.values import ReportFormat

_REQUEST = {"session_id": SESSION, "format": "pdf"}
_FILE = {"key": f"{REPORT}/1.pdf", "size_bytes": 245760, "sha256": "00" * 32, "pages": 12}


class ReportView(View):
    """A report. `file_path` is a name, not a path of the host; `progress_percent` is 100 when it is completed."""

    sample = {
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
        "expires_at": "2027-02-23T09:00:00Z",
    }

    id: UUID = Field(description="Id of the report.")
    user_id: UUID = Field(description="Id of the owner.")
    report_type: ReportType = Field(
        description="`session`: about a session. `task`: about one or all executions of a task."
    )
    session_id: UUID | None = Field(
        description="Id of the session that the report is about; null if it is about a task."
    )
    task_id: UUID | None = Field(description="Id of the task that the report is about; null if it is about a session.")
    execution_id: UUID | None = Field(description="Id of the only execution that the report is about; null for all.")
    from_at: datetime | None = Field(
        description="With `task`: start of the period in which its executions were created, included; null for all."
    )
    to_at: datetime | None = Field(description="With `task`: end of the period, excluded; null for none.")
    format: ReportFormat = Field(description="Format of the file.")
    title: str = Field(description="Title of the report.")
    include_messages: bool = Field(description="Whether the report contains the conversation.")
    include_tool_calls: bool = Field(description="Whether the report contains the tool calls.")
    include_metrics: bool = Field(description="Whether the report contains tokens, costs and charts.")
    status: ReportStatus = Field(description="Current status.")
    progress_percent: int = Field(description="How far the work is, from 0 to 100.")
    progress_step: ReportStep = Field(
        description="What is being done: the steps follow each other in the order of the list."
    )
    file_path: str | None = Field(
        description="Name of the file, in the form of a path; null until the report is completed."
    )
    file_size_bytes: int | None = Field(description="Size of the file in bytes; null until the report is completed.")
    pages: int | None = Field(description="Number of pages of a PDF file; null for other formats.")
    notes: list[str] = Field(description="What was left out or shortened in the report.")
    error_code: Code | None = Field(description="Code of the failure; null if there is none.")
    error_detail: str | None = Field(description="What went wrong; null if nothing did.")
    created_at: datetime = Field(description="Time of creation.")
    generated_at: datetime | None = Field(description="Time at which the file was created; null before.")
    expires_at: datetime | None = Field(
        description="Time at which the report is deleted; null for never, and until it is completed."
    )


class GetReport(Query[ReportView]):
    """Return one report."""

    subject = "qry.report.get"
    sample = {"report_id": REPORT}

    report_id: UUID


class ListReports(KeysetWindow, Query[Page[ReportView]]):
    """Return the reports of the actor, newest first."""

    subject = "qry.report.list"
    sample = {"session_id": SESSION, "status": "completed"}

    session_id: UUID | None = None
    task_id: UUID | None = None
    execution_id: UUID | None = None
    format: ReportFormat | None = None
    status: ReportStatus | None = None


class ReadReport(ByteRange, Query[FilePart]):
    """Return a part of the file of a report."""

    subject = "qry.report.read"
    sample = {"report_id": REPORT, "offset": 0, "length": 1024}

    report_id: UUID


class ReadLinkedReport(ByteRange, Query[FilePart]):
    """Return a part of the file of a report to the holder of a link. The message names no actor."""

    subject = "qry.report.read_linked"
    sample = {"report_id": REPORT, "token": "bGluaw", "offset": 0, "length": 1024}

    report_id: UUID
    token: str = Field(repr=False)


class GetLinkedReport(Query[ReportView]):
    """Return a report to the holder of a link. The message names no actor."""

    subject = "qry.report.get_linked"
    sample = {"report_id": REPORT, "token": "bGluaw"}

    report_id: UUID
    token: str = Field(repr=False)


class RequestReport(Command[ReportView]):
    """Request a report; it is created in the background.

    One that nobody waits for (`automatic`) is recorded as failed where another would be refused, so that its owner
    sees why there is none.
    """

    subject = "cmd.report.request"
    outcome_query = GetReport
    sample = {"report_id": REPORT, "request": _REQUEST}

    report_id: UUID
    request: ReportRequest
    automatic: bool = False


class RecordProgress(Command[None]):
    """Record how far the work on a report is."""

    subject = "cmd.report.record_progress"
    senders = ()
    sample = {"report_id": REPORT, "percent": 40, "step": "rendering"}

    report_id: UUID
    percent: int = Field(ge=0, le=100)
    step: ReportStep


class CompleteReport(Command[None]):
    """Record the file of a report."""

    subject = "cmd.report.complete"
    senders = ()
    sample = {"report_id": REPORT, "title": "My Session", "file": _FILE}

    report_id: UUID
    title: str
    file: ReportFile


class FailReport(Failure, Command[None]):
    """Record that a report could not be created."""

    subject = "cmd.report.fail"
    senders = ()
    sample = {"report_id": REPORT, "error_code": "REPORT_FAILED", "error_detail": "Rendering took too long."}

    report_id: UUID


class ExpireReport(Command[None]):
    """Delete a report whose retention time has passed."""

    subject = "cmd.report.expire"
    senders = ()
    sample = {"report_id": REPORT}

    report_id: UUID


class DeleteReport(Command[None]):
    """Delete a report with its file and its links."""

    subject = "cmd.report.delete"
    sample = {"report_id": REPORT}

    report_id: UUID


class ReportLink(Message):
    """A link to the file of a report. Its token is shown only now."""

    id: UUID
    report_id: UUID
    token: str = Field(repr=False)
    expires_at: datetime


class CreateLink(Command[ReportLink]):
    """Create a link with which anybody can download a report until it expires."""

    subject = "cmd.report.create_link"
    sample = {"report_id": REPORT, "link_id": LINK, "seconds": 3600}

    report_id: UUID
    link_id: UUID
    seconds: int = Field(ge=60, le=7 * 86_400)


class ReportRequested(Event):
    """A report was requested."""

    subject = "evt.report.requested"
    sample = {"user_id": USER, "request": _REQUEST}

    user_id: UUID
    request: ReportRequest


class ReportProgressed(ProgressEvent):
    """The work on a report has progressed."""

    subject = "evt.report.progress"
    sample = {"percent": 40, "step": "rendering"}

    percent: int
    step: ReportStep


class ReportCompleted(ProgressEvent):
    """A report is ready."""

    subject = "evt.report.completed"
    sample = {"title": "My Session", "file": _FILE, "expires_at": TIME}

    title: str
    file: ReportFile
    expires_at: datetime | None


class ReportFailed(Failure, ProgressEvent):
    """A report could not be created."""

    subject = "evt.report.failed"
    sample = {"error_code": "REPORT_FAILED", "error_detail": "Rendering took too long.", "expires_at": TIME}

    expires_at: datetime | None = None


class LinkCreated(Event):
    """A link to the file of a report was created; `token_hash` is the SHA-256 of its token in hexadecimal."""

    published = False
    subject = "evt.report.link_created"
    sample = {"link_id": LINK, "token_hash": "00" * 32, "expires_at": TIME}

    link_id: UUID
    token_hash: str
    expires_at: datetime


class ReportDeleted(Event):
    """A report was deleted, by a user or because its retention time has passed (`expired`)."""

    subject = "evt.report.deleted"
    sample = {"user_id": USER, "key": f"{REPORT}/1.pdf", "expired": False}

    user_id: UUID
    key: str | None
    expired: bool


type ReportEvent = ReportRequested | ReportProgressed | ReportCompleted | ReportFailed | LinkCreated | ReportDeleted
