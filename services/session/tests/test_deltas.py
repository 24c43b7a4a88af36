"""The words of a run, told while they are said."""

import asyncio
from collections.abc import AsyncGenerator
from unittest.mock import AsyncMock, Mock
from uuid import UUID

import pytest
import pytest_asyncio
from contracts.samples import RUN, SESSION, USER
from contracts.session.deltas import DELTA_SUBJECTS, TextDelta
from runtime.bus import Client, connected
from runtime.pubsub import subscribe
from session.agent.deltas import Deltas

PLACE = UUID(USER), UUID(SESSION), UUID(RUN)


@pytest_asyncio.fixture
async def client(nats_url: str) -> AsyncGenerator[Client]:
    async with connected(nats_url, "test") as client:
        yield client


async def test_words_are_told_under_their_owner_and_session(client: Client) -> None:
    heard = await subscribe(client, DELTA_SUBJECTS)
    await Deltas(client).tell(*PLACE, "Hel")
    message = await heard.next_msg(5)
    assert message.subject == f"delta.session.{USER}.{SESSION}"
    assert TextDelta.model_validate_json(message.data) == TextDelta(run_id=UUID(RUN), text="Hel")


@pytest.mark.parametrize("words", ["Hel", "x" * 2_000_000])
async def test_words_that_the_bus_does_not_take_are_lost_in_silence(client: Client, words: str) -> None:
    if words == "Hel":
        await client.close()
    await Deltas(client).tell(*PLACE, words)


async def never(*_: object) -> None:
    await asyncio.Event().wait()


async def test_a_bus_that_is_slow_does_not_hold_up_each_word() -> None:
    slow = Mock(is_connected=True, publish=AsyncMock(side_effect=never))
    deltas = Deltas(slow)
    for _ in range(5):
        await deltas.tell(*PLACE, "Hel")
    assert slow.publish.call_count == 1
