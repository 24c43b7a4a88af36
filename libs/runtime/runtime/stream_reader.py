"""The messages of a stream, for readers that know nothing of the bus."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Self

from nats.aio.msg import Msg

from runtime import ordered
from runtime.bus import Client
from runtime.jetstream import jetstream


@dataclass(frozen=True, slots=True)
class StreamMessage:
    """A stored message, with its number in the stream."""

    subject: str
    sequence: int
    headers: Mapping[str, str]
    data: bytes

    @classmethod
    def of(cls, message: Msg) -> Self:
        """Return a message of the bus without its connection."""
        return cls(message.subject, message.metadata.sequence.stream, message.headers or {}, message.data)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The numbers of the oldest and the newest message of a stream."""

    first: int
    last: int


class StreamReader:
    """Reads one stream. Raises as `ordered.messages` does."""

    def __init__(self, client: Client, stream: str) -> None:
        self.js, self.stream = jetstream(client), stream

    async def bounds(self) -> Bounds:
        """Return which messages the stream has."""
        state = (await self.js.stream_info(self.stream)).state
        return Bounds(state.first_seq, state.last_seq)

    async def messages(
        self, after: int, subject: str = ">", *, stored: bool = False
    ) -> AsyncGenerator[list[StreamMessage]]:
        """Yield, in batches, what is behind the number `after`, and what will be; with `stored`, what is there now.

        Whoever has read a batch may clear it, so that a slow reader does not hold it in memory.
        """
        async with aclosing(ordered.messages(self.js, self.stream, after, subject, stored=stored)) as batches:
            async for batch in batches:
                read = list(map(StreamMessage.of, batch))
                batch.clear()
                yield read
