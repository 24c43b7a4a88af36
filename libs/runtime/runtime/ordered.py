"""The messages of a stream in order, each once, for one reader that keeps its own place.

nats-py's ordered consumer starts at the beginning of the stream again when the bus was away before the first message
came, and notices only after 20 seconds. This one ends when anything is odd; its reader then starts it at its place.
It pulls on its own, since nats-py's `fetch` cannot say how many bytes it is ready for.
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
"""How much comes at once; a message that is larger comes alone."""
FETCH_TIMEOUT = 5.0
INACTIVE = 30.0
NOTHING_THERE = ("404", "408")


class Lost(Exception):
    """A message did not arrive: start again."""


class Purged(Lost):
    """Messages that were there went from the stream before they could be read."""


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
"""The loop itself does not keep its tasks. Each of these takes a few requests, and so ends within seconds."""


async def _tidy_up(js: JetStream, puller: "_Puller", creating: "asyncio.Task[ConsumerInfo]") -> None:
    """Remove a consumer, once it is certain to be there; should that fail, it goes when it was inactive for a while."""
    with suppress(Error, OSError):
        await puller.close()
    with suppress(Error, OSError):
        await creating
    with suppress(Error, OSError):
        await js.delete_consumer(puller.stream, puller.consumer)


class _Puller:
    """Asks one consumer for messages, within bounds; may wait for them."""

    def __init__(self, client: Client, stream: str, consumer: str, *, wait: bool) -> None:
        self.client, self.inbox = cast(Any, client), client.new_inbox()
        self.stream, self.consumer = stream, consumer
        self.subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._subscription: Any = None
        self._waiting: dict[str, Any] = {"expires": int(FETCH_TIMEOUT * 1e9)} if wait else {"no_wait": True}
        self._asked = 0

    async def open(self) -> None:
        self._subscription = await self.client.subscribe(f"{self.inbox}.*")

    async def close(self) -> None:
        if self._subscription:
            await self._subscription.unsubscribe()

    async def pull(self, most: int) -> list[Msg]:
        """Give what is there, or nothing. Who waits asks for no more than is there, or for one: it waits for all."""
        batch, end = await self._ask(batch=most, max_bytes=BATCH_BYTES)
        if not batch and end.startswith("409"):  # the next one alone is larger
            batch, end = await self._ask(batch=1)
        if not batch and not end.startswith(NOTHING_THERE):
            raise Lost(f"{self.subject}: {end}")
        return batch

    async def _ask(self, **bounds: int) -> tuple[list[Msg], str]:
        self._asked += 1
        inbox = f"{self.inbox}.{self._asked}"
        await self.client.publish(self.subject, json.dumps(bounds | self._waiting).encode(), reply=inbox)
        batch: list[Msg] = []
        while len(batch) < bounds["batch"]:
            try:
                message: Msg = await self._subscription.next_msg(FETCH_TIMEOUT + 1)
            except NothingThere:
                return batch, NOTHING_THERE[0]
            if not message.subject.startswith(self.inbox):
                batch.append(message)
            elif message.subject == inbox:  # others tell how an earlier one ended
                head = message.headers or {}
                return batch, f"{head.get('Status')} {head.get('Description')}"
        return batch, ""
