"""The JSON Schemas of `output_format`; the supported keywords were determined by testing Claude Code."""

from typing import Any

import pytest
from gateway.schemas.json_schema import check_schema

from services.gateway.tests.cases import each


def deep(levels: int) -> dict[str, Any]:
    return {"not": deep(levels - 1)} if levels else {}


def of(**words: Any) -> dict[str, Any]:
    return {"type": "object", **words}


@each(
    "schema",
    [
        of(),
        of(properties={"a": True, "$ref": {"type": ["string", "null"], "pattern": "^(?<year>\\p{L}+)$"}}),
        of(properties={"a": {"$ref": "#"}, "b": {"$ref": "#/$defs/c~1%25"}}, **{"$defs": {"c/%": {"type": "integer"}}}),
        of(properties={"a": {"$ref": "#/anyOf/1"}}, anyOf=[{}, {"required": ["a"]}]),
        of(items=[{}], additionalItems=False, contains={"const": {"$ref": "far/away"}}),
        of(properties={"a": {"enum": ["x", 1, None]}, "b": {"type": "array", "items": {"minLength": 1}}}),
        of(**{"$schema": "https://json-schema.org/draft/2020-12/schema", "if": {}, "then": {"maximum": 1.5}}),
        of(**deep(60)),
    ],
)
def test_a_supported_schema_is_accepted(schema: dict[str, Any]) -> None:
    check_schema(schema)


@each(
    ("schema", "reason"),
    [
        ({"type": "array"}, "that of an object"),
        ({"type": ["object", "null"]}, "that of an object"),
        (of(**{"$schema": "http://127.0.0.1/x"}), "dialect"),
        (of(properties={"a": {"$schema": "http://json-schema.org/draft-07/schema#"}}), r"properties.a.\$schema"),
        (of(properties={"a": {"$ref": "http://127.0.0.1:1/x.json"}}), r"properties.a.\$ref: must refer to a part"),
        (of(properties={"a": {"$ref": "file:///etc/passwd"}}), r"properties.a.\$ref"),
        (of(properties={"a": {"$ref": "#/$defs/none"}}), r"properties.a.\$ref"),
        (of(properties={"a": {"$ref": "#/type"}}), r"properties.a.\$ref"),
        (of(properties={"a": {"$ref": "#/anyOf/9"}}, anyOf=[{}]), r"properties.a.\$ref"),
        (of(properties={"a": {"$ref": 5}}), r"properties.a.\$ref"),
        (of(unevaluatedProperties=False), "unevaluatedProperties: unknown keyword"),
        (of(properties={"a": {"prefixItems": [{}]}}), "properties.a.prefixItems"),
        (of(additionalProperties=5), "additionalProperties: must be a schema"),
        (of(properties=[]), "properties: must be an object"),
        (of(anyOf=[]), "anyOf: must be an array"),
        (of(anyOf=[{}, {"minimum": "1"}]), "anyOf.1.minimum"),
        (of(required=["a", "a"]), "required: .*twice"),
        (of(required=[{}] * 10_000), "required"),
        (of(properties={"a": {"multipleOf": 0}}), "properties.a.multipleOf"),
        (of(properties={"a": {"minLength": -1}}), "properties.a.minLength"),
        (of(properties={"a": {"enum": []}}), "properties.a.enum"),
        (of(then={}), "then: needs if"),
        (of(additionalItems=False), "additionalItems: needs items"),
        (of(**deep(65)), "steps deep"),
    ],
)
def test_an_unsupported_schema_is_refused_with_its_location(schema: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check_schema(schema)
