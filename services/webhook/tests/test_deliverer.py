"""The deliverer with real receivers."""

import asyncio
from uuid import UUID

import pytest
from eventing.testing import eventually
from runtime.clock import new_id
from webhook.delivery.deliverer import PER_WEBHOOK
from webhook.delivery.queue import Queue

from .desk import Desk
from .receiver import Receiver, Request, Writer, receiving
from .samples import ADMIN, OWNER, STRANGER, event


async def test_events_of_a_resource_arrive_in_their_order(desk: Desk, receiver: Receiver) -> None:
    webhook = await desk.create(url=receiver.url)
    resources = [new_id() for _ in range(3)]
    async with desk.delivering():
        for n in range(5):
            await desk.publish(*(event(resource=resource, n=n) for resource in resources))
        await eventually(lambda: len(receiver.requests) == 15)
    for resource in resources:
        events = [request.event for request in receiver.requests]
        assert [each["n"] for each in events if each["resource_id"] == str(resource)] == [*range(5)]
    assert receiver.requests[0].verify(webhook.secret)


async def test_a_failed_delivery_is_repeated_in_its_order(desk: Desk, receiver: Receiver) -> None:
    failures = ["503 Busy", "500 Oops"]

    async def fail_first(_: Request, writer: Writer) -> None:
        writer.write(f"HTTP/1.1 {failures.pop() if failures else '200 OK'}\r\nContent-Length: 0\r\n\r\n".encode())

    receiver.answer = fail_first
    id, resource = (await desk.create(url=receiver.url)).id, new_id()
    await desk.publish(event(resource=resource), event(resource=resource))
    async with desk.delivering():
        await eventually(lambda: len(receiver.requests) == 4)
    first, second = await desk.deliveries(id)
    assert receiver.ids == [str(first.id)] * 3 + [str(second.id)]


async def test_an_attempt_is_recorded_with_its_answer(desk: Desk, receiver: Receiver) -> None:
    receiver.answers("200 OK", b"thanks")
    id = (await desk.create(url=receiver.url)).id
    await desk.publish(event())
    async with desk.delivering():
        await eventually(lambda: delivered(desk, id))
    [delivery] = await desk.deliveries(id)
    [attempt] = delivery.attempts
    assert (attempt.status_code, attempt.error, attempt.answer) == (200, None, "thanks")
    assert attempt.latency_ms > 0


async def delivered(desk: Desk, id: UUID) -> bool:
    return bool(await desk.deliveries(id, status="delivered"))


async def test_a_receiver_that_hangs_holds_up_no_other(desk: Desk, receiver: Receiver) -> None:
    async def hang(_: Request, _writer: Writer) -> None:
        await asyncio.sleep(60)

    async with receiving() as slow:
        slow.answer = hang
        await desk.create(url=slow.url)
        await desk.publish(*(event() for _ in range(PER_WEBHOOK + 10)))
        await desk.create(url=receiver.url)
        async with desk.delivering(seconds=60):
            await eventually(lambda: len(slow.requests) == PER_WEBHOOK)
            await desk.publish(event())
            await eventually(lambda: len(receiver.requests) == 1)
        assert len(slow.requests) == PER_WEBHOOK


async def test_other_deliveries_do_not_wait_until_outcomes_are_recorded(
    desk: Desk, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(*_: object) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(Queue, "record", hang)
    await desk.create(url=receiver.url)
    await desk.publish(*(event() for _ in range(PER_WEBHOOK + 10)))
    async with desk.delivering():
        await eventually(lambda: len(receiver.requests) == PER_WEBHOOK + 10)


async def test_requests_in_progress_are_repeated_after_a_stop(desk: Desk, receiver: Receiver) -> None:
    async def hang(_: Request, _writer: Writer) -> None:
        await asyncio.sleep(60)

    receiver.answer = hang
    id = (await desk.create(url=receiver.url)).id
    await desk.publish(event())
    async with desk.delivering():
        await eventually(lambda: len(receiver.requests) == 1)
    assert [each.status for each in await desk.deliveries(id)] == ["pending"]


async def test_other_users_events_are_not_sent_when_an_administrator_is_demoted(desk: Desk, receiver: Receiver) -> None:
    id = (await desk.create(ADMIN, url=receiver.url, all_users=True)).id
    await desk.publish(event(owner=STRANGER))
    desk.actors.known[ADMIN.user_id] = OWNER
    async with desk.delivering():
        await eventually(lambda: desk.database.fetchval("SELECT count(*) FROM due"))
    await desk.process_due()
    assert receiver.requests == []
    assert (await desk.latest(id)).disabled_reason == "not_permitted"


async def test_events_of_a_disabled_owner_are_not_sent(desk: Desk, receiver: Receiver) -> None:
    id = (await desk.create(url=receiver.url)).id
    await desk.publish(event())
    del desk.actors.known[OWNER.user_id]
    async with desk.delivering():
        await eventually(lambda: desk.database.fetchval("SELECT count(*) FROM due"))
    await desk.process_due()
    assert receiver.requests == []
    assert (await desk.latest(id)).disabled_reason == "owner_disabled"


async def test_an_expired_payload_is_a_failure(desk: Desk, receiver: Receiver) -> None:
    id = (await desk.create(url=receiver.url)).id
    await desk.publish(event())
    await desk.database.execute("DELETE FROM payloads")
    async with desk.delivering():
        await eventually(lambda: failed(desk, id))
    [delivery] = await desk.deliveries(id)
    assert delivery.attempts[0].error == "The payload is no longer stored."
    assert (await desk.latest(id)).failing_since is None


async def failed(desk: Desk, id: UUID) -> bool:
    return bool(await desk.deliveries(id, status="failed"))
