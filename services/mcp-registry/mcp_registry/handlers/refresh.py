"""Handlers of commands about refreshing the tokens of servers."""

from contracts.mcp_registry.refresh import LoseAuthorization, PostponeRefresh, RecordRefresh, RequestRefresh
from eventing.handling import Handlers

from mcp_registry.dependencies import Work
from mcp_registry.handlers.server import loaded

handles = Handlers()


@handles
async def request_refresh(command: RequestRefresh, work: Work) -> None:
    """Request new tokens."""
    async with loaded(command.server_id, work) as server:
        server.request_refresh(work.envelope.message_id)


@handles
async def record_refresh(command: RecordRefresh, work: Work) -> None:
    """Record new tokens."""
    async with loaded(command.server_id, work) as server:
        server.record_refresh(command.refresh_id, command.tokens, work.now)


@handles
async def postpone_refresh(command: PostponeRefresh, work: Work) -> None:
    """Have tokens refreshed later."""
    async with loaded(command.server_id, work) as server:
        server.postpone_refresh(command.refresh_id, work.now)


@handles
async def lose_authorization(command: LoseAuthorization, work: Work) -> None:
    """Record that tokens cannot be refreshed."""
    async with loaded(command.server_id, work) as server:
        server.lose_authorization(command.refresh_id, command.detail)
