"""How much of a large value is shown where there are many: in lists and in streams. Alone, a value is shown whole."""

import json
from typing import Any

from contracts.wire import LARGEST_SHOWN, PREVIEW


def preview(beginning: str, size: int, name: str = "preview") -> dict[str, Any]:
    """Return what stands for a value of `size` bytes: that it is truncated, its size, and its beginning as `name`."""
    return {"truncated": True, "size_bytes": size, name: beginning[:PREVIEW]}


def shown_value(value: Any) -> Any:
    """Return a JSON value, or its preview if it is large."""
    text = json.dumps(value, ensure_ascii=False)
    size = len(text.encode())
    return preview(text, size) if size > LARGEST_SHOWN else value


def shown_json(text: str, size: int, name: str = "preview", beginning: str | None = None) -> Any:
    """Return a JSON value of `size` bytes, or its preview, which holds its `beginning` as `name`, if it is large.

    `text` is the value as JSON, or the first `LARGEST_SHOWN` characters of that; without a `beginning`, it is that too.
    """
    return preview(text if beginning is None else beginning, size, name) if size > LARGEST_SHOWN else json.loads(text)


def shown_text(holder: dict[str, Any], name: str) -> dict[str, Any]:
    """Return an object with its text `name`, or with the beginning of that and its size if it is large."""
    text = holder.get(name) or ""
    if len(text) * 4 <= LARGEST_SHOWN or (size := len(text.encode())) <= LARGEST_SHOWN:
        return holder
    return holder | preview(text, size, name)
