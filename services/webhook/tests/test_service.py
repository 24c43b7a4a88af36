"""The webhook service with real PostgreSQL and NATS, and a real receiver; the other services are fakes."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest
from contracts.identity.user import GetActor
from contracts.messages import Actor, Command, Query
from contracts.samples import RUN
from contracts.session.run import RunStarted
from contracts.webhook.delivery import DeliveryView, GetDelivery, ListDeliveries, SendTest
from contracts.webhook.values import TEST_EVENT
from contracts.webhook.webhook import CreateWebhook, DeleteWebhook, ListWebhooks, NewWebhook, RotateSecret
from contracts.wire import event_filter, event_stream
from eventing import due_times
from eventing.bus.streams import provision
from eventing.projectors import public_events
from eventing.testing import eventually
from eventing.testing.key_rings import ring_json
from eventing.testing.publishing import publish
from runtime import clock
from runtime.bus import Bus, Unavailable, connected
from runtime.bus.envelope import Envelope
from webhook.app import service
from webhook.delivery import deliverer
from webhook.settings import Settings

from services.gateway.tests.fake_services import FakeServices

from .receiver import Receiver
from .samples import ADMIN, OWNER, STRANGER, definition

USERS = {user.user_id: user for user in (OWNER, STRANGER, ADMIN)}

type Start = Callable[[], Awaitable[None]]


class Remote:
    """A client of the service, and the session service, which publishes events."""

    def __init__(self, others: FakeServices) -> None:
        self.others = others

    async def ask[R](self, message: Command[R] | Query[R], actor: Actor = OWNER) -> R:
        return await Bus(self.others.client, timeout=20).ask(message, Envelope.begin(actor=actor))

    async def answers(self) -> bool:
        with suppress(Unavailable):
            return (await self.ask(ListWebhooks())).total >= 0
        return False

    async def create(self, actor: Actor = OWNER, **fields: Any) -> NewWebhook:
        return await self.ask(CreateWebhook(webhook_id=clock.new_id(), definition=definition(**fields)), actor)

    async def publish(self, owner: Actor = OWNER, session: UUID | None = None) -> None:
        """Publish an event of a session."""
        event = RunStarted(run_id=UUID(RUN), attempt=1)
        id, owner_id = session or clock.new_id(), str(owner.user_id)
        await publish(self.others.js, event, at=id, owner=owner_id, ce_id=str(clock.new_id()))


@pytest.fixture
async def client(nats_url: str) -> AsyncGenerator[Remote]:
    async with connected(nats_url, "test") as bus:
        client = Remote(FakeServices(bus))
        await client.others.answer_with(
            GetActor,
            lambda query: ADMIN if query.user_id == ADMIN.user_id else Actor(user_id=query.user_id, role="user"),
        )
        await provision(client.others.js, event_stream("session"), [event_filter("session")])
        yield client


@pytest.fixture
async def start(
    client: Remote, database_url: str, nats_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Start]:
    """Start a replica in this process, and wait until it answers."""
    monkeypatch.setattr(public_events, "UNWANTED_SECONDS", 0.05)
    for module in (due_times, deliverer):
        monkeypatch.setattr(module, "MAX_PAUSE_SECONDS", 0.1)
    stop = asyncio.Event()
    settings = Settings.model_validate(
        {
            "database_url": database_url,
            "nats_url": nats_url,
            "secrets_keys": ring_json("test"),
            "webhook_allowed_addresses": "127.0.0.1",
        }
    )
    async with asyncio.TaskGroup() as running:

        async def start() -> None:
            running.create_task(service.run(settings, stop))
            await eventually(client.answers)

        yield start
        stop.set()


async def test_an_event_arrives_and_can_be_verified(client: Remote, start: Start, receiver: Receiver) -> None:
    await start()
    await client.publish()  # before there is a webhook
    webhook, session = await client.create(url=receiver.url), clock.new_id()
    await client.publish(session=session)
    await eventually(lambda: len(receiver.requests) == 1)
    event = receiver.requests[0].verify(webhook.secret)
    assert (event["type"], event["session_id"], event["sequence"]) == ("session.run_started", str(session), 2)


async def test_events_of_others_are_sent_to_administrators_only(
    client: Remote, start: Start, receiver: Receiver
) -> None:
    await start()
    own, every = await client.create(url=receiver.url), await client.create(ADMIN, url=receiver.url, all_users=True)
    await client.publish(STRANGER)
    await client.publish(OWNER)
    await eventually(lambda: len(receiver.requests) == 3)
    found = {own.id: 1, every.id: 2}
    for id, number in found.items():
        assert (await client.ask(ListDeliveries(webhook_id=id), ADMIN)).total == number


async def test_two_replicas_deliver_each_event_once(client: Remote, start: Start, receiver: Receiver) -> None:
    await start()
    await start()
    await client.create(url=receiver.url)
    for _ in range(30):
        await client.publish()
    await eventually(lambda: len(receiver.requests) >= 30)
    assert len(receiver.ids) == len({*receiver.ids}) == 30


async def test_a_webhook_that_is_disabled_is_reported(client: Remote, start: Start, receiver: Receiver) -> None:
    await start()
    watching = await client.create(url=receiver.url, types=["webhook.disabled"])
    gone = await client.create(url=f"{receiver.url}/gone")
    receiver.answers("410 Gone")
    await client.publish()
    await eventually(lambda: [each.event["type"] for each in receiver.requests][1:] == ["webhook.disabled"])
    event = receiver.requests[1].verify(watching.secret)
    assert (event["resource_id"], event["reason"]) == (str(gone.id), "gone")


async def test_a_test_is_sent_with_both_secrets_after_a_rotation(
    client: Remote, start: Start, receiver: Receiver
) -> None:
    await start()
    webhook = await client.create(url=receiver.url)
    rotated = await client.ask(RotateSecret(webhook_id=webhook.id))
    test = await client.ask(SendTest(webhook_id=webhook.id, delivery_id=clock.new_id()))

    async def shown() -> DeliveryView | None:
        delivery = await client.ask(GetDelivery(webhook_id=webhook.id, delivery_id=test.id))
        return delivery if delivery.status == "delivered" else None

    assert (await eventually(shown)).attempts[0].answer == "ok"
    [request] = receiver.requests
    for secret in (webhook.secret, rotated.secret):
        assert request.verify(secret)["type"] == TEST_EVENT


async def test_published_events_hold_no_secret(client: Remote, start: Start, receiver: Receiver) -> None:
    await start()
    await client.create(url=receiver.url, types=["webhook.*"])
    other = await client.create()
    rotated = await client.ask(RotateSecret(webhook_id=other.id))
    await client.ask(DeleteWebhook(webhook_id=other.id))
    await eventually(lambda: len(receiver.requests) == 3)
    assert [each.event["type"] for each in receiver.requests] == [
        *("webhook.created", "webhook.secret_rotated", "webhook.deleted")
    ]
    sent = b"".join(each.body for each in receiver.requests).decode()
    assert other.secret not in sent
    assert rotated.secret not in sent
