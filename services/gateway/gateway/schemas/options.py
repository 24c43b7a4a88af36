"""Models of agent options: stricter than the stored options, since stored events must outlive the rules."""

import json
import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import Annotated, Any, Self

from contracts.session.values import KNOWN_TOOLS, SdkOptions
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    model_validator,
)
from runtime.nesting import MAX_DEPTH, too_deep
from runtime.variable_names import is_reserved, runs_code

from gateway.problems.validation_messages import field_error
from gateway.schemas.base import Documented, pattern_rule, without_default
from gateway.schemas.json_schema import check_schema

# One entry, as Claude Code parses lists of tools: a comma or a space after a closing parenthesis begins the next one.
TOOL = re.compile(r"(?P<name>[A-Za-z]+)(\([^)]+\)([^\s,(]|\([^)]*\))*(?<=\)))?|mcp__[\w-]+")


def at_most[V](size: int) -> Callable[[V], V]:
    """Return a validator: the value is valid JSON, without lone surrogates and infinities, of at most `size` bytes."""

    def check(value: V) -> V:
        try:
            actual = len(json.dumps(value, allow_nan=False, ensure_ascii=False).encode())
        except ValueError:
            raise ValueError("must be valid JSON") from None
        if actual > size:
            raise ValueError(f"must be at most {size} bytes of JSON")
        return value

    return check


def shallow[V](value: V) -> V:
    """Check the nesting of a value, before other validators descend into it."""
    if too_deep(value):
        raise ValueError(f"must not be nested more than {MAX_DEPTH} levels deep")
    return value


def _known(tool: str) -> str:
    found = TOOL.fullmatch(tool)
    if not found or (found["name"] and found["name"] not in KNOWN_TOOLS):
        name, *_ = tool.partition("(")
        nearest = get_close_matches(name, KNOWN_TOOLS, n=1)
        hint = f"did you mean `{nearest[0]}`?" if nearest else "MCP tools are written mcp__<server>__<tool>"
        raise ValueError(f"unknown tool `{tool}` ({hint})")
    return tool


def _schema(output_format: dict[str, JsonValue]) -> dict[str, JsonValue]:
    match output_format:
        case {"type": "json_schema", "schema": dict(schema), **rest} if not rest:
            check_schema(schema)
            return output_format
        case _:
            raise ValueError('must be {"type": "json_schema", "schema": {...}}')


def _permitted(name: str) -> str:
    if is_reserved(name):
        raise ValueError(f"the variable {name} is reserved: the service sets it")
    if runs_code(name):
        raise ValueError(f"the variable {name} makes programs run other code: set it in the commands that need it")
    return name


Tool = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_known)]
Tools = Annotated[list[Tool], Field(max_length=200), AfterValidator(at_most(8 * 1024))]
OutputFormat = Annotated[
    dict[str, JsonValue], BeforeValidator(shallow), AfterValidator(at_most(32 * 1024)), AfterValidator(_schema)
]
Identifier = Annotated[
    str,
    Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=100),
    pattern_rule("Must be letters, digits and underscores, not beginning with a digit"),
]
Variable = Annotated[Identifier, AfterValidator(_permitted)]
Environment = Annotated[
    dict[Variable, Annotated[str, Field(max_length=8 * 1024)]],
    Field(max_length=100),
    AfterValidator(at_most(64 * 1024)),
]
# The name becomes an argument of a command line: it must not begin with a hyphen.
Model = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@/\[\]-]*$", max_length=200),
    pattern_rule("Must be letters, digits and the characters . _ : @ / [ ] -, beginning with a letter or a digit"),
]
Server = Annotated[str, Field(min_length=1, max_length=64)]


def _resettable(schema: dict[str, Any]) -> None:
    """Document that null resets each field, also one that is never null in responses; the default is not sent."""
    for field in schema["properties"].values():
        without_default(field)
        if "anyOf" not in field:
            value = {name: field.pop(name) for name in list(field) if name not in ("title", "description")}
            field["anyOf"] = [value, {"type": "null"}]


class Options(SdkOptions, Documented):
    """Options of the agent. Only the fields you send change; null resets a field to its default."""

    model_config = ConfigDict(strict=True, json_schema_extra=_resettable)  # neither true nor "5" is a number

    model: Model | None = None
    fallback_model: Model | None = None
    allowed_tools: Tools | None = None
    disallowed_tools: Tools | None = None
    output_format: OutputFormat | None = None
    env: Environment | None = Field(default=None, repr=False)
    mcp_servers: Annotated[list[Server], Field(max_length=100)] | None = None


class TemplateOptions(Options):
    """Options of a template. They hold no secrets, since other users may read a template."""

    @model_validator(mode="after")
    def _holds_no_secrets(self) -> Self:
        if self.env:
            raise field_error("env", "A template must not contain env; set it on the session instead")
        return self
