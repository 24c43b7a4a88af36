"""Facts of another service into a read model of this one: in order, each once.

An ordered consumer from the checkpoint on, and the checkpoint in the transaction that writes the rows. (A durable
consumer would lose facts here: after a crash it redelivers out of order.)
"""

# pyright: reportUnknownMemberType=false
# nats-py leaves the keyword parameters of its methods without types.

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from contracts.messages import Event
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, DeliverPolicy

from eventing import wire
from eventing.database import Connection, Database
from eventing.recording import Recorded

BATCH = 100
QUEUE = 1000

type Project = Callable[[Recorded[Any], Connection], Awaitable[None]]


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
            done = await database.fetchval("SELECT sequence FROM checkpoints WHERE name = $1", self.name) or 0
            queue: asyncio.Queue[Msg] = asyncio.Queue(QUEUE)
            config = ConsumerConfig(deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=done + 1)
            subscription = await js.subscribe(
                ">", stream=self.stream, cb=queue.put, ordered_consumer=True, config=config
            )
            try:
                while True:
                    await self._apply(database, await _some(queue))
            finally:
                await subscription.unsubscribe()

    async def _apply(self, database: Database, messages: list[Msg]) -> None:
        async with database.transaction() as connection:
            for message in messages:
                headers = message.headers or {}
                if kind := self.kinds.get(headers.get("ce-type", "")):
                    await self.project(wire.read(kind, headers, message.data), connection)
            await connection.execute(
                "INSERT INTO checkpoints VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET sequence = excluded.sequence",
                self.name,
                messages[-1].metadata.sequence.stream,
            )


async def _some(queue: asyncio.Queue[Msg]) -> list[Msg]:
    messages = [await queue.get()]
    while len(messages) < BATCH and not queue.empty():
        messages.append(queue.get_nowait())
    return messages
