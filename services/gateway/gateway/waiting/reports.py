"""Reports that requests wait for. An event wakes the wait; reads at intervals make up for one that is lost."""

from functools import partial
from uuid import UUID

from contracts.refusals import Code
from contracts.report.report import GetReport, ReportCompleted, ReportDeleted, ReportFailed, ReportView, RequestReport
from runtime.bus import Client, Unavailable

from gateway.clients.auth.callers import Anyone
from gateway.problems import Problem
from gateway.schemas.report import report_path
from gateway.waiting import Disconnected, EventWaiters, Waits

END_EVENTS = (ReportCompleted, ReportFailed, ReportDeleted)
TERMINAL_STATUSES = frozenset({"completed", "failed"})


class Reports:
    """Requests reports and waits for them to be created."""

    def __init__(self, client: Client, waits: Waits) -> None:
        self.waits = waits
        self.waiting = EventWaiters(client, END_EVENTS, lambda subject, _: UUID(subject.rpartition(".")[2]))

    async def until_ended(self, command: RequestReport, caller: Anyone, disconnected: Disconnected) -> ReportView:
        """Request a report and return it when it is completed or has failed, or as it is when the wait has to end.

        Raises:
            ClientDisconnect: the client disconnected. The report is created all the same.
            Refusal: the report was not requested, or it was deleted.
        """
        with self.waiting.waiting(command.report_id) as waiter:
            report = await caller.ask(command)
            return await self.waits.until(_has_ended, report, partial(_read, caller), disconnected, waiter)

    async def outcome(self, command: RequestReport, caller: Anyone, disconnected: Disconnected) -> ReportView:
        """Request a report and return it when it is completed or has failed. Raises as `until_ended` does.

        Raises:
            Problem: the wait had to end before; the problem names the report.
        """
        report = await self.until_ended(command, caller, disconnected)
        if not _has_ended(report):
            raise self.waits.timed_out("report", report_path(report.id), report_id=str(report.id))
        return report


def check_created(report: ReportView) -> None:
    """Check that a report did not fail.

    Raises:
        Problem: it failed.
    """
    if report.status == "failed":
        code, detail = (
            report.error_code or Code.REPORT_FAILED,
            report.error_detail or "The report could not be created.",
        )
        raise Problem(code, detail, headers={"Location": report_path(report.id)}, report_id=str(report.id))


def _has_ended(report: ReportView) -> bool:
    return report.status in TERMINAL_STATUSES


async def _read(caller: Anyone, report: ReportView, _: bool) -> ReportView:
    try:
        return await caller.ask(GetReport(report_id=report.id))
    except Unavailable:  # another replica takes over, and the report is created there
        return report
