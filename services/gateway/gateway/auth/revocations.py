"""Token families that were ended before their time, as the identity service writes them into a bucket on the bus.

A bucket that the bus lost is missing or new, and may lack what was revoked: until identity has written that it is
complete again, nobody is let in.
"""

# pyright: reportUnknownMemberType=false
# nats-py leaves the parameters of its watcher without types.

import asyncio
import time
from contextlib import suppress
from uuid import UUID

from nats.aio.client import Client
from nats.errors import TimeoutError as NothingNew
from nats.js.errors import BucketNotFoundError
from nats.js.kv import KeyValue

BUCKET = "REVOCATIONS"
COMPLETE = "complete"
"""The entry that says that all revocations are there."""
KEPT = 2 * 3600.0
"""Longer than an access token lives: after that, a revocation has nothing left to stop."""
QUIET = 30.0
"""When nothing came for so long the watch begins anew: one that the bus had lost is silent as well."""
TICK = 1.0
"""How soon a watch that a lost connection had broken is noticed."""
PAUSE = 0.2
"""Seconds after which a bucket that is missing is looked for again."""


class Revocations:
    """The revoked families, known in this process."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.known = self._complete = False
        self.families: dict[str, float] = {}

    def __contains__(self, family: UUID) -> bool:
        return str(family) in self.families

    def add(self, family: UUID) -> None:
        """Take note of a family that this process had revoked: the bucket is a moment behind."""
        self._note(str(family))

    async def watch(self) -> None:
        """Follow the bucket until it is quiet for a while, or the connection was lost; to be run forever."""
        try:
            bucket = await self.client.jetstream().key_value(BUCKET)
        except BucketNotFoundError:
            self.known = False
            await asyncio.sleep(PAUSE)
            return
        await self._follow(bucket)

    async def _follow(self, bucket: KeyValue) -> None:
        reconnects = self.client.stats["reconnects"]
        watcher = await bucket.watchall(meta_only=True, inactive_threshold=QUIET)
        heard, self._complete = time.monotonic(), False
        try:
            while time.monotonic() - heard < QUIET and self.client.stats["reconnects"] == reconnects:
                with suppress(NothingNew):
                    self._take(await watcher.updates(timeout=TICK))
                    heard = time.monotonic()
        finally:
            await watcher.stop()

    def _take(self, entry: object) -> None:
        if not isinstance(entry, KeyValue.Entry):  # the watcher has caught up
            self.known = self._complete
            self._forget()
        elif entry.key == COMPLETE:
            self._complete = self.known = True
        else:
            self._note(entry.key)

    def _note(self, family: str) -> None:
        self.families[family] = time.monotonic() + KEPT

    def _forget(self) -> None:
        now = time.monotonic()
        self.families = {family: until for family, until in self.families.items() if until > now}
