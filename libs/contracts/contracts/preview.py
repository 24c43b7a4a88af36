"""How much of a large value is shown where there are many: in lists and in streams. Alone, a value is shown whole."""

import json
from typing import Any

from contracts.wire import MAX_INLINE_BYTES, PREVIEW_CHARACTERS


def preview(beginning: str, size: int, name: str = "preview") -> dict[str, Any]:
    """Return what stands for a value of `size` bytes: that it is truncated, its size, and its beginning as `name`."""
    return {"truncated": True, "size_bytes": size, name: beginning[:PREVIEW_CHARACTERS]}


def truncate_value(value: Any) -> Any:
    """Return a JSON value, or its preview if it is large."""
    text = json.dumps(value, ensure_ascii=False)
    size = len(text.encode())
    return preview(text, size) if size > MAX_INLINE_BYTES else value


def truncate_json(text: str, size: int, name: str = "preview", beginning: str | None = None) -> Any:
    """Return a JSON value of `size` bytes, or its preview, which holds its `beginning` as `name`, if it is large.

    `text` is the value as JSON, or its first `MAX_INLINE_BYTES` characters; it is also the default of `beginning`.
    """
    return (
        preview(text if beginning is None else beginning, size, name) if size > MAX_INLINE_BYTES else json.loads(text)
    )


def truncate_text(holder: dict[str, Any], name: str) -> dict[str, Any]:
    """Return an object with its text `name`, or with the beginning of that and its size if it is large."""
    text = holder.get(name) or ""
    if len(text) * 4 <= MAX_INLINE_BYTES or (size := len(text.encode())) <= MAX_INLINE_BYTES:
        return holder
    return holder | preview(text, size, name)
