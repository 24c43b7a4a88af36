"""Waiting for runs to end: the bus says which did, and asking now and then catches what the bus did not get to say."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.session.run import GetRun, GetRunSummary, RunCancelled, RunCompleted, RunFailed, RunView, SubmitQuery
from pydantic import BaseModel
from runtime.bus import Client, Unavailable
from runtime.logging import get_logger
from runtime.pubsub import subscribed
from runtime.waiters import Waiter, Waiters
from starlette.requests import ClientDisconnect

from gateway.auth.callers import Anyone
from gateway.problems import EdgeCode, Problem

log = get_logger()

OVER = frozenset({"completed", "failed", "cancelled"})
TICK = 1.0
"""How soon a wait notices that its client hung up, or that this process is about to end."""
POLL = 5.0


class _Ended(BaseModel):
    run_id: UUID


class Runs:
    """Knows who waits for which run; three subscriptions serve all."""

    def __init__(self, client: Client, *, longest_wait: float) -> None:
        self.client, self.longest_wait = client, longest_wait
        self.waiting = Waiters[UUID]()
        self._closing = float("inf")

    async def listen(self) -> None:
        """Wake waiters by what the bus says, until cancelled."""
        subjects = [f"{event.subject}.*.*" for event in (RunCompleted, RunFailed, RunCancelled)]
        async with subscribed(self.client, subjects, self._heard):
            await asyncio.Event().wait()

    def close(self, within: float) -> None:
        """Let the waits that are under way end within some seconds; their runs go on."""
        self._closing = _now() + within

    @property
    def closing(self) -> bool:
        """Whether this process is about to end, so that waits have to."""
        return self._closing < float("inf")

    async def outcome(self, command: SubmitQuery, caller: Anyone, gone: Callable[[], Awaitable[bool]]) -> RunView:
        """Start a run and give it when it is over. `gone` says whether the client has hung up.

        Raises:
            Problem: the wait had to end before the run did.
            ClientDisconnect: the client hung up.
            Refusal: the run was not started.
        """
        with self.waiting.waiting(command.run_id) as waiter:
            run = await self.start(command, caller)
            give_up = _now() + self.longest_wait
            while run.status not in OVER:
                told = await self._woken(waiter, min(_now() + POLL, give_up), gone)
                run = await look(caller, run, told=told)
                if run.status not in OVER and _now() >= min(give_up, self._closing):
                    raise _waited_enough(command, closing=_now() >= self._closing)
            return run

    async def start(self, command: SubmitQuery, caller: Anyone) -> RunView:
        """Start a run, or let it wait for its turn, and give it as it is then.

        Raises:
            Problem: whether it was started is not known.
            Refusal: it was not.
        """
        try:
            return await caller.ask(command)
        except Unavailable as error:
            log.warning("a service did not answer", error=str(error))
            detail = f"Whether the run was started is not known; if it was, it is at {place(command)}."
            raise _going_on(EdgeCode.UNAVAILABLE, detail, command) from None

    async def _woken(self, waiter: Waiter, until: float, gone: Callable[[], Awaitable[bool]]) -> bool:
        while _now() < min(until, self._closing):
            if await waiter.wait(TICK):
                return True
            if await gone():
                raise ClientDisconnect
        return False

    async def _heard(self, _: str, body: bytes) -> None:
        self.waiting.wake(_Ended.model_validate_json(body).run_id)


async def look(caller: Anyone, run: RunView, *, told: bool) -> RunView:
    """Give a run as it is now, or as it was when nobody answers; one whose session was deleted is cancelled.

    `told` says whether it is known to be over. What came of a run may be large, and many may wait: until there is an
    end to show, only the status is asked for.
    """
    try:
        if not told and (await caller.ask(GetRunSummary(session_id=run.session_id, run_id=run.id))).status not in OVER:
            return run
        return await caller.ask(GetRun(session_id=run.session_id, run_id=run.id))
    except Unavailable:  # whoever takes the service's place will settle the run
        return run
    except Refusal as refusal:
        if refusal.code is not Code.SESSION_NOT_FOUND:
            raise
        gone = {"status": "cancelled", "error_code": Code.RUN_CANCELLED, "error_detail": "The session was deleted."}
        return run.model_copy(update=gone)


def _now() -> float:
    return asyncio.get_running_loop().time()


def place(command: SubmitQuery) -> str:
    """Give the address of the run that a command starts."""
    return f"/api/v1/sessions/{command.session_id}/runs/{command.run_id}"


def _waited_enough(command: SubmitQuery, *, closing: bool) -> Problem:
    detail = f"The run is still in progress; read it at {place(command)}."
    if closing:
        return _going_on(EdgeCode.UNAVAILABLE, f"This server is about to stop. {detail}", command)
    return _going_on(EdgeCode.ANSWER_NOT_READY, f"The answer took too long. {detail}", command)


def _going_on(code: EdgeCode, detail: str, command: SubmitQuery) -> Problem:
    return Problem(code, detail, headers={"Location": place(command)}, already=True, run_id=str(command.run_id))
