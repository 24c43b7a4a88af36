"""The rules for the definition and the secrets of a server; what breaks one is refused with the name of its field.

Definitions are stored in clear, and values end up in requests and in the environment of programs.
"""

import re
from collections.abc import Iterable

from contracts.mcp_registry.names import id_of
from contracts.mcp_registry.values import MAX_TOOLS, ServerDefinition, ServerSecrets
from contracts.refusals import Code, Refusal

MAX_NAME, MAX_DESCRIPTION, MAX_URL, MAX_TOOL_NAME = 64, 2000, 2048, 256
"""In characters."""
MAX_ITEMS = 100
"""Arguments, hosts, variables and headers of a server, each."""
MAX_ARGUMENT_BYTES, MAX_SECRET_BYTES = 4096, 32 * 1024
MAX_TOTAL_BYTES = 64 * 1024
"""As JSON, with the secrets. A page of servers, and all servers of an owner, fit into one message of the bus."""

# Without user and password, which would be stored in clear.
_URL = re.compile(r"(?ai:https?)://[^/?#@\\\x00-\x20\x7f-\U0010ffff]+([/?][!\"$-~]*)?")
_HOST = re.compile(r"\*|(\*\.)?[A-Za-z0-9._-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")
MAX_PORT, MAX_PORT_DIGITS = 65535, 5
PORT_RANGE = f"must have a port from 1 to {MAX_PORT}, or none"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,255}")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
_HEADER_VALUE = re.compile(r"[!-~\x80-\xff]([\t -~\x80-\xff]*[!-~\x80-\xff])?|")
# The client sets these, or they would change where a request goes or ends.
_RESERVED_HEADERS = frozenset(
    {
        *("accept", "accept-encoding", "connection", "content-encoding", "content-length", "content-type", "expect"),
        *("host", "keep-alive", "last-event-id", "mcp-protocol-version", "mcp-session-id", "proxy-authorization"),
        *("proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"),
    }
)


def check_definition(definition: ServerDefinition) -> None:
    """Check a definition.

    Raises:
        Refusal: INVALID_SERVER, with the field and what is wrong.
    """
    _check_name(definition.name)
    _check(len(definition.description) <= MAX_DESCRIPTION, "description", f"has more than {MAX_DESCRIPTION} characters")
    if definition.server_type == "STDIO":
        _check_stdio(definition)
    else:
        _check_remote(definition)
    tools = definition.allowed_tools or []
    _check(len(tools) <= MAX_TOOLS, "allowed_tools", f"has more than {MAX_TOOLS} names")
    _check(all(0 < len(name) <= MAX_TOOL_NAME for name in tools), "allowed_tools", "has an empty or too long name")


def check_secrets(definition: ServerDefinition, secrets: ServerSecrets) -> None:
    """Check the values of variables and headers, and the size of the definition together with them.

    Raises:
        Refusal: INVALID_SERVER, with the field and the name; never with a value.
    """
    is_program = definition.server_type == "STDIO"
    _check(is_program or not secrets.env, "env", "is for STDIO servers only")
    _check(not is_program or not secrets.headers, "headers", "is for HTTP and SSE servers only")
    for name, value in _bounded("env", secrets.env):
        _check(_VARIABLE.fullmatch(name) is not None, "env", f"{name!r} is not the name of a variable")
        _check("\0" not in value, "env", f"the value of {name} contains NUL")
    names = [name.lower() for name in secrets.headers]
    _check(len({*names}) == len(names), "headers", "has a name twice")
    for name, value in _bounded("headers", secrets.headers):
        _check(_HEADER.fullmatch(name) is not None, "headers", f"{name!r} is not the name of a header")
        _check(name.lower() not in _RESERVED_HEADERS, "headers", f"{name} cannot be set")
        _check(_HEADER_VALUE.fullmatch(value) is not None, "headers", f"{name} has a value that no header can have")
    size = sum(len(part.model_dump_json().encode()) for part in (definition, secrets))
    _check(size <= MAX_TOTAL_BYTES, "the server", f"has more than {MAX_TOTAL_BYTES // 1024} KiB")


def _check_name(name: str) -> None:
    _check(0 < len(name) <= MAX_NAME, "name", f"must have 1 to {MAX_NAME} characters")
    _check(name.isprintable() and name == name.strip(), "name", "has characters that cannot be seen")
    _check(id_of(name) is None, "name", "looks like an id, by which sessions could mean another server")


def _check_stdio(definition: ServerDefinition) -> None:
    _check(definition.url is None, "url", "is for HTTP and SSE servers only")
    _check(bool(definition.command), "command", "is required for a STDIO server")
    _check(len(definition.args) <= MAX_ITEMS, "args", f"has more than {MAX_ITEMS} arguments")
    words = [("command", definition.command or ""), *(("args", arg) for arg in definition.args)]
    for field, word in words:
        _check(len(word.encode(errors="replace")) <= MAX_ARGUMENT_BYTES, field, "is longer than 4096 bytes")
        _check("\0" not in word, field, "contains NUL")
    _check(len(definition.network_hosts) <= MAX_ITEMS, "network_hosts", f"has more than {MAX_ITEMS} hosts")
    for host in definition.network_hosts:
        valid = len(host) <= MAX_TOOL_NAME and _HOST.fullmatch(host)
        _check(bool(valid), "network_hosts", f"{host[:64]!r} is not `host`, `host:port`, `*.domain` or `*`")
        _check(_has_valid_port(host), "network_hosts", PORT_RANGE)


def _check_remote(definition: ServerDefinition) -> None:
    for field, value in (("command", definition.command), ("args", definition.args)):
        _check(not value, field, "is for STDIO servers only")
    _check(not definition.network_hosts, "network_hosts", "is for STDIO servers only")
    _check(definition.workspace == "none", "workspace", "is for STDIO servers only")
    url = definition.url or ""
    _check(bool(url), "url", f"is required for a server of type {definition.server_type}")
    valid = len(url) <= MAX_URL and _URL.fullmatch(url)
    _check(bool(valid), "url", "must be http:// or https:// with a host, without a user, a password or a fragment")
    _check(_has_valid_port(url.split("/")[2]), "url", PORT_RANGE)


def _has_valid_port(authority: str) -> bool:
    """Return whether the port of a host is one, if it has one."""
    _, colon, port = authority.partition("?")[0].rpartition("]")[2].rpartition(":")
    return not colon or (port.isdecimal() and len(port) <= MAX_PORT_DIGITS and 0 < int(port) <= MAX_PORT)


def _bounded(field: str, values: dict[str, str]) -> Iterable[tuple[str, str]]:
    _check(len(values) <= MAX_ITEMS, field, f"has more than {MAX_ITEMS} values")
    for name, value in values.items():
        _check(len(value.encode(errors="replace")) <= MAX_SECRET_BYTES, field, f"{name[:64]!r} is longer than 32 KiB")
    return values.items()


def _check(valid: bool, field: str, problem: str) -> None:
    if not valid:
        raise Refusal(Code.INVALID_SERVER, f"{field}: {problem}.")
