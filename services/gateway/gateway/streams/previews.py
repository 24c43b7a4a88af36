"""Event data as clients receive it: large values by their beginning, as in lists, and amounts of money as numbers."""

from typing import Any

from contracts.preview import numeric_usage, truncate_text, truncate_value

VALUES = ("tool_input", "tool_output", "structured_output", "variables")
TEXTS = ("message", "prompt", "prompt_template")


def preview(data: dict[str, Any]) -> dict[str, Any]:
    """Return the data of an event as clients receive it."""
    changed: dict[str, Any] = {name: truncate_value(data[name]) for name in VALUES if data.get(name)}
    if "blocks" in data:
        changed["blocks"] = [_block(block) for block in data["blocks"]]
    if "definition" in data:
        changed["definition"] = preview(data["definition"])
    for name in TEXTS:
        data = truncate_text(data, name)
    return numeric_usage(data) | changed


def _block(block: dict[str, Any]) -> dict[str, Any]:
    if block["type"] == "tool_use":
        return block | {"input": truncate_value(block["input"])}
    return truncate_text(block, block["type"])
