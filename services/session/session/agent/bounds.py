"""Bounds on each message and tool result of an agent, so that it fits into an event: programs can forge larger ones."""

from typing import Any

from contracts.session.settling import StoredResult
from contracts.session.values import Block

from session.agent.agent_events import clean, tool_output

MAX_CONTENT_BYTES = 4 * 2**20
"""The size of a result, and of the blocks of a message, as JSON.

Their events are a little larger, and have at most 6 MiB (`MAX_EVENT_BYTES`).
"""
MAX_BLOCKS = 1000
"""The number of blocks of a message: each call among them is an event of its own, and all are stored at once."""
MAX_NAME_CHARS = 200
OMITTED: dict[str, Any] = {"truncated": True, "reason": "The output is too large to be recorded here."}
"""Replaces outputs that are too large."""


class MessageSize:
    """The size of the blocks of one message."""

    def __init__(self) -> None:
        self._blocks = self._bytes = 0

    def add(self, blocks: list[Block]) -> bool:
        """Count further blocks, and return whether they fit; those that do not are not counted."""
        number, size = self._blocks + len(blocks), self._bytes + sum(len(block.encoded()) for block in blocks)
        if number > MAX_BLOCKS or size > MAX_CONTENT_BYTES:
            return False
        self._blocks, self._bytes = number, size
        return True


def shown_name(name: str) -> str:
    """Return the beginning of the name of a tool or model: lists contain names as they are."""
    return clean(name[:MAX_NAME_CHARS])


def stored_result(tool_use_id: str, content: Any, *, is_error: bool) -> StoredResult:
    """Return the result of a tool call as it is recorded: without its output if it is too large."""
    result = StoredResult(tool_use_id=clean(tool_use_id), output=tool_output(content), is_error=is_error)
    return result if len(result.encoded()) <= MAX_CONTENT_BYTES else without_output(result)


def without_output(result: StoredResult) -> StoredResult:
    """Return a result without its output."""
    return result.model_copy(update={"output": OMITTED})
