"""Requests the reports of executions whose task wants them."""

from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.report.report import RequestReport
from contracts.report.values import ReportRequest
from contracts.task_scheduler.execution import ExecutionCompleted, ExecutionFailed, ExecutionTimedOut, GetExecution
from contracts.task_scheduler.values import execution_report_id
from eventing.reactions import Reaction, Reactions
from eventing.recording import Recorded
from runtime.logging import get_logger

from report.dependencies import Dependencies

log = get_logger()

type Ended = ExecutionCompleted | ExecutionFailed | ExecutionTimedOut

IMPOSSIBLE = frozenset(
    {
        *(Code.TASK_NOT_FOUND, Code.EXECUTION_NOT_FOUND, Code.USER_NOT_FOUND, Code.USER_INACTIVE),
        Code.REPORT_NOT_FOUND,
    }
)
"""Refusals that mean that there will be no report. REPORT_NOT_FOUND: it was requested before, and deleted since."""

reactions = Reactions()


@reactions.shared("report_completed_execution")
async def report_completed(recorded: Recorded[ExecutionCompleted], reaction: Reaction[Dependencies]) -> None:
    """Request the report of an execution that was completed."""
    await _request(recorded, reaction)


@reactions.shared("report_failed_execution")
async def report_failed(recorded: Recorded[ExecutionFailed], reaction: Reaction[Dependencies]) -> None:
    """Request the report of an execution that failed."""
    await _request(recorded, reaction)


@reactions.shared("report_late_execution")
async def report_timed_out(recorded: Recorded[ExecutionTimedOut], reaction: Reaction[Dependencies]) -> None:
    """Request the report of an execution that took too long."""
    await _request(recorded, reaction)


async def _request[E: Ended](recorded: Recorded[E], reaction: Reaction[Dependencies]) -> None:
    try:
        if request := await _wanted(recorded.id, recorded.event.task_id, reaction):
            command = RequestReport(report_id=execution_report_id(recorded.id), request=request, automatic=True)
            await reaction.send(command, key="report", on_behalf_of=recorded.owner)
    except Refusal as refusal:
        if refusal.code not in IMPOSSIBLE:
            raise
        log.info("no report for an execution", execution_id=str(recorded.id), reason=str(refusal))


async def _wanted(execution_id: UUID, task_id: UUID, reaction: Reaction[Dependencies]) -> ReportRequest | None:
    """Return the request for the report of an execution; None if its task wants none, or it never had a session."""
    execution = await reaction.ask(GetExecution(task_id=task_id, execution_id=execution_id))
    if execution.report_id is None or execution.report_format is None:
        return None
    return ReportRequest(
        report_type="task",
        task_id=task_id,
        execution_id=execution_id,
        session_id=execution.session_id,  # so that it is found among the reports of the session
        format=execution.report_format,
    )
