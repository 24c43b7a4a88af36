"""The tools of a server that an agent gets."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from contracts.mcp_registry.values import Fingerprint, ServerConnection, Tool
from mcp import types
from mcp_connection import fingerprint

from session.mcp.masking import masked
from session.mcp.naming import tool_names


@dataclass(frozen=True)
class OfferedTool:
    """A tool that the agent gets. The agent knows it by another name if its own is not valid for models."""

    tool: Tool
    fingerprint: Fingerprint

    def under(self, name: str, redact: Callable[[str], str]) -> types.Tool:
        """Return the description of the tool for the agent.

        It has no output schema: the agent would refuse results that were cut to a bound.
        """
        tool = masked(self.tool, redact)
        return types.Tool(
            name=name,
            title=tool.title,
            description=tool.description,
            input_schema=tool.input_schema,
            annotations=types.ToolAnnotations.model_validate(tool.annotations),
        )


@dataclass(frozen=True)
class Offer:
    """The tools of a server that the agent gets, by their names there, and the names of those that are withheld."""

    tools: dict[str, OfferedTool] = field(default_factory=dict[str, OfferedTool])
    withheld: list[str] = field(default_factory=list[str])

    def is_read_only(self, name: str) -> bool:
        """Return whether a tool says that it changes nothing, which its owner has accepted."""
        return name in self.tools and self.tools[name].tool.annotations.get("readOnlyHint") is True


def offer(server: ServerConnection, prefix: str, listed: Iterable[Tool]) -> Offer:
    """Return which of the listed tools the agent gets: those that may be used, and that the owner has accepted.

    Before the first check of a server nothing is accepted or refused yet, and its first list will be accepted.
    """
    allowed, accepted = server.definition.allowed_tools, server.accepted_tools
    usable = [OfferedTool(tool, fingerprint(tool)) for tool in listed if allowed is None or tool.name in allowed]
    offered = [each for each in usable if accepted is None or accepted.get(each.tool.name) == each.fingerprint]
    names = tool_names(prefix, (each.tool.name for each in offered))
    withheld = [each.tool.name for each in usable if each not in offered]
    return Offer(dict(zip(names, offered, strict=True)), withheld)
