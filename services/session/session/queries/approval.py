"""What is answered about approvals."""

# ruff: noqa: S608
# Statements are put together from the constants of this file; values are always parameters.

from contracts.messages import Page
from contracts.refusals import Code, Refusal
from contracts.session.approvals import ApprovalView, GetApproval, ListApprovals
from eventing.handling import Handlers

from session.queries.filters import Filters
from session.queries.paging import Listing
from session.queries.shown import shown
from session.queries.visible import Context, owner

APPROVAL = (
    "id, session_id, run_id, tool_call_id, tool_name, status, decided_by, message, remember, delivered, "
    "created_at, expires_at, decided_at"
)

LISTING = Listing(f"{APPROVAL}, {shown('tool_input')}", "approvals", Code.APPROVAL_NOT_FOUND)

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
    visible = Filters(user_id=owner(context))
    filters = Filters(user_id=owner(context), session_id=query.session_id, status=query.status)
    total = await context.database.fetchval(f"SELECT count(*) FROM approvals WHERE {filters.where}", *filters.values)
    rows, more = await LISTING.page(query, visible, filters, context)
    return Page(items=[ApprovalView(**row) for row in rows], total=total, more=more)
