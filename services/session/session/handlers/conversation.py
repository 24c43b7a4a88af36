"""Handlers of commands about messages and tool calls."""

from contracts.session.conversation import RecordMessage, RecordToolResult
from eventing.handling import Handlers

from session.aggregate import Session
from session.dependencies import Work

handles = Handlers()


@handles
async def record_message(command: RecordMessage, work: Work) -> None:
    """Record a message of the agent."""
    async with work.change(Session, command.session_id) as session:
        session.record_message(command)


@handles
async def record_tool_result(command: RecordToolResult, work: Work) -> None:
    """Record the result of a tool call."""
    async with work.change(Session, command.session_id) as session:
        session.record_tool_result(command)
