"""Schemas of answers: JSON Schema as the agent takes it, which is draft 7 without words that it does not know."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, cast
from urllib.parse import unquote

from pydantic import AfterValidator, ConfigDict, FailFast, Field, TypeAdapter, ValidationError

MAX_DEPTH = 64
"""Steps: a property of an object is two."""
MAX_PATH_LENGTH = 200
DIALECT = ("http://json-schema.org/", "https://json-schema.org/")

ONE = frozenset(("not", "if", "then", "else", "contains", "propertyNames", "additionalProperties", "additionalItems"))
MANY = frozenset(("allOf", "anyOf", "oneOf"))
NAMED = frozenset(("properties", "patternProperties", "definitions", "$defs"))
COMPANY = {"if": ("then", "else"), "then": ("if",), "else": ("if",), "additionalItems": ("items",)}
"""Words that the agent does not take alone: one of these must be there too."""

type Place = tuple[str | int, ...]
type Kind = Literal["array", "boolean", "integer", "null", "number", "object", "string"]


def _different(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise ValueError("this names one twice")
    return names


def _checks(kind: Any, *words: str) -> dict[str, TypeAdapter[Any]]:
    adapter = TypeAdapter[Any](kind, config=ConfigDict(strict=True))
    return dict.fromkeys(words, adapter)


VALUES = {
    **_checks(str, "$id", "$ref", "$comment", "title", "description", "format", "pattern"),
    **_checks(str, "contentEncoding", "contentMediaType"),
    **_checks(bool, "readOnly", "writeOnly", "deprecated", "nullable", "uniqueItems"),
    **_checks(object, "default", "const", "contentSchema"),
    **_checks(list[object], "examples"),
    **_checks(Annotated[list[object], Field(min_length=1)], "enum"),
    **_checks(Kind | Annotated[list[Kind], Field(min_length=1), FailFast()], "type"),
    **_checks(int | float, "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    **_checks(Annotated[int | float, Field(gt=0)], "multipleOf"),
    **_checks(Annotated[int, Field(ge=0)], "minLength", "maxLength", "minItems", "maxItems"),
    **_checks(Annotated[int, Field(ge=0)], "minProperties", "maxProperties"),
    **_checks(Annotated[list[str], FailFast(), AfterValidator(_different)], "required"),
}


def check_schema(schema: dict[str, Any]) -> None:
    """See that an agent can be asked for answers of this form. Nothing outside of the schema is read.

    Raises:
        ValueError: it is no schema of an object, or one that the agent does not take; the text says where.
    """
    if schema.get("type") != "object":
        raise ValueError("the schema must be one of an object")
    if not str(schema.get("$schema", DIALECT[0])).startswith(DIALECT):
        raise ValueError("$schema must name a dialect of json-schema.org")
    unseen: list[tuple[Place, Any]] = [((), {word: given for word, given in schema.items() if word != "$schema"})]
    while unseen:  # no recursion: the client chooses the depth
        place, part = unseen.pop()
        if len(place) > MAX_DEPTH:
            raise ValueError("the schema is too deep")
        if isinstance(part, dict):
            unseen += _within(place, cast(dict[str, Any], part), schema)
        elif not isinstance(part, bool):
            raise _wrong(place, "this must be a schema")


def _within(place: Place, part: dict[str, Any], schema: dict[str, Any]) -> Iterator[tuple[Place, Any]]:
    for word, given in part.items():
        if word in COMPANY and not part.keys() & COMPANY[word]:
            raise _wrong((*place, word), f"this needs {' or '.join(COMPANY[word])}")
        if word == "$ref" and not _leads_somewhere(given, schema):
            raise _wrong((*place, word), "this must be # or lead from there to a schema in this one")
        yield from _schemas((*place, word), word, given)


def _schemas(place: Place, word: str, given: Any) -> list[tuple[Place, Any]]:
    match given:
        case _ if word in VALUES:
            _check_value(place, word, given)
            return []
        case list() if (word in MANY and given) or word == "items":
            return [((*place, n), part) for n, part in enumerate(cast(list[Any], given))]
        case dict() if word in NAMED:
            return [((*place, name), part) for name, part in cast(dict[str, Any], given).items()]
        case _ if word in ONE or word == "items":
            return [(place, given)]
        case _:
            raise _wrong(place, "this is not valid" if word in MANY | NAMED else "agents take no such word")


def _check_value(place: Place, word: str, given: Any) -> None:
    try:
        VALUES[word].validate_python(given)
    except ValidationError as error:
        raise _wrong(place, error.errors(include_input=False)[0]["msg"]) from None


def _leads_somewhere(ref: Any, schema: dict[str, Any]) -> bool:
    start, *steps = unquote(str(ref)).split("/")
    there: Any = schema
    for step in steps:
        if isinstance(there, list):
            number = int(step[:6]) if step.isdecimal() else -1
            items = cast(list[Any], there)
            there = items[number] if 0 <= number < len(items) else None
        elif isinstance(there, dict):
            there = cast(dict[str, Any], there).get(step.replace("~1", "/").replace("~0", "~"))
    return start == "#" and isinstance(there, bool | dict)


def _wrong(place: Place, what: str) -> ValueError:
    path = ".".join(map(str, place))
    return ValueError(f"the schema is not valid at {path[:MAX_PATH_LENGTH]}: {what}")
