"""Permitted parts of a request to the model: nothing that makes the provider act outside of the conversation.

The provider's API also has tools that it executes itself, connections to MCP servers, files, and content that it
fetches from URLs. An agent would reach the Internet through them, past its sandbox and all approvals.
"""

import re
from enum import Enum, auto

MEMBERS = frozenset(
    {
        # Those that Claude Code sends
        *("context_management", "max_tokens", "messages", "metadata", "model", "output_config", "stream", "system"),
        *("temperature", "thinking", "tool_choice", "tools"),
        # Harmless ones, for other programs
        *("stop_sequences", "top_k", "top_p"),
    }
)
SOURCE_MEMBERS = frozenset({"content", "data", "media_type", "type"})
SOURCE_TYPES = frozenset({"base64", "content", "text"})
# Values that the API passes through: arguments of tools and JSON schemas.
OPAQUE = frozenset({"input", "input_examples", "input_schema", "schema"})
MAX_LEVELS = 64

# Types with a date are tools of the provider's API and strategies of its context management.
_DATED = re.compile(r".*_20\d{6}", re.DOTALL)
_CLIENT_TOOL = re.compile(r"(bash|computer|memory|text_editor)_20\d{6}")  # executed by the agent
_SEARCH = re.compile(r"web_search_20\d{6}")
_CONTEXT_EDIT = re.compile(r"(clear_thinking|clear_tool_uses)_20\d{6}")


class Level(Enum):
    """The place of an object or a list in a request."""

    REQUEST = auto()
    TOOLS = auto()
    TOOL = auto()
    SOURCE = auto()
    OTHER = auto()


class Structure:
    """Follows the objects and lists of a request, from the first one to the last.

    Methods return a problem, or None. Keys are lower-case, as a lenient parser of the provider may understand them.
    """

    def __init__(self) -> None:
        self.searches = False
        self._levels, self._opaque_levels = [Level.REQUEST], 0
        self._members = set[str]()

    @property
    def is_opaque(self) -> bool:
        """Whether the present position is in a value that the API passes through."""
        return self._opaque_levels > 0

    def open(self, key: str | None, *, is_object: bool) -> str | None:
        """Enter an object or a list, the value of `key` or an item of a list."""
        if self._opaque_levels or key in OPAQUE:
            self._opaque_levels += 1
            return None
        self._levels.append(self._level(key, is_object=is_object))
        return f"The body is nested more than {MAX_LEVELS} levels deep." if len(self._levels) > MAX_LEVELS else None

    def close(self) -> None:
        """Leave an object or a list."""
        if self._opaque_levels:
            self._opaque_levels -= 1
        else:
            self._levels.pop()

    def member(self, key: str, written: bytes) -> str | None:
        """Check a key; `written` is the JSON string."""
        match self._levels[-1]:
            case Level.REQUEST:
                return self._member_of_request(key, written)
            case Level.SOURCE if key not in SOURCE_MEMBERS:
                return f'A source must not have "{key}": send the content itself.'
            case _:
                return 'The body must not have "file_id": send the content itself.' if key == "file_id" else None

    def type(self, value: str | None) -> str | None:
        """Check the value of a key `type`, None if it is not a string."""
        level = self._levels[-1]
        if level is Level.SOURCE:
            valid = value in SOURCE_TYPES
            return None if valid else f'A source must not be of type "{value}": send the content itself.'
        is_tool = level is Level.TOOL
        if value is None or not (is_tool or _DATED.fullmatch(value)):
            return None
        if _SEARCH.fullmatch(value):
            self.searches = True
            return None
        valid = _CLIENT_TOOL.fullmatch(value) or (value == "custom" if is_tool else _CONTEXT_EDIT.fullmatch(value))
        return None if valid else f'"{value}" is not available to agents.'

    def _member_of_request(self, key: str, written: bytes) -> str | None:
        if key not in MEMBERS:
            return f'The member "{key[:100]}" is not available to agents.'
        if written != f'"{key}"'.encode():
            return f'The key "{key}" must be written without escapes and in lower case.'
        if key in self._members:
            return f'The body has "{key}" more than once.'
        self._members.add(key)
        return None

    def _level(self, key: str | None, *, is_object: bool) -> Level:
        parent = self._levels[-1]
        if key == "tools" and parent is Level.REQUEST:
            return Level.TOOLS
        # A message can add a tool, too; there it is a `definition`.
        if is_object and (key == "definition" or (key is None and parent is Level.TOOLS)):
            return Level.TOOL
        return Level.SOURCE if is_object and key == "source" else Level.OTHER
