"""Calls of MCP tools that a program in the sandbox made, as events of the agent's turn."""

from collections.abc import Iterable, Iterator

from contracts.session.values import ToolUseBlock
from runtime.clock import new_id

from session.agent.agent_events import AgentEvent, AssistantMessage, ToolReturned, clean
from session.agent.draft import SYNTHETIC_MODEL
from session.mcp.made_calls import MadeCall, MadeCalls


def note_reported(event: AgentEvent, made: MadeCalls) -> str | None:
    """Note the calls that a message of the agent reports; return the model of the message."""
    if not isinstance(event, AssistantMessage):
        return None
    for block in event.blocks:
        if isinstance(block, ToolUseBlock) and block.name.startswith("mcp__"):
            made.report(block.name, block.input)
    return event.model


def unreported(last: Iterable[AgentEvent], made: MadeCalls, model: str | None, *, lost: bool) -> Iterator[AgentEvent]:
    """Yield the `last` events of a turn, and messages with the calls that the agent has not reported.

    Their results are marked as `unreported`. `model` is the one that has answered in this turn. What a `lost` agent was
    writing is left out: another one, which goes on, writes it again, and calls in it are recorded as the lost one's.
    """
    for event in last:
        model = note_reported(event, made) or model
        if not lost:
            yield event
    for call in made.take_unreported():
        id = f"unreported_{new_id()}"
        yield AssistantMessage([_block(call, id)], model or SYNTHETIC_MODEL)
        yield ToolReturned(id, {"content": clean(call.output), "unreported": True}, call.is_error, 0)


def _block(call: MadeCall, id: str) -> ToolUseBlock:
    return ToolUseBlock(id=id, tool_call_id=new_id(), name=clean(call.name), input=clean(call.input))
