"""Validation of output schemas: JSON Schema as the agent accepts it, which is draft 7 without unknown keywords."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, cast
from urllib.parse import unquote

from pydantic import AfterValidator, ConfigDict, FailFast, Field, TypeAdapter, ValidationError

from gateway.problems.validation_messages import message

MAX_DEPTH = 64
"""Steps in the schema: a property of an object is two of them."""
MAX_PATH_LENGTH = 200
DIALECT = ("http://json-schema.org/", "https://json-schema.org/")

SUBSCHEMA = frozenset(
    ("not", "if", "then", "else", "contains", "propertyNames", "additionalProperties", "additionalItems")
)
SUBSCHEMA_LISTS = frozenset(("allOf", "anyOf", "oneOf"))
NAMED_SUBSCHEMAS = frozenset(("properties", "patternProperties", "definitions", "$defs"))
REQUIRED_WITH = {"if": ("then", "else"), "then": ("if",), "else": ("if",), "additionalItems": ("items",)}
"""Keywords that the agent accepts only together with one of these."""

type Path = tuple[str | int, ...]
type Kind = Literal["array", "boolean", "integer", "null", "number", "object", "string"]


def _distinct(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise ValueError("Must not contain the same name twice")
    return names


def _checks(kind: Any, *keywords: str) -> dict[str, TypeAdapter[Any]]:
    adapter = TypeAdapter[Any](kind, config=ConfigDict(strict=True))
    return dict.fromkeys(keywords, adapter)


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
    **_checks(Annotated[list[str], FailFast(), AfterValidator(_distinct)], "required"),
}


def check_schema(schema: dict[str, Any]) -> None:
    """Check that the agent accepts the schema. Nothing outside of the schema is read.

    Raises:
        ValueError: it is not the schema of an object, or the agent does not accept it; the text says where and why.
    """
    if schema.get("type") != "object":
        raise ValueError("the schema must be that of an object: its type must be object")
    if not str(schema.get("$schema", DIALECT[0])).startswith(DIALECT):
        raise ValueError("$schema must name a dialect of json-schema.org")
    root = {keyword: value for keyword, value in schema.items() if keyword != "$schema"}
    unseen: list[tuple[Path, Any]] = [((), root)]
    while unseen:  # no recursion: the client chooses the depth
        path, part = unseen.pop()
        if len(path) > MAX_DEPTH:
            raise ValueError(f"the schema must not be nested more than {MAX_DEPTH} steps deep")
        if isinstance(part, dict):
            unseen += _within(path, cast(dict[str, Any], part), schema)
        elif not isinstance(part, bool):
            raise _invalid(path, "must be a schema, which is an object or a boolean")


def _within(path: Path, part: dict[str, Any], schema: dict[str, Any]) -> Iterator[tuple[Path, Any]]:
    for keyword, value in part.items():
        if keyword in REQUIRED_WITH and not part.keys() & REQUIRED_WITH[keyword]:
            raise _invalid((*path, keyword), f"needs {' or '.join(REQUIRED_WITH[keyword])} beside it")
        if keyword == "$ref" and not _resolves(value, schema):
            raise _invalid((*path, keyword), "must refer to a part of this schema, like #/definitions/item")
        yield from _subschemas((*path, keyword), keyword, value)


def _subschemas(path: Path, keyword: str, value: Any) -> list[tuple[Path, Any]]:
    match value:
        case _ if keyword in VALUES:
            _check_value(path, keyword, value)
            return []
        case list() if (keyword in SUBSCHEMA_LISTS and value) or keyword == "items":
            return [((*path, n), part) for n, part in enumerate(cast(list[Any], value))]
        case dict() if keyword in NAMED_SUBSCHEMAS:
            return [((*path, name), part) for name, part in cast(dict[str, Any], value).items()]
        case _ if keyword in SUBSCHEMA or keyword == "items":
            return [(path, value)]
        case _ if keyword in SUBSCHEMA_LISTS:
            raise _invalid(path, "must be an array of at least one schema")
        case _ if keyword in NAMED_SUBSCHEMAS:
            raise _invalid(path, "must be an object whose values are schemas")
        case _:
            raise _invalid(path, "unknown keyword")


def _check_value(path: Path, keyword: str, value: Any) -> None:
    try:
        VALUES[keyword].validate_python(value)
    except ValidationError as error:
        text = message(error.errors(include_input=False)[0])
        raise _invalid(path, text[0].lower() + text[1:]) from None


def _resolves(ref: Any, schema: dict[str, Any]) -> bool:
    start, *steps = unquote(str(ref)).split("/")
    target: Any = schema
    for step in steps:
        if isinstance(target, list):
            number = int(step[:6]) if step.isdecimal() else -1
            items = cast(list[Any], target)
            target = items[number] if 0 <= number < len(items) else None
        elif isinstance(target, dict):
            target = cast(dict[str, Any], target).get(step.replace("~1", "/").replace("~0", "~"))
    return start == "#" and isinstance(target, bool | dict)


def _invalid(path: Path, reason: str) -> ValueError:
    text = ".".join(map(str, path))[:MAX_PATH_LENGTH]
    return ValueError(f"the schema is not valid at {text}: {reason}")
