"""Key-value buckets of the bus: written by one service, watched by all who need to know."""

import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self, cast

from nats.errors import TimeoutError as NothingNew
from nats.js.api import KeyValueConfig
from nats.js.errors import BucketNotFoundError, KeyNotFoundError
from nats.js.kv import KeyValue

from runtime.bus import Client
from runtime.jetstream import jetstream

TICK = 1.0
"""Seconds after which a watch that a lost connection had broken is noticed."""


class BucketNotFound(Exception):
    """There is no such bucket: it was never made, or the bus lost it."""


@dataclass(frozen=True)
class Entry:
    """The value of a key, and the number that the bucket gave to this write."""

    value: bytes
    revision: int


class Bucket:
    """A bucket, as whoever fills it sees it. Its methods raise `nats.errors.Error` and OSError."""

    def __init__(self, bucket: KeyValue) -> None:
        self._bucket = bucket

    @classmethod
    async def ensure(cls, client: Client, name: str, *, seconds: float) -> Self:
        """Return the bucket `name`; one that is not there is made, and its entries live for some seconds."""
        js = jetstream(client)
        try:
            return cls(await js.key_value(name))
        except BucketNotFoundError:
            return cls(await js.create_key_value(KeyValueConfig(bucket=name, ttl=seconds, history=1)))

    async def get(self, key: str) -> Entry | None:
        """Return the entry of a key."""
        with suppress(KeyNotFoundError):
            entry = await self._bucket.get(key)
            return Entry(entry.value or b"", entry.revision or 0)
        return None

    async def put(self, key: str, value: bytes) -> None:
        """Write the value of a key."""
        await self._bucket.put(key, value)

    async def update(self, key: str, value: bytes, entry: Entry) -> None:
        """Write a value over `entry`. Raises, as all methods do, when that is not what the bucket holds now."""
        await self._bucket.update(key, value, entry.revision)


async def watch(client: Client, name: str, *, quiet: float) -> AsyncGenerator[str | None]:
    """Yield the keys that are in a bucket, None when these were all, and then each key that is written.

    Ends when the connection was lost, and when nothing came for `quiet` seconds: a watch that the bus has lost is
    silent as well. Watch again then.

    Raises:
        BucketNotFound: there is no such bucket.
        nats.errors.Error, OSError: the bus is away.
    """
    try:
        bucket = cast(Any, await jetstream(client).key_value(name))  # nats-py's watchers have no types
    except BucketNotFoundError:
        raise BucketNotFound(name) from None
    reconnects = client.stats["reconnects"]
    watcher = await bucket.watchall(meta_only=True, inactive_threshold=quiet)
    heard = time.monotonic()
    try:
        while time.monotonic() - heard < quiet and client.stats["reconnects"] == reconnects:
            with suppress(NothingNew):
                entry = await watcher.updates(timeout=TICK)
                heard = time.monotonic()
                yield entry.key if isinstance(entry, KeyValue.Entry) else None
    finally:
        await watcher.stop()
