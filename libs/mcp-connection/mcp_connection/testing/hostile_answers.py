"""The ways in which the hostile server misbehaves."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

type Answer = Callable[[dict[str, Any]], AsyncIterator[bytes]]

MIB = 1024 * 1024
CHUNK = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
TOOL = {"name": "tool", "description": "A tool.", "inputSchema": {"type": "object"}}


async def status(code: int, *headers: str) -> AsyncIterator[bytes]:
    """Answer with a status and no content."""
    lines = [f"HTTP/1.1 {code} Status", *headers, "Content-Length: 0", "", ""]
    yield "\r\n".join(lines).encode()


async def accepted() -> AsyncIterator[bytes]:
    """Answer a notification."""
    yield b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"


async def content(body: bytes, *headers: str, kind: str = "application/json") -> AsyncIterator[bytes]:
    """Answer with a body."""
    lines = ["HTTP/1.1 200 OK", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *headers, "", ""]
    yield "\r\n".join(lines).encode()
    yield body


def result(message: dict[str, Any], value: object) -> AsyncIterator[bytes]:
    """Answer with the result of a request."""
    return content(response(message, json.dumps(value)))


def response(message: dict[str, Any], value: str) -> bytes:
    """Return the response to a request, with a result that is JSON already."""
    return f'{{"jsonrpc": "2.0", "id": {json.dumps(message["id"])}, "result": {value}}}'.encode()


def tools(*fields: dict[str, Any]) -> Answer:
    """List tools with these fields."""
    return lambda message: result(message, {"tools": [TOOL | values for values in fields]})


def raw(value: str) -> Answer:
    """Answer with a result that is written as JSON."""
    return lambda message: content(response(message, value))


def nested(depth: int) -> dict[str, Any]:
    """Return an object in objects."""
    value: dict[str, Any] = {"type": "object"}
    for _ in range(depth):
        value = {"type": "object", "properties": {"a": value}}
    return value


async def hang(message: dict[str, Any]) -> AsyncIterator[bytes]:
    """Answer never."""
    await asyncio.sleep(3600)
    yield b""


async def drip(message: dict[str, Any]) -> AsyncIterator[bytes]:
    """Answer one byte at a time, so that no read takes long, and the head never ends."""
    yield b"HTTP/1.1 200 OK\r\nX: "
    while True:
        yield b"x"
        await asyncio.sleep(0.02)


async def endless_body(message: dict[str, Any]) -> AsyncIterator[bytes]:
    """Answer with a message that never ends."""
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    while True:
        yield CHUNK


def endless_events(event: bytes) -> Answer:
    """Answer with a stream of events that never ends."""

    async def answer(message: dict[str, Any]) -> AsyncIterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
        while True:
            yield event
            await asyncio.sleep(0)

    return answer


async def endpoint(path: str) -> AsyncIterator[bytes]:
    """Begin a connection over SSE, and name the path for messages."""
    yield b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    yield f"event: endpoint\ndata: {path}\n\n".encode()
    await asyncio.sleep(3600)


async def broken_off(message: dict[str, Any]) -> AsyncIterator[bytes]:
    """Close the connection in the middle of an answer."""
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
    raise ConnectionError


async def demanding(message: dict[str, Any]) -> AsyncIterator[bytes]:
    """Ask for the client's model and files before the answer, and announce that the tools have changed."""
    yield b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    sampling: dict[str, Any] = {"messages": [], "maxTokens": 1}
    for number, method, params in ((-1, "sampling/createMessage", sampling), (-2, "roots/list", {})):
        asked = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        yield f"data: {json.dumps(asked)}\n\n".encode()
    yield b"data: " + response(message, '{"tools": []}') + b"\n\n"


FIRST_ANSWERS: Mapping[str, Answer] = {
    "unauthorized": lambda _: status(401, 'WWW-Authenticate: Bearer resource_metadata="https://auth.test/x"'),
    "scope": lambda _: status(403, 'WWW-Authenticate: Bearer error="insufficient_scope"'),
    "forbidden": lambda _: status(403),
    "broken": lambda _: status(500),
    "redirect": lambda _: status(307, "Location: https://elsewhere.test/mcp"),
    "redirect-loop": lambda _: status(307, "Location: /redirect-loop"),
    "hang": hang,
    "drip": drip,
    "web-page": lambda _: content(b"<html>", kind="text/html"),
    "not-json": lambda _: content(b"hello"),
    "other-version": lambda message: result(
        message, {"protocolVersion": "1999-01-01", "capabilities": {}, "serverInfo": {"name": "x", "version": "1"}}
    ),
}
ANSWERS: Mapping[str, Answer] = {
    "endless-body": endless_body,
    "endless-comments": endless_events(b": comment\n\n" * 1000),
    "endless-line": endless_events(b"data: " + b"x" * 0x10000),
    "endless-notifications": endless_events(
        b'data: {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}\n\n' * 100
    ),
    "endless-pages": lambda message: result(message, {"tools": [], "nextCursor": f"after {message['id']}"}),
    "many-tools": tools(*({"name": f"tool{number}"} for number in range(2000))),
    "too-many-tools": tools(*({"name": f"tool{number}"} for number in range(100_000))),
    "long-descriptions": tools({"description": "x" * MIB}),
    "long-name": tools({"name": "x" * 1000}),
    "same-name": tools({}, {"description": "Another tool."}),
    "deep-schema": tools({"inputSchema": nested(40)}),
    "deep-message": raw('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}"),
    "many-values": raw('{"tools": [], "a": [' + "[]," * MIB + "[]]}"),
    "many-items": raw('{"tools": [' + "{}," * 100_000 + "{}]}"),
    "infinite-number": raw('{"tools": [{"name": "x", "inputSchema": {"type": "object", "maximum": 1e999}}]}'),
    "long-number": raw('{"tools": [{"name": "x", "inputSchema": {"type": "object", "a": 1' + "0" * 5000 + "}}]}"),
    "nul-character": tools({"description": "a\0b"}),
    "compressed": lambda message: content(
        gzip.compress(response(message, '{"tools": []}') + b" " * 50 * MIB), "Content-Encoding: gzip"
    ),
    "broken-off": broken_off,
    "ended-session": lambda _: status(404),
    "hanging-list": hang,
    "demanding": demanding,
}
