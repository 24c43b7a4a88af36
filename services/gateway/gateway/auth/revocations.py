"""Token families that were ended before their time, as the identity service writes them into a bucket on the bus.

A bucket that the bus lost is missing or new, and may lack what was revoked: until identity has written that it is
complete again, nobody is let in.
"""

import asyncio
import time
from contextlib import aclosing
from uuid import UUID

from contracts.wire import REVOCATIONS, REVOCATIONS_COMPLETE
from runtime import key_value
from runtime.bus import Client

KEPT = 2 * 3600.0
"""Longer than an access token lives: after that, a revocation has nothing left to stop."""
QUIET = 30.0
"""When nothing came for so long the watch begins anew: one that the bus had lost is silent as well."""
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
            async with aclosing(key_value.watch(self.client, REVOCATIONS, max_silence=QUIET)) as keys:
                self._complete = False
                async for key in keys:
                    self._take(key)
        except key_value.BucketNotFound:
            self.known = False
            await asyncio.sleep(PAUSE)

    def _take(self, key: str | None) -> None:
        if key is None:  # these were all
            self.known = self._complete
            self._forget()
        elif key == REVOCATIONS_COMPLETE:
            self._complete = self.known = True
        else:
            self._note(key)

    def _note(self, family: str) -> None:
        self.families[family] = time.monotonic() + KEPT

    def _forget(self) -> None:
        now = time.monotonic()
        self.families = {family: until for family, until in self.families.items() if until > now}
