"""The spans of tool calls, without anything of their content."""

from typing import Self

from contracts.session.values import ToolUseBlock
from runtime import telemetry
from runtime.telemetry import Span

from session.agent.agent_events import AgentEvent, AssistantMessage, ToolReturned

MAX_NAME_LENGTH = 100
"""Characters of the name of a tool, which comes from a sandbox."""
MAX_OPEN_CALLS = 1000


class ToolSpans:
    """The spans of a turn's tool calls, from the message with the call to its result, or to the end of the turn."""

    def __init__(self) -> None:
        self._open = dict[str, Span]()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for span in self._open.values():
            telemetry.fail("unfinished", span)
            span.end()

    def note(self, event: AgentEvent) -> None:
        """Begin the spans of the calls in a message, or end that of a call whose result this is."""
        if isinstance(event, AssistantMessage):
            for call in event.blocks:
                if isinstance(call, ToolUseBlock) and len(self._open) < MAX_OPEN_CALLS:
                    self._open.setdefault(call.id, _begun(call.name[:MAX_NAME_LENGTH]))
        elif isinstance(event, ToolReturned) and (span := self._open.pop(event.tool_use_id, None)):
            if event.denied:
                span.set_attribute("agentapi.tool.denied", True)
            elif event.is_error:
                telemetry.fail("tool_error", span)
            span.end()


def _begun(tool: str) -> Span:
    attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": tool}
    return telemetry.begin(f"execute_tool {tool}", attributes)
