"""Key-value buckets of the bus: written by one service, watched by others."""

import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self, cast

from nats.errors import TimeoutError as NatsTimeout
from nats.js.api import DiscardPolicy, KeyValueConfig, StreamConfig
from nats.js.errors import BucketNotFoundError, KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from runtime.bus import Client
from runtime.bus.jetstream import jetstream

POLL_SECONDS = 1.0
"""Seconds within which a watch notices that the connection was lost."""


class BucketNotFound(Exception):
    """The bucket does not exist: it was never created, or the bus lost its data."""


@dataclass(frozen=True)
class Entry:
    """The value of a key, and the revision of the bucket at which it was written."""

    value: bytes
    revision: int


class Bucket:
    """A bucket, for the service that writes to it. All methods raise `nats.errors.Error` and OSError."""

    def __init__(self, bucket: KeyValue) -> None:
        self._bucket = bucket

    @classmethod
    async def ensure(cls, client: Client, name: str, *, seconds: float) -> Self:
        """Return the bucket `name`. If it does not exist, create it; its entries expire after `seconds`."""
        js = jetstream(client)
        try:
            return cls(await js.key_value(name))
        except BucketNotFoundError:
            return cls(await js.create_key_value(KeyValueConfig(bucket=name, ttl=seconds, history=1)))

    @classmethod
    async def bounded(cls, client: Client, name: str, *, seconds: float, max_bytes: int) -> Self:
        """Return the bucket `name`, as `ensure` does; a new one drops its oldest entries above `max_bytes`."""
        js = jetstream(client)
        with suppress(BucketNotFoundError):
            return cls(await js.key_value(name))
        # Not `create_key_value`: the buckets that it creates accept no more entries when they are full.
        config = StreamConfig(
            name=f"KV_{name}",
            subjects=[f"$KV.{name}.>"],
            max_msgs_per_subject=1,
            max_age=seconds,
            max_bytes=max_bytes,
            discard=DiscardPolicy.OLD,
            allow_rollup_hdrs=True,
            deny_delete=True,
        )
        await js.add_stream(config)
        return cls(await js.key_value(name))

    async def get(self, key: str) -> Entry | None:
        """Return the entry of a key, or None."""
        with suppress(KeyNotFoundError):
            entry = await self._bucket.get(key)
            return Entry(entry.value or b"", entry.revision or 0)
        return None

    async def put(self, key: str, value: bytes) -> None:
        """Write the value of a key."""
        await self._bucket.put(key, value)

    async def update(self, key: str, value: bytes, entry: Entry | None) -> None:
        """Replace `entry`, which was read before, by a value; None stands for no entry.

        Raises:
            nats.errors.Error: the key was written since then.
        """
        await self._bucket.update(key, value, entry.revision if entry else None)

    async def replace(self, key: str, value: bytes, entry: Entry | None) -> Entry | None:
        """Replace `entry` as `update` does, and return the new entry; None if the key was written since then."""
        with suppress(KeyWrongLastSequenceError):
            return Entry(value, await self._bucket.update(key, value, entry.revision if entry else None))
        return None


async def watch(client: Client, name: str, *, max_silence: float) -> AsyncGenerator[tuple[str, bytes] | None]:
    """Yield the existing keys of a bucket with their values, then None, then each key that is written with its value.

    Ends if the connection was lost, or if nothing arrived for `max_silence` seconds, since a watch that the bus has
    dropped is silent, too. The caller then watches again.

    Raises:
        BucketNotFound: the bucket does not exist.
        nats.errors.Error, OSError: the bus is unavailable.
    """
    try:
        bucket = cast(Any, await jetstream(client).key_value(name))  # nats-py does not annotate watchers
    except BucketNotFoundError:
        raise BucketNotFound(name) from None
    reconnects = client.stats["reconnects"]
    watcher = await bucket.watchall(inactive_threshold=max_silence)
    last_received = time.monotonic()
    try:
        while time.monotonic() - last_received < max_silence and client.stats["reconnects"] == reconnects:
            with suppress(NatsTimeout):
                entry = await watcher.updates(timeout=POLL_SECONDS)
                last_received = time.monotonic()
                yield (entry.key, entry.value or b"") if isinstance(entry, KeyValue.Entry) else None
    finally:
        await watcher.stop()
