"""How a user is asked a question of an MCP server."""

from collections.abc import Awaitable, Callable
from typing import Any

from contracts.session.values import ApprovalOutcome

type Elicit = Callable[[str, str, dict[str, Any]], Awaitable[ApprovalOutcome]]
"""Asks the user for input, given the server as the agent knows it, its message and its form, a JSON schema."""


async def decline_all(_server: str, _message: str, _form: dict[str, Any]) -> ApprovalOutcome:
    """Decline every question."""
    return ApprovalOutcome(decision="denied")
