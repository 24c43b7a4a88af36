"""The content of a report as a whole."""

from typing import Any
from uuid import UUID

from contracts.identity.user import GetUser
from contracts.refusals import Refusal
from contracts.report.values import ReportRequest
from contracts.task_scheduler.task import GetTask
from runtime import clock
from runtime.blocking import BlockingPool
from runtime.bus import Unavailable

from report.collecting.budget import Budget
from report.collecting.session import SessionCollector, sum_totals
from report.collecting.sources import Ask
from report.collecting.task import execution_sections, read_executions
from report.content import ReportContent

CHOICES = ("report_type", "from_at", "to_at", "include_messages", "include_tool_calls", "include_metrics")


async def collect(
    report_id: UUID, owner_id: UUID, request: ReportRequest, ask: Ask, blocking: BlockingPool
) -> ReportContent:
    """Return the content of a report. `ask` asks with the rights of its owner.

    Raises:
        Refusal: its subject does not exist for the owner (SESSION_NOT_FOUND, TASK_NOT_FOUND, EXECUTION_NOT_FOUND).
    """
    budget = Budget()
    collector = SessionCollector(
        ask, blocking, budget, with_messages=request.include_messages, with_calls=request.include_tool_calls
    )
    if request.report_type == "session" and request.session_id:
        subject = await _about_session(request.session_id, collector)
    elif request.task_id:
        subject = await _about_task(request.task_id, request, ask, collector, budget)
    else:
        raise ValueError("the request names neither a session nor a task")
    about = {"id": report_id, "generated_at": clock.now(), "notes": budget.notes}
    about |= {"created_for": await _name_of(owner_id, ask)}
    choices = {name: getattr(request, name) for name in CHOICES}
    titled = {"title": request.title} if request.title else {}
    return ReportContent.model_validate(about | subject | choices | titled)


async def _name_of(user_id: UUID, ask: Ask) -> str:
    """Return the name of a user; nothing if it cannot be found out, because a report does not depend on it."""
    try:
        user = await ask(GetUser(user_id=user_id))
    except (Refusal, Unavailable):
        return ""
    return user.full_name or user.username


async def _about_session(session_id: UUID, collector: SessionCollector) -> dict[str, Any]:
    section = await collector.section(session_id)
    return {"title": section.name, "totals": section.totals, "session": section}


async def _about_task(
    task_id: UUID, request: ReportRequest, ask: Ask, collector: SessionCollector, budget: Budget
) -> dict[str, Any]:
    task = await ask(GetTask(task_id=task_id))
    executions = await read_executions(task_id, request, ask, budget)
    sections = await execution_sections(executions, collector, budget)
    totals = sum_totals(section.totals for section in sections)
    return {"title": task.name, "task_name": task.name, "totals": totals, "executions": sections}
