"""The webhooks that deliveries go to, with their secrets, and whether their owners may have them now."""

import time
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from contracts.refusals import Refusal
from contracts.webhook.values import DisabledReason
from eventing.actors import Actors
from eventing.database import Database, Row
from runtime import clock
from runtime.bus import Unavailable
from runtime.bus.envelope import Envelope

from webhook.secret_tables import signing_secrets

MAX_AGE = 1.0
"""Seconds for which a webhook is used as it was read: a change takes effect that much later."""
FIND = "SELECT id, user_id, url, all_users, is_active FROM webhooks WHERE id = ANY($1)"


@dataclass(frozen=True)
class Target:
    """A webhook. `secrets` sign the requests. `denied` says why its owner may not have it.

    It is not `known` while identity does not say what its owner may do.
    """

    url: str
    secrets: list[str]
    is_active: bool
    denied: DisabledReason | None = None
    known: bool = True


class Targets:
    """The webhooks of recent deliveries."""

    def __init__(self, database: Database, actors: Actors) -> None:
        self.database, self.actors = database, actors
        self._read = dict[UUID, tuple[float, Target | None]]()

    async def load(self, ids: Collection[UUID]) -> dict[UUID, Target | None]:
        """Return webhooks as they are now, or were a second ago; None for one that was deleted."""
        now = time.monotonic()
        self._read = {id: read for id, read in self._read.items() if now - read[0] < MAX_AGE}
        if missing := {*ids} - self._read.keys():
            rows = {row["id"]: row for row in await self.database.fetch(FIND, [*missing])}
            for id in missing:
                self._read[id] = now, (await self._target(rows[id]) if id in rows else None)
        return {id: self._read[id][1] for id in ids}

    async def _target(self, row: Row) -> Target | None:
        secrets = await signing_secrets(row["id"], self.database, clock.now())
        if not secrets:  # it was deleted meanwhile
            return None
        try:
            denied = await self._denied(row)
        except Unavailable:
            return Target(row["url"], secrets, row["is_active"], known=False)
        return Target(row["url"], secrets, row["is_active"], denied)

    async def _denied(self, row: Row) -> DisabledReason | None:
        try:
            owner = await self.actors.current(row["user_id"], Envelope.begin())
        except Refusal:  # disabled, or deleted
            return "owner_disabled"
        return "not_permitted" if row["all_users"] and owner.role != "admin" else None
