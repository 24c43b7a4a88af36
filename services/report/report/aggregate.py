"""Report: a document about a session or a task, from its request to its file."""

from datetime import datetime, timedelta
from typing import assert_never
from uuid import UUID

from contracts.messages import Failure
from contracts.refusals import Code, Refusal
from contracts.report.report import (
    LinkCreated,
    ReportCompleted,
    ReportDeleted,
    ReportEvent,
    ReportFailed,
    ReportProgressed,
    ReportRequested,
)
from contracts.report.values import ReportFile, ReportRequest, ReportStatus, ReportStep
from eventing.aggregate import Aggregate


class Report(Aggregate[ReportEvent]):
    """A report. Its file is created in the background; commands of a late worker are refused."""

    missing = Code.REPORT_NOT_FOUND

    user_id: UUID
    request: ReportRequest
    status: ReportStatus
    percent: int
    key: str | None
    """The name of its file in the object store, once it is completed."""

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.status, self.percent, self.key = "pending", 0, None

    @property
    def owner(self) -> UUID:
        """The user for whom the report is created."""
        return self.user_id

    @property
    def is_over(self) -> bool:
        """Whether the report is completed or has failed."""
        return self.status in ("completed", "failed")

    def create(self, user_id: UUID, request: ReportRequest) -> None:
        """Create the report, which requests its file."""
        self.record(ReportRequested(user_id=user_id, request=request))

    def progress(self, percent: int, step: ReportStep) -> None:
        """Record how far the work is. Records nothing unless `percent` grows, as when another worker starts again.

        Raises:
            Refusal: the report is over, so the work is not wanted any more.
        """
        self._check_in_progress()
        if percent > self.percent:
            self.record(ReportProgressed(percent=percent, step=step))

    def complete(self, title: str, file: ReportFile, expires_at: datetime | None) -> None:
        """Record the file. Records nothing if it is recorded already.

        Raises:
            Refusal: the report has failed, or has the file of another worker.
        """
        if self.key == file.key:
            return
        self._check_in_progress()
        self.record(ReportCompleted(title=title, file=file, expires_at=expires_at))

    def fail(self, failure: Failure, expires_at: datetime | None) -> None:
        """Record that no file could be created.

        Raises:
            Refusal: the report is over.
        """
        self._check_in_progress()
        code, detail = failure.error_code, failure.error_detail
        self.record(ReportFailed(error_code=code, error_detail=detail, expires_at=expires_at))

    def create_link(self, link_id: UUID, token_hash: str, now: datetime, seconds: int) -> datetime:
        """Create a link to the file, and return when it expires.

        Raises:
            Refusal: REPORT_NOT_READY, there is no file yet; REPORT_HAS_NO_FILE, there will be none.
        """
        if self.status == "failed":
            raise Refusal(Code.REPORT_HAS_NO_FILE, f"Report {self.id} failed, so it has no file.")
        if self.status != "completed":
            raise Refusal(Code.REPORT_NOT_READY, f"Report {self.id} has no file: it is {self.status}.")
        expires_at = now + timedelta(seconds=seconds)
        self.record(LinkCreated(link_id=link_id, token_hash=token_hash, expires_at=expires_at))
        return expires_at

    def delete(self, *, expired: bool = False) -> None:
        """Delete the report with its file and its links."""
        self.record(ReportDeleted(user_id=self.user_id, key=self.key, expired=expired))

    def _check_in_progress(self) -> None:
        if self.is_over:
            raise Refusal(Code.REPORT_NOT_READY, f"Report {self.id} is not in progress: it is {self.status}.")

    def apply(self, event: ReportEvent) -> None:
        """Fold one event."""
        match event:
            case ReportRequested():
                self.user_id, self.request = event.user_id, event.request
            case ReportProgressed():
                self.status, self.percent = "rendering", event.percent
            case ReportCompleted():
                self.status, self.percent, self.key = "completed", 100, event.file.key
            case ReportFailed():
                self.status = "failed"
            case LinkCreated():
                pass
            case ReportDeleted():
                self.deleted = True
            case _:
                assert_never(event)
