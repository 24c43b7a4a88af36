"""The streams on JetStream, as they must be; PostgreSQL is the truth, they can be filled again."""

# pyright: reportUnknownMemberType=false
# nats-py leaves the keyword parameters of its methods without types.

from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import StorageType, StreamConfig
from nats.js.errors import BadRequestError
from runtime.starting import CannotStart

from eventing import wire
from eventing.recording import LARGEST_FACT

API_LEVEL = 2  # nats-server 2.12: older ones silently ignore newer stream settings
LARGEST_STREAM, SMALLEST_STREAM = 2**30, 2**24
MONTH = 30 * 24 * 3600.0
DEAD_LETTERS = "DEAD_LETTERS"


class BusTooOld(CannotStart):
    """The NATS server cannot do what the system needs."""


class BusTooSmall(CannotStart):
    """The NATS server does not carry messages as large as facts may be."""


def check_size(client: Client) -> None:
    """Make sure that any fact can be published: one that cannot would stop all that are behind it.

    Raises:
        BusTooSmall: the server carries less.
    """
    if client.max_payload < LARGEST_FACT + wire.HEADROOM:
        raise BusTooSmall(f"nats-server carries messages of {client.max_payload} bytes: set its max_payload to 8MB")


def jetstream(client: Client) -> JetStreamContext:
    """Give JetStream with a bound on how long anything may take."""
    return client.jetstream(timeout=5)


async def provision(js: JetStreamContext, name: str, subjects: list[str], largest: int = LARGEST_STREAM) -> None:
    """Make a stream, or bring it to these settings. Facts stay there for 30 days, the newest `largest` bytes of them.

    Raises:
        BusTooOld: the server is older than 2.12.
    """
    level = (await js.account_info()).api.level or 0
    if level < API_LEVEL:
        raise BusTooOld(f"nats-server speaks JetStream API level {level}; level {API_LEVEL} (2.12 or later) is needed")
    config = StreamConfig(
        name=name,
        subjects=subjects,
        storage=StorageType.FILE,
        max_age=MONTH,
        max_bytes=largest,  # beyond it the oldest go: a server that is full would take no fact of anybody
        duplicate_window=120,
    )
    try:
        await js.add_stream(config)
    except BadRequestError:
        await js.update_stream(config)
