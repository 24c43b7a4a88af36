"""The spans of tool calls, without anything of their content."""

import time
from typing import Self

from contracts.session.values import ToolUseBlock
from runtime import telemetry
from runtime.telemetry import Span, nanoseconds

from session.agent.agent_events import AgentEvent, AssistantMessage, ToolReturned

MAX_NAME_LENGTH = 100
"""Characters of the name of a tool, which comes from a sandbox."""
MAX_OPEN_CALLS = 1000


class ToolSpans:
    """The spans of a turn's tool calls, with the times of the agent.

    Those of calls without a result begin with their message, and end with the turn.
    """

    def __init__(self) -> None:
        self._open = dict[str, tuple[str, float]]()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for tool, reported in self._open.values():
            span = _begun(tool, reported)
            telemetry.fail("unfinished", span)
            span.end()

    def note(self, event: AgentEvent) -> None:
        """Note the calls in a message, or add the span of a call whose result this is."""
        if isinstance(event, AssistantMessage):
            for call in event.blocks:
                if isinstance(call, ToolUseBlock) and len(self._open) < MAX_OPEN_CALLS:
                    self._open.setdefault(call.id, (call.name[:MAX_NAME_LENGTH], time.time()))
        elif isinstance(event, ToolReturned) and event.tool_use_id in self._open:
            tool, _ = self._open.pop(event.tool_use_id)
            ended = time.time() if event.ended is None else event.ended
            span = _begun(tool, ended - event.duration_ms / 1000)
            if event.denied:
                span.set_attribute("agentapi.tool.denied", True)
            elif event.is_error:
                telemetry.fail("tool_error", span)
            span.end(nanoseconds(ended))


def _begun(tool: str, at: float) -> Span:
    attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": tool}
    return telemetry.begin(f"execute_tool {tool}", attributes, at)
