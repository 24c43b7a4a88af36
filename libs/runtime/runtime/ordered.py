"""The messages of a stream in order, each once, for one reader that keeps its own place.

nats-py's ordered consumer starts at the beginning of the stream again when the bus was away before the first message
came, and notices only after 20 seconds. This one ends when anything is odd; its reader then starts it at its place.
"""

# pyright: reportUnknownMemberType=false
# nats-py leaves the keyword parameters of its methods without types.

from collections.abc import AsyncGenerator
from contextlib import suppress

from nats.aio.msg import Msg
from nats.errors import Error
from nats.errors import TimeoutError as NothingThere
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

BATCH = 100
FETCH_TIMEOUT = 5.0
INACTIVE = 60.0


class Lost(Exception):
    """A message did not arrive: start again."""


async def messages(
    js: JetStreamContext, stream: str, after: int, subject: str = ">", *, stored: bool = False
) -> AsyncGenerator[list[Msg]]:
    """Give, in batches, what is in a stream behind the sequence number `after`, and what will be; close it in the end.

    `stored` ends it when all that is there now was given.

    Raises:
        Lost, nats.errors.Error: start it again, behind the last message that was given.
    """
    config = ConsumerConfig(
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=after + 1,
        filter_subject=subject,
        ack_policy=AckPolicy.NONE,
        mem_storage=True,
        num_replicas=1,
        inactive_threshold=INACTIVE,
    )
    consumer = await js.add_consumer(stream, config)
    name, there = consumer.name, consumer.num_pending or 0
    subscription = await js.pull_subscribe_bind(name, stream)
    given, left = 0, there
    try:
        while not stored or given < there:
            batch = await _fetched(subscription, left)
            if any(message.metadata.sequence.consumer != n for n, message in enumerate(batch, start=given + 1)):
                raise Lost(f"{stream}: something behind message {given} of {name}")
            given += len(batch)
            left = batch[-1].metadata.num_pending if batch else 0
            if batch:
                yield batch
            elif stored:
                raise Lost(f"{stream}: {there - given} messages that were there did not come")
    finally:  # should this fail, the consumer goes when it was inactive for a while
        with suppress(Error, OSError):
            await subscription.unsubscribe()
            await js.delete_consumer(stream, name)


async def _fetched(subscription: JetStreamContext.PullSubscription, left: int) -> list[Msg]:
    # Never more than there is, or one: nats-py waits for the whole batch until the timeout, with what has come in hand.
    try:
        return await subscription.fetch(max(1, min(left, BATCH)), timeout=FETCH_TIMEOUT)
    except NothingThere:
        return []
