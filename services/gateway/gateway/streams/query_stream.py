"""A query whose run is streamed as events, and ends with the response that a waiting client would have received."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from contracts.refusals import Code
from contracts.session.run import RunCancelled, RunCompleted, RunFailed, SubmitQuery
from contracts.session.run_view import RunView
from contracts.wire import event_name
from runtime import clock

from gateway.clients.auth.callers import User
from gateway.problems import EdgeCode, Problem
from gateway.schemas.run import Answer
from gateway.streams.events import EventStream, connected, encode, encode_item
from gateway.streams.fan_out import StreamItem, Streams
from gateway.streams.items import Delta, End, Gap, Heartbeat, PublishedEvent
from gateway.streams.listener import Listener
from gateway.waiting.runs import Runs, has_ended, read_run, run_path

ENDS = frozenset(event_name(event.subject) for event in (RunCompleted, RunFailed, RunCancelled))
MAX_READS, RETRY_SECONDS = 10, 0.5
"""How often the run is read after its last event, since the session service may be restarting just then."""


class RunEvents(EventStream):
    """The events and text deltas of one run, then a `result`."""

    def __init__(
        self, streams: Streams, runs: Runs, caller: User, command: SubmitQuery, path: str, *, legacy: bool
    ) -> None:
        listener = Listener.of_session(caller.token, command.session_id)
        listener.legacy = legacy
        super().__init__(listener, self._events(), location=run_path(command))
        self.streams, self.runs, self.caller, self.command, self.path = streams, runs, caller, command, path

    async def _events(self) -> AsyncGenerator[bytes]:
        async with self.streams.listening(self.listener):
            await self.streams.start(self.listener, None)  # before the run, so that none of its events is missed
            run = await self.runs.start(self.command, self.caller)
            yield connected(self.listener, run_id=str(self.command.run_id))
            async with aclosing(self.streams.items(self.listener)) as items:
                async for item in items:
                    if self._is_of_run(item):
                        yield encode_item(item, self.listener)
                    if isinstance(item, Gap | End):
                        return
                    quiet = isinstance(item, Heartbeat | None)
                    if (quiet or self._is_end(item)) and (result := await self._result(run, quiet)):
                        yield encode("result", result)
                        return

    async def _result(self, run: RunView, quiet: bool) -> dict[str, Any] | None:
        """Return the body of the answer or of the problem; None if the run, of which nothing was heard, continues.

        A `quiet` stream checks whether the run has ended; otherwise its last event has been received.
        """
        for left in reversed(range(1 if quiet else MAX_READS)):
            run = await read_run(self.caller, run, ended=not quiet)
            if has_ended(run):
                return self._answer(run)
            await asyncio.sleep(RETRY_SECONDS if left else 0)
        if quiet:
            return None
        return self._problem(
            EdgeCode.UNAVAILABLE,
            f"The run has ended; read its result at {run_path(self.command)}.",
        )

    def _answer(self, run: RunView) -> dict[str, Any]:
        if run.status == "completed":
            return Answer.to(run).model_dump(mode="json")
        return self._problem(run.error_code or Code.RUN_CANCELLED, run.error_detail or "The run was cancelled.")

    def _problem(self, code: Code | EdgeCode, detail: str) -> dict[str, Any]:
        problem = Problem(code, detail, already=True, run_id=str(self.command.run_id))
        return problem.body(self.path, self.caller.request_id, clock.now())

    def _is_of_run(self, item: StreamItem) -> bool:
        match item:
            case PublishedEvent():
                return item.data.get("run_id") == str(self.command.run_id)
            case Delta():
                return item.delta.run_id == self.command.run_id
            case _:
                return True

    def _is_end(self, item: StreamItem) -> bool:
        return isinstance(item, PublishedEvent) and item.name in ENDS and self._is_of_run(item)
