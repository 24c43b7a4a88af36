"""Handlers of queries about executions."""

from contracts.messages import Page
from contracts.session.values import Usage
from contracts.task_scheduler.execution import GetExecution, ListExecutions
from contracts.task_scheduler.execution_view import ExecutionSummary, ExecutionView
from contracts.task_scheduler.values import execution_report_id
from eventing.database import Row
from eventing.handling import Handlers
from eventing.handling.reading import Filters, Listing

from task_scheduler.dependencies import Context
from task_scheduler.queries.tables import EXECUTIONS, visible

USAGE = [*Usage.model_fields]
DERIVED = {"usage", "report_id"}
REPORTED = ("completed", "failed", "timed_out")
"""The ends of an execution that the report service creates a report about."""
SUMMARY = ", ".join([name for name in ExecutionSummary.model_fields if name not in DERIVED] + USAGE)


def _derived(row: Row) -> Row:
    # One that never started has nothing to report, and a report is requested when the execution ends.
    has_report = row["report_format"] and row["session_id"] and row["status"] in REPORTED
    report_id = execution_report_id(row["id"]) if has_report else None
    return row | {"usage": {name: row.pop(name) for name in USAGE}, "report_id": report_id}


def _summary(row: Row) -> ExecutionSummary:
    return ExecutionSummary.model_validate(_derived(row))


LISTING = Listing(EXECUTIONS, SUMMARY, _summary, counters="execution_counts")
OF_BACKFILL = Listing(EXECUTIONS, SUMMARY, _summary)

answers = Handlers()


@answers
async def get_execution(query: GetExecution, context: Context) -> ExecutionView:
    """Return an execution."""
    await visible(query.task_id, context)
    columns = f"{SUMMARY}, variables, prompt"
    row = await EXECUTIONS.fetch(columns, query.execution_id, context, task_id=query.task_id)
    return ExecutionView.model_validate(_derived(row))


@answers
async def list_executions(query: ListExecutions, context: Context) -> Page[ExecutionSummary]:
    """Return the executions of a task, newest first."""
    await visible(query.task_id, context)
    within = Filters(task_id=query.task_id)
    filters = Filters(status=query.status, trigger=query.trigger, backfill_id=query.backfill_id)
    listing = LISTING if query.backfill_id is None else OF_BACKFILL
    return await listing.page(query, context, filters, within=within)
