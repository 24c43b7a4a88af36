"""A request of an MCP client."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from starlette.requests import Request

from gateway.clients.auth.callers import User
from gateway.clients.presence import disconnected
from gateway.problems import EdgeCode, Problem
from gateway.state import Gateway, gateway_of

PATH = "/mcp"
MAX_DEPTH = 3
"""How many agents may use each other in a row."""

type Progress = Callable[[float, float | None, str | None], Awaitable[None]]


@dataclass(frozen=True)
class Call:
    """A request of an MCP client, with its authenticated user, and its depth if the client is an agent."""

    caller: User
    request: Request
    depth: int
    report_progress: Progress
    started: float = field(default_factory=time.monotonic)

    @property
    def gateway(self) -> Gateway:
        """The parts of this process."""
        return gateway_of(self.request)

    async def disconnected(self) -> bool:
        """Return whether the client is gone, as `presence` does; report progress to it, once a second during waits."""
        await self.report_progress(round(time.monotonic() - self.started, 1), None, "In progress")
        return await disconnected(self.gateway.tokens, self.request)

    def check_depth(self) -> None:
        """Check that the client may use another agent.

        Raises:
            Problem: the client is an agent, and too many agents use each other already.
        """
        if self.depth > MAX_DEPTH:
            detail = f"At most {MAX_DEPTH} agents may use each other in a row. Do the work without another agent."
            raise Problem(EdgeCode.NESTING_TOO_DEEP, detail)
