"""The events of an agent's turn."""

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

from contracts.refusals import Code
from contracts.session.mcp import McpServerUse
from contracts.session.values import Block
from pydantic import JsonValue
from runtime.clock import new_id
from runtime.nesting import MAX_DEPTH, MAX_VALUES, too_complex

from session.agent.draft import Kind
from session.agent.model_proxy import Tokens

_SURROGATES = re.compile("[\ud800-\udfff]")
TOO_COMPLEX = f"is nested more than {MAX_DEPTH} levels deep, or has more than {MAX_VALUES} values."
TRUNCATED: dict[str, Any] = {"truncated": True, "reason": f"The value {TOO_COMPLEX}"}
"""Replaces the input or output of a tool that is too complex to be stored."""
BUDGET_REACHED = "The session reached its `max_budget_usd`."


@dataclass(frozen=True)
class AssistantMessage:
    """A message of the model, with text and tool calls; of a subagent, if `parent_tool_use_id` is set.

    `entry_id` is the id of the message's first entry in the transcript. A message is `incomplete` if its turn ended
    while it was streamed.
    """

    blocks: list[Block]
    model: str
    parent_tool_use_id: str | None = None
    message_id: UUID = field(default_factory=new_id)
    entry_id: UUID | None = None
    incomplete: bool = False

    @property
    def own_entry(self) -> UUID | None:
        """The entry of a complete message of the agent itself."""
        return None if self.parent_tool_use_id or self.incomplete else self.entry_id


@dataclass(frozen=True)
class ToolReturned:
    """The result of a tool call, which says why the call was `denied` if it was.

    It `ended` at this time, in seconds since 1970, if the agent made it.
    """

    tool_use_id: str
    output: dict[str, Any]
    is_error: bool
    duration_ms: int
    denied: bool = False
    ended: float | None = None


@dataclass(frozen=True)
class Delta:
    """The next piece of a text that is being generated; the whole text follows in the message `message_id`."""

    text: str
    kind: Kind
    message_id: UUID


@dataclass(frozen=True)
class Finished:
    """The end of a turn.

    `input_tokens` include those read from the cache. `cost_usd` is the cost of this turn alone. `reported` is the usage
    that the agent reported for this turn, subagents included. `died` says that the agent's process was lost, so that
    another one may go on.
    """

    duration_ms: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    error_code: Code | None = None
    error_detail: str | None = None
    structured_output: JsonValue = None
    reported: Tokens = field(default_factory=Tokens)
    died: bool = False


@dataclass(frozen=True)
class ServersConnected:
    """The MCP servers that the session names, connected or not; reported before the turn begins."""

    servers: list[McpServerUse]


type AgentEvent = ServersConnected | AssistantMessage | ToolReturned | Delta | Finished


def clean[V](value: V) -> V:
    """Return a copy of a JSON value in which lone surrogates are replaced: JSON allows them, UTF-8 does not."""
    match value:
        case str():
            return cast(V, _SURROGATES.sub("\ufffd", value))
        case dict():
            mapping = cast(dict[str, Any], value)
            return cast(V, {clean(name): clean(item) for name, item in mapping.items()})
        case list():
            return cast(V, [clean(item) for item in cast(list[Any], value)])
        case _:
            return value


def shown_input(tool_input: dict[str, Any]) -> dict[str, Any]:
    """Return the input of a tool call as it is stored."""
    return TRUNCATED if too_complex(tool_input) else clean(tool_input)


def tool_output(content: Any) -> dict[str, Any]:
    """Return the output of a tool call from the content of its result, which may be forged."""
    return clean(TRUNCATED if too_complex(content) else {"content": _text(content)})


def _text(content: Any) -> Any:
    if isinstance(content, list):
        return "\n".join(map(_text_of, cast(list[Any], content)))
    return content or ""


def _text_of(part: Any) -> str:
    match part:
        case {"text": text}:
            return str(text)
        case {**other}:
            return f"[{other.get('type')}]"
        case _:
            return str(part)
