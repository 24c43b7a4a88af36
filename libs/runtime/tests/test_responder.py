"""How many requests are answered at once; that leaving finishes them is tested with the services' own messages."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import ConnectionClosedError
from runtime import responder
from runtime.bus import connected
from runtime.responder import Responder
from runtime.testing import eventually
from structlog.testing import capture_logs


class Door:
    """Answers once it is open, and knows how many wait in front of it."""

    def __init__(self) -> None:
        self.waiting, self.open = 0, asyncio.Event()

    async def answer(self, _request: Msg) -> bytes:
        self.waiting += 1
        await self.open.wait()
        return b"come in"


@pytest_asyncio.fixture
async def client(nats_url: str) -> AsyncGenerator[Client]:
    async with connected(nats_url, "test") as client:
        yield client


async def test_requests_beyond_the_limit_wait_for_those_under_way(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responder, "IN_FLIGHT", 2)
    door, seen = Door(), list[int]()
    await Responder(client).subscribe("door", "house", door.answer)
    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(client.request("door", timeout=30)) for _ in range(3)]
        await eventually(lambda: door.waiting == 2)
        await client.flush()  # the third has come by now
        seen.append(door.waiting)
        door.open.set()
    assert seen == [2]
    assert [task.result().data for task in asked] == [b"come in"] * 3


async def test_an_answer_that_cannot_be_sent_is_logged(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    async def closed(*_: object) -> None:
        raise ConnectionClosedError

    door = Door()
    door.open.set()
    await Responder(client).subscribe("door", "house", door.answer)
    with capture_logs() as logs:
        await client.publish("door")
        monkeypatch.setattr(client, "publish", closed)
        await eventually(lambda: [entry for entry in logs if entry["event"] == "an answer could not be sent"])
