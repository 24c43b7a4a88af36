"""Answers of a user to the question of a server."""

from typing import Any, Literal

from mcp_types import ElicitResult


def accepted(content: dict[str, Any]) -> ElicitResult:
    """Return the answer of a user who filled in the form."""
    return ElicitResult(action="accept", content=content)


def declined(action: Literal["decline", "cancel"] = "decline") -> ElicitResult:
    """Return the answer of a user who did not fill in the form."""
    return ElicitResult(action=action)
