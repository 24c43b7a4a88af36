"""Token families that were ended before their time, as the identity service writes them into a bucket on the bus."""

# pyright: reportUnknownMemberType=false
# nats-py leaves the parameters of its watcher without types.

import time
from contextlib import suppress
from uuid import UUID

from nats.aio.client import Client
from nats.errors import TimeoutError as NothingNew
from nats.js.api import KeyValueConfig, StorageType
from nats.js.errors import BucketNotFoundError
from nats.js.kv import KeyValue

BUCKET = "REVOCATIONS"
KEPT = 2 * 3600.0
"""Longer than an access token lives: after that, a revocation has nothing left to stop."""
QUIET = 30.0
"""When nothing came for so long the watch begins anew: one that the bus had lost is silent as well."""
TICK = 1.0
"""How soon a watch that a lost connection had broken is noticed."""


class Revocations:
    """The revoked families, known in this process."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.known = False
        self.families: dict[str, float] = {}

    def __contains__(self, family: UUID) -> bool:
        return str(family) in self.families

    def add(self, family: UUID) -> None:
        """Take note of a family that this process had revoked: the bucket is a moment behind."""
        self._note(str(family))

    async def watch(self) -> None:
        """Follow the bucket until it is quiet for a while, or the connection was lost; to be run forever."""
        reconnects = self.client.stats["reconnects"]
        watcher = await (await self._bucket()).watchall(meta_only=True, inactive_threshold=QUIET)
        heard = time.monotonic()
        try:
            while time.monotonic() - heard < QUIET and self.client.stats["reconnects"] == reconnects:
                with suppress(NothingNew):
                    self._take(await watcher.updates(timeout=TICK))
                    heard = time.monotonic()
        finally:
            await watcher.stop()

    def _take(self, entry: object) -> None:
        if isinstance(entry, KeyValue.Entry):
            self._note(entry.key)
        else:  # the watcher has caught up
            self.known = True
            self._forget()

    async def _bucket(self) -> KeyValue:
        js = self.client.jetstream()
        try:
            return await js.key_value(BUCKET)
        except BucketNotFoundError:
            return await js.create_key_value(
                KeyValueConfig(bucket=BUCKET, ttl=KEPT, history=1, storage=StorageType.FILE)
            )

    def _note(self, family: str) -> None:
        self.families[family] = time.monotonic() + KEPT

    def _forget(self) -> None:
        now = time.monotonic()
        self.families = {family: until for family, until in self.families.items() if until > now}
