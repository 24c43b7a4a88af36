"""What is answered about approvals."""

# ruff: noqa: S608
# Statements are put together from the constants of this file; values are always parameters.

from typing import Any

from contracts.messages import Page
from contracts.refusals import Code, Refusal
from contracts.session.approvals import ApprovalView, GetApproval, ListApprovals
from eventing.handling import Handlers

from session.queries.shown import shown
from session.queries.visible import Context

APPROVAL = (
    "id, session_id, run_id, tool_call_id, tool_name, status, decided_by, message, remember, delivered, "
    "created_at, expires_at, decided_at"
)

answers = Handlers()


@answers
async def get_approval(query: GetApproval, context: Context) -> ApprovalView:
    """Give one approval."""
    row = await context.database.fetchrow(
        f"SELECT user_id, tool_input, {APPROVAL} FROM approvals WHERE id = $1", query.approval_id
    )
    if row is None or not context.actor.may_see(row["user_id"]):
        raise Refusal(Code.APPROVAL_NOT_FOUND, f"There is no approval {query.approval_id}.")
    return ApprovalView(**{name: value for name, value in row.items() if name != "user_id"})


@answers
async def list_approvals(query: ListApprovals, context: Context) -> Page[ApprovalView]:
    """Give the approvals of the actor's sessions, an admin all, newest first."""
    wanted: dict[str, Any] = {"status": query.status, "session_id": query.session_id}
    if context.actor.role != "admin":
        wanted["user_id"] = context.actor.user_id
    filters = {column: value for column, value in wanted.items() if value is not None}
    where = " AND ".join([f"{column} = ${n}" for n, column in enumerate(filters, start=1)] or ["true"])
    values = list(filters.values())
    total = await context.database.fetchval(f"SELECT count(*) FROM approvals WHERE {where}", *values)
    if query.after:
        values.append(query.after)
        where += f" AND id < ${len(values)}"
    rows = await context.database.fetch(
        f"SELECT {APPROVAL}, {shown('tool_input')} FROM approvals WHERE {where} "
        f"ORDER BY id DESC LIMIT {query.limit:d} OFFSET {query.skip:d}",
        *values,
    )
    return Page(items=[ApprovalView(**row) for row in rows], total=total)
