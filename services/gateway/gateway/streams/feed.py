"""The live events of one service, read once for all clients of this gateway."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from contracts.wire import EVENT_PREFIX, event_filter, event_stream
from runtime.bus import Client
from runtime.bus.stream_reader import Bounds, StreamMessage, StreamReader

from gateway.streams.audience import Audience


class Feed:
    """Follows the stream of a service. While `live` is set, all events after `position` reach the audience."""

    def __init__(self, client: Client, service: str, audience: Audience) -> None:
        self.service, self.audience = service, audience
        self.reader = StreamReader(client, event_stream(service))
        self.position: int | None = None
        self.live = asyncio.Event()

    async def follow(self) -> None:
        """Hand events to the audience until cancelled or an error occurs; called again, continue where it stopped."""
        newest = (await self.bounds()).last
        if self.position is not None and self.position > newest:  # the bus has lost its data: its numbers begin again
            self.audience.report_loss(self.service)
        if self.position is None or self.position > newest:
            self.position = newest
        self.live.set()
        async with aclosing(self.reader.messages(self.position, event_filter(self.service))) as batches:
            async for batch in batches:
                for message in batch:
                    self.position = message.sequence
                    self.audience.publish(message)

    def reset(self) -> None:
        """Begin at the newest event when the stream is followed again."""
        self.position = None
        self.live.clear()

    async def bounds(self) -> Bounds:
        """Return the first and the last sequence number in the stream."""
        return await self.reader.bounds()

    def stored(self, after: int, filter: str) -> AsyncGenerator[list[StreamMessage]]:  # noqa: A002  its name on the bus
        """Yield, in batches, the stored events after a sequence number; `filter` is that of a `Listener`.

        Raises as `ordered.messages` does.
        """
        return self.reader.messages(after, f"{EVENT_PREFIX}.{self.service}.*.{filter}", stored=True)
