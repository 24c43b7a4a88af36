"""Tools for approvals. There is none that decides: an agent could approve its own tool calls."""

from contracts.session.approval import ListApprovals

from gateway.mcp_server.call import Call
from gateway.mcp_server.pages import DEFAULT_LIMIT, Items, Limit
from gateway.mcp_server.tool import READS, Tools
from gateway.schemas.approval import Approval, ApprovalWindow
from gateway.schemas.base import RequestBody

tools = Tools()


class ApprovalsToList(ApprovalWindow, RequestBody):
    """Arguments of `list_approvals`."""

    limit: Limit = DEFAULT_LIMIT


@tools.add(READS)
async def list_approvals(arguments: ApprovalsToList, call: Call) -> Items[Approval]:
    """List the tool calls of your sessions that need approval, newest first. A person decides about them."""
    page = await call.caller.ask(ListApprovals(**arguments.model_dump()))
    return Items[Approval].over(page, list(map(Approval.of, page.items)), arguments)
