"""Counters on the bus."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator

import pytest
from nats.js.api import StreamConfig
from onebox.nats import EmbeddedNats
from runtime.bus import Client, Unavailable, connected, counters
from runtime.bus.counters import Counters
from runtime.bus.jetstream import jetstream
from runtime.testing import eventually

STREAM = "COUNTS"


def counters_on(client: Client) -> Counters:
    return Counters(client, STREAM, "count", seconds=60)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for the bus for as long as a busy machine may delay it."""
    monkeypatch.setattr(counters, "TIMEOUT_SECONDS", 60)


@pytest.fixture
async def client(nats_url: str) -> AsyncGenerator[Client]:
    async with connected(nats_url, "counters") as client:
        yield client


async def test_steps_add_up(client: Client) -> None:
    counters = counters_on(client)
    assert [await counters.add("a"), await counters.add("a", 5), await counters.add("a", -2)] == [1, 6, 4]


async def test_counters_are_independent(client: Client) -> None:
    counters = counters_on(client)
    await counters.add("a", 3)
    assert (await counters.add("b"), await counters.get("a"), await counters.get("b")) == (1, 3, 1)


async def test_an_unknown_counter_is_zero(client: Client) -> None:
    counters = counters_on(client)
    assert await counters.get("a") == 0
    await counters.add("b")
    assert await counters.get("a") == 0


async def test_concurrent_steps_of_two_replicas_are_all_counted(client: Client, nats_url: str) -> None:
    async with connected(nats_url, "other") as other:
        replicas = [counters_on(client), counters_on(other)]
        values = await asyncio.gather(*(replica.add("a") for replica in replicas for _ in range(100)))
    assert sorted(values) == list(range(1, 201))


async def test_a_lost_stream_begins_again(client: Client) -> None:
    counters = counters_on(client)
    await counters.add("a", 7)
    await jetstream(client).delete_stream(STREAM)
    assert await counters.add("a") == 1


async def test_a_lost_connection_is_reported_at_once(client: Client, nats_server: EmbeddedNats) -> None:
    counters = counters_on(client)
    await counters.add("a")
    await asyncio.to_thread(nats_server.stop)
    await eventually(lambda: not client.is_connected)
    with pytest.raises(Unavailable):
        await counters.add("a")


async def test_a_stream_that_does_not_count_is_unavailable(client: Client) -> None:
    await jetstream(client).add_stream(StreamConfig(name=STREAM, subjects=["count.>"]))
    with pytest.raises(Unavailable):
        await counters_on(client).add("a")


@pytest.mark.parametrize("durable", [True, False])
async def test_only_durable_counters_survive_a_bus_that_is_killed(nats_server: EmbeddedNats, durable: bool) -> None:
    async with connected(nats_server.url, "counters") as client:
        await Counters(client, STREAM, "count", seconds=60, durable=durable).add("a", 7)
        await asyncio.to_thread(kill_and_restart, nats_server)
        await eventually(lambda: client.stats["reconnects"])
        assert await Counters(client, STREAM, "count", seconds=60, durable=durable).add("a") == (8 if durable else 1)


def kill_and_restart(server: EmbeddedNats) -> None:
    assert server.child.pid
    os.kill(server.child.pid, signal.SIGKILL)
    server.child.finish()
    server.start()
