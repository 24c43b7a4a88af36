"""The facts of one service as they come, read once for all clients of this gateway."""

# pyright: reportUnknownMemberType=false
# nats-py leaves the keyword parameters of its methods without types.

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import StreamState
from runtime import ordered

type Take = Callable[[Msg], None]


class Feed:
    """Follows a service's stream. `live` is set while everything behind `position` is, or will be, handed to `take`."""

    def __init__(self, js: JetStreamContext, service: str, take: Take, lost: Callable[[], None]) -> None:
        self.js, self.service, self._take, self._lost = js, service, take, lost
        self.stream = f"EVT_{service.upper()}"
        self.position: int | None = None
        self.live = asyncio.Event()

    async def follow(self) -> None:
        """Hand facts out until cancelled or something fails; started again, it goes on where it was."""
        newest = (await self.state()).last_seq
        if self.position is not None and self.position > newest:  # the bus lost what it had
            self._lost()
        if self.position is None or self.position > newest:
            self.position = newest
        self.live.set()
        async with aclosing(ordered.messages(self.js, self.stream, self.position)) as batches:
            async for batch in batches:
                for message in batch:
                    self.position = message.metadata.sequence.stream
                    self._take(message)

    def forget(self) -> None:
        """Begin at the newest fact when it is followed again."""
        self.position = None
        self.live.clear()

    async def state(self) -> StreamState:
        """Ask which facts the stream has."""
        return (await self.js.stream_info(self.stream)).state

    def stored(self, after: int, about: str) -> AsyncGenerator[list[Msg]]:
        """Give, in batches, the facts behind a number that are there now; `about` is `<owner>.<resource>`, either `*`.

        Raises as `ordered.messages` does.
        """
        return ordered.messages(self.js, self.stream, after, f"evt.{self.service}.*.{about}", stored=True)
