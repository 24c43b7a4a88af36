"""One response of the model: its blocks, as they become complete."""

import json
from typing import Any

from simulator.claude_code.channel import Frame, new_uuid

FIELDS = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}


class Response:
    """The received part of a response. Each block has the id of its entry in the transcript."""

    def __init__(self) -> None:
        self.message: Frame = {}
        self.blocks: list[tuple[str, Frame]] = []
        self.usage: Frame = {}
        self._open: Frame = {}
        self._json = ""

    @property
    def calls(self) -> list[Frame]:
        """The tool calls."""
        return [block for _, block in self.blocks if block["type"] == "tool_use"]

    @property
    def text(self) -> str:
        """The text of the last block, if it is one."""
        return self.blocks[-1][1].get("text", "") if self.blocks else ""

    def receive(self, event: Frame) -> tuple[str, Frame] | None:
        """Take an event of the stream; return the block that it completes."""
        match event:
            case {"type": "message_start", "message": message}:
                self.message, self.usage = message, dict(message["usage"])
            case {"type": "content_block_start", "content_block": block}:
                self._open, self._json = dict(block), ""
            case {"type": "content_block_delta", "delta": delta}:
                self._extend(delta)
            case {"type": "content_block_stop"}:
                return self._close()
            case {"type": "message_delta", "delta": delta, "usage": usage}:
                self.message |= delta
                self.usage |= {name: count for name, count in usage.items() if count is not None}
            case {"type": "message_stop"}:
                pass
            case _:
                raise NotImplementedError(f"an event of type {event.get('type')!r}")
        return None

    def _extend(self, delta: Frame) -> None:
        if delta["type"] == "input_json_delta":
            self._json += delta["partial_json"]
        else:
            name = FIELDS[delta["type"]]
            self._open[name] = self._open.get(name, "") + delta[name]

    def _close(self) -> tuple[str, Frame]:
        if self._open["type"] == "tool_use":
            self._open["input"] = json.loads(self._json or "{}")
        self.blocks.append((new_uuid(), self._open))
        self._open = {}
        return self.blocks[-1]

    def abort(self) -> tuple[str, Frame] | None:
        """Return the text that was not complete when the response was interrupted."""
        partial, self._open = self._open, {}
        if partial.get("text"):
            self.blocks.append((new_uuid(), partial))
            return self.blocks[-1]
        return None

    def with_block(self, block: Frame, **fields: Any) -> Frame:
        """Return the message with this block alone."""
        return {**self.message, "content": [block], **fields}
