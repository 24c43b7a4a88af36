"""The part of JetStream that is used, with types, which nats-py lacks."""

# pyright: reportUnknownMemberType=false
# nats-py does not annotate the keyword parameters of its methods.

from collections.abc import Mapping
from typing import Any, Protocol, cast

from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import (
    AccountInfo,
    ConsumerConfig,
    ConsumerInfo,
    KeyValueConfig,
    PubAck,
    RawStreamMsg,
    StorageType,
    StreamConfig,
    StreamInfo,
)
from nats.js.kv import KeyValue

type PullSubscription = JetStreamContext.PullSubscription

TIMEOUT = 5.0
"""Timeout of a request to JetStream, in seconds."""
MAX_LAST_VALUES = 500_000
"""How many subjects a stream of last values holds. A short message takes about 200 bytes, of memory or of a file."""


class JetStream(Protocol):
    """The part of nats-py's JetStreamContext that is used. All methods raise `nats.errors.Error` and OSError."""

    async def account_info(self) -> AccountInfo:
        """Return the limits and the usage of the account."""
        ...

    async def publish(
        self,
        subject: str,
        payload: bytes = b"",
        timeout: float | None = None,  # noqa: ASYNC109  nats-py's own parameter
        stream: str | None = None,
        headers: dict[str, Any] | None = None,
    ) -> PubAck:
        """Publish a message, and return the acknowledgement of the stream."""
        ...

    async def add_stream(self, config: StreamConfig) -> StreamInfo:
        """Create a stream."""
        ...

    async def stream_info(self, name: str) -> StreamInfo:
        """Return the configuration and the state of a stream."""
        ...

    async def delete_stream(self, name: str) -> bool:
        """Delete a stream."""
        ...

    async def purge_stream(self, name: str, seq: int | None = None, subject: str | None = None) -> bool:
        """Remove the messages before the sequence number `seq`, those of `subject`, or all."""
        ...

    async def get_msg(
        self,
        stream_name: str,
        seq: int | None = None,
        subject: str | None = None,
        *,
        next: bool | None = None,  # noqa: A002  nats-py's own parameter
    ) -> RawStreamMsg:
        """Return the message with a sequence number; with `next`, the first one of `subject` from there on."""
        ...

    async def delete_msg(self, stream_name: str, seq: int) -> bool:
        """Delete the message with a sequence number, and overwrite its content in the files of the server."""
        ...

    async def get_last_msg(self, stream_name: str, subject: str) -> RawStreamMsg:
        """Return the last message of a subject."""
        ...

    async def add_consumer(self, stream: str, config: ConsumerConfig) -> ConsumerInfo:
        """Create a consumer, unless it exists."""
        ...

    async def consumer_info(self, stream: str, consumer: str) -> ConsumerInfo:
        """Return the configuration and the state of a consumer."""
        ...

    async def consumers_info(self, stream: str) -> list[ConsumerInfo]:
        """Return the configuration and the state of all consumers of a stream."""
        ...

    async def delete_consumer(self, stream: str, consumer: str) -> bool:
        """Delete a consumer."""
        ...

    async def pull_subscribe_bind(self, consumer: str, stream: str) -> PullSubscription:
        """Return a subscription that pulls from an existing consumer."""
        ...

    async def key_value(self, bucket: str) -> KeyValue:
        """Return an existing key-value bucket."""
        ...

    async def create_key_value(self, config: KeyValueConfig) -> KeyValue:
        """Create a key-value bucket."""
        ...

    async def delete_key_value(self, bucket: str) -> bool:
        """Delete a key-value bucket."""
        ...


def jetstream(client: Client, *, timeout: float = TIMEOUT) -> JetStream:
    """Return JetStream on this connection; each request has a timeout, in seconds."""
    return client.jetstream(timeout=timeout)


async def subject_counts(js: JetStream, stream: str, subjects: str) -> dict[str, int]:
    """Return how many messages a stream has of each of the `subjects`, a filter."""
    return (await cast(Any, js).stream_info(stream, subjects)).state.subjects or {}


def client_of(js: JetStream) -> Client:
    """Return the connection of a JetStream context, which nats-py does not expose."""
    return cast(Any, js)._nc  # noqa: SLF001


def last_values(name: str, subjects: str, *, seconds: float, durable: bool = False) -> StreamConfig:
    """Return the configuration of a stream that holds the last message of each subject for `seconds`.

    It is in the memory of the bus, or in files if it is `durable`. The oldest messages are dropped when there are too
    many.
    """
    return StreamConfig(
        name=name,
        subjects=[subjects],
        storage=StorageType.FILE if durable else StorageType.MEMORY,
        max_msgs=MAX_LAST_VALUES,
        max_msgs_per_subject=1,
        max_age=seconds,
    )


def headers_of(message: RawStreamMsg) -> Mapping[str, str]:
    """Return the headers of a stored message."""
    return cast(Mapping[str, str], message.headers or {})
