"""The tool StructuredOutput: JSON Schema, as far as tests use it."""

import re
import sys
from collections.abc import Iterator
from typing import Any, cast

TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
ANNOTATIONS = frozenset({"$schema", "title", "description", "default", "examples"})
KEYWORDS = frozenset({"type", "properties", "required", "items", "enum", "pattern", "additionalProperties"})
INVALID = "Error: --json-schema is not a valid JSON Schema: "


def check_schema(schema: dict[str, Any]) -> None:
    """Check a schema.

    Raises:
        SystemExit: it is not valid.
        NotImplementedError: it has a keyword that is not known here.
    """
    if reference := schema.get("$ref"):
        sys.exit(f"{INVALID}can't resolve reference {reference} from id #")
    if unknown := set(schema) - ANNOTATIONS - KEYWORDS:
        raise NotImplementedError(f"keywords of a JSON Schema: {sorted(unknown)}")
    try:
        re.compile(schema.get("pattern", ""))
    except re.error:
        sys.exit(f"{INVALID}Invalid regular expression: /{schema['pattern']}/")
    for inner in [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]:
        check_schema(inner)


def mistakes(schema: dict[str, Any], value: Any, path: str = "") -> Iterator[str]:
    """Yield in what a value does not match a checked schema."""
    kind = schema.get("type")
    if isinstance(kind, str) and not _is(kind, value):
        yield f"{path or 'root'}: must be {kind}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path or 'root'}: must be equal to one of the allowed values"
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        yield f'{path or "root"}: must match pattern "{schema["pattern"]}"'
    if isinstance(value, list) and "items" in schema:
        for n, item in enumerate(cast(list[Any], value)):
            yield from mistakes(schema["items"], item, f"{path}/{n}")
    if isinstance(value, dict):
        yield from _of_object(schema, cast(dict[str, Any], value), path)


def _of_object(schema: dict[str, Any], value: dict[str, Any], path: str) -> Iterator[str]:
    properties = schema.get("properties", {})
    for name in schema.get("required", []):
        if name not in value:
            yield f"{path or 'root'}: must have required property '{name}'"
    for name, item in value.items():
        if name in properties:
            yield from mistakes(properties[name], item, f"{path}/{name}")
        elif schema.get("additionalProperties") is False:
            yield f"{path or 'root'}: must NOT have additional properties"


def _is(kind: str, value: Any) -> bool:
    return isinstance(value, TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))
