"""Limits on JSON from others: its nesting, since parsers and serializers fail at different depths, and its values."""

from typing import Any, cast

MAX_DEPTH = 64
"""Levels of objects and lists. Parsers accept 200; the limit is lower because responses add levels around a value."""
MAX_VALUES = 50_000
"""Values of an object or list, with those in it: to handle so many blocks the event loop for a tenth of a second."""


def too_deep(value: Any) -> bool:
    """Return whether parsed JSON has more than `MAX_DEPTH` levels."""
    return _exceeds(value, None)


def too_complex(value: Any) -> bool:
    """Return whether parsed JSON has more than `MAX_DEPTH` levels, or more than `MAX_VALUES` values."""
    return _exceeds(value, MAX_VALUES)


def _exceeds(value: Any, max_values: int | None) -> bool:
    level: list[Any] = [value]  # no recursion: the client chooses the depth
    values = 0
    for _ in range(MAX_DEPTH + 1):
        level = [item for each in level for item in _items(each)]
        values += len(level)
        if not level:
            return False
        if max_values is not None and values > max_values:
            return True
    return True


def _items(value: Any) -> list[Any]:
    match value:
        case dict():
            return [*cast(dict[str, Any], value).values()] or [None]
        case list():
            return cast(list[Any], value) or [None]
        case _:
            return []
