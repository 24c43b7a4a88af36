"""The tables of deliveries are bounded."""

from datetime import timedelta

import pytest
from contracts.webhook.webhook import DeleteWebhook, WebhookDeleted
from eventing.testing import background, eventually
from runtime.forever import forever
from webhook.delivery import upkeep
from webhook.delivery.upkeep import Upkeep
from webhook.payloads import RETENTION
from webhook.publishing import NEW_DELIVERIES, stored
from webhook.reactions import remove

from .desk import Desk
from .samples import NOON, event


async def count(desk: Desk, table: str) -> int:
    return await desk.database.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608


async def test_deliveries_and_payloads_are_removed_after_a_week(desk: Desk) -> None:
    desk.at(NOON)
    await desk.create()
    await desk.publish(event(at=NOON), event(at=NOON + timedelta(hours=1)))
    desk.at(NOON + RETENTION + timedelta(minutes=1))
    await Upkeep(desk.database).remove_old()
    assert (await count(desk, "deliveries"), await count(desk, "payloads")) == (1, 1)


async def test_a_lane_whose_deliveries_were_removed_is_removed(desk: Desk) -> None:
    await desk.create()
    await desk.publish(event())
    await desk.database.execute("DELETE FROM deliveries")
    [claimed] = await desk.claim()
    assert claimed.id is None
    await desk.queue.release([claimed])


async def test_the_newest_deliveries_that_have_ended_are_kept(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "MAX_ENDED", 2)
    id = (await desk.create()).id
    await desk.publish(*(event() for _ in range(5)))
    _, *ended = await desk.claim()
    await desk.end(*ended)
    await Upkeep(desk.database).remove_old()
    kept = await desk.deliveries(id)
    assert [each.status for each in kept] == ["pending", "delivered", "delivered"]


async def test_a_webhook_whose_backlog_is_full_is_disabled_and_keeps_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "MAX_BACKLOG", 2)
    full, other = await desk.create(types=["session.run_started"]), await desk.create(types=["session.paused"])
    await desk.publish(event(), event(), event(), event("session.paused"), event("session.paused"))
    await Upkeep(desk.database).disable_full()
    await desk.process_due()
    assert (await desk.latest(full.id)).disabled_reason == "backlog_full"
    assert (await desk.latest(other.id)).is_active
    assert len(await desk.deliveries(full.id, status="pending")) == 3


async def test_a_backlog_is_looked_at_soon_after_new_deliveries(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "MAX_BACKLOG", 2)
    monkeypatch.setattr(upkeep, "BUSY_SECONDS", 0.05)
    monkeypatch.setattr(upkeep, "SECONDS", 3600.0)
    await desk.create()
    async with background(forever("upkeep", Upkeep(desk.database).run)):
        await desk.publish(event(), event(), event())
        stored.wake(NEW_DELIVERIES)
        await eventually(lambda: desk.database.fetchval("SELECT count(*) FROM due"))


async def test_the_deliveries_of_a_deleted_webhook_are_removed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "BATCH", 2)
    gone, other = await desk.create(), await desk.create()
    await desk.publish(*(event() for _ in range(5)))
    await desk.send(DeleteWebhook(webhook_id=gone.id))
    recorded = await desk.latest_event(WebhookDeleted, gone.id)
    await remove(recorded, desk.reaction(recorded))
    assert (await count(desk, "deliveries"), await count(desk, "lanes")) == (5, 5)
    assert len(await desk.deliveries(other.id)) == 5
