"""Models of reports."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from contracts.messages import Query
from contracts.report.report import CreateLink, ListReports, ReportView, RequestReport
from contracts.report.report import ReportLink as ReportLinkView
from contracts.report.values import ReportRequest, ReportStatus, ReportType
from contracts.samples import EXECUTION, LINK, REPORT, SESSION, TASK, TIME
from contracts.session.session import GetSession
from contracts.task_scheduler.execution import GetExecution
from contracts.task_scheduler.task import GetTask
from contracts.task_scheduler.values import ReportFormat
from pydantic import ConfigDict, Field, StrictBool, StringConstraints, model_validator
from starlette.requests import Request

from gateway import ids
from gateway.problems.validation_messages import field_error
from gateway.schemas.base import RequestBody, ResponseModel, SecretResponse, without_default
from gateway.schemas.lists import KeysetWindow, ListPage
from gateway.schemas.times import Time

OF_TASKS = ("task_id", "execution_id", "from_at", "to_at")


class NewReport(RequestBody):
    """A report to create."""

    described_by = ReportView

    sample = {
        "session_id": SESSION,
        "format": "pdf",
        "include_messages": True,
        "include_tool_calls": True,
        "include_metrics": True,
    }

    report_type: ReportType = "session"
    session_id: Annotated[
        UUID | None, Field(description="With `session`: id of the session.", json_schema_extra=without_default)
    ] = None
    task_id: Annotated[UUID | None, Field(description="With `task`: id of the task.")] = None
    execution_id: Annotated[UUID | None, Field(description="With `task`: id of the only execution; null for all.")] = (
        None
    )
    from_at: Annotated[Time | None, Field(alias="from")] = None
    to_at: Annotated[Time | None, Field(alias="to")] = None
    format: ReportFormat
    title: Annotated[
        Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)] | None,
        Field(description="Title; null for one that names the session or the task."),
    ] = None
    include_messages: StrictBool = True
    include_tool_calls: StrictBool = True
    include_metrics: StrictBool = True

    @model_validator(mode="after")
    def _has_one_subject(self) -> Self:
        if self.report_type == "session":
            self._require("session_id", OF_TASKS)
        else:
            self._require("task_id", ("session_id",))
        if self.execution_id and (self.from_at or self.to_at):
            raise field_error("execution_id", "Use either `execution_id`, or `from` and `to`")
        if self.from_at and self.to_at and self.from_at >= self.to_at:
            raise field_error("from", "`from` must be before `to`")
        return self

    def _require(self, name: str, others: tuple[str, ...]) -> None:
        if getattr(self, name) is None:
            raise field_error(name, f"A report of the type `{self.report_type}` needs `{name}`")
        if given := [other.removesuffix("_at") for other in others if getattr(self, other) is not None]:
            raise field_error(given[0], f"A report of the type `{self.report_type}` has no `{given[0]}`")

    def subject(self) -> Query[Any]:
        """Return the query for what the report is about; it is refused if that does not exist for the caller."""
        match self:
            case NewReport(session_id=UUID() as session_id):
                return GetSession(session_id=session_id)
            case NewReport(task_id=UUID() as task_id, execution_id=UUID() as execution_id):
                return GetExecution(task_id=task_id, execution_id=execution_id)
            case _:
                return GetTask.model_validate({"task_id": self.task_id})

    def command(self) -> RequestReport:
        """Return the command."""
        fields = {name: getattr(self, name) for name in ReportRequest.model_fields}
        return RequestReport(report_id=ids.new_id(), request=ReportRequest.model_validate(fields))


class ReportWindow(KeysetWindow):
    """Query parameters of the list of reports."""

    session_id: Annotated[
        UUID | None, Field(description="Return only reports about this session.", examples=[SESSION])
    ] = None
    task_id: Annotated[UUID | None, Field(description="Return only reports about this task.", examples=[TASK])] = None
    execution_id: Annotated[
        UUID | None, Field(description="Return only reports about this execution.", examples=[EXECUTION])
    ] = None
    format: Annotated[
        ReportFormat | None, Field(description="Return only reports in this format.", examples=["pdf"])
    ] = None
    status: Annotated[
        ReportStatus | None, Field(description="Return only reports with this status.", examples=["completed"])
    ] = None

    def query(self) -> ListReports:
        """Return the query."""
        return ListReports(**self.model_dump())


class Report(ReportView, ResponseModel):
    """A report. Its file exists when the status is `completed`."""

    model_config = ConfigDict(serialize_by_alias=True)

    from_at: Annotated[datetime | None, Field(alias="from")]
    to_at: Annotated[datetime | None, Field(alias="to")]


class ReportPage(ListPage[Report]):
    """Reports, newest first."""


class NewReportLink(RequestBody):
    """A link to create."""

    sample = {"expires_in_seconds": 3600}

    expires_in_seconds: Annotated[
        int, Field(strict=True, ge=60, le=7 * 86_400, description="Seconds for which the link is valid.")
    ] = 3600

    def command(self, report_id: UUID) -> CreateLink:
        """Return the command."""
        return CreateLink(report_id=report_id, link_id=ids.new_id(), seconds=self.expires_in_seconds)


def report_path(report_id: UUID) -> str:
    """Return the path of a report."""
    return f"/api/v1/reports/{report_id}"


class ReportLink(SecretResponse):
    """A link with which anybody can download the report until it expires. It is not shown again."""

    sample = {
        "id": LINK,
        "url": f"https://agents.example.com/api/v1/reports/{REPORT}/download?link=bGluaw",
        "expires_at": TIME,
    }

    id: Annotated[UUID, Field(description="Id of the link.")]
    url: Annotated[str, Field(repr=False, description="URL of the file; it needs no access token.")]
    expires_at: Annotated[datetime, Field(description="Time at which the link expires.")]

    @classmethod
    def at(cls, request: Request, link: ReportLinkView) -> Self:
        """Return the model of a new link, with its URL at the host that the request was sent to."""
        path = f"{report_path(link.report_id)}/download?link={link.token}".removeprefix("/")
        return cls(id=link.id, url=f"{request.base_url}{path}", expires_at=link.expires_at)
