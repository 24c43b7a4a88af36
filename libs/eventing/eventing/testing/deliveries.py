"""Reports of the bus about a durable consumer of the jars' events, about dead letters, and about heartbeats."""

from collections import Counter
from collections.abc import Awaitable, Callable

from contracts.wire import DEAD_LETTERS
from nats.aio.msg import Msg
from nats.js.errors import NotFoundError
from runtime.bus import Client
from runtime.bus.jetstream import JetStream
from runtime.bus.pubsub import subscribe

type RestartBus = Callable[[], Awaitable[None]]
"""Restarts the bus, and returns when the clients of the test are connected again."""

CONSUMER = "shelf-open"
"""The durable consumer of the reaction `open` of the service `shelf` (`eventing.testing.reacting`)."""


async def all_acknowledged(js: JetStream, consumer: str = CONSUMER) -> bool:
    """Return whether a consumer exists and every event that it filters is delivered and acknowledged.

    There has to be such an event. The newest one is compared because the counts of pending messages are 0 while the
    server creates the consumer.
    """
    try:
        info = await js.consumer_info("EVT_JAR", consumer)
        newest = await js.get_last_msg("EVT_JAR", str(info.config.filter_subject))
    except NotFoundError:
        return False
    return bool(info.ack_floor) and (info.ack_floor.stream_seq or 0) >= (newest.seq or 0)


async def is_created(js: JetStream, consumer: str = CONSUMER) -> bool:
    """Return whether a consumer exists."""
    try:
        return bool(await js.consumer_info("EVT_JAR", consumer))
    except NotFoundError:
        return False


async def delivery_count(js: JetStream, consumer: str = CONSUMER) -> int:
    """Return the number of deliveries to a consumer, redeliveries included."""
    info = await js.consumer_info("EVT_JAR", consumer)
    return (info.delivered.consumer_seq if info.delivered else 0) or 0


async def dead_letter_count(js: JetStream) -> int:
    """Return the number of messages in the stream of dead letters."""
    return (await js.stream_info(DEAD_LETTERS)).state.messages


async def count_heartbeats(client: Client) -> Counter[str]:
    """Count the heartbeats of each message from now on, which make the bus wait for its acknowledgement again."""
    heartbeats = Counter[str]()

    async def count(message: Msg) -> None:
        heartbeats.update([message.subject] * (message.data == Msg.Ack.Progress))

    await subscribe(client, "$JS.ACK.>", count)
    await client.flush()
    return heartbeats
