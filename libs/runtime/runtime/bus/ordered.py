"""The messages of a stream in order, each once, for one reader that keeps its own cursor.

nats-py's ordered consumer starts again at the beginning of the stream if the bus was unavailable before the first
message arrived, and notices a loss only after 20 seconds. This one raises on any irregularity; its reader then starts
it again at its cursor. It sends its own pull requests, since nats-py's `fetch` cannot limit the bytes of a batch.
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error
from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo, DeliverPolicy

from runtime import clock
from runtime.bus.jetstream import JetStream, client_of

BATCH = 100
BATCH_BYTES = 1024 * 1024
"""Maximum size of a batch; a larger message is delivered alone."""
FETCH_TIMEOUT = 5.0
INACTIVE = 30.0
NOTHING_THERE = ("404", "408")


class Lost(Exception):
    """A message did not arrive. Read again from the cursor."""


class Purged(Lost):
    """Messages were removed from the stream before they could be read."""


async def messages(
    js: JetStream, stream: str, after: int, subject: str = ">", *, stored: bool = False, headers_only: bool = False
) -> AsyncGenerator[list[Msg]]:
    """Yield the messages of a stream after the sequence number `after`, in batches, then new ones; to be closed.

    With `stored`, it ends after the messages that the stream holds now. With `headers_only`, they have no bodies.
    An empty batch means that there are none at the moment; there is one at most every few seconds.

    Raises:
        Purged: with `stored`, some of the messages are no longer there; those that are left were yielded.
        Lost, nats.errors.Error: start again after the last message that was yielded.
    """
    config = _consumer_config(after, subject, headers_only)
    puller = _Puller(client_of(js), stream, str(config.name), wait=not stored)
    creating = asyncio.get_running_loop().create_task(js.add_consumer(stream, config))
    try:
        pending = (await asyncio.shield(creating)).num_pending or 0
        newest = (await js.stream_info(stream)).state.last_seq if stored else 0
        progress = _Progress(stream, pending, newest, left=pending)
        await puller.open()
        while not stored or progress.read < pending:
            # Messages stored meanwhile do not belong to those that are read with `stored`.
            available = min(progress.left, pending - progress.read) if stored else progress.left
            batch = await puller.pull(max(1, min(available, BATCH)))
            progress.add(batch)
            error = progress.error(batch) if stored else None  # now, since the reader may empty the batch
            if batch or not stored:
                yield batch
            if error:
                raise error
    finally:  # not awaited: a reader that is cancelled, even again and again, leaves no consumer behind
        tidying = asyncio.get_running_loop().create_task(_tidy_up(js, puller, creating))
        _tidying.add(tidying)
        tidying.add_done_callback(_tidying.discard)


async def newest_before(js: JetStream, stream: str, time: datetime) -> int:
    """Return the sequence number of the newest message that was published before a time; 0 if there was none.

    Raises:
        nats.errors.Error: the server does not answer, or there is no such stream.
    """
    config = _consumer_config(0, ">", headers_only=True)
    config.deliver_policy, config.opt_start_seq = DeliverPolicy.BY_START_TIME, None
    config.opt_start_time = time
    info = await js.add_consumer(stream, config)
    with suppress(Error, OSError):  # otherwise, the server deletes it when it is inactive
        await js.delete_consumer(stream, info.name)
    return info.delivered.stream_seq if info.delivered else 0


def _consumer_config(after: int, subject: str, headers_only: bool) -> ConsumerConfig:
    return ConsumerConfig(
        name=f"ordered-{clock.new_id()}",
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=after + 1,
        filter_subject=subject,
        headers_only=headers_only,
        ack_policy=AckPolicy.NONE,
        mem_storage=True,
        num_replicas=1,
        inactive_threshold=INACTIVE,
    )


@dataclass
class _Progress:
    """How far a stream was read. `pending` messages were stored at the beginning, the last one with number `newest`."""

    stream: str
    pending: int
    newest: int
    left: int
    read: int = 0

    def add(self, batch: list[Msg]) -> None:
        """Count a batch. Raises `Lost` if a message before it, or within it, did not arrive."""
        if any(message.metadata.sequence.consumer != n for n, message in enumerate(batch, start=self.read + 1)):
            raise Lost(f"{self.stream}: a message after the first {self.read} did not arrive")
        self.read += len(batch)
        self.left = batch[-1].metadata.num_pending if batch else 0

    def error(self, batch: list[Msg]) -> Lost | None:
        """Return `Lost` if no stored message arrives any more, `Purged` if some were removed before they were read."""
        if not batch:
            return Lost(f"{self.stream}: {self.pending - self.read} stored messages did not arrive")
        # Later messages may take the place of purged ones in the count, but not in the sequence.
        if self.read + self.left < self.pending or batch[-1].metadata.sequence.stream > self.newest:
            return Purged(f"{self.stream}: some of {self.pending} stored messages were removed before they were read")
        return None


_tidying = set[asyncio.Task[None]]()
"""References to clean-up tasks, since the event loop holds only weak ones. Each task makes a few requests."""


async def _tidy_up(js: JetStream, puller: "_Puller", creating: "asyncio.Task[ConsumerInfo]") -> None:
    """Delete a consumer, once its creation has completed. If that fails, the server deletes it when it is inactive."""
    with suppress(Error, OSError):
        await puller.close()
    with suppress(Error, OSError):
        await creating
    with suppress(Error, OSError):
        await js.delete_consumer(puller.stream, puller.consumer)


class _Puller:
    """Pulls batches of bounded size from one consumer, and optionally waits for messages.

    A request that waits is for a whole batch, and stays open when its first messages are returned: the next ones need
    none.
    """

    def __init__(self, client: Client, stream: str, consumer: str, *, wait: bool) -> None:
        self.client, self.inbox = cast(Any, client), client.new_inbox()
        self.stream, self.consumer = stream, consumer
        self.subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._subscription: Any = None
        self._received = asyncio.Queue[Msg]()
        self._waits = wait
        self._requests, self._due = 0, 0

    async def open(self) -> None:
        # Not by `next_msg` of the subscription, which starts a task for each message.
        self._subscription = await self.client.subscribe(f"{self.inbox}.*", cb=self._received.put)

    async def close(self) -> None:
        if self._subscription:
            await self._subscription.unsubscribe()

    async def pull(self, limit: int) -> list[Msg]:
        """Return at most `limit` messages, or none; if it waits, also those that have arrived after them.

        A waiting pull completes only with `limit` messages, so its caller asks for no more than are available, or one.
        """
        batch, end = await self._receive(limit, BATCH if self._waits else limit, BATCH_BYTES)
        if not batch and end.startswith("409"):  # the next message alone exceeds BATCH_BYTES, or what is left of them
            batch, end = await self._receive(1, 1)
        if not batch and not end.startswith(NOTHING_THERE):
            raise Lost(f"{self.subject}: {end}")
        return batch

    async def _receive(self, limit: int, *bounds: int) -> tuple[list[Msg], str]:
        """Return messages of the open request, or of a new one with these `bounds`, and why it ended, if it did."""
        if not self._due:
            await self._request(*bounds)
        batch: list[Msg] = []
        while self._due and (len(batch) < limit or not self._received.empty()):
            try:
                message = await self._next()
            except TimeoutError:
                self._due = 0
                return batch, NOTHING_THERE[0]
            if not message.subject.startswith(self.inbox):
                batch.append(message)
                self._due -= 1
            elif message.subject == self._reply:  # status messages of earlier requests are ignored
                self._due = 0
                head = message.headers or {}
                return batch, f"{head.get('Status')} {head.get('Description')}"
        return batch, ""

    async def _request(self, batch: int, max_bytes: int = 0) -> None:
        self._requests += 1
        how = {"expires": int(FETCH_TIMEOUT * 1e9)} if self._waits else {"no_wait": True}
        bounds = {"batch": batch, "max_bytes": max_bytes} | how
        await self.client.publish(self.subject, json.dumps(bounds).encode(), reply=self._reply)
        self._due = batch

    @property
    def _reply(self) -> str:
        return f"{self.inbox}.{self._requests}"

    async def _next(self) -> Msg:
        if not self._received.empty():
            return self._received.get_nowait()
        async with asyncio.timeout(FETCH_TIMEOUT + 1):
            return await self._received.get()
