"""Replicas that offer each other the work on jars."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID

from nats.aio.msg import Msg
from runtime import clock
from runtime.bus import Client
from runtime.bus.envelope import Envelope
from runtime.metrics import metrics_of

from eventing.bus import wire
from eventing.leases import UnfinishedWork
from eventing.reactions.offers import Offers
from eventing.reactions.registration import Registration
from eventing.reactions.slots import Slots
from eventing.recording import Recorded
from eventing.testing.messages import JarOpened

ACK_SUBJECT = "$JS.ACK.EVT_JAR.cupboard-open.1.1.1.0.0"
UNFINISHED = UnfinishedWork("SELECT id AS aggregate, id AS work FROM jars", lambda recorded: recorded.id)
JAR = clock.new_id()


def message(client: Client, jar: UUID = JAR) -> Msg:
    """Return a message as the bus delivers it to a replica."""
    recorded = Recorded(jar, 1, clock.now(), JarOpened.example(), Envelope.begin(), jar)
    return Msg(client, wire.subject(recorded), ACK_SUBJECT, b"content", wire.headers(recorded, "jar"))


async def react(*_: object) -> None:
    """Do nothing: these tests process messages, not events."""


class Replica:
    """A replica that prefers the jars that it has processed, until it cools."""

    def __init__(self, client: Client, tasks: asyncio.TaskGroup, slots: int) -> None:
        self.client, self.warm, self.processed, self.go = client, set[UUID](), list[Msg](), asyncio.Event()
        self.go.set()
        registration = Registration("open", JarOpened, react, unfinished=UNFINISHED, prefers=self._prefers)
        self.slots = Slots(slots, tasks)
        self.offers = Offers("cupboard", client, registration, self.warm, self.slots, self._process)

    async def _prefers(self, warm: set[UUID], jar: UUID) -> bool:
        return jar in warm

    async def _process(self, message: Msg) -> None:
        self.processed.append(message)
        self.warm.add(wire.event_key(message.headers or {})[0])
        await self.go.wait()

    async def deliver(self, jar: UUID = JAR) -> None:
        """Process a message that the bus has delivered to this replica."""
        await self.offers.process(message(self.client, jar))
        await self.client.flush()  # real work takes longer than the bus to notice a subscription


@asynccontextmanager
async def replicas(*clients: Client, slots: int = 16) -> AsyncGenerator[tuple[Replica, ...]]:
    """Provide one replica for each connection, and end them."""
    async with asyncio.TaskGroup() as tasks:
        some = tuple(Replica(client, tasks, slots) for client in clients)
        yield some
        for one in some:
            one.go.set()
            await one.offers.aclose()


def count(outcome: str) -> float:
    """Return how many offers of this process had an outcome."""
    return metrics_of("eventing").get_sample_value("work_offered_total", {"reaction": "open", "outcome": outcome}) or 0
