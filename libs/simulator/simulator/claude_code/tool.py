"""Results of tools."""

from typing import Any


class ToolFailed(Exception):
    """A tool call failed; the model reads the text."""


class ToolResult:
    """The result of a tool: the `content` for the model, and the details for the client."""

    def __init__(self, content: str | list[dict[str, Any]], details: Any = None) -> None:
        self.content, self.details = content, content if details is None else details


def invalid_use(text: str) -> ToolFailed:
    """Return the failure of a call that the tool did not accept."""
    return ToolFailed(f"<tool_use_error>{text}</tool_use_error>")


def check(arguments: dict[str, Any], required: tuple[str, ...], optional: tuple[str, ...] = ()) -> None:
    """Check the names in the input of a tool.

    Raises:
        ToolFailed: one is missing.
        NotImplementedError: one is not known here.
    """
    for name in required:
        if name not in arguments:
            raise invalid_use(f"InputValidationError: The required parameter `{name}` is missing")
    if unknown := set(arguments) - {*required, *optional}:
        raise NotImplementedError(f"parameters of a tool: {sorted(unknown)}")
