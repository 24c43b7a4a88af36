"""The messages that clients send over a WebSocket, `{type, data}`: validated, and carried out."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, replace
from typing import Any, cast
from uuid import UUID

from contracts.refusals import Refusal
from contracts.session.approval import ApprovalView, DecideApproval
from contracts.session.run import InterruptSession, SubmitQuery
from contracts.session.run_view import RunView
from contracts.session.session_view import SessionView
from pydantic import BaseModel, ValidationError
from runtime.bus import Unavailable

from gateway.clients.auth.callers import User
from gateway.clients.rates.limiter import Limiter, Requester
from gateway.entry.idempotency.keys import MEMBER
from gateway.entry.idempotency.messages import continuing
from gateway.entry.idempotency.records import Records
from gateway.problems import EdgeCode, Problem, translation
from gateway.problems.json_errors import find_violation
from gateway.problems.validation_messages import with_known_fields
from gateway.schemas.approval import WebSocketDecision
from gateway.schemas.run import NewQuery
from gateway.streams.websocket_payloads import DECIDED, STATUS_CHANGE, status_of
from gateway.waiting.runs import Runs

MAX_ID_LENGTH = 200
INVALID_ID = f"id: Must be a string or a number of at most {MAX_ID_LENGTH} characters."
UNKNOWN_TYPE = 'Send JSON like {"type": "query", "data": {...}}; types are query, interrupt, approve, deny and ping.'
MEMBERS = ("type", "data", "id", MEMBER)
WITHOUT_DATA = ("interrupt", "ping")

type Report = Callable[[Problem, str], None]
"""Reports a problem of an operation to the audit log, if it is a refusal of permission."""
type MakeCommand = Callable[[], SubmitQuery | InterruptSession | DecideApproval]
type Outcome = RunView | SessionView | ApprovalView


@dataclass(frozen=True)
class Reply:
    """The reply to one message; `to` is the id of that message, chosen by the client."""

    name: str
    data: dict[str, Any]
    to: str | int | None = None


class Commands:
    """The commands of one client to one session."""

    def __init__(
        self, user: User, session_id: UUID, runs: Runs, limiter: Limiter, records: Records, report: Report
    ) -> None:
        self.user, self.session_id, self.runs, self.limiter = user, session_id, runs, limiter
        self.records, self.report = records, report

    async def answer(self, text: str) -> Reply:
        """Carry out one message, and return the reply."""
        message = _parsed(text)
        message_id = message.get("id")
        if isinstance(message_id, bool) or not isinstance(message_id, str | int | None):
            return _error(EdgeCode.VALIDATION_ERROR, INVALID_ID)
        if len(str(message_id)) > MAX_ID_LENGTH:
            return _error(EdgeCode.VALIDATION_ERROR, INVALID_ID)
        return replace(await self._answer(message), to=message_id)

    async def _answer(self, message: Mapping[str, object]) -> Reply:
        kind, data = message.get("type"), message.get("data", {})
        if violation := find_violation(data):
            problem = translation.invalid([{**violation, "loc": ("message", "data", *violation["loc"])}])
            return _error(EdgeCode.VALIDATION_ERROR, problem.detail)
        if unknown := [*_unknown_fields(kind, message, data)]:
            return _error(EdgeCode.VALIDATION_ERROR, translation.invalid(unknown).detail)
        if kind == "ping":
            return Reply("pong", {})
        if not (operation := self._operation(kind, data)):
            return _error(EdgeCode.VALIDATION_ERROR, UNKNOWN_TYPE)
        name, key = f"WebSocket {self.session_id} {kind}", message.get(MEMBER)
        return await self._carry_out(*operation, continuing(self.records, self.user.token, name, key, data))

    def _operation(self, kind: object, data: object) -> tuple[str, MakeCommand] | None:
        """Return the name of the operation that a message asks for, and what makes its command."""
        match kind:
            case "query":
                return "querySession", lambda: _validated(NewQuery, data).command(self.session_id)
            case "interrupt":
                return "interruptSession", lambda: InterruptSession(session_id=self.session_id)
            case "approve":
                return "approve", lambda: _validated(WebSocketDecision, data).decide(self.session_id, "approved")
            case "deny":
                return "deny", lambda: _validated(WebSocketDecision, data).decide(self.session_id, "denied")
            case _:
                return None

    async def _carry_out(self, operation: str, make: MakeCommand, keyed: AbstractAsyncContextManager[None]) -> Reply:
        try:
            await self.limiter.check(Requester.of(self.user.actor), "write")
            self.user.check("write")
            async with keyed:
                command = make()
                starts_run = isinstance(command, SubmitQuery)
                outcome: Outcome = await (self.runs.start(command, self.user) if starts_run else self.user.ask(command))
        except (Problem, Refusal, Unavailable) as error:
            problem = translation.of(error)
            self.report(problem, operation)
            run = {name: value for name, value in problem.extra.items() if name == "run_id"}
            return _error(problem.code, problem.detail, **run)
        name = DECIDED if isinstance(outcome, ApprovalView) else STATUS_CHANGE
        return Reply(name, {"session_id": str(self.session_id), **await self._status(outcome)})

    async def _status(self, outcome: Outcome) -> dict[str, str | None]:
        match outcome:
            case RunView():
                return {"run_id": str(outcome.id), "status": outcome.status}
            case SessionView():
                return {"run_id": None, "status": outcome.status}
            case ApprovalView():
                status = await status_of(self.session_id, self.user)
                decided = {"approval_id": str(outcome.id), "decision": outcome.status}
                return {"run_id": str(outcome.run_id), "status": status, **decided}


def _parsed(text: str) -> dict[str, object]:
    with suppress(ValueError, RecursionError):
        message = json.loads(text)
        if isinstance(message, dict):
            return cast(dict[str, object], message)
    return {}


def _unknown_fields(kind: object, message: Mapping[str, object], data: object) -> Iterator[dict[str, Any]]:
    """Yield an error for each member that means nothing: a misspelt key would else not protect from a repetition."""
    for name in message.keys() - {*MEMBERS}:
        yield {"loc": ("message", name), "msg": "", "type": "extra_forbidden", "ctx": {"known": MEMBERS}}
    if kind in WITHOUT_DATA and isinstance(data, dict):
        for name in cast(dict[str, object], data):
            yield {"loc": ("message", "data", name), "msg": "", "type": "extra_forbidden"}


def _validated[B: BaseModel](model: type[B], data: object) -> B:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        errors = with_known_fields(error.errors(), model)
        raise translation.invalid([{**each, "loc": ("message", "data", *each["loc"])} for each in errors]) from None


def _error(code: str, message: str, **more: str) -> Reply:
    return Reply("error", {"code": code, "message": message, **more})
