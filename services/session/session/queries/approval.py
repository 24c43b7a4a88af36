"""Handlers of queries about approvals."""

from contracts.messages import Page
from contracts.session.approval import ApprovalView, GetApproval, ListApprovals
from eventing.database import Row
from eventing.handling import Handlers
from eventing.handling.reading import Filters, Listing

from session.dependencies import Context
from session.queries.previews import TOOL_INPUT
from session.queries.tables import APPROVALS

COLUMNS = ", ".join(ApprovalView.model_fields)
LISTED = ", ".join(TOOL_INPUT.sql if name == "tool_input" else name for name in ApprovalView.model_fields)


def _listed(row: Row) -> ApprovalView:
    return ApprovalView.model_validate(TOOL_INPUT.shown(row))


LISTING = Listing(APPROVALS, LISTED, _listed)

answers = Handlers()


@answers
async def get_approval(query: GetApproval, context: Context) -> ApprovalView:
    """Return an approval."""
    return ApprovalView(**await APPROVALS.fetch(COLUMNS, query.approval_id, context))


@answers
async def list_approvals(query: ListApprovals, context: Context) -> Page[ApprovalView]:
    """Return the approvals of the actor's sessions, for an admin of all, newest first."""
    return await LISTING.page(query, context, Filters(session_id=query.session_id, status=query.status))
