"""The queue of deliveries: claims the first delivery of lanes that are due, and records the outcomes.

A claim ends at a time, so that the work of a deliverer that was killed is done by another one.
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from eventing.database import Connection, Database
from runtime import clock

from webhook.delivery import statements
from webhook.delivery.claims import Claimed, Claims, Ended
from webhook.delivery.receivers import note_receivers
from webhook.delivery.statements import FAILING


class Queue:
    """The queue, for one deliverer. A claim is valid for `lease`; a webhook may fail for `disable_after`."""

    def __init__(self, database: Database, lease: timedelta, disable_after: timedelta) -> None:
        self.database, self.lease, self.disable_after = database, lease, disable_after

    async def claim(self, claims: Claims) -> list[Claimed]:
        """Claim lanes that are due, and return them with their first deliveries."""
        claim, webhooks, used = clock.new_id(), [*claims.in_progress], [*claims.in_progress.values()]
        rows = await self.database.fetch(
            statements.CLAIM, claim, self.lease, claims.free, webhooks, used, claims.per_webhook, FAILING
        )
        return [Claimed(**row, claim=claim) for row in rows]

    async def next_due(self, apart_from: Sequence[UUID]) -> float | None:
        """Return in how many seconds the next lane is due, apart from those of some webhooks; None if there is none."""
        return await self.database.fetchval(statements.NEXT, [*apart_from])

    async def record(self, ended: Sequence[Ended]) -> None:
        """Record the outcomes of claims, at once, except of those that somebody else has claimed meanwhile."""
        async with self.database.transaction() as db:
            held = await self._still_held(ended, db)
            if attempted := [each for each in held if each.attempt]:
                attempts = [each.attempt.model_dump(mode="json") for each in attempted if each.attempt]
                ids = [each.claimed.id for each in attempted]
                await db.execute(statements.RECORD, ids, [each.status for each in attempted], attempts)
            lanes = _columns([each.claimed.lane for each in held])
            await db.execute(statements.REMOVE_EMPTY, *lanes)
            await db.execute(statements.RELEASE, *lanes, [timedelta(seconds=each.pause) for each in held])
            await note_receivers(held, self.disable_after, db)

    async def release(self, claimed: Sequence[Claimed]) -> None:
        """Release claims, whose deliveries are made again."""
        await self.database.execute(statements.RELEASE_CLAIMS, [each.claim for each in claimed])

    async def _still_held(self, ended: Sequence[Ended], db: Connection) -> list[Ended]:
        rows = await db.fetch(statements.LOCK, *_columns([each.claimed.lane for each in ended]))
        claims = {(row["webhook_id"], row["resource_id"]): row["claim"] for row in rows}
        return [each for each in ended if claims.get(each.claimed.lane) == each.claimed.claim]


def _columns(lanes: Sequence[tuple[UUID, UUID]]) -> tuple[list[UUID], list[UUID]]:
    return [webhook for webhook, _ in lanes], [resource for _, resource in lanes]
