"""Revoked tokens and changed roles, which the identity service writes into a bucket on the bus.

A bucket that the bus lost is missing or new, and may lack revocations: until the identity service has marked it as
complete again, no token is accepted.
"""

import asyncio
import time
from contextlib import aclosing
from uuid import UUID

from contracts.identity.values import Access
from contracts.wire import ACCESS_PREFIX, REVOCATIONS, REVOCATIONS_COMPLETE
from runtime.bus import Client, key_value

RETENTION_SECONDS = 2 * 3600.0
"""Longer than the lifetime of an access token: after that, a revocation has no effect any more."""
QUIET_SECONDS = 30.0
"""A watch that received nothing for this long is started again: one that the bus has lost is silent as well."""
RETRY_SECONDS = 0.2
"""Pause before a missing bucket is looked up again."""


class Revocations:
    """The revoked token families and API keys known to this process; `known` while the list is complete."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.known = self._complete = False
        self.families: dict[str, float] = {}
        self.accesses: dict[str, tuple[Access, float]] = {}

    def __contains__(self, family: UUID) -> bool:
        return str(family) in self.families

    def access_of(self, user_id: UUID) -> Access | None:
        """Return what a user may do now, if that has changed while access tokens of before are valid."""
        found = self.accesses.get(str(user_id))
        return found and found[0]

    def add(self, family: UUID) -> None:
        """Record a family that was revoked through this process, before the bucket has it."""
        self._record(str(family))

    async def watch(self) -> None:
        """Follow the bucket until it is quiet for a while or the connection is lost; to be run repeatedly."""
        try:
            async with aclosing(key_value.watch(self.client, REVOCATIONS, max_silence=QUIET_SECONDS)) as entries:
                self._complete = False
                async for entry in entries:
                    self._apply(entry)
        except key_value.BucketNotFound:
            self.known = False
            await asyncio.sleep(RETRY_SECONDS)

    def _apply(self, entry: tuple[str, bytes] | None) -> None:
        if entry is None:  # the end of the stored keys
            self.known = self._complete
            self._remove_expired()
            return
        key, value = entry
        if key == REVOCATIONS_COMPLETE:
            self._complete = self.known = True
        elif key.startswith(ACCESS_PREFIX):
            until = time.monotonic() + RETENTION_SECONDS
            self.accesses[key.removeprefix(ACCESS_PREFIX)] = Access.model_validate_json(value), until
        else:
            self._record(key)

    def _record(self, family: str) -> None:
        self.families[family] = time.monotonic() + RETENTION_SECONDS

    def _remove_expired(self) -> None:
        now = time.monotonic()
        self.families = {family: until for family, until in self.families.items() if until > now}
        self.accesses = {user: (access, until) for user, (access, until) in self.accesses.items() if until > now}
