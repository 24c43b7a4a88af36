"""The session service and identity as the scheduler sees them: sessions without agents.

As a program, it answers on the bus at NATS_URL until it is stopped, and completes each run at once.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from random import Random
from typing import Any, cast
from uuid import UUID

from contracts.identity.user import GetActor
from contracts.messages import Actor
from contracts.refusals import Code, Refusal
from contracts.session.run import (
    CancelRun,
    GetRun,
    GetRunSummary,
    RunCancelled,
    RunCompleted,
    RunEvent,
    RunFailed,
    SubmitQuery,
)
from contracts.session.run_view import RunSummary, RunView
from contracts.session.session import CreateSession, GetSession
from contracts.session.session_view import SessionView
from contracts.session.values import RunStatus, Usage
from contracts.wire import event_filter, event_stream
from eventing.bus.streams import provision
from eventing.handling import Handlers, QueryContext, UnitOfWork
from eventing.handling.dispatch import Dispatcher
from eventing.handling.subscribers import serving
from eventing.store.memory import MemoryStore
from eventing.testing.publishing import publish
from runtime import bus, clock, process
from runtime.bus import BUS_ERRORS
from runtime.bus.envelope import Envelope
from runtime.bus.jetstream import jetstream
from runtime.process import ProcessSettings
from runtime.testing import eventually

USAGE = Usage(duration_ms=3, input_tokens=1, output_tokens=1)
FAILING = 7
"""One run in so many fails with an error that is worth a retry."""


class SimulatedSessions:
    """Answers as both services do, and records which messages created each session and each run.

    A command that is delivered twice changes nothing the second time. A run ends within `run_seconds`.
    """

    def __init__(self, run_seconds: float = 0.5, failing: int | None = FAILING) -> None:
        self.run_seconds, self.failing, self._random = run_seconds, failing, Random(1)  # noqa: S311  for times only
        self.creations = defaultdict[UUID, set[UUID]](set)
        """The ids of the commands that created each session."""
        self.submissions = defaultdict[UUID, set[UUID]](set)
        """The ids of the commands that submitted each run."""
        self.runs = dict[UUID, RunSummary]()

    @asynccontextmanager
    async def serving(self, nats_url: str) -> AsyncGenerator[None]:
        """Answer, and publish the ends of runs, while the context is open."""
        async with bus.connected(nats_url, "sessions") as client, asyncio.TaskGroup() as self._ending:
            self._js = jetstream(client)
            for service in ("session", "identity"):
                await provision(self._js, event_stream(service), [event_filter(service)])
            async with serving(nats_url, "session", self._sessions()), serving(nats_url, "identity", self._identity()):
                yield

    def _sessions(self) -> Dispatcher[None]:
        commands, queries = Handlers(), Handlers()
        for command in (self._create, self._submit, self._cancel):
            commands(command)
        for query in (self._get_session, self._get_run, self._get_summary):
            queries(query)
        return _dispatcher(commands, queries)

    def _identity(self) -> Dispatcher[None]:
        queries = Handlers()
        queries(self._get_actor)
        return _dispatcher(Handlers(), queries)

    async def _create(self, command: CreateSession, work: UnitOfWork[None]) -> None:
        self.creations[command.session_id].add(work.envelope.message_id)

    async def _submit(self, command: SubmitQuery, work: UnitOfWork[None]) -> None:
        if command.session_id not in self.creations:
            raise Refusal(Code.SESSION_NOT_FOUND, f"There is no session {command.session_id}.")
        self.submissions[command.run_id].add(work.envelope.message_id)
        if command.run_id not in self.runs:
            self.runs[command.run_id] = _new_run(command)
            self._ending.create_task(self._end_later(command.run_id, work.actor))

    async def _cancel(self, command: CancelRun, work: UnitOfWork[None]) -> None:
        if self._run(command.run_id).ended_at:
            raise Refusal(Code.RUN_OVER, "The run has ended.")
        await self._end(command.run_id, work.actor, "cancelled")

    async def _end_later(self, run_id: UUID, owner: Actor) -> None:
        await asyncio.sleep(self._random.uniform(0, self.run_seconds))
        if not self.runs[run_id].ended_at:
            await self._end(run_id, owner, self._outcome(run_id))

    def _outcome(self, run_id: UUID) -> RunStatus:
        return "failed" if self.failing and run_id.int % self.failing == 0 else "completed"

    async def _end(self, run_id: UUID, owner: Actor, status: RunStatus) -> None:
        code = Code.MODEL_ERROR if status == "failed" else None
        update = {"status": status, "ended_at": clock.now(), "error_code": code}
        self.runs[run_id] = run = self.runs[run_id].model_copy(update=update)
        await eventually(lambda: self._published(_end_event(run), run.session_id, owner))

    async def _published(self, event: RunEvent, session_id: UUID, owner: Actor) -> bool:
        try:
            await publish(
                self._js, event, at=session_id, owner=str(owner.user_id), envelope=Envelope.begin(actor=owner)
            )
        except BUS_ERRORS:  # the bus is unavailable
            return False
        return True

    def _run(self, run_id: UUID) -> RunSummary:
        if run_id not in self.runs:
            raise Refusal(Code.RUN_NOT_FOUND, f"There is no run {run_id}.")
        return self.runs[run_id]

    async def _get_session(self, query: GetSession, context: QueryContext[None]) -> SessionView:
        return _session_view(query.session_id, context.actor.user_id)

    async def _get_run(self, query: GetRun, _: QueryContext[None]) -> RunView:
        result: dict[str, Any] = {"message_id": None, "text": "", "structured_output": None, "tool_calls": []}
        return RunView.model_validate(self._run(query.run_id).model_dump() | result)

    async def _get_summary(self, query: GetRunSummary, _: QueryContext[None]) -> RunSummary:
        return self._run(query.run_id)

    async def _get_actor(self, query: GetActor, _: QueryContext[None]) -> Actor:
        return Actor(user_id=query.user_id, role="user")


def _dispatcher(commands: Handlers, queries: Handlers) -> Dispatcher[None]:
    return Dispatcher(MemoryStore({}), cast(Any, _NoDatabase()), None, commands, queries)


class _NoDatabase:
    async def check(self) -> None:
        """Be healthy."""


def _new_run(command: SubmitQuery) -> RunSummary:
    return RunSummary(
        id=command.run_id,
        session_id=command.session_id,
        message=command.message,
        status="running",
        attempt=1,
        error_code=None,
        error_detail=None,
        usage=USAGE,
        created_at=clock.now(),
        ended_at=None,
    )


def _end_event(run: RunSummary) -> RunEvent:
    match run.status:
        case "failed":
            failure = {"error_code": Code.MODEL_ERROR, "error_detail": "The model provider is overloaded (HTTP 529)."}
            return RunFailed.model_validate({"run_id": run.id, "usage": USAGE, **failure})
        case "cancelled":
            return RunCancelled(run_id=run.id, reason="requested", usage=USAGE)
        case _:
            return RunCompleted(run_id=run.id, usage=USAGE)


def _session_view(id: UUID, owner: UUID) -> SessionView:
    now = clock.now()
    values = {"id": id, "user_id": owner, "name": "a session", "mode": "non_interactive", "status": "created"}
    values |= dict.fromkeys(("total_messages", "total_tool_calls", "total_cost_usd"), 0)
    values |= dict.fromkeys(("api_input_tokens", "api_output_tokens"), 0)
    values |= {"working_directory_path": f"/workspaces/{id}", "parent_session_id": None, "is_fork": False}
    values |= {"created_at": now, "started_at": None, "updated_at": now, "sdk_options": {}, "metadata": {}}
    return SessionView.model_validate(values)


class _Settings(ProcessSettings):
    nats_url: str


async def _serve(settings: _Settings, stop: asyncio.Event) -> None:
    async with SimulatedSessions(run_seconds=0.1, failing=None).serving(settings.nats_url):
        await stop.wait()


if __name__ == "__main__":
    process.run("simulated_sessions", _Settings, _serve)
