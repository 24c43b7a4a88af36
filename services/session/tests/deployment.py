"""Replicas of the whole session service, on a bus and a database of their own.

As a program, it runs a replica in which constants have other values. Arguments: `module.NAME=number` for each of them.
"""

import asyncio
import os
import runpy
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any
from uuid import UUID

import pytest
from contracts.messages import Actor, Command, Query
from contracts.session.run import GetRun, SubmitQuery
from contracts.session.run_view import RunView
from contracts.session.session import CountSessions, CreateSession
from contracts.session.values import Mode, OnBusy, SdkOptions
from eventing.database import Database
from eventing.testing import eventually
from runtime.bus import Bus, Client, Unavailable
from runtime.bus.envelope import Envelope
from runtime.clock import new_id
from session.app import service
from session.reactions import limits
from session.settings import Settings
from simulator.testing import bash, scripted

from services.session.tests.desk import OWNER

limits.LOST_AGENT_SECONDS = 0.0  # no test waits for the agents of services that hang, except where it says so
POLL_SECONDS = 5.0  # for an answer to a question that is asked again
SLOW = scripted(bash("sleep 300"), {"text": "never"})
STALLING = {"text": "It is written.", "stall": 300}
"""An answer in whose middle the model stops, for as long as a test wants (see the fixture `stall`)."""
IN_TRANSCRIPT = "SELECT EXISTS (SELECT FROM transcript WHERE session_id = $1 AND strpos(entry, $2) > 0)"


class Stall:
    """Answers of the model that have stopped in their middle: whether it `began`, and whether it is `over` for all."""

    def __init__(self) -> None:
        self.began, self.over = asyncio.Event(), asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        """Wait until the stall is over, instead of some seconds."""
        if seconds:
            self.began.set()
            await self.over.wait()


@dataclass
class ServiceClient:
    """A client of the service on the bus, used by `actor`."""

    connection: Client
    actor: Actor = OWNER

    async def ask[R](self, message: Command[R] | Query[R], within: float = 60.0) -> R:
        return await Bus(self.connection, timeout=within).ask(message, Envelope.begin(actor=self.actor))

    async def is_ready(self) -> bool:
        try:
            await self.ask(CountSessions(), POLL_SECONDS)
        except Unavailable:
            return False
        return True

    async def create(self, mode: Mode = "interactive", **options: Any) -> UUID:
        default = {"allowed_tools": ["Bash", "Read", "Write"], "after_crash": "end"}
        sdk_options = SdkOptions.model_validate({**default, **options})
        command = CreateSession(session_id=new_id(), name="one", mode=mode, sdk_options=sdk_options)
        return (await self.ask(command)).id

    async def submit(self, session_id: UUID, message: str, on_busy: OnBusy = "reject", depth: int = 0) -> RunView:
        ids: dict[str, Any] = {"session_id": session_id, "run_id": new_id(), "message_id": new_id()}
        return await self.ask(SubmitQuery(**ids, message=message, on_busy=on_busy, depth=depth))

    async def run(self, session_id: UUID, message: str) -> RunView:
        return await self.wait_until_ended(await self.submit(session_id, message))

    async def wait_until_ended(self, run: RunView) -> RunView:
        async def ended_run() -> RunView | None:
            with suppress(Unavailable):  # a replica that shuts down does not answer its last queries
                latest = await self.ask(GetRun(session_id=run.session_id, run_id=run.id), POLL_SECONDS)
                return latest if latest.ended_at else None
            return None

        return await eventually(ended_run)

    async def wait_for_tool_call(self, run: RunView) -> None:
        async def has_tool_call() -> bool:
            return bool((await self.ask(GetRun(session_id=run.session_id, run_id=run.id))).tool_calls)

        await eventually(has_tool_call)


class Deployment:
    """Replicas of the service that share one database and one bus; they run one after the other or concurrently."""

    def __init__(self, settings: Settings, connection: Client) -> None:
        self.settings, self.client = settings, ServiceClient(connection)

    def changed(self, **settings: Any) -> "Deployment":
        """Return the deployment with other settings, for the replicas that it starts."""
        return Deployment(self.settings.model_copy(update=settings), self.client.connection)

    @asynccontextmanager
    async def replica(self) -> AsyncGenerator[asyncio.Task[None]]:
        """Run a replica in this process; it shuts down when the context ends."""
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(service.run(self.settings, stop))
            await eventually(self.client.is_ready)
            try:
                yield running
            finally:
                stop.set()

    async def wait_for_entry(self, session_id: UUID, text: str) -> None:
        """Wait until the conversation of a session has an entry with a text: its agent writes it some time later."""
        async with Database.open(self.settings.database_url, "session") as database:
            await eventually(lambda: database.fetchval(IN_TRANSCRIPT, str(session_id), text))

    @asynccontextmanager
    async def replica_process(
        self, constants: dict[str, float], log: IO[bytes] | None = None
    ) -> AsyncGenerator[asyncio.subprocess.Process]:
        """Run a replica in a process of its own, which can be stopped and killed; it may not be ready yet.

        `constants` has the names of the constants that differ there, with their modules, and their values.
        """
        values = [f"{name}={value}" for name, value in constants.items()]
        names = ("database_url", "nats_url", "workspaces_dir", "model_base_url", "secrets_keys", "quotas")
        names += ("waiting_agent_seconds", "agent_path", "drain_seconds", "spare_agents")
        variables = {name.upper(): str(getattr(self.settings, name)) for name in names}
        path = os.pathsep.join(os.get_exec_path())
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.session.tests.deployment", *values),
            env={**variables, "PATH": path},
            stdout=log,
        )
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):  # the test has ended it
                process.kill()
            await process.wait()


type NewDeployment = Callable[..., AbstractAsyncContextManager[Deployment]]


if __name__ == "__main__":
    patch = pytest.MonkeyPatch()
    for name, value in (argument.split("=") for argument in sys.argv[1:]):
        patch.setattr(name, float(value))
    sys.argv = sys.argv[:1]
    runpy.run_module("session", run_name="__main__")
