"""Offers of work between two replicas: who does it, whatever the other one answers."""

import asyncio

import pytest
from contracts.wire import offer_subject
from eventing.reactions import offers as module
from eventing.reactions.registration import Registration
from eventing.testing import eventually
from eventing.testing.messages import JarOpened
from eventing.testing.offering import ACK_SUBJECT, JAR, Replica, count, message, react, replicas
from nats.aio.msg import Msg
from runtime import clock
from runtime.bus import Client
from runtime.bus.pubsub import subscribe

pytestmark = pytest.mark.usefixtures("patient_offers")


async def test_a_message_is_handed_over_to_the_replica_that_prefers_it(client: Client, other_client: Client) -> None:
    async with replicas(client, other_client) as (warm, cold):
        await warm.deliver()
        accepted = count("accepted")
        await cold.deliver()
        await eventually(lambda: len(warm.processed) == 2)
    assert (cold.processed, count("accepted")) == ([], accepted + 1)


async def test_a_message_that_was_handed_over_is_the_one_that_was_delivered(
    client: Client, other_client: Client
) -> None:
    delivered = message(other_client)
    async with replicas(client, other_client) as (warm, cold):
        await warm.deliver()
        await cold.offers.process(delivered)
        await eventually(lambda: len(warm.processed) == 2)
    received = warm.processed[1]
    assert received.headers == delivered.headers
    assert (received.subject, received.reply, received.data) == (delivered.subject, ACK_SUBJECT, b"content")


async def test_a_message_that_no_replica_prefers_is_not_waited_for(client: Client) -> None:
    before = count("no_holder")
    async with replicas(client) as (alone,), asyncio.timeout(30):
        await alone.deliver()
    assert (len(alone.processed), count("no_holder")) == (1, before + 1)


async def test_a_replica_offers_nothing_that_it_prefers_itself(client: Client, other_client: Client) -> None:
    async with replicas(client, other_client) as (one, two):
        for replica in (one, two):
            replica.warm.add(JAR)
            await replica.deliver()
        await two.deliver()
    assert (len(one.processed), len(two.processed)) == (1, 2)


async def test_accepted_messages_use_slots(client: Client, other_client: Client) -> None:
    async with replicas(client, other_client, slots=2) as (warm, other):
        await warm.deliver()
        warm.go.clear()
        for _ in range(3):
            await other.deliver()
        assert (len(warm.processed), len(other.processed)) == (3, 1)
        warm.go.set()
        await eventually(lambda: not warm.slots.full)


async def test_a_replica_that_drains_accepts_nothing(client: Client, other_client: Client) -> None:
    async with replicas(client, other_client) as (draining, other):
        await draining.deliver()
        no_holder = count("no_holder")
        await draining.offers.aclose()
        await draining.deliver()  # what it had fetched before
        await other.deliver()
    assert (len(draining.processed), len(other.processed), count("no_holder")) == (2, 1, no_holder + 1)


async def test_a_holder_that_hangs_is_not_waited_for_long(
    client: Client, other_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "OFFER_SECONDS", 0.2)
    before = count("no_answer")
    await subscribe(other_client, offer_subject("cupboard", "open", str(JAR)))
    await other_client.flush()
    async with replicas(client) as (replica,):
        await replica.deliver()
    assert (len(replica.processed), count("no_answer")) == (1, before + 1)


async def test_a_preference_that_fails_leaves_the_work_here(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> bool:
        raise ConnectionRefusedError

    monkeypatch.setattr(Replica, "_prefers", fail)
    async with replicas(client) as (replica,):
        await replica.deliver()
    assert len(replica.processed) == 1


async def test_a_preference_that_takes_long_leaves_the_work_here(
    client: Client, other_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(*_: object) -> bool:
        await asyncio.sleep(3600)
        return True

    async with replicas(client, other_client) as (slow, other):
        await slow.deliver()
        slow.offers._preference = hang  # pyright: ignore[reportPrivateUsage]
        monkeypatch.setattr(module, "OFFER_SECONDS", 0.2)
        await other.deliver()
    assert (len(slow.processed), len(other.processed)) == (1, 1)


async def test_a_message_that_is_no_event_is_processed_here(client: Client) -> None:
    async with replicas(client) as (replica,):
        handed = Msg(client, "evt.jar.opened", ACK_SUBJECT, b"", None)
        with pytest.raises(KeyError):  # of the test's own `_process`
            await replica.offers.process(handed)
    assert replica.processed == [handed]


async def test_an_offer_without_a_reply_subject_changes_nothing(client: Client, other_client: Client) -> None:
    async with replicas(client, other_client) as (warm, cold):
        await warm.deliver()
        await client.publish(offer_subject("cupboard", "open", str(JAR)), b"")
        # An offer that arrives while the subscription ends has no answer.
        await eventually(lambda: not warm.offers._subscriptions)  # pyright: ignore[reportPrivateUsage]
        await client.flush()
        await cold.deliver()
        await eventually(lambda: len(warm.processed) + len(cold.processed) == 2)


async def test_subscriptions_are_limited_to_the_last_aggregates(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_SUBSCRIPTIONS", 3)
    before = len(client._subs)  # pyright: ignore[reportPrivateUsage]
    async with replicas(client) as (replica,):
        for jar in [JAR, *(clock.new_id() for _ in range(5)), JAR]:
            await replica.deliver(jar)
        assert len(client._subs) <= before + 1 + 3  # pyright: ignore[reportPrivateUsage]  one is for replies
    assert len(client._subs) <= before + 1  # pyright: ignore[reportPrivateUsage]


async def test_concurrent_messages_of_an_aggregate_subscribe_once(client: Client) -> None:
    async with replicas(client) as (replica,):
        await asyncio.gather(*(replica.deliver() for _ in range(5)))
        subscribed = [sub for sub in client._subs.values() if sub.subject.endswith(str(JAR))]  # pyright: ignore[reportPrivateUsage]
        assert len(subscribed) == 1


def test_a_preference_without_a_lease_is_an_error() -> None:
    async def prefers(*_: object) -> bool:
        return True

    with pytest.raises(ValueError, match="unfinished"):
        Registration("open", JarOpened, react, prefers=prefers)
