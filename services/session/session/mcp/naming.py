"""Names of MCP servers and tools as the agent knows them: `mcp__<server>__<tool>`."""

import re
from collections.abc import Iterable

MAX_SERVER_CHARS = 48
MAX_NAME_CHARS = 128
"""Of the whole name of a tool: model providers accept no more."""
# Claude Code treats servers of these names as its own.
RESERVED = re.compile(r"claude|anthropic|(ide|computer-use|remote-devices|workspace)$", re.IGNORECASE)


def prefixes(names: Iterable[str]) -> list[str]:
    """Return the prefix of the tools of each server, unique among them, in the order of the names."""
    return [f"mcp__{name}__" for name in _unique(map(_server, names), MAX_SERVER_CHARS)]


def tool_names(prefix: str, names: Iterable[str]) -> list[str]:
    """Return the names of a server's tools without the prefix, unique among them, in the order of the names."""
    return _unique((_plain(name) or "tool" for name in names), MAX_NAME_CHARS - len(prefix))


def _server(name: str) -> str:
    # Two underscores in a row separate the server from the tool.
    plain = re.sub("_{2,}", "_", _plain(name)).strip("_") or "server"
    return f"server_{plain}" if RESERVED.match(plain) else plain


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)


def _unique(names: Iterable[str], length: int) -> list[str]:
    found: dict[str, None] = {}
    for name in names:
        unique, number = name[:length], 2
        while unique in found:
            unique, number = f"{name[: length - len(str(number)) - 1]}_{number}", number + 1
        found[unique] = None
    return list(found)
