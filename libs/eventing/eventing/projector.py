"""Facts of another service into a read model of this one: in order, each once.

The messages come from the checkpoint on, and the checkpoint moves in the transaction that writes the rows. (A durable
consumer would lose facts here: after a crash it redelivers out of order.)
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

from contracts.messages import Event
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from runtime import ordered

from eventing import wire
from eventing.database import Connection, Database
from eventing.recording import Recorded

type Project = Callable[[Recorded[Any], Connection], Awaitable[None]]


class Overtaken(Exception):
    """Another replica moved the checkpoint: this one had lost its lock without noticing."""


class Projector:
    """Projects the facts `kinds` of the service `source` with `project`, under the checkpoint `name`."""

    def __init__(self, name: str, source: str, kinds: list[type[Event]], project: Project) -> None:
        self.name, self.stream, self.project = name, wire.stream_of(source), project
        self.kinds = {kind.subject: kind for kind in kinds}

    async def run(self, database: Database, js: JetStreamContext) -> None:
        """Project until cancelled or something fails; start it again then. Waits while another replica does it."""
        async with database.holding(f"projector:{self.name}") as free:
            if not free:
                await asyncio.sleep(1)
                return
            done = await self._checkpoint(database)
            async with aclosing(ordered.messages(js, self.stream, done)) as batches:
                async for batch in batches:
                    done = await self._apply(database, batch, done)

    async def _checkpoint(self, database: Database) -> int:
        await database.execute("INSERT INTO checkpoints VALUES ($1, 0) ON CONFLICT DO NOTHING", self.name)
        return await database.fetchval("SELECT sequence FROM checkpoints WHERE name = $1", self.name)

    async def _apply(self, database: Database, messages: list[Msg], done: int) -> int:
        last = messages[-1].metadata.sequence.stream
        async with database.transaction() as connection:
            moved = await connection.execute(
                "UPDATE checkpoints SET sequence = $3 WHERE name = $1 AND sequence = $2", self.name, done, last
            )
            if moved != "UPDATE 1":
                raise Overtaken(self.name)
            for message in messages:
                headers = message.headers or {}
                if kind := self.kinds.get(headers.get("ce-type", "")):
                    await self.project(wire.read(kind, headers, message.data), connection)
        return last
