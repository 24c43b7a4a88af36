"""The read model of webhooks, and the queue as their owners change it."""

from contracts.webhook.delivery import Redeliver, RedeliverSince, SendTest
from contracts.webhook.values import TEST_EVENT
from contracts.webhook.webhook import DeleteWebhook, DisableWebhook
from runtime.clock import new_id

from .desk import DAYS, Desk
from .samples import NOON, event


async def test_a_disabled_webhook_says_why(desk: Desk) -> None:
    id = (await desk.create()).id
    desk.at(NOON)
    await desk.send(DisableWebhook(webhook_id=id, reason="gone"))
    webhook = await desk.latest(id)
    assert (webhook.is_active, webhook.disabled_reason, webhook.disabled_at) == (False, "gone", NOON)


async def test_an_activated_webhook_begins_without_failures(desk: Desk) -> None:
    id = (await desk.create()).id
    await desk.fail_often(id)
    await desk.change(id, is_active=False)
    webhook = await desk.change(id, is_active=True)
    assert (webhook.is_active, webhook.disabled_reason, webhook.failing_since) == (True, None, None)


async def test_lanes_of_a_disabled_webhook_are_not_due_until_it_is_activated(desk: Desk) -> None:
    id = (await desk.create()).id
    await desk.publish(event())
    await desk.change(id, is_active=False)
    assert await desk.claim() == []
    assert (await desk.deliveries(id))[0].next_attempt_at is None
    await desk.change(id, is_active=True)
    assert len(await desk.claim()) == 1


async def test_a_test_waits_for_no_event(desk: Desk) -> None:
    id = (await desk.create()).id
    await desk.change(id, is_active=False)
    test = await desk.send(SendTest(webhook_id=id, delivery_id=new_id()))
    assert (test.type, test.status, test.attempt_count) == (TEST_EVENT, "pending", 0)
    [claimed] = await desk.claim()
    assert claimed.id == test.id


async def test_a_repeated_delivery_is_due_again(desk: Desk) -> None:
    id = (await desk.create()).id
    await desk.publish(event())
    [claimed] = await desk.claim()
    await desk.end(claimed)
    assert claimed.id
    repeated = await desk.send(Redeliver(webhook_id=id, delivery_id=claimed.id))
    assert (repeated.status, repeated.attempt_count, len(repeated.attempts)) == ("pending", 0, 1)
    assert [each.id for each in await desk.claim()] == [claimed.id]


async def test_all_deliveries_since_a_time_are_repeated(desk: Desk) -> None:
    desk.at(NOON - 2 * DAYS)
    id = (await desk.create()).id
    await desk.publish(event(at=NOON - DAYS), event(at=NOON), event(at=NOON))
    await desk.end(*await desk.claim())
    await desk.send(RedeliverSince(webhook_id=id, since=NOON))
    assert [each.status for each in await desk.deliveries(id)] == ["delivered", "pending", "pending"]


async def test_only_deliveries_that_failed_are_repeated_if_wanted(desk: Desk) -> None:
    id = (await desk.create()).id
    await desk.publish(event(), event())
    good, bad = await desk.claim()
    await desk.end(good)
    await desk.end(bad, status=500)
    await desk.pass_pauses()
    await desk.end(*await desk.claim(), status=500)
    await desk.send(RedeliverSince(webhook_id=id, since=NOON - 30 * DAYS, only_failed=True))
    assert {each.id: each.status for each in await desk.deliveries(id)} == {good.id: "delivered", bad.id: "pending"}


async def test_a_deleted_webhook_gets_nothing(desk: Desk) -> None:
    id = (await desk.create()).id
    await desk.send(DeleteWebhook(webhook_id=id))
    await desk.publish(event())
    assert await desk.database.fetchval("SELECT count(*) FROM deliveries") == 0
    assert await desk.database.fetchval("SELECT count(*) FROM webhook_secrets") == 0
