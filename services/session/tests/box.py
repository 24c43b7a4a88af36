"""The whole session service, on a bus and a database of its own."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from contracts.messages import Command, Query
from contracts.session.run import GetRun, RunView, SubmitQuery
from contracts.session.session import CountSessions, CreateSession
from contracts.session.values import Mode, OnBusy, SdkOptions
from eventing.testing import eventually
from runtime.bus import Bus, Client, Unavailable
from runtime.clock import new_id
from runtime.envelope import Envelope
from session.app import service
from session.settings import Settings
from simulator.testing import bash, scripted

from services.session.tests.desk import OWNER


@dataclass
class Remote:
    """The service, over the bus."""

    client: Client

    async def ask[R](self, message: Command[R] | Query[R]) -> R:
        return await Bus(self.client).ask(message, Envelope.begin(actor=OWNER))

    async def answers(self) -> bool:
        try:
            await self.ask(CountSessions())
        except Unavailable:
            return False
        return True

    async def create(self, mode: Mode = "interactive", **options: Any) -> UUID:
        wanted = SdkOptions.model_validate({"allowed_tools": ["Bash", "Read", "Write"], **options})
        command = CreateSession(session_id=new_id(), name="one", mode=mode, sdk_options=wanted)
        return (await self.ask(command)).id

    async def submit(self, session_id: UUID, message: str, on_busy: OnBusy = "reject") -> RunView:
        ids = {"session_id": session_id, "run_id": new_id(), "message_id": new_id()}
        return await self.ask(SubmitQuery(**ids, message=message, on_busy=on_busy))

    async def run(self, session_id: UUID, message: str) -> RunView:
        return await self.ended(await self.submit(session_id, message))

    async def ended(self, run: RunView) -> RunView:
        async def over() -> RunView | None:
            with suppress(Unavailable):  # a replica that is going away takes its last questions with it
                now = await self.ask(GetRun(session_id=run.session_id, run_id=run.id))
                return now if now.ended_at else None
            return None

        return await eventually(over, within=60)

    async def calls_a_tool(self, run: RunView) -> None:
        async def called() -> bool:
            return bool((await self.ask(GetRun(session_id=run.session_id, run_id=run.id))).tool_calls)

        await eventually(called, within=60)


SLOW = scripted(bash("sleep 300"), {"text": "never"})


class Box:
    """Replicas of the service, one after the other or at once, over one database and one bus."""

    def __init__(self, settings: Settings, client: Client) -> None:
        self.settings, self.remote = settings, Remote(client)

    @asynccontextmanager
    async def replica(self) -> AsyncGenerator[asyncio.Task[None]]:
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(service.run(self.settings, stop))
            await eventually(self.remote.answers, within=60)
            try:
                yield running
            finally:
                stop.set()
