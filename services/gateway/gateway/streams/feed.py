"""The events of one service as they come, read once for all clients of this gateway."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from contracts.wire import EVENT_PREFIX, event_stream
from runtime.bus import Client
from runtime.stream_reader import Bounds, StreamMessage, StreamReader

from gateway.streams.audience import Audience


class Feed:
    """Follows a service's stream. `live` is set while all behind `position` is, or will be, offered to the audience."""

    def __init__(self, client: Client, service: str, audience: Audience) -> None:
        self.service, self.audience = service, audience
        self.reader = StreamReader(client, event_stream(service))
        self.position: int | None = None
        self.live = asyncio.Event()

    async def follow(self) -> None:
        """Hand events out until cancelled or something fails; started again, it goes on where it was."""
        newest = (await self.bounds()).last
        if self.position is not None and self.position > newest:  # the bus lost what it had
            self.audience.lose(self.service)
        if self.position is None or self.position > newest:
            self.position = newest
        self.live.set()
        async with aclosing(self.reader.messages(self.position)) as batches:
            async for batch in batches:
                for message in batch:
                    self.position = message.sequence
                    self.audience.hear(message)

    def forget(self) -> None:
        """Begin at the newest event when it is followed again."""
        self.position = None
        self.live.clear()

    async def bounds(self) -> Bounds:
        """Return which events the stream has."""
        return await self.reader.bounds()

    def stored(self, after: int, about: str) -> AsyncGenerator[list[StreamMessage]]:
        """Give, in batches, the events behind a number that are there now; `about` is `<owner>.<resource>`, either `*`.

        Raises as `ordered.messages` does.
        """
        return self.reader.messages(after, f"{EVENT_PREFIX}.{self.service}.*.{about}", stored=True)
