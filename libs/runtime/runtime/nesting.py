"""How deep JSON may be nested that others write: what reads JSON gives up at some depth, what writes it at another."""

from typing import Any, cast

MAX_DEPTH = 64
"""Levels of objects and lists, one within the other. Readers take 200, and answers wrap what they hold."""


def too_deep(value: Any) -> bool:
    """Whether what was parsed out of JSON has more than `MAX_DEPTH` levels."""
    level: list[Any] = [value]  # no recursion: others choose the depth
    for _ in range(MAX_DEPTH + 1):
        level = [item for each in level for item in _items(each)]
        if not level:
            return False
    return True


def _items(value: Any) -> list[Any]:
    match value:
        case dict():
            return [*cast(dict[str, Any], value).values()] or [None]
        case list():
            return cast(list[Any], value) or [None]
        case _:
            return []
