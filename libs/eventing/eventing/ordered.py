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


async def messages(js: JetStreamContext, stream: str, after: int, subject: str = ">") -> AsyncGenerator[list[Msg]]:
    """Give, in batches, what is in a stream behind the sequence number `after`, and what will be; close it in the end.

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
    name = (await js.add_consumer(stream, config)).name
    subscription = await js.pull_subscribe_bind(name, stream)
    given = 0
    try:
        while True:
            batch = await _fetched(subscription)
            if any(message.metadata.sequence.consumer != n for n, message in enumerate(batch, start=given + 1)):
                raise Lost(f"{stream}: something behind message {given} of {name}")
            given += len(batch)
            if batch:
                yield batch
    finally:  # the consumer goes when it was inactive for a while
        with suppress(Error, OSError):
            await subscription.unsubscribe()


async def _fetched(subscription: JetStreamContext.PullSubscription) -> list[Msg]:
    try:
        return await subscription.fetch(BATCH, timeout=FETCH_TIMEOUT)
    except NothingThere:
        return []
