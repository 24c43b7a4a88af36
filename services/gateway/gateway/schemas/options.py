"""How an agent is to run, as clients may ask for it: stricter than what is stored, as events outlive rules."""

import json
import re
from collections.abc import Callable
from typing import Annotated, Any, Self

from contracts.session.values import KNOWN_TOOLS, SdkOptions
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    model_validator,
)
from runtime.nesting import MAX_DEPTH, too_deep

from gateway.schemas.json_schema import check_schema
from gateway.schemas.shown import undefaulted

# One tool, as Claude Code reads a list of them: a comma or a space behind a closing parenthesis begins the next one.
WRITTEN = re.compile(r"(?P<name>[A-Za-z]+)(\([^)]+\)([^\s,(]|\([^)]*\))*(?<=\)))?|mcp__[\w-]+")
OURS = re.compile(r"(ANTHROPIC|CLAUDE|LD)_.*|PATH|HOME", re.IGNORECASE)


def at_most[V](size: int) -> Callable[[V], V]:
    """Give a check that a value has at most `size` bytes as JSON, and is JSON: no lone surrogate, no infinity."""

    def check(value: V) -> V:
        try:
            taken = len(json.dumps(value, allow_nan=False, ensure_ascii=False).encode())
        except ValueError:
            raise ValueError("this cannot be written as JSON") from None
        if taken > size:
            raise ValueError(f"this has more than {size} bytes")
        return value

    return check


def shallow[V](value: V) -> V:
    """Check that a value is not nested too deep: before anything else looks at it, and names a place deep inside."""
    if too_deep(value):
        raise ValueError(f"this is nested more than {MAX_DEPTH} levels deep")
    return value


def _known(tool: str) -> str:
    found = WRITTEN.fullmatch(tool)
    if not found or (found["name"] and found["name"] not in KNOWN_TOOLS):
        raise ValueError(f"there is no tool {tool!r}")
    return tool


def _schema(output_format: dict[str, JsonValue]) -> dict[str, JsonValue]:
    match output_format:
        case {"type": "json_schema", "schema": dict(schema), **rest} if not rest:
            check_schema(schema)
            return output_format
        case _:
            raise ValueError('this must be {"type": "json_schema", "schema": {...}}')


def _free(name: str) -> str:
    if OURS.fullmatch(name):
        raise ValueError(f"the variable {name} is not yours to set")
    return name


Tool = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_known)]
Tools = Annotated[list[Tool], Field(max_length=200), AfterValidator(at_most(8 * 1024))]
OutputFormat = Annotated[
    dict[str, JsonValue], BeforeValidator(shallow), AfterValidator(at_most(32 * 1024)), AfterValidator(_schema)
]
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=100), AfterValidator(_free)]
Environment = Annotated[
    dict[Variable, Annotated[str, Field(max_length=8 * 1024)]],
    Field(max_length=100),
    AfterValidator(at_most(64 * 1024)),
]
# Of the characters that names of models have; the first is none that a word of a command line would begin with.
Model = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@/\[\]-]*$", max_length=200)]
Server = Annotated[str, Field(min_length=1, max_length=200)]


def _undefaulted(schema: dict[str, Any]) -> None:
    for field in schema["properties"].values():
        undefaulted(field)


class Options(SdkOptions):
    """What a client names, and nothing else, overrides what was there before; a null takes it back to the default."""

    model_config = ConfigDict(strict=True, json_schema_extra=_undefaulted)  # true is no number, nor is "5"

    model: Model | None = None
    fallback_model: Model | None = None
    allowed_tools: Tools | None = None
    disallowed_tools: Tools | None = None
    output_format: OutputFormat | None = None
    env: Environment | None = Field(
        default=None, repr=False, description="The values are never shown again: *** stands for them, also here."
    )
    mcp_servers: Annotated[list[Server], Field(max_length=100)] | None = None


class TemplateOptions(Options):
    """The options of a template, which holds no secrets: others may read it, and run agents by it."""

    @model_validator(mode="after")
    def _holds_no_secrets(self) -> Self:
        if self.env:
            raise ValueError("a template cannot hold env: give it to the session")
        return self
