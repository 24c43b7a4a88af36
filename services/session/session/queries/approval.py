"""What is answered about approvals."""

from contracts.messages import Page
from contracts.session.approval import ApprovalView, GetApproval, ListApprovals
from eventing.handling import Handlers
from eventing.reading import Filters, Listing

from session.queries.shown import shown
from session.queries.tables import APPROVALS
from session.tools import Context

COLUMNS = ", ".join(ApprovalView.model_fields)
LISTED = ", ".join(shown(name) if name == "tool_input" else name for name in ApprovalView.model_fields)
LISTING = Listing(APPROVALS, LISTED, ApprovalView.model_validate)

answers = Handlers()


@answers
async def get_approval(query: GetApproval, context: Context) -> ApprovalView:
    """Give one approval."""
    return ApprovalView(**await APPROVALS.fetch(COLUMNS, query.approval_id, context))


@answers
async def list_approvals(query: ListApprovals, context: Context) -> Page[ApprovalView]:
    """Give the approvals of the actor's sessions, an admin all, newest first."""
    return await LISTING.page(query, context, Filters(session_id=query.session_id, status=query.status))
