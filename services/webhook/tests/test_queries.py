"""What users see of webhooks and deliveries."""

import pytest
from contracts.refusals import Code, Refusal
from contracts.webhook.delivery import GetDelivery, ListDeliveries
from contracts.webhook.webhook import GetWebhook, ListWebhooks
from runtime.clock import new_id

from .desk import Desk
from .samples import ADMIN, OWNER, STRANGER, event


async def test_users_see_their_own_webhooks_and_administrators_all(desk: Desk) -> None:
    own, other = await desk.create(), await desk.create(STRANGER)
    assert [each.id for each in (await desk.ask(ListWebhooks())).items] == [own.id]
    assert [each.id for each in (await desk.ask(ListWebhooks(), ADMIN)).items] == [other.id, own.id]
    assert [each.id for each in (await desk.ask(ListWebhooks(user_id=OWNER.user_id), ADMIN)).items] == [own.id]


async def test_webhooks_can_be_filtered_by_whether_they_are_active(desk: Desk) -> None:
    active, disabled = await desk.create(), await desk.create()
    await desk.change(disabled.id, is_active=False)
    assert [each.id for each in (await desk.ask(ListWebhooks(is_active=True))).items] == [active.id]


async def test_the_webhook_of_another_user_is_not_found(desk: Desk) -> None:
    id = (await desk.create()).id
    for query in (GetWebhook(webhook_id=id), ListDeliveries(webhook_id=id)):
        with pytest.raises(Refusal, match=Code.WEBHOOK_NOT_FOUND):
            await desk.ask(query, STRANGER)


async def test_an_unknown_delivery_is_not_found(desk: Desk) -> None:
    id = (await desk.create()).id
    with pytest.raises(Refusal, match=Code.DELIVERY_NOT_FOUND):
        await desk.ask(GetDelivery(webhook_id=id, delivery_id=new_id()))


async def test_deliveries_are_listed_newest_first_and_filtered(desk: Desk) -> None:
    id, resource = (await desk.create()).id, new_id()
    await desk.publish(event(), event("session.paused", resource=resource), event(resource=resource))
    [first, second, third] = await desk.deliveries(id)
    assert [each.type for each in (first, second, third)] == [first.type, "session.paused", first.type]
    assert [each.id for each in await desk.deliveries(id, type="session.paused")] == [second.id]
    await desk.end(*[each for each in await desk.claim() if each.id == second.id])
    assert [each.id for each in await desk.deliveries(id, status="delivered")] == [second.id]
    page = await desk.ask(ListDeliveries(webhook_id=id, after=third.id, limit=1))
    assert ([each.id for each in page.items], page.more) == ([second.id], True)


async def test_only_the_first_delivery_of_a_resource_has_a_next_attempt(desk: Desk) -> None:
    id, resource = (await desk.create()).id, new_id()
    await desk.publish(event(resource=resource), event(resource=resource))
    assert [each.next_attempt_at is None for each in await desk.deliveries(id)] == [False, True]


async def test_the_history_shows_the_answers(desk: Desk) -> None:
    id = (await desk.create()).id
    await desk.publish(event())
    await desk.end(*await desk.claim(), status=500)
    [delivery] = await desk.deliveries(id)
    assert [(each.status_code, each.error) for each in delivery.attempts] == [(500, "no")]
    assert (delivery.status, delivery.attempt_count) == ("pending", 1)
    assert delivery.next_attempt_at
    assert delivery.ended_at is None
