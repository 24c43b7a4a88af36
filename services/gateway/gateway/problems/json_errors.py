"""Errors of JSON that a client sends, before it is validated: its syntax, its texts and its size."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

MAX_VALUES = 20_000
"""Names and values that a JSON body may hold: each could be an error, and an error costs more than its value."""
SURROGATE = re.compile("[\ud800-\udfff]")
"""Half of a character, which an escape in JSON can stand for, but nothing that is sent or stored."""
EXPLANATIONS = {
    "Expecting value": "expected a value",
    "Expecting property name enclosed in double quotes": "expected a name in double quotes",
    "Expecting ':' delimiter": "expected `:`",
    "Expecting ',' delimiter": "expected `,`",
    "Illegal trailing comma before end of object": "a comma stands before the end of the object",
    "Illegal trailing comma before end of array": "a comma stands before the end of the array",
    "Unterminated string starting at": "the text that begins here has no end",
    "Invalid control character at": "a line break or another control character has to be escaped",
    "Invalid \\escape": "this escape does not exist",
    "Invalid \\uXXXX escape": "`\\u` needs four hexadecimal digits",
    "Extra data": "expected the end",
}
"""The messages of the parser, as they are to clients."""


class Location(NamedTuple):
    """A value by the location of what holds it, and its name or index there."""

    holder: "Location | None"
    part: str | int


def explained(error: json.JSONDecodeError) -> str:
    """Return where a text is not JSON, and what was expected there."""
    expected = EXPLANATIONS.get(error.msg.rstrip(": "), "this is not JSON")
    return f"line {error.lineno}, column {error.colno}: {expected}"


def may_violate(body: bytes, max_values: int = MAX_VALUES) -> bool:
    """Return whether `find_violation` may find something in a body: of most it is plain that it does not.

    Only an escape can stand for a character that cannot be stored, and each value follows one of these characters.
    """
    return b"\\u" in body or sum(map(body.count, (b",", b":", b"{", b"["))) >= max_values


def find_violation(value: Any, max_values: int = MAX_VALUES) -> dict[str, Any] | None:
    """Return the validation error of a parsed JSON value that cannot be stored, or None."""
    unseen: list[tuple[Location | None, Any]] = [(None, value)]  # no recursion: the client chooses the depth
    seen = 0
    while unseen:
        where, value = unseen.pop()
        if isinstance(value, dict | list):
            unseen += _within(where, cast(dict[str, Any] | list[Any], value))
        elif isinstance(value, str) and "\0" in value:
            return _error(where, "nul_character", "Text must not contain NUL characters")
        elif isinstance(value, str) and SURROGATE.search(value):
            return _error(where, "string_unicode", "Text must be valid Unicode")
        seen += 1
        if seen + len(unseen) > max_values:
            return _error(None, "too_many_values", f"Must not contain more than {max_values} names and values")
    return None


def _within(where: Location | None, value: dict[str, Any] | list[Any]) -> Iterator[tuple[Location | None, Any]]:
    if isinstance(value, list):
        yield from ((Location(where, index), each) for index, each in enumerate(value))
        return
    for name, each in value.items():
        yield where, name
        yield Location(where, name), each


def _error(where: Location | None, kind: str, message: str) -> dict[str, Any]:
    path = list[str | int]()
    while where:
        path.append(where.part)
        where = where.holder
    return {"loc": tuple(reversed(path)), "msg": message, "type": kind}
