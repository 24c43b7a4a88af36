"""A store of marbles and the stream that a relay fills from it."""

from contextlib import AbstractAsyncContextManager

from runtime.bus.jetstream import JetStream
from runtime.testing import eventually

from eventing.relay import Relay
from eventing.relay.reread import RelayRunning, Reread, reread
from eventing.store.postgres import PostgresStore
from eventing.testing.following import append, append_when_available, messages
from eventing.testing.messages import MarbleAdded
from eventing.testing.relaying import relaying, wait_until_saved
from eventing.testing.waiting import eventually_equals, eventually_unlocked


class RelayedStore:
    """A store whose events a relay publishes. Each event is a marble, identified by its size."""

    def __init__(self, store: PostgresStore, js: JetStream) -> None:
        self.store, self.js, self.database = store, js, store.database

    async def append(self, *sizes: int) -> None:
        """Store marbles of these sizes, each in a transaction of its own."""
        for size in sizes:
            await append(self.store, MarbleAdded(colour="blue", size=size))

    async def append_when_available(self, size: int) -> None:
        """Store a marble of this size as soon as the database accepts connections."""
        await append_when_available(self.store, MarbleAdded(colour="blue", size=size))

    def relaying(self) -> AbstractAsyncContextManager[Relay]:
        """Run a relay as long as the context is open."""
        return relaying(self.store, self.js)

    async def published(self, *sizes: int) -> None:
        """Wait until the stream holds exactly the marbles of these sizes, in this order."""
        await eventually_equals(self._published, [*sizes])

    async def _published(self) -> list[int]:
        bodies = [message.data or b"" for message in await messages(self.js, "EVT_JAR")]
        return [MarbleAdded.model_validate_json(body).size for body in bodies]

    async def relay_until(self, *sizes: int) -> None:
        """Run a relay until the stream holds exactly these marbles and the relay has recorded its position.

        Afterwards its lock is free.
        """
        async with self.relaying() as relay:
            await self.published(*sizes)
            await wait_until_saved(relay)
        await eventually_unlocked(self.database)

    async def reread(self) -> Reread:
        """Set the relay to the last message whose event the database has.

        Raises:
            RelayRunning: a relay is running.
            NoCommonEvent: no message is of this database.
        """
        return await reread(self.database, self.js, "jar")

    async def reread_when_stopped(self) -> Reread:
        """Do the same when the lock is free, as it is between two checks of a relay that has stopped publishing."""
        return await eventually(self._reread_unless_busy)

    async def _reread_unless_busy(self) -> Reread | None:
        try:
            return await self.reread()
        except RelayRunning:
            return None


async def reason_for_stopping(relay: Relay) -> str:
    """Wait until a relay stops publishing, and return its reason."""
    return await eventually(lambda: relay.progress.stopped)
