"""The program of the child process that parses files: YAML, or JSON as editors write it, with comments."""

import json
import re
from typing import Any, cast

import yaml
from runtime.children.program import serve
from runtime.nesting import MAX_DEPTH, too_deep

MAX_VALUES = 50_000
"""Names and values of a file, those behind each alias counted again: few lines can refer to billions."""
# Possessive: otherwise each character of a text costs memory, to which the search could return.
_TEXT = r'"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"'
_TOKEN = re.compile(rf"{_TEXT}|//[^\n]*|/\*.*?\*/", re.DOTALL)
_TRAILING_COMMA = re.compile(rf"({_TEXT})|,(?=\s*[}}\]])")
_FORBIDDEN = re.compile("[\0\ud800-\udfff]")


_RESOLVERS = {
    ("tag:yaml.org,2002:null", re.compile(r"(~|null|Null|NULL|)$")): ["~", "n", "N", ""],
    ("tag:yaml.org,2002:bool", re.compile(r"(true|True|TRUE|false|False|FALSE)$")): "tTfF",
    ("tag:yaml.org,2002:merge", re.compile(r"<<$")): "<",
}
"""The tags of plain scalars, by the characters that these begin with."""


class _Loader(yaml.CSafeLoader):
    """Reads scalars as text except null, true and false: 1.10 is a version, and NO a country."""

    yaml_implicit_resolvers = {first: [resolver] for resolver, firsts in _RESOLVERS.items() for first in firsts}


def parse(text: str) -> Any:
    """Return the content of a file.

    Raises:
        ValueError: what is wrong with it, for its author.
    """
    value = _json(text) if text.lstrip().startswith(("{", "[", "//", "/*")) else _yaml(text)
    if problem := _problem(value):
        raise ValueError(problem)
    if too_deep(value):
        raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
    return value


def _json(text: str) -> Any:
    bare = _TOKEN.sub(lambda found: found[0] if found[0].startswith('"') else " ", text)
    bare = _TRAILING_COMMA.sub(lambda found: found[1] or "", bare)
    try:
        return json.loads(bare, parse_int=str, parse_float=str, parse_constant=str)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not valid JSON: {error.msg} in line {error.lineno}") from None
    except RecursionError:
        raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep") from None


def _yaml(text: str) -> Any:
    try:
        return yaml.load(text, _Loader)  # noqa: S506  a subclass of the safe loader
    except yaml.MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ValueError(f"it is not valid YAML: {error.problem}{line}") from None
    except (yaml.YAMLError, ValueError, TypeError):
        raise ValueError("it is not valid YAML") from None
    except RecursionError:
        raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep") from None


def _problem(value: Any) -> str | None:
    """Return why a value is not acceptable; it may be a graph with cycles."""
    unseen, seen = [value], 0
    while unseen:
        value = unseen.pop()
        match value:
            case dict():
                names = cast(dict[Any, Any], value).keys()
                if not all(isinstance(name, str) for name in names):
                    return "it has names that are not text"
                unseen += [*names, *cast(dict[Any, Any], value).values()]
            case list():
                unseen += cast(list[Any], value)
            case str() if found := _FORBIDDEN.search(value):
                return (
                    "it contains NUL characters" if found[0] == "\0" else "it contains text that is not valid Unicode"
                )
            case str() | bool() | None:
                pass
            case _:
                return "it contains values that are not text, numbers, true, false or null"
        seen += 1
        if seen + len(unseen) > MAX_VALUES:
            return f"it has more than {MAX_VALUES:,} names and values"
    return None


def answer(request: Any) -> Any:
    """Return the content of a file, or what is wrong with it."""
    try:
        return ["content", parse(request)]
    except ValueError as error:
        return ["error", str(error)]


if __name__ == "__main__":
    for example in ('{"a": [1, // b\n"c",]}', "{", "a: &b [1, true, ~]\nc: *b\n", "a: [", "!!timestamp 2026-11-25"):
        answer(example)  # what a parser imports when it is first used cannot be imported later
    serve(answer)
