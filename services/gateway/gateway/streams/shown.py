"""What of a fact clients are shown: large values by their beginning, as lists do, and money as numbers."""

import json
from typing import Any

from contracts.wire import LARGEST_SHOWN, PREVIEW

VALUES = ("tool_input", "tool_output", "structured_output")


def shown(data: dict[str, Any]) -> dict[str, Any]:
    """Give a fact's data as clients are shown it."""
    changed: dict[str, Any] = {name: _value(data[name]) for name in VALUES if data.get(name)}
    if "blocks" in data:
        changed["blocks"] = [_block(block) for block in data["blocks"]]
    if "usage" in data:
        changed["usage"] = data["usage"] | {"cost_usd": float(data["usage"]["cost_usd"])}
    return _text(data, "message") | changed


def _block(block: dict[str, Any]) -> dict[str, Any]:
    if block["type"] == "tool_use":
        return block | {"input": _value(block["input"])}
    return _text(block, block["type"])


def _text(holder: dict[str, Any], name: str) -> dict[str, Any]:
    text = holder.get(name) or ""
    if len(text) * 4 <= LARGEST_SHOWN or (size := len(text.encode())) <= LARGEST_SHOWN:
        return holder
    return holder | {name: text[:PREVIEW], "truncated": True, "size_bytes": size}


def _value(value: Any) -> Any:
    text = json.dumps(value, ensure_ascii=False)
    size = len(text.encode())
    return {"truncated": True, "size_bytes": size, "preview": text[:PREVIEW]} if size > LARGEST_SHOWN else value
