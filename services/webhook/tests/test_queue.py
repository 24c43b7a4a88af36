"""The queue of deliveries: what is claimed in which order, and what becomes of it."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from contracts.messages import Actor
from runtime.clock import new_id
from webhook.delivery.claims import Claimed, Ended
from webhook.delivery.outcomes import HELD_SECONDS, postponed

from .desk import DAYS, Desk
from .samples import NOON, OWNER, event


async def lanes(desk: Desk) -> int:
    return await desk.database.fetchval("SELECT count(*) FROM lanes")


async def test_a_later_event_of_a_resource_waits_for_its_earlier_one(desk: Desk) -> None:
    resource = new_id()
    id = (await desk.create()).id
    await desk.publish(event(resource=resource), event("session.paused", resource=resource), event())
    first, _, other = await desk.deliveries(id)
    claimed = await desk.claim()
    assert {each.id for each in claimed} == {first.id, other.id}
    assert await desk.claim() == []
    await desk.end(*claimed)
    assert [each.type for each in await desk.claim()] == ["session.paused"]


async def test_a_later_event_waits_while_its_earlier_one_fails(desk: Desk) -> None:
    resource = new_id()
    id = (await desk.create()).id
    await desk.publish(event(resource=resource), event("session.paused", resource=resource))
    await desk.end(*await desk.claim(), status=500)
    assert await desk.claim() == []
    await desk.pass_pauses()
    [again] = await desk.claim()
    assert (again.type, again.attempt_count) == ("session.run_started", 1)
    await desk.end(again, status=500)
    assert [each.status for each in await desk.deliveries(id)] == ["failed", "pending"]
    assert [each.type for each in await desk.claim()] == ["session.paused"]


async def test_an_empty_lane_is_removed(desk: Desk) -> None:
    await desk.create()
    await desk.publish(event())
    await desk.end(*await desk.claim())
    assert await lanes(desk) == 0


async def test_a_delivery_that_is_stored_while_another_ends_has_a_lane(desk: Desk) -> None:
    resource = new_id()
    await desk.create()
    await desk.publish(event(resource=resource))
    claimed = await desk.claim()
    await asyncio.gather(desk.end(*claimed), *(desk.publish(event(resource=resource)) for _ in range(5)))
    for _ in range(5):
        [each] = await desk.claim()
        await desk.end(each)
    assert await lanes(desk) == 0


async def test_the_claim_of_a_deliverer_that_was_killed_ends(desk: Desk) -> None:
    await desk.create()
    await desk.publish(event())
    [lost] = await desk.claim()
    await desk.pass_pauses()  # instead of the time of the lease
    [again] = await desk.claim()
    assert again.id == lost.id


async def test_the_outcome_of_a_claim_that_was_lost_is_not_recorded(desk: Desk) -> None:
    id = (await desk.create()).id
    await desk.publish(event())
    [lost] = await desk.claim()
    await desk.pass_pauses()
    [again] = await desk.claim()
    await desk.end(lost)
    assert (await desk.deliveries(id))[0].status == "pending"
    await desk.end(again)
    assert (await desk.deliveries(id))[0].status == "delivered"


async def test_two_deliverers_claim_nothing_twice(desk: Desk) -> None:
    await desk.create()
    await desk.publish(*(event() for _ in range(40)))
    batches = await asyncio.gather(*(desk.claim(per_webhook=10) for _ in range(4)))
    claimed = [each.id for batch in batches for each in batch]
    assert len({*claimed}) == len(claimed) >= 10


async def test_released_claims_are_due_at_once(desk: Desk) -> None:
    await desk.create()
    await desk.publish(event())
    claimed = await desk.claim()
    await desk.queue.release(claimed)
    assert len(await desk.claim()) == 1


async def test_a_webhook_has_a_limited_number_of_requests_in_progress(desk: Desk) -> None:
    busy, other = await desk.create(), await desk.create(types=["session.run_started"])
    await desk.publish(*(event() for _ in range(8)))
    claimed = await desk.claim(per_webhook=5, **{str(busy.id): 3})
    assert [each.webhook_id for each in claimed].count(busy.id) == 2
    assert [each.webhook_id for each in claimed].count(other.id) == 5


async def test_what_has_waited_longest_is_claimed_first(desk: Desk) -> None:
    one, other = await desk.create(types=["session.paused"]), await desk.create(types=["session.run_started"])
    await desk.publish(*(event("session.paused") for _ in range(3)))
    await desk.publish(*(event() for _ in range(3)))
    assert {each.webhook_id for each in await desk.claim(free=3)} == {one.id}
    assert {each.webhook_id for each in await desk.claim(free=3)} == {other.id}


async def test_a_receiver_that_fails_often_gets_one_request_at_a_time(desk: Desk) -> None:
    await desk.fail_often((await desk.create()).id)
    await desk.publish(event(), event())
    assert len(await desk.claim()) == 1


async def test_the_next_time_is_that_of_other_webhooks_than_the_busy_ones(desk: Desk) -> None:
    assert await desk.queue.next_due([]) is None
    busy = await desk.create()
    await desk.publish(event())
    assert await desk.queue.next_due([busy.id]) is None
    assert (await desk.queue.next_due([]) or 1) <= 0


async def test_failures_are_noted_until_a_success(desk: Desk) -> None:
    id = (await desk.create()).id
    await desk.publish(event(), event(), event())
    one, two, three = await desk.claim()
    await desk.end(one, status=500, at=NOON)
    await desk.end(two, status=500, at=NOON + DAYS)
    assert (await desk.latest(id)).failing_since == NOON
    await desk.end(three)
    assert (await desk.latest(id)).failing_since is None


async def test_what_waits_is_sent_at_once_when_a_receiver_works_again(desk: Desk) -> None:
    id = (await desk.create()).id
    await desk.publish(event(), event(), event())
    one, *others = await desk.claim()
    await desk.end(*others, status=500)
    await desk.fail_often(id)
    assert await desk.claim() == []
    await desk.end(one)
    assert {each.id for each in await desk.claim()} == {each.id for each in others}


async def disabled(desk: Desk, id: UUID) -> str | None:
    await desk.process_due()
    return (await desk.latest(id)).disabled_reason


async def test_a_receiver_that_is_gone_disables_its_webhook(desk: Desk) -> None:
    id = (await desk.create()).id
    await desk.publish(event())
    await desk.end(*await desk.claim(), status=410)
    assert await disabled(desk, id) == "gone"
    assert [each.status for each in await desk.deliveries(id)] == ["failed"]


@pytest.mark.parametrize(("since", "reason"), [(10 * DAYS, "failing"), (10 * DAYS - timedelta(minutes=1), None)])
async def test_a_webhook_that_fails_for_ten_days_is_disabled(desk: Desk, since: timedelta, reason: str | None) -> None:
    desk.at(NOON)
    id = (await desk.create()).id
    await desk.publish(event(at=NOON), event(at=NOON))
    one, two = await desk.claim()
    await desk.end(one, status=500, at=NOON - since)
    await desk.end(two, status=500, at=NOON)
    assert await disabled(desk, id) == reason


@pytest.mark.parametrize(("allowed", "reason"), [(None, "owner_disabled"), (OWNER, "not_permitted")])
async def test_a_webhook_is_disabled_that_its_owner_may_not_have(
    desk: Desk, allowed: Actor | None, reason: str
) -> None:
    id = (await desk.create()).id
    await desk.publish(event())
    [claimed] = await desk.claim()
    ended: Ended = Ended(claimed, HELD_SECONDS, disable="not_permitted" if allowed else "owner_disabled")
    await desk.record(ended)
    assert await disabled(desk, id) == reason
    assert [each.status for each in await desk.deliveries(id)] == ["pending"]


async def test_a_postponed_delivery_counts_no_attempt(desk: Desk) -> None:
    id = (await desk.create()).id
    await desk.publish(event())
    claimed: list[Claimed] = await desk.claim()
    await desk.record(*(postponed(each, 60.0) for each in claimed))
    [delivery] = await desk.deliveries(id)
    assert (delivery.attempt_count, delivery.attempts) == (0, [])
    assert await desk.claim() == []
