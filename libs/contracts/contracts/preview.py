"""Previews of large values. Lists and streams truncate them; the resource itself has the whole value."""

import json
from typing import Any

from contracts.wire import MAX_INLINE_BYTES, PREVIEW_CHARACTERS


def preview(beginning: str, size: int, name: str = "preview") -> dict[str, Any]:
    """Return the preview of a value of `size` bytes: `truncated`, `size_bytes`, and the beginning under `name`."""
    return {"truncated": True, "size_bytes": size, name: beginning[:PREVIEW_CHARACTERS]}


def numeric_usage(data: dict[str, Any]) -> dict[str, Any]:
    """Return the data of an event with the cost in its `usage`, if it has one, as a number: stored it is a string."""
    usage = data.get("usage")
    return data | {"usage": usage | {"cost_usd": float(usage["cost_usd"])}} if usage else data


def truncate_value(value: Any, limit: int = MAX_INLINE_BYTES) -> Any:
    """Return a JSON value, or its preview if it has more than `limit` bytes."""
    text = json.dumps(value, ensure_ascii=False)
    size = len(text.encode())
    return preview(text, size) if size > limit else value


def truncate_json(text: str, size: int, name: str = "preview", beginning: str | None = None) -> Any:
    """Return a JSON value of `size` bytes, or its preview, with the `beginning` under `name`, if it is too large.

    `text` is the value as JSON, or at least its first `MAX_INLINE_BYTES` characters. `beginning` defaults to `text`.
    """
    return (
        preview(text if beginning is None else beginning, size, name) if size > MAX_INLINE_BYTES else json.loads(text)
    )


def truncate_text(holder: dict[str, Any], name: str) -> dict[str, Any]:
    """Return an object as it is, or, if its text `name` is too large, with a preview of that text."""
    text = holder.get(name) or ""
    if len(text) * 4 <= MAX_INLINE_BYTES or (size := len(text.encode())) <= MAX_INLINE_BYTES:
        return holder
    return holder | preview(text, size, name)
