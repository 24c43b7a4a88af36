"""Converting turns to responses of the Messages API."""

import json
import secrets
from typing import Any

from simulator.script import Turn

SIGNATURE = "c2ltdWxhdGVk"
ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}

type Json = dict[str, Any]


def error(status: int, message: str) -> Json:
    """Return the body of an error response."""
    kind = ERROR_TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": new_id("req")}


def tokens(size: int) -> int:
    """Return an estimate of the tokens in `size` characters."""
    return max(1, size // 4)


def new_id(kind: str) -> str:
    """Return a new id in the format of the API."""
    return f"{kind}_{secrets.token_hex(12)}"


def message(turn: Turn, model: str, input_tokens: int) -> Json:
    """Return the complete answer of `model`. `input_tokens` is used if the turn does not set it."""
    blocks = _blocks(turn)
    size = sum(len(json.dumps(block)) for block in blocks)
    return {
        "id": new_id("msg"),
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": blocks,
        "stop_reason": "tool_use" if turn.tools else "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": input_tokens if turn.input_tokens is None else turn.input_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": tokens(size) if turn.output_tokens is None else turn.output_tokens,
        },
    }


def _blocks(turn: Turn) -> list[Json]:
    blocks: list[Json] = []
    if turn.thinking is not None:
        blocks.append({"type": "thinking", "thinking": turn.thinking, "signature": SIGNATURE})
    if turn.text is not None:
        blocks.append({"type": "text", "text": turn.text})
    calls = [{"type": "tool_use", "id": new_id("toolu"), "name": c.name, "input": c.input} for c in turn.tools]
    return [*blocks, *calls]
