"""The sections of a report about the executions of a task."""

from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.report.values import ReportRequest
from contracts.task_scheduler.execution import GetExecution, ListExecutions
from contracts.task_scheduler.execution_view import ExecutionSummary

from report.collecting.budget import Budget
from report.collecting.session import SessionCollector
from report.collecting.sources import PAGE_SIZE, Ask
from report.content import ExecutionSection, SessionSection, Totals

MAX_EXECUTIONS = 100
MAX_CONVERSATIONS = 20
"""How many executions are shown with their conversation, the newest ones."""
MAX_SEARCHED = 5000
"""How many executions are looked through for those of a period."""


async def read_executions(task_id: UUID, request: ReportRequest, ask: Ask, budget: Budget) -> list[ExecutionSummary]:
    """Return the execution that is asked for, or those that were created in the period, oldest first.

    Raises:
        Refusal: TASK_NOT_FOUND, EXECUTION_NOT_FOUND.
    """
    if request.execution_id:
        return [await ask(GetExecution(task_id=task_id, execution_id=request.execution_id))]
    found, query = list[ExecutionSummary](), ListExecutions(task_id=task_id, limit=PAGE_SIZE)
    for _ in range(0, MAX_SEARCHED, PAGE_SIZE):
        page = await ask(query)
        found += [execution for execution in page.items if _is_in(execution, request)]
        is_before = page.items and request.from_at and page.items[-1].created_at < request.from_at
        if not page.more or is_before or len(found) > MAX_EXECUTIONS:
            break
        query = query.model_copy(update={"after": page.items[-1].id})
    else:
        budget.note(f"Only the newest {MAX_SEARCHED:,} executions of the task were searched.")
    if len(found) > MAX_EXECUTIONS:
        budget.note(f"Only the newest {MAX_EXECUTIONS} executions of the period are shown.")
    return found[:MAX_EXECUTIONS][::-1]


async def execution_sections(
    executions: list[ExecutionSummary], collector: SessionCollector, budget: Budget
) -> list[ExecutionSection]:
    """Return the sections of executions with their sessions; older ones are shown without the conversation."""
    if len(executions) > MAX_CONVERSATIONS:
        budget.note(f"Only the newest {MAX_CONVERSATIONS} executions are shown with their conversation.")
    newest = {execution.id for execution in executions[-MAX_CONVERSATIONS:]}
    return [
        _section(execution, await _session(execution, collector, budget, with_conversation=execution.id in newest))
        for execution in executions
    ]


def _is_in(execution: ExecutionSummary, request: ReportRequest) -> bool:
    after_start = request.from_at is None or execution.created_at >= request.from_at
    return after_start and (request.to_at is None or execution.created_at < request.to_at)


async def _session(
    execution: ExecutionSummary, collector: SessionCollector, budget: Budget, *, with_conversation: bool
) -> SessionSection | None:
    if execution.session_id is None:
        return None
    try:
        return await collector.section(execution.session_id, with_conversation=with_conversation)
    except Refusal as refusal:
        if refusal.code is not Code.SESSION_NOT_FOUND:
            raise
        budget.note("Sessions that were deleted are not shown.")
        return None


def _section(execution: ExecutionSummary, session: SessionSection | None) -> ExecutionSection:
    usage = execution.usage
    counts = session.totals if session else Totals()
    return ExecutionSection(
        id=execution.id,
        status=execution.status,
        trigger=execution.trigger,
        scheduled_for=execution.scheduled_for,
        started_at=execution.started_at,
        ended_at=execution.completed_at,
        error_code=execution.error_code,
        error_detail=execution.error_detail,
        totals=Totals(
            runs=execution.attempt,
            messages=counts.messages,
            tool_calls=counts.tool_calls,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cost_usd=usage.cost_usd,
            active_ms=usage.duration_ms,
        ),
        session=session,
    )
