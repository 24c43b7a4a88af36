"""Text deltas of a run are published while the model produces them."""

import asyncio
from collections.abc import AsyncGenerator
from unittest.mock import AsyncMock, Mock
from uuid import UUID

import pytest
import pytest_asyncio
from contracts.samples import MESSAGE, RUN, SESSION, USER
from contracts.session.deltas import DELTA_SUBJECTS, TextDelta
from runtime.bus import Client, connected
from runtime.bus.pubsub import subscribe
from session.agent.deltas import Deltas

IDS = UUID(USER), UUID(SESSION)


def delta(text: str) -> TextDelta:
    return TextDelta(run_id=UUID(RUN), message_id=UUID(MESSAGE), kind="thinking", text=text)


@pytest_asyncio.fixture
async def client(nats_url: str) -> AsyncGenerator[Client]:
    async with connected(nats_url, "test") as client:
        yield client


async def test_deltas_are_published_under_their_owner_and_session(client: Client) -> None:
    subscription = await subscribe(client, DELTA_SUBJECTS)
    await Deltas(client).publish(*IDS, delta("Hel"))
    message = await subscription.next_msg(60)
    assert message.subject == f"delta.session.{USER}.{SESSION}"
    assert TextDelta.model_validate_json(message.data) == delta("Hel")


@pytest.mark.parametrize("text", ["Hel", "x" * 2_000_000], ids=["closed", "too large"])
async def test_deltas_that_the_bus_rejects_are_dropped_silently(client: Client, text: str) -> None:
    if text == "Hel":
        await client.close()
    await Deltas(client).publish(*IDS, delta(text))


async def never(*_: object) -> None:
    await asyncio.Event().wait()


async def test_a_slow_bus_delays_only_the_first_delta() -> None:
    slow = Mock(is_connected=True, publish=AsyncMock(side_effect=never))
    deltas = Deltas(slow)
    for _ in range(5):
        await deltas.publish(*IDS, delta("Hel"))
    assert slow.publish.call_count == 1
