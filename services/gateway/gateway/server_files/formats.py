"""The formats of files with MCP servers, read and written.

The native format is a list `mcp_servers` of servers with the fields of the API. `mcpServers` is the object of Claude
Desktop, Claude Code and Cursor, and `servers` that of VS Code; both map names to what these applications start.
References like `${VAR}` are kept as they are.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, cast

from contracts.mcp_registry.server import ServerExport
from pydantic import ValidationError

from gateway.problems.validation_messages import message, with_known_fields
from gateway.schemas.mcp_server import NewMcpServer
from gateway.server_files.parser import invalid_file

type Style = Literal["native", "mcpServers", "vscode"]
type Fields = dict[str, Any]

MAX_ENTRIES = 200
OF_PROGRAMS = ("command", "args", "env", "network_hosts", "workspace")
OF_URLS = ("url", "headers")
TYPES = {
    "stdio": "STDIO",
    "http": "HTTP",
    "streamable-http": "HTTP",
    "streamableHttp": "HTTP",
    "streamable_http": "HTTP",
    "sse": "SSE",
}
"""Our types by those in files of other applications."""


@dataclass(frozen=True)
class Entry:
    """A server in a file: what it defines, or the `error` that is in it."""

    name: str
    server: NewMcpServer | None = None
    error: str = ""


def read(content: Any) -> list[Entry]:
    """Return the servers in the parsed content of a file.

    Raises:
        Problem: it has no known format, or too many servers.
    """
    entries = list(_found(content))
    if len(entries) > MAX_ENTRIES:
        raise invalid_file(f"it has more than {MAX_ENTRIES} servers")
    return [_entry(name, fields, is_native) for name, fields, is_native in entries]


def written(servers: list[ServerExport], style: Style, *, secrets: bool) -> Fields:
    """Return the content of a file with these servers, with `env` and `headers` only if `secrets`."""
    if style == "native":
        return {"mcp_servers": [_native(server, secrets=secrets) for server in servers]}
    shared = {server.name: _foreign(server, secrets=secrets) for server in servers}
    return {"mcpServers": shared} if style == "mcpServers" else {"servers": shared, "inputs": []}


def _found(content: Any) -> Iterator[tuple[str, Any, bool]]:
    """Yield the name and the fields of each server, and whether the format is the native one."""
    groups = _object(content)
    if isinstance(native := groups.get("mcp_servers"), list):
        for number, fields in enumerate(cast(list[Any], native), 1):
            name = _object(fields).get("name")
            yield name if isinstance(name, str) else f"server {number}", fields, True
        return
    of_old_settings = _object(groups.get("mcp")).get("servers")
    for group in (groups.get("mcpServers"), groups.get("servers"), of_old_settings):
        if isinstance(group, dict):
            yield from ((name, fields, False) for name, fields in _object(cast(Any, group)).items())
            return
    raise invalid_file("it has none of the objects `mcpServers` and `servers`, and no list `mcp_servers`")


def _object(value: Any) -> Fields:
    return cast(Fields, value) if isinstance(value, dict) else {}


def _entry(name: str, fields: Any, is_native: bool) -> Entry:
    try:
        values = _object(fields) if is_native else _of_other_application(name, _object(fields))
        return Entry(name, NewMcpServer.model_validate(_with_texts(values)))
    except ValidationError as error:
        [first, *_] = with_known_fields(error.errors(include_input=False, include_url=False), NewMcpServer)
        where = ".".join(str(part) for part in first["loc"] if part != "[key]")
        return Entry(name, error=f"{where}: {message(first)}" if where else message(first))
    except ValueError as error:
        return Entry(name, error=str(error))


def _of_other_application(name: str, fields: Fields) -> Fields:
    kind = _type(fields)
    values: Fields = {"name": name, "server_type": kind}
    for field in ("command", "args", "env") if kind == "STDIO" else OF_URLS:
        if fields.get(field) is not None:
            values[field] = fields[field]
    if kind == "STDIO":
        values.setdefault("args", [])  # those of a server that is replaced belong to its earlier program
    if fields.get("disabled") is True or fields.get("enabled") is False:
        values["is_enabled"] = False
    return values


def _type(fields: Fields) -> str:
    named = fields.get("type", fields.get("transport"))
    match named, fields:
        case str(), _ if named in TYPES:
            return TYPES[named]
        case None, {"command": _}:
            return "STDIO"
        case None, {"url": str(url)}:
            return "SSE" if url.partition("?")[0].rstrip("/").endswith("/sse") else "HTTP"
        case None, _:
            raise ValueError("has neither `command` nor `url`")
        case _:
            raise ValueError(f"type: must be one of: {', '.join(TYPES)}")


def _with_texts(fields: Fields) -> Fields:
    """Return the fields with the values of variables, headers and arguments as text: people write `DEBUG: true`."""
    values = dict(fields)
    for name in ("env", "headers"):
        if isinstance(each := values.get(name), dict):
            values[name] = {key: _text(value) for key, value in cast(Fields, each).items() if value is not None}
    if isinstance(arguments := values.get("args"), list):
        values["args"] = list(map(_text, cast(list[Any], arguments)))
    return values


def _text(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _native(server: ServerExport, *, secrets: bool) -> Fields:
    hidden = {"id", *(OF_URLS if server.server_type == "STDIO" else OF_PROGRAMS)}
    return server.model_dump(exclude=hidden if secrets else hidden | {"env", "headers"})


def _foreign(server: ServerExport, *, secrets: bool) -> Fields:
    if server.server_type == "STDIO":
        fields: Fields = {"type": "stdio", "command": server.command, "args": server.args}
        variables = {"env": server.env}
    else:
        fields = {"type": server.server_type.lower(), "url": server.url}
        variables = {"headers": server.headers}
    return fields | (variables if secrets else {}) | ({} if server.is_enabled else {"disabled": True})
