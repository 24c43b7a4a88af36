"""Reading the messages of a stream without depending on nats-py."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from nats.aio.msg import Msg

from runtime.bus import Client, ordered
from runtime.bus.jetstream import jetstream


@dataclass(frozen=True, slots=True)
class StreamMessage:
    """A stored message, with its sequence number."""

    subject: str
    sequence: int
    headers: Mapping[str, str]
    data: bytes

    @classmethod
    def of(cls, message: Msg) -> Self:
        """Convert a message of nats-py."""
        return cls(message.subject, message.metadata.sequence.stream, message.headers or {}, message.data)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The sequence numbers of the oldest and the newest message of a stream."""

    first: int
    last: int


class StreamReader:
    """Reads one stream. Raises as `ordered.messages` does."""

    def __init__(self, client: Client, stream: str) -> None:
        self.js, self.stream = jetstream(client), stream

    async def bounds(self) -> Bounds:
        """Return the range of messages that the stream holds."""
        state = (await self.js.stream_info(self.stream)).state
        return Bounds(state.first_seq, state.last_seq)

    async def newest_before(self, time: datetime) -> int:
        """Return the sequence number of the newest message that was published before a time."""
        return await ordered.newest_before(self.js, self.stream, time)

    async def messages(self, after: int, subject: str, *, stored: bool = False) -> AsyncGenerator[list[StreamMessage]]:
        """Yield batches of the messages after the sequence number `after`, and wait for new ones.

        With `stored`, end after the messages that are stored now. The reader may clear a batch to free its memory.
        """
        async with aclosing(ordered.messages(self.js, self.stream, after, subject, stored=stored)) as batches:
            async for batch in batches:
                read = list(map(StreamMessage.of, batch))
                batch.clear()
                if read:
                    yield read
