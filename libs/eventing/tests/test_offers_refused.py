"""Offers that a replica refuses: the other one does the work, and is asked the next time."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from contracts.wire import offer_subject
from eventing.reactions import offers as module
from eventing.reactions.offers import ACK, SUBJECT
from eventing.testing import eventually
from eventing.testing.offering import ACK_SUBJECT, JAR, count, replicas
from runtime.bus import Client

pytestmark = pytest.mark.usefixtures("patient_offers")


async def test_a_replica_that_is_no_longer_warm_refuses(client: Client, other_client: Client) -> None:
    async with replicas(client, other_client) as (cooled, other):
        await cooled.deliver()
        cooled.warm.clear()
        refused = count("refused")
        await other.deliver()
    assert (len(cooled.processed), len(other.processed), count("refused")) == (1, 1, refused + 1)


async def test_the_replica_that_works_after_a_refusal_is_preferred(client: Client, other_client: Client) -> None:
    async with replicas(client, other_client) as (cooled, other):
        await cooled.deliver()
        cooled.warm.clear()
        await other.deliver()
        await cooled.deliver()
        await eventually(lambda: len(other.processed) == 2)
    assert len(cooled.processed) == 1


async def test_a_replica_without_a_free_slot_refuses(client: Client, other_client: Client) -> None:
    async with replicas(client, other_client, slots=1) as (full, other):
        await full.deliver()
        await full.slots.acquire()
        await other.deliver()
        full.slots.release()
    assert (len(full.processed), len(other.processed)) == (1, 1)


async def test_a_replica_does_not_refuse_its_own_offer(client: Client) -> None:
    async with replicas(client) as (alone,):
        await alone.deliver()
        alone.warm.clear()
        before = count("no_holder")
        await alone.deliver()
    assert (len(alone.processed), count("no_holder")) == (2, before + 1)


async def test_a_replica_that_has_refused_is_not_asked_again(client: Client, other_client: Client) -> None:
    async with replicas(client, other_client) as (cooled, other):
        await cooled.deliver()
        cooled.warm.clear()
        no_holder = count("no_holder")
        for _ in range(2):
            await other.deliver()
            other.warm.clear()
    assert (len(other.processed), count("no_holder")) == (2, no_holder + 1)


async def test_a_replica_that_has_refused_during_its_work_is_asked_after_it(
    client: Client, other_client: Client
) -> None:
    async with replicas(client, other_client) as (working, other), asyncio.TaskGroup() as tasks:
        working.go.clear()
        work = tasks.create_task(working.deliver())
        await eventually(lambda: working.processed)
        await client.flush()
        working.warm.clear()
        await other.deliver()
        working.go.set()
        await work
        working.warm.add(JAR)
        other.warm.clear()
        await other.deliver()
        await eventually(lambda: len(working.processed) == 2)
    assert len(other.processed) == 1


async def test_a_replica_that_begins_to_drain_refuses(client: Client, other_client: Client) -> None:
    async def drain(*_: object) -> bool:
        await draining.offers.aclose()
        return True

    async with replicas(client, other_client) as (draining, other):
        await draining.deliver()
        draining.offers._preference = drain  # pyright: ignore[reportPrivateUsage]
        await other.deliver()
    assert (len(draining.processed), len(other.processed)) == (1, 1)


@pytest.mark.parametrize(
    "headers",
    [
        None,
        {SUBJECT: "evt.jar.opened", ACK: ACK_SUBJECT},
        {"ce-subject": str(JAR), "aggregate-version": "1", "ce-time": "2026-01-01T00:00:00+00:00"},
        {"ce-subject": str(JAR), "aggregate-version": "1", "ce-time": "2026-01-01T00:00:00+00:00", ACK: "evt.x"},
        {"ce-subject": str(JAR), "aggregate-version": "1", "ce-time": "2026-01-01T00:00:00+00:00",
         ACK: "$JS.ACK.a.b.c.d.e.f.g"},
        {"ce-subject": str(JAR), "aggregate-version": "1", "ce-time": "2026-01-01T00:00:00+00:00",
         ACK: f"$JS.ACK.EVT_JAR.cupboard-open.1.1.1.{'9' * 400}.0"},
        {"ce-subject": str(JAR), "aggregate-version": "1", "ce-time": "2026-01-01T00:00:00+00:00",
         ACK: "$JS.ACK.EVT_JAR.shelf-open.1.1.1.0.0"},
        {"ce-subject": str(JAR), "aggregate-version": "1", "ce-time": "2026-01-01T00:00:00+00:00",
         ACK: "$JS.ACK.EVT_SHELF.cupboard-open.1.1.1.0.0"},
        {"ce-subject": str(UUID(int=1)), "aggregate-version": "1", "ce-time": "2026-01-01T00:00:00+00:00",
         ACK: ACK_SUBJECT},
    ],
)  # fmt: skip
async def test_an_offer_that_is_not_valid_is_refused(client: Client, headers: dict[str, Any] | None) -> None:
    async with replicas(client) as (replica,):
        await replica.deliver()
        subject = offer_subject("cupboard", "open", str(JAR))
        answer = await client.request(subject, b"x" * 100_000, timeout=30, headers=headers)
    assert (answer.data, len(replica.processed)) == (module.REFUSED, 1)
