"""Tools: functions that MCP clients call, described by their names, docstrings and annotations."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, get_type_hints

from mcp_types import Tool as Definition
from mcp_types import ToolAnnotations
from pydantic import BaseModel, ValidationError

from gateway.mcp_server.call import Call
from gateway.problems import translation
from gateway.problems.validation_messages import with_known_fields
from gateway.schemas.base import ResponseModel

READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
CREATES = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False)
CANCELS = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False)
RUNS_AGENT = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=True)


@dataclass(frozen=True)
class Tool:
    """A tool. One that `nests` uses another agent, which an agent may do only up to a certain depth."""

    definition: Definition
    arguments: type[BaseModel]
    function: Callable[[Any, Call], Awaitable[ResponseModel]]
    nests: bool

    @property
    def annotations(self) -> ToolAnnotations:
        """What the tool does to its environment."""
        return self.definition.annotations or ToolAnnotations()

    async def __call__(self, arguments: dict[str, Any], call: Call) -> ResponseModel:
        """Call the tool.

        Raises:
            Problem: the arguments are not valid, the caller may not use the tool, or what it does failed.
            Refusal: a service refused it.
            Unavailable: a service did not answer.
        """
        if not self.annotations.read_only_hint:
            call.caller.check("write")
        if self.nests:
            call.check_depth()
        return await self.function(self._validated(arguments), call)

    def _validated(self, arguments: dict[str, Any]) -> BaseModel:
        try:
            return self.arguments.model_validate(arguments)
        except ValidationError as error:
            errors = [{**each, "loc": ("arguments", *each["loc"])} for each in error.errors()]
            raise translation.invalid(with_known_fields(errors, self.arguments, start=1)) from None


class Tools:
    """The tools of one subject."""

    def __init__(self) -> None:
        self.all: list[Tool] = []

    def add[A: BaseModel, R: ResponseModel](
        self, annotations: ToolAnnotations, *, nests: bool = False
    ) -> Callable[[Callable[[A, Call], Awaitable[R]]], Callable[[A, Call], Awaitable[R]]]:
        """Return a decorator that adds a function as a tool; its docstring is what models read."""

        def add(function: Callable[[A, Call], Awaitable[R]]) -> Callable[[A, Call], Awaitable[R]]:
            arguments, _, result = get_type_hints(function).values()
            name = function.__name__
            definition = Definition(
                name=name,
                title=name.replace("_", " ").capitalize(),
                description=inspect.getdoc(function),
                input_schema=_schema(arguments, "validation"),
                output_schema=_schema(result, "serialization"),
                annotations=annotations,
            )
            self.all.append(Tool(definition, arguments, function, nests))
            return function

        return add


def _schema(model: type[BaseModel], mode: Any) -> dict[str, Any]:
    schema = model.model_json_schema(mode=mode)
    for each in (schema, *schema.get("$defs", {}).values()):
        each.pop("examples", None)
    return schema
