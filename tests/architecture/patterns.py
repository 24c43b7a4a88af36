"""Regular expressions in the code, and which of them can take exponential time (ReDoS)."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

FUNCTIONS = frozenset({"compile", "fullmatch", "match", "search", "sub", "subn", "split", "findall", "finditer"})
_parser: Any = importlib.import_module("re._parser")
_UNBOUNDED = _parser.MAXREPEAT


def patterns(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the patterns that a module passes to `re` as literals, with their lines."""
    text = file.read_text()
    for node in ast.walk(ast.parse(text)) if "import re\n" in text else ():
        if isinstance(node, ast.Call) and _is_of_re(node.func) and node.args:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield node.lineno, first.value


def _is_of_re(function: ast.expr) -> bool:
    match function:
        case ast.Attribute(value=ast.Name(id="re"), attr=name):
            return name in FUNCTIONS
        case _:
            return False


def is_ambiguous(pattern: str) -> bool:
    """Return whether an unbounded repetition contains another one that nothing separates from its next round."""
    return _ambiguous(_parser.parse(pattern, re.VERBOSE if pattern.startswith("(?x)") else 0))


def _ambiguous(parsed: Any) -> bool:
    return any(_ambiguous_part(str(kind), argument) for kind, argument in parsed)


def _ambiguous_part(kind: str, argument: Any) -> bool:
    if kind in ("MAX_REPEAT", "MIN_REPEAT"):
        _, most, body = argument
        return _ambiguous(body) or (most == _UNBOUNDED and _is_unseparated(body))
    return any(_ambiguous(body) for body in _bodies(argument))


def _is_unseparated(body: Any) -> bool:
    """Return whether the body can be matched without any single character or fixed text between its repetitions."""
    parts = [(str(kind), argument) for kind, argument in body]
    while len(parts) == 1 and parts[0][0] == "SUBPATTERN":
        parts = [(str(kind), argument) for kind, argument in parts[0][1][-1]]
    if any(kind == "BRANCH" for kind, _ in parts):
        return any(_is_unseparated(branch) for kind, argument in parts if kind == "BRANCH" for branch in argument[1])
    return bool(parts) and all(kind in ("MAX_REPEAT", "MIN_REPEAT", "AT") for kind, _ in parts)


def _bodies(argument: Any) -> Iterator[Any]:
    if isinstance(argument, _parser.SubPattern):
        yield argument
    elif isinstance(argument, tuple | list):
        for each in cast(list[Any], argument):
            yield from _bodies(each)
