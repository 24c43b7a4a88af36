"""The limit on nesting in JSON from clients, since parsers and serializers fail at different depths."""

from typing import Any, cast

MAX_DEPTH = 64
"""Levels of objects and lists. Parsers accept 200; the limit is lower because responses add levels around a value."""


def too_deep(value: Any) -> bool:
    """Return whether parsed JSON has more than `MAX_DEPTH` levels."""
    level: list[Any] = [value]  # no recursion: the client chooses the depth
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
