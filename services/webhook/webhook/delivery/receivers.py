"""Notes which receivers work and which fail, and has webhooks disabled whose receivers have failed for long."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from contracts.webhook.values import DisabledReason
from eventing.database import Connection
from eventing.due import DueTime
from runtime import clock
from runtime.bus.envelope import Envelope
from runtime.logging import get_logger

from webhook.delivery import statements
from webhook.delivery.claims import Ended
from webhook.delivery.statements import FAILING
from webhook.due import DISABLE

log = get_logger()


async def note_receivers(ended: Sequence[Ended], disable_after: timedelta, db: Connection) -> None:
    """Note what attempts say about their receivers, in the order of the attempts."""
    working, failing = set[UUID](), dict[UUID, list[datetime]]()
    for id, attempt in [(each.claimed.webhook_id, each.attempt) for each in ended if each.counts]:
        if attempt and attempt.error is None:
            working.add(id)
            failing.pop(id, None)
        elif attempt:
            failing.setdefault(id, []).append(attempt.at)
    for row in await db.fetch(statements.SUCCEEDED, sorted(working)) if working else ():
        if row["failures"] >= FAILING:
            await db.execute(statements.BRING_FORWARD, row["id"])
    disabled = await _failing_for_long(failing, disable_after, db)
    for id, reason in [*disabled.items(), *_disabled_at_once(ended)]:
        await disable(id, reason, db)


async def disable(webhook_id: UUID, reason: DisabledReason, db: Connection) -> None:
    """Have a webhook disabled once the transaction is committed."""
    log.warning("a webhook is disabled", webhook=str(webhook_id), reason=reason)
    await DISABLE[reason].put(DueTime(webhook_id, webhook_id, clock.now()), Envelope.begin(), db)


async def _failing_for_long(
    failing: Mapping[UUID, list[datetime]], disable_after: timedelta, db: Connection
) -> dict[UUID, DisabledReason]:
    if not failing:
        return {}
    ids = sorted(failing)
    counts, since = [len(failing[id]) for id in ids], [min(failing[id]) for id in ids]
    rows, now = await db.fetch(statements.FAILED, ids, counts, since), clock.now()
    return {row["id"]: "failing" for row in rows if row["is_active"] and now - row["failing_since"] >= disable_after}


def _disabled_at_once(ended: Sequence[Ended]) -> list[tuple[UUID, DisabledReason]]:
    found = dict[UUID, DisabledReason]()
    for each in ended:
        if each.disable:
            found[each.claimed.webhook_id] = each.disable
    return [*found.items()]
