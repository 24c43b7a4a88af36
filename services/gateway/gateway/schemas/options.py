"""How an agent is to run, as clients may ask for it: stricter than what is stored, as facts outlive rules."""

import json
import re
from collections.abc import Callable
from typing import Annotated, Self

from contracts.session.tools import KNOWN_TOOLS
from contracts.session.values import SdkOptions
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from pydantic import AfterValidator, Field, JsonValue, StringConstraints, model_validator

WRITTEN = re.compile(r"(?P<name>[A-Za-z]+)(\(.+\))?|mcp__[\w-]+", re.DOTALL)
OURS = re.compile(r"(ANTHROPIC|CLAUDE|LD)_.*|PATH|HOME", re.IGNORECASE)


def at_most(size: int) -> Callable[[dict[str, JsonValue]], dict[str, JsonValue]]:
    """Give a check that an object has at most `size` bytes as JSON, and is JSON: no lone surrogate, no infinity."""

    def check(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
        try:
            taken = len(json.dumps(value, allow_nan=False, ensure_ascii=False).encode())
        except ValueError:
            raise ValueError("this cannot be written as JSON") from None
        if taken > size:
            raise ValueError(f"this has more than {size} bytes")
        return value

    return check


def _known(tool: str) -> str:
    found = WRITTEN.fullmatch(tool)
    if not found or (found["name"] and found["name"] not in KNOWN_TOOLS):
        raise ValueError(f"there is no tool {tool!r}")
    return tool


def _schema(output_format: dict[str, JsonValue]) -> dict[str, JsonValue]:
    schema = output_format.get("schema")
    if output_format.keys() != {"type", "schema"} or output_format["type"] != "json_schema":
        raise ValueError('this must be {"type": "json_schema", "schema": {...}}')
    if not isinstance(schema, dict) or schema.get("type") != "object":
        raise ValueError("the schema must be one of an object")
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise ValueError(f"the schema is not valid at {error.json_path}") from None
    except RecursionError:
        raise ValueError("the schema is too deep") from None
    return output_format


def _free(name: str) -> str:
    if OURS.fullmatch(name):
        raise ValueError(f"the variable {name} is not yours to set")
    return name


Tool = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_known)]
Tools = Annotated[list[Tool], Field(max_length=200)]
OutputFormat = Annotated[dict[str, JsonValue], AfterValidator(at_most(32 * 1024)), AfterValidator(_schema)]
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=200), AfterValidator(_free)]
Environment = Annotated[
    dict[Variable, Annotated[str, Field(max_length=8 * 1024)]],
    Field(max_length=100),
    AfterValidator(at_most(64 * 1024)),
]
Server = Annotated[str, Field(min_length=1, max_length=200)]


class Options(SdkOptions):
    """What a client names, and nothing else, overrides what was there before; a null takes it back to the default."""

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
