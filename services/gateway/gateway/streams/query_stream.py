"""A query whose run is followed as events, and ends with the answer that a waiting client would have got."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from contracts.refusals import Code
from contracts.session.run import RunCancelled, RunCompleted, RunFailed, RunView, SubmitQuery
from contracts.wire import event_name
from runtime import clock

from gateway.auth.callers import User
from gateway.problems import EdgeCode, Problem
from gateway.runs import Runs, has_ended, read_run, run_path
from gateway.schemas.run import Answer
from gateway.streams.events import EventStream, connected, event, written
from gateway.streams.fan_out import AgentEvent, Streams
from gateway.streams.items import Beat, Delta, End, Gap, PublishedEvent
from gateway.streams.listener import Listener

ENDS = frozenset(event_name(event.subject) for event in (RunCompleted, RunFailed, RunCancelled))
TRIES, PAUSE = 10, 0.5


class RunEvents(EventStream):
    """The events and words of one run, then a `result`."""

    def __init__(self, streams: Streams, runs: Runs, caller: User, command: SubmitQuery, path: str) -> None:
        listener = Listener.of_session(caller.token, command.session_id)
        super().__init__(listener, self._asked(), location=run_path(command))
        self.streams, self.runs, self.caller, self.command, self.path = streams, runs, caller, command, path

    async def _asked(self) -> AsyncGenerator[bytes]:
        with self.streams.listening(self.listener):
            await self.streams.start(self.listener, None)  # before the run is: nothing of it is missed
            run = await self.runs.start(self.command, self.caller)
            yield connected(self.listener, run_id=str(self.command.run_id))
            async with aclosing(self.streams.told(self.listener)) as told:
                async for item in told:
                    if self._is_of_run(item):
                        yield written(item, self.listener)
                    if isinstance(item, Gap | End):
                        return
                    quiet = isinstance(item, Beat | None)
                    if (quiet or self._is_end(item)) and (result := await self._result(run, quiet)):
                        yield event("result", result)
                        return

    async def _result(self, run: RunView, perhaps: bool) -> dict[str, Any] | None:
        """Give the body of the answer, or of the problem; None when the run goes on, as it `perhaps` does."""
        for left in reversed(range(1 if perhaps else TRIES)):
            run = await read_run(self.caller, run, not perhaps)
            if has_ended(run):
                return self._answer(run)
            await asyncio.sleep(PAUSE if left else 0)
        if perhaps:
            return None
        return self._problem(EdgeCode.UNAVAILABLE, f"The run is over; read it at {run_path(self.command)}.")

    def _answer(self, run: RunView) -> dict[str, Any]:
        if run.status == "completed":
            return Answer.to(run).model_dump(mode="json")
        return self._problem(run.error_code or Code.RUN_CANCELLED, run.error_detail or "The run was ended.")

    def _problem(self, code: Code | EdgeCode, detail: str) -> dict[str, Any]:
        return Problem(code, detail, already=True, run_id=str(self.command.run_id)).body(self.path, clock.now())

    def _is_of_run(self, item: AgentEvent) -> bool:
        match item:
            case PublishedEvent():
                return item.data.get("run_id") == str(self.command.run_id)
            case Delta():
                return item.told.run_id == self.command.run_id
            case _:
                return True

    def _is_end(self, item: AgentEvent) -> bool:
        return isinstance(item, PublishedEvent) and item.name in ENDS and self._is_of_run(item)
