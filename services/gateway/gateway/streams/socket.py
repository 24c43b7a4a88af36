"""A session over a WebSocket: what happens goes out, queries come in. Every message is `{type, data}`."""

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import aclosing, suppress
from typing import Any, cast
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.session.approvals import ApprovalView, DecideApproval
from contracts.session.commands import InterruptSession, SubmitQuery
from contracts.session.queries import GetSession, RunView, SessionView
from pydantic import ValidationError
from runtime import clock
from runtime.bus import Unavailable
from starlette.websockets import WebSocket, WebSocketDisconnect

from gateway import translation
from gateway.auth.callers import User
from gateway.problems import EdgeCode, Problem
from gateway.schemas.approvals import SpokenDecision
from gateway.schemas.conversation import NewQuery
from gateway.state import gateway_of
from gateway.streams import Told
from gateway.streams.events import PATIENCE, PIECE
from gateway.streams.items import CLOSING, GONE, Beat, End, Fact, Gap, Reply
from gateway.streams.listener import Listener

NORMAL, GOING_AWAY, POLICY, FAULT = 1000, 1001, 1008, 1011
BEARER = "bearer."
TYPES = {
    "session.message_recorded": "message",
    "session.tool_call_started": "tool_call_started",
    "session.tool_call_ended": "tool_call_completed",
    "session.approval_requested": "approval_requested",
    "session.run_completed": "result",
    "session.run_failed": "result",
    "session.run_cancelled": "result",
}
"""What the facts are called here; all others tell that the session's status may have changed."""
STATUS_CHANGE = "status_change"


async def converse(socket: WebSocket, session_id: str) -> None:
    """Serve one client until it leaves, the server ends, or its token does."""
    await socket.accept(_protocol(socket))
    try:
        user = await _user(socket)
        await _Conversation(socket, user, _known(session_id)).hold()
    except (Problem, Refusal, Unavailable) as error:
        await _end(socket, End.of(translation.of(error)))
    except WebSocketDisconnect:
        pass


class _Conversation:
    def __init__(self, socket: WebSocket, user: User, session_id: UUID) -> None:
        self.socket, self.user, self.session_id = socket, user, session_id
        self.streams = gateway_of(socket).streams
        self.listener = Listener.of_session(user.token, session_id, socket.query_params.get("types"))

    async def hold(self) -> None:
        await self.user.ask(GetSession(session_id=self.session_id))
        with self.streams.listening(self.listener):
            await self.streams.start(self.listener, self.socket.query_params.get("after"))
            place = str(self.listener.place)
            await _send(self.socket, "connected", {"session_id": str(self.session_id), "resume_from": place})
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(self._read())
                await self._write()
                reading.cancel()

    async def _write(self) -> None:
        try:
            async with aclosing(self.streams.told(self.listener)) as told:
                async for item in told:
                    await self._tell(item)
        except (TimeoutError, OSError, WebSocketDisconnect):  # the client takes nothing, or is gone
            self.listener.leave()

    async def _tell(self, item: Told) -> None:
        match item:
            case None:
                pass  # the server pings
            case Fact():
                await _send(self.socket, TYPES.get(item.name, STATUS_CHANGE), item.payload)
            case Beat():
                await _send(self.socket, "heartbeat", item.payload)
            case Gap():
                await _send(self.socket, "gap", item.payload)
                await _close(self.socket, NORMAL, "gap")
            case End():
                await _end(self.socket, item)
            case _:
                await _send(self.socket, item.name, item.payload)

    async def _read(self) -> None:
        while (message := await self.socket.receive())["type"] != "websocket.disconnect":
            self.listener.offer(await self._answered(message.get("text") or ""))
        self.listener.leave()

    async def _answered(self, text: str) -> Reply:
        kind, data = _envelope(text)
        match kind:
            case "ping":
                return Reply("pong", {})
            case "query":
                return await self._carried_out(lambda: NewQuery.model_validate(data).command(self.session_id))
            case "interrupt":
                return await self._carried_out(lambda: InterruptSession(session_id=self.session_id))
            case "approve":
                return await self._carried_out(
                    lambda: SpokenDecision.model_validate(data).spoken(self.session_id, "approved")
                )
            case "deny":
                return await self._carried_out(
                    lambda: SpokenDecision.model_validate(data).spoken(self.session_id, "denied")
                )
            case _:
                return _error(EdgeCode.VALIDATION_ERROR, 'Send {"type": ..., "data": {...}} with a type that is known.')

    async def _carried_out(self, command: Callable[[], SubmitQuery | InterruptSession | DecideApproval]) -> Reply:
        if self.user.actor.role == "viewer":
            return _error(EdgeCode.FORBIDDEN, "A viewer may only read.")
        try:
            result: RunView | SessionView | ApprovalView = await self.user.ask(command())
        except ValidationError:
            return _error(EdgeCode.VALIDATION_ERROR, "data: give the fields that the same request over HTTP takes.")
        except (Refusal, Unavailable) as error:
            problem = translation.of(error)
            return _error(problem.code, problem.detail)
        return Reply(STATUS_CHANGE, {"session_id": str(self.session_id), **_outcome(result)})


def _outcome(result: RunView | SessionView | ApprovalView) -> dict[str, str]:
    match result:
        case RunView():
            return {"run_id": str(result.id), "status": result.status}
        case ApprovalView():
            return {"approval_id": str(result.id), "decision": result.status}
        case SessionView():
            return {"status": result.status}


async def _user(socket: WebSocket) -> User:
    gateway = gateway_of(socket)
    token = await gateway.tokens.verify(_presented(socket))
    return User(gateway.bus, str(clock.new_id()), token)


def _presented(socket: WebSocket) -> str:
    scheme, _, token = socket.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    for name in socket.scope["subprotocols"]:
        if name.startswith(BEARER):
            return name.removeprefix(BEARER)
    return socket.query_params.get("token", "")


def _protocol(socket: WebSocket) -> str | None:
    # Browsers end a connection whose server picks none of the protocols that they offer.
    return next((name for name in socket.scope["subprotocols"] if not name.startswith(BEARER)), None)


def _known(session_id: str) -> UUID:
    try:
        return UUID(session_id)
    except ValueError:
        raise Refusal(Code.SESSION_NOT_FOUND, f"There is no session {session_id[:100]}.") from None


def _envelope(text: str) -> tuple[object, object]:
    with suppress(ValueError, RecursionError):
        message = json.loads(text)
        if isinstance(message, dict):
            fields = cast(dict[str, object], message)
            return fields.get("type"), fields.get("data", {})
    return None, None


def _error(code: str, message: str) -> Reply:
    return Reply("error", {"code": code, "message": message})


async def _end(socket: WebSocket, end: End) -> None:
    if end is GONE:
        return
    if end is CLOSING:
        await _close(socket, GOING_AWAY, end.message)
        return
    with suppress(TimeoutError, OSError, WebSocketDisconnect):
        await _send(socket, "error", end.payload)
    fault = end.code in (EdgeCode.UNAVAILABLE, EdgeCode.INTERNAL_ERROR)
    await _close(socket, FAULT if fault else POLICY, end.code)


async def _send(socket: WebSocket, kind: str, data: Mapping[str, Any]) -> None:
    text = json.dumps({"type": kind, "data": data}, separators=(",", ":"))
    async with asyncio.timeout(PATIENCE * (1 + len(text) // PIECE)):  # a message goes whole: its pieces cannot be timed
        await socket.send_text(text)


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    with suppress(TimeoutError, OSError, RuntimeError, WebSocketDisconnect):
        async with asyncio.timeout(PATIENCE):
            await socket.close(code, reason)
