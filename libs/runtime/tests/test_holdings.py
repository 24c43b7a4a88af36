"""Holdings of replicas on the bus."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from nats.js.api import StreamConfig
from onebox.nats import EmbeddedNats
from runtime.bus import Client, Unavailable, connected, holdings
from runtime.bus.holdings import Holdings, Taken
from runtime.bus.jetstream import jetstream
from runtime.testing import eventually

STREAM = "SLOTS"


def holdings_on(client: Client, holder: str = "me", seconds: float = 60) -> Holdings:
    return Holdings(client, STREAM, "held", holder=holder, seconds=seconds)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for the bus for as long as a busy machine may delay it."""
    monkeypatch.setattr(holdings, "TIMEOUT_SECONDS", 60)


@pytest.fixture
async def client(nats_url: str) -> AsyncGenerator[Client]:
    async with connected(nats_url, "holdings") as client:
        yield client


async def eventually_taken(client: Client, number: int) -> None:
    async def taken() -> bool:
        return (await holdings_on(client).read("a")).by_others == number

    await eventually(taken)


async def test_nothing_is_taken_on_a_new_bus(client: Client) -> None:
    assert await holdings_on(client).read("a") == Taken(0, 0)


async def test_holdings_of_other_replicas_are_added_up(client: Client) -> None:
    for number, holder in enumerate(["me", "one", "two"], start=1):
        holdings = holdings_on(client, holder)
        assert await holdings.take("a", number, (await holdings.read("a")).revision)
    assert await holdings_on(client).read("a") == Taken(2 + 3, 3)


async def test_keys_are_independent(client: Client) -> None:
    await holdings_on(client, "other").take("a", 1, 0)
    assert await holdings_on(client).read("b") == Taken(0, 0)
    assert await holdings_on(client).take("b", 1, 0)


async def test_holdings_are_not_taken_if_another_replica_was_faster(client: Client) -> None:
    mine = holdings_on(client)
    before = await mine.read("a")
    assert await holdings_on(client, "other").take("a", 1, before.revision)
    assert not await mine.take("a", 1, before.revision)


async def test_a_renewal_replaces_the_number(client: Client) -> None:
    other = holdings_on(client, "other")
    await other.take("a", 3, 0)
    await other.renew("a", 2)
    await eventually_taken(client, 2)


async def test_holdings_that_are_not_renewed_expire(client: Client) -> None:
    await holdings_on(client, "killed", seconds=0.5).take("a", 3, 0)
    await eventually_taken(client, 0)


async def test_a_lost_stream_begins_again(client: Client) -> None:
    holdings = holdings_on(client)
    await holdings.take("a", 1, 0)
    await jetstream(client).delete_stream(STREAM)
    assert await holdings.take("a", 2, (await holdings.read("a")).revision)


async def test_a_bus_that_refuses_is_reported(client: Client) -> None:
    await jetstream(client).add_stream(StreamConfig(name=STREAM, subjects=["held.>"], max_msg_size=1))
    with pytest.raises(Unavailable):
        await holdings_on(client).take("a", 1, 0)


async def test_a_lost_connection_is_reported_at_once(client: Client, nats_server: EmbeddedNats) -> None:
    await asyncio.to_thread(nats_server.stop)
    await eventually(lambda: not client.is_connected)
    with pytest.raises(Unavailable):
        await holdings_on(client).read("a")
    await holdings_on(client).renew("a", 1)  # repeated later
