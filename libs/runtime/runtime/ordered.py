"""The messages of a stream in order, each once, for one reader that keeps its own cursor.

nats-py's ordered consumer starts again at the beginning of the stream if the bus was unavailable before the first
message arrived, and notices a loss only after 20 seconds. This one raises on any irregularity; its reader then starts
it again at its cursor. It sends its own pull requests, since nats-py's `fetch` cannot limit the bytes of a batch.
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any, cast

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error
from nats.errors import TimeoutError as NothingThere
from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo, DeliverPolicy

from runtime import clock
from runtime.jetstream import JetStream, client_of

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
    js: JetStream, stream: str, after: int, subject: str = ">", *, stored: bool = False
) -> AsyncGenerator[list[Msg]]:
    """Give, in batches, what is in a stream behind the sequence number `after`, and what will be; close it in the end.

    `stored` ends it when all that is there now was given.

    Raises:
        Purged: with `stored`, not all that was there was given, though all that is left of it.
        Lost, nats.errors.Error: start it again, behind the last message that was given.
    """
    name = f"ordered-{clock.new_id()}"
    config = ConsumerConfig(
        name=name,
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=after + 1,
        filter_subject=subject,
        ack_policy=AckPolicy.NONE,
        mem_storage=True,
        num_replicas=1,
        inactive_threshold=INACTIVE,
    )
    puller = _Puller(client_of(js), stream, name, wait=not stored)
    creating = asyncio.get_running_loop().create_task(js.add_consumer(stream, config))
    try:
        there = (await asyncio.shield(creating)).num_pending or 0
        newest = (await js.stream_info(stream)).state.last_seq if stored else 0
        given, left = 0, there
        await puller.open()
        while not stored or given < there:
            batch = await puller.pull(max(1, min(left, BATCH)))
            if any(message.metadata.sequence.consumer != n for n, message in enumerate(batch, start=given + 1)):
                raise Lost(f"{stream}: something behind message {given} of {name}")
            given += len(batch)
            left = batch[-1].metadata.num_pending if batch else 0
            gone = stored and (given + left < there or batch[-1].metadata.sequence.stream > newest)
            if batch:
                yield batch
            elif stored:
                raise Lost(f"{stream}: {there - given} messages that were there did not come")
            if gone:
                raise Purged(f"{stream}: some of {there} messages behind {after} are gone")
    finally:  # not awaited: a reader that is cancelled, even again and again, leaves no consumer behind
        tidying = asyncio.get_running_loop().create_task(_tidy_up(js, puller, creating))
        _tidying.add(tidying)
        tidying.add_done_callback(_tidying.discard)


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
    """Pulls batches of bounded size from one consumer, and optionally waits for messages."""

    def __init__(self, client: Client, stream: str, consumer: str, *, wait: bool) -> None:
        self.client, self.inbox = cast(Any, client), client.new_inbox()
        self.stream, self.consumer = stream, consumer
        self.subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._subscription: Any = None
        self._wait_options: dict[str, Any] = {"expires": int(FETCH_TIMEOUT * 1e9)} if wait else {"no_wait": True}
        self._requests = 0

    async def open(self) -> None:
        self._subscription = await self.client.subscribe(f"{self.inbox}.*")

    async def close(self) -> None:
        if self._subscription:
            await self._subscription.unsubscribe()

    async def pull(self, limit: int) -> list[Msg]:
        """Return at most `limit` messages, or none.

        A waiting pull completes only with `limit` messages, so its caller asks for no more than are available, or one.
        """
        batch, end = await self._request(batch=limit, max_bytes=BATCH_BYTES)
        if not batch and end.startswith("409"):  # the next message alone exceeds BATCH_BYTES
            batch, end = await self._request(batch=1)
        if not batch and not end.startswith(NOTHING_THERE):
            raise Lost(f"{self.subject}: {end}")
        return batch

    async def _request(self, **bounds: int) -> tuple[list[Msg], str]:
        self._requests += 1
        inbox = f"{self.inbox}.{self._requests}"
        await self.client.publish(self.subject, json.dumps(bounds | self._wait_options).encode(), reply=inbox)
        batch: list[Msg] = []
        while len(batch) < bounds["batch"]:
            try:
                message: Msg = await self._subscription.next_msg(FETCH_TIMEOUT + 1)
            except NothingThere:
                return batch, NOTHING_THERE[0]
            if not message.subject.startswith(self.inbox):
                batch.append(message)
            elif message.subject == inbox:  # status messages of earlier requests are ignored
                head = message.headers or {}
                return batch, f"{head.get('Status')} {head.get('Description')}"
        return batch, ""
