"""A session over a WebSocket: events go out, commands come in. Every message is `{type, data}`."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing, suppress
from typing import Any
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.session.session import GetSession
from fastapi.exceptions import RequestValidationError
from runtime.bus import Unavailable
from starlette.websockets import WebSocket, WebSocketDisconnect

from gateway.clients.auth.callers import User
from gateway.clients.auth.token import SUBPROTOCOL_PREFIX
from gateway.problems import EdgeCode, Problem, translation
from gateway.routing.parameters import unclear_parameters
from gateway.streams import legacy, websocket_payloads
from gateway.streams.commands import Commands, Report
from gateway.streams.events import CHUNK_BYTES, SEND_TIMEOUT_SECONDS
from gateway.streams.fan_out import StreamItem, Streams
from gateway.streams.items import GONE, SHUTTING_DOWN, Delta, End, Gap, Heartbeat, PublishedEvent, to_json
from gateway.streams.listener import Listener

NORMAL, GOING_AWAY, POLICY_VIOLATION, INTERNAL_ERROR, TRY_AGAIN_LATER = 1000, 1001, 1008, 1011, 1013
CLOSE_CODES: dict[Code | EdgeCode, int] = {
    EdgeCode.UNAVAILABLE: INTERNAL_ERROR,
    EdgeCode.INTERNAL_ERROR: INTERNAL_ERROR,
    EdgeCode.TOO_MANY_STREAMS: TRY_AGAIN_LATER,
}
"""The close codes of errors; POLICY_VIOLATION for all others."""
PARAMETERS = {"token", "after", "types", "legacy"}

type Authenticate = Callable[[WebSocket], User]
type MakeCommands = Callable[[User, UUID], Commands]


async def converse(
    socket: WebSocket, session_id: str, authenticate: Authenticate, streams: Streams, make: MakeCommands, report: Report
) -> None:
    """Serve one client until it leaves, the server shuts down, or the token is no longer valid."""
    await socket.accept(_protocol(socket))
    try:
        user = authenticate(socket)
        user.check("read")
        _check_parameters(socket)
        commands = make(user, _parse_id(session_id))
        await _Conversation(socket, user, commands, streams).run()
    except (Problem, Refusal, RequestValidationError, Unavailable) as error:
        problem = translation.of(error)
        report(problem, "streamSession")
        await _end(socket, End.of(problem))
    except WebSocketDisconnect:
        pass


class _Conversation:
    def __init__(self, socket: WebSocket, user: User, commands: Commands, streams: Streams) -> None:
        self.socket, self.user, self.commands, self.streams = socket, user, commands, streams
        self.session_id = commands.session_id
        is_legacy = socket.query_params.get("legacy") == "true"
        self.vocabulary = legacy if is_legacy else websocket_payloads
        types = socket.query_params.get("types")
        self.listener = Listener.of_session(user.token, self.session_id, types, self.vocabulary.message_type)

    async def run(self) -> None:
        async with self.streams.listening(self.listener):
            await self.streams.start(self.listener, self.socket.query_params.get("after"))
            # Only now: a deletion between this query and the start of the stream would be missed.
            await self.user.ask(GetSession(session_id=self.session_id))
            cursor = str(self.listener.cursor)
            await _send(self.socket, "connected", {"session_id": str(self.session_id), "resume_from": cursor})
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(self._read())
                await self._write()
                reading.cancel()

    async def _write(self) -> None:
        try:
            async with aclosing(self.streams.items(self.listener)) as items:
                async for item in items:
                    await self._send_item(item)
        except (TimeoutError, OSError, WebSocketDisconnect):  # the client does not read, or is gone
            self.listener.leave()
        except Exception as error:  # noqa: BLE001  the last resort, as at the edge
            await _end(self.socket, End.of(translation.of(error)))

    async def _send_item(self, item: StreamItem) -> None:
        match item:
            case None:
                pass  # the WebSocket server sends pings of its own
            case PublishedEvent():
                await _send(self.socket, *await self.vocabulary.message_of(item, self.session_id, self.user))
                if self.listener.is_over(item):
                    await _close(self.socket, NORMAL, "terminated")
            case Delta():
                await _send(self.socket, item.name, item.payload)
            case Heartbeat():
                await _send(self.socket, "heartbeat", item.payload)
            case Gap():
                await _send(self.socket, "gap", item.payload)
                await _close(self.socket, NORMAL, "gap")
            case End():
                await _end(self.socket, item)

    async def _read(self) -> None:
        # The reply is sent before the next message is read: a client that does not read its replies is not read either.
        with suppress(TimeoutError, OSError, WebSocketDisconnect):
            while (message := await self.socket.receive())["type"] != "websocket.disconnect":
                reply = await self.commands.answer(message.get("text") or "")
                name = self.vocabulary.message_type(reply.name)
                with suppress(RuntimeError):  # the socket was closed meanwhile
                    await _send(self.socket, name, reply.data, reply.to)
        self.listener.leave()


def _check_parameters(socket: WebSocket) -> None:
    errors = unclear_parameters(socket.query_params, PARAMETERS)
    if socket.query_params.get("legacy", "true") not in ("true", "false"):
        errors.append({"loc": ("query", "legacy"), "type": "bool_parsing", "msg": "Must be true or false"})
    if errors:
        raise RequestValidationError(errors)


def _protocol(socket: WebSocket) -> str | None:
    # Browsers close a connection whose server selects none of the offered protocols.
    return next((name for name in socket.scope["subprotocols"] if not name.startswith(SUBPROTOCOL_PREFIX)), None)


def _parse_id(session_id: str) -> UUID:
    try:
        return UUID(session_id)
    except ValueError:
        raise Refusal(Code.SESSION_NOT_FOUND, f"There is no session {session_id[:100]}.") from None


async def _end(socket: WebSocket, end: End) -> None:
    if end is GONE:
        return
    if end is SHUTTING_DOWN:
        await _close(socket, GOING_AWAY, end.message)
        return
    with suppress(TimeoutError, OSError, WebSocketDisconnect):
        await _send(socket, "error", end.payload)
    await _close(socket, CLOSE_CODES.get(end.code, POLICY_VIOLATION), end.code)


async def _send(socket: WebSocket, kind: str, data: Mapping[str, Any], to: str | int | None = None) -> None:
    reply_to = {} if to is None else {"reply_to": to}
    text = to_json({"type": kind, "data": data, **reply_to})
    # A message is sent by one call, whose progress is unknown: the timeout grows with its length.
    async with asyncio.timeout(SEND_TIMEOUT_SECONDS * (1 + len(text) // CHUNK_BYTES)):
        await socket.send_text(text)


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    with suppress(TimeoutError, OSError, RuntimeError, WebSocketDisconnect):
        async with asyncio.timeout(SEND_TIMEOUT_SECONDS):
            await socket.close(code, reason)
