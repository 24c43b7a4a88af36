"""What clients say over a WebSocket, `{type, data}`, carried out."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, cast
from uuid import UUID

from contracts.refusals import Refusal
from contracts.session.approval import ApprovalView, DecideApproval
from contracts.session.run import InterruptSession, RunView, SubmitQuery
from contracts.session.session import SessionView
from pydantic import ValidationError
from runtime.bus import Unavailable

from gateway import translation
from gateway.auth.callers import User
from gateway.bodies import unfit
from gateway.problems import EdgeCode, Problem
from gateway.runs import Runs
from gateway.schemas.approval import SpokenDecision
from gateway.schemas.run import NewQuery
from gateway.streams.websocket_payloads import STATUS_CHANGE, status_of

MAX_ID_LENGTH = 200
UNKNOWN_TYPE = 'Send JSON like {"type": "query", "data": {...}}; types are query, interrupt, approve, deny and ping.'

type AgentEvent = RunView | SessionView | ApprovalView


@dataclass(frozen=True)
class Reply:
    """The answer to one message; `to` is what the client called it."""

    name: str
    data: dict[str, Any]
    to: str | int | None = None


class Commands:
    """What one client may ask of one session."""

    def __init__(self, user: User, session_id: UUID, runs: Runs) -> None:
        self.user, self.session_id, self.runs = user, session_id, runs

    async def answer(self, text: str) -> Reply:
        """Carry out one message."""
        message = _parsed(text)
        name = message.get("id")
        if isinstance(name, bool) or not isinstance(name, str | int | None) or len(str(name)) > MAX_ID_LENGTH:
            return _error(
                EdgeCode.VALIDATION_ERROR, f"id: Give a string or a number, of {MAX_ID_LENGTH} characters at most."
            )
        return replace(await self._answer(message.get("type"), message.get("data", {})), to=name)

    async def _answer(self, kind: object, data: object) -> Reply:
        if reason := unfit(data):
            return _error(EdgeCode.VALIDATION_ERROR, f"data: {reason[1]}.")
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
                return _error(EdgeCode.VALIDATION_ERROR, UNKNOWN_TYPE)

    async def _carried_out(self, make: Callable[[], SubmitQuery | InterruptSession | DecideApproval]) -> Reply:
        if self.user.actor.role == "viewer":
            return _error(EdgeCode.FORBIDDEN, "A viewer may only read.")
        try:
            command = make()
            starts = isinstance(command, SubmitQuery)
            told: AgentEvent = await (self.runs.start(command, self.user) if starts else self.user.ask(command))
        except ValidationError as wrong:
            places = [{**error, "loc": ("message", "data", *error["loc"])} for error in wrong.errors()]
            return _error(EdgeCode.VALIDATION_ERROR, translation.invalid(places).detail)
        except (Problem, Refusal, Unavailable) as error:
            problem = translation.of(error)
            run = {name: value for name, value in problem.extra.items() if name == "run_id"}
            return _error(problem.code, problem.detail, **run)
        return Reply(STATUS_CHANGE, {"session_id": str(self.session_id), **await self._outcome(told)})

    async def _outcome(self, told: AgentEvent) -> dict[str, str | None]:
        match told:
            case RunView():
                return {"run_id": str(told.id), "status": told.status}
            case SessionView():
                return {"run_id": None, "status": told.status}
            case ApprovalView():
                status = await status_of(self.session_id, self.user)
                decided = {"approval_id": str(told.id), "decision": told.status}
                return {"run_id": str(told.run_id), "status": status, **decided}


def _parsed(text: str) -> dict[str, object]:
    with suppress(ValueError, RecursionError):
        message = json.loads(text)
        if isinstance(message, dict):
            return cast(dict[str, object], message)
    return {}


def _error(code: str, message: str, **more: str) -> Reply:
    return Reply("error", {"code": code, "message": message, **more})
