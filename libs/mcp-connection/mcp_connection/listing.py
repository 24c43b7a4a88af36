"""Listings of tools, resources and prompts: pages that end, and values that can be stored."""

import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol, cast

import mcp_types
from contracts.mcp_registry.values import MAX_TOOLS, MAX_TOOLS_BYTES, Tool
from contracts.refusals import Code

from mcp_connection.failures import ConnectionFailed

MAX_PAGES = 100
MAX_SCHEMA_DEPTH = 64
MAX_NAME_LENGTH = 128


class Page(Protocol):
    """A page of a listing."""

    next_cursor: str | None


async def list_all[P: Page, T](fetch: Callable[[str | None], Awaitable[P]], items: Callable[[P], list[T]]) -> list[T]:
    """Return the items of all pages, at most MAX_TOOLS. Raise ConnectionFailed beyond that or MAX_PAGES."""
    found: list[T] = []
    cursor: str | None = None
    for _ in range(MAX_PAGES):
        page = await fetch(cursor)
        found.extend(items(page))
        if len(found) > MAX_TOOLS:
            raise ConnectionFailed(Code.MCP_SERVER_INVALID, f"The server lists more than {MAX_TOOLS} items.")
        if page.next_cursor is None or page.next_cursor == cursor:
            return found
        cursor = page.next_cursor
    raise ConnectionFailed(Code.MCP_SERVER_INVALID, f"A listing of the server has more than {MAX_PAGES} pages.")


def to_tools(listed: list[mcp_types.Tool]) -> list[Tool]:
    """Return the tools as they can be stored. Raise ConnectionFailed if that is impossible, or beyond a bound."""
    tools = [_to_tool(tool) for tool in listed]
    names = {tool.name for tool in tools}
    if len(names) < len(tools):
        raise ConnectionFailed(Code.MCP_SERVER_INVALID, "The server lists two tools with the same name.")
    if sum(_size(tool) for tool in tools) > MAX_TOOLS_BYTES:
        limit = f"{MAX_TOOLS_BYTES // 1024} KiB"
        raise ConnectionFailed(Code.MCP_SERVER_INVALID, f"The descriptions of the tools exceed {limit} together.")
    return tools


def _to_tool(tool: mcp_types.Tool) -> Tool:
    if not 0 < len(tool.name) <= MAX_NAME_LENGTH or not tool.name.isprintable():
        raise ConnectionFailed(
            Code.MCP_SERVER_INVALID, f"The name of a tool must have 1 to {MAX_NAME_LENGTH} printable characters."
        )
    for schema in (tool.input_schema, tool.output_schema):
        if is_deeper(schema, MAX_SCHEMA_DEPTH):
            raise ConnectionFailed(Code.MCP_SERVER_INVALID, f"A schema of the tool {tool.name} is nested too deeply.")
    return Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description or "",
        input_schema=tool.input_schema,
        output_schema=tool.output_schema,
        annotations=tool.annotations.model_dump(mode="json", by_alias=True, exclude_none=True)
        if tool.annotations
        else {},
    )


def _size(tool: Tool) -> int:
    """Return the size as JSON. Infinite numbers, endless integers and NUL characters can be stored nowhere."""
    try:
        text = json.dumps(tool.model_dump(), allow_nan=False)
    except ValueError as error:
        raise ConnectionFailed(
            Code.MCP_SERVER_INVALID, f"The tool {tool.name} contains a number out of range."
        ) from error
    if "\\u0000" in text:
        raise ConnectionFailed(Code.MCP_SERVER_INVALID, f"The tool {tool.name} contains a NUL character.")
    return len(text)


def is_deeper(value: object, depth: int) -> bool:
    """Return whether lists and objects are nested more than `depth` times."""
    level = [value]
    for _ in range(depth + 1):
        level = [child for item in level for child in _children(item)]
        if not level:
            return False
    return True


def _children(value: object) -> Iterable[object]:
    match value:
        case dict():
            return cast(dict[str, object], value).values()
        case list():
            return cast(list[object], value)
        case _:
            return ()
