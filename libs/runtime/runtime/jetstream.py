"""JetStream with types: what is used of it, and nothing of nats-py without them gets past this module."""

# pyright: reportUnknownMemberType=false
# nats-py leaves the keyword parameters of its methods without types.

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
    StreamConfig,
    StreamInfo,
)
from nats.js.kv import KeyValue

type PullSubscription = JetStreamContext.PullSubscription

TIMEOUT = 5.0
"""Seconds that a request to JetStream may take."""


class JetStream(Protocol):
    """The part of nats-py's JetStreamContext that is used. Raises `nats.errors.Error` and OSError."""

    async def account_info(self) -> AccountInfo:
        """Return what the account may use."""
        ...

    async def publish(
        self,
        subject: str,
        payload: bytes = b"",
        timeout: float | None = None,  # noqa: ASYNC109  nats-py's own parameter
        stream: str | None = None,
        headers: dict[str, Any] | None = None,
    ) -> PubAck:
        """Publish a message, and return what the stream acknowledged."""
        ...

    async def add_stream(self, config: StreamConfig) -> StreamInfo:
        """Create a stream."""
        ...

    async def stream_info(self, name: str) -> StreamInfo:
        """Return a stream's settings and state."""
        ...

    async def delete_stream(self, name: str) -> bool:
        """Delete a stream."""
        ...

    async def purge_stream(self, name: str, seq: int | None = None, subject: str | None = None) -> bool:
        """Remove the messages before `seq`, or of a subject, or all."""
        ...

    async def get_msg(self, stream_name: str, seq: int | None = None) -> RawStreamMsg:
        """Return one message by its number."""
        ...

    async def get_last_msg(self, stream_name: str, subject: str) -> RawStreamMsg:
        """Return the last message of a subject."""
        ...

    async def add_consumer(self, stream: str, config: ConsumerConfig) -> ConsumerInfo:
        """Create a consumer, if it is not there."""
        ...

    async def consumer_info(self, stream: str, consumer: str) -> ConsumerInfo:
        """Return a consumer's settings and state."""
        ...

    async def consumers_info(self, stream: str) -> list[ConsumerInfo]:
        """Return those of all consumers of a stream."""
        ...

    async def delete_consumer(self, stream: str, consumer: str) -> bool:
        """Delete a consumer."""
        ...

    async def pull_subscribe_bind(self, consumer: str, stream: str) -> PullSubscription:
        """Return a subscription that fetches from a consumer."""
        ...

    async def key_value(self, bucket: str) -> KeyValue:
        """Return a key-value bucket that is there."""
        ...

    async def create_key_value(self, config: KeyValueConfig) -> KeyValue:
        """Create a key-value bucket."""
        ...

    async def delete_key_value(self, bucket: str) -> bool:
        """Delete a key-value bucket."""
        ...


def jetstream(client: Client, *, timeout: float = TIMEOUT) -> JetStream:
    """Return JetStream with a bound on how long anything may take."""
    return client.jetstream(timeout=timeout)


def client_of(js: JetStream) -> Client:
    """Return the connection that JetStream is used on, which nats-py does not show."""
    return cast(Any, js)._nc  # noqa: SLF001


def headers_of(message: RawStreamMsg) -> Mapping[str, str]:
    """Return the headers of a stored message."""
    return cast(Mapping[str, str], message.headers or {})
