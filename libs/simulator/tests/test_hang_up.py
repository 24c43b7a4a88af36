import asyncio
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.typedefs import Handler
from simulator.app import create_app
from simulator.prompt import scripted
from simulator.script import Turn

TIMEOUT_SECONDS = 60


class Watched:
    """A simulator that records when it received a request, and when a handler was cancelled."""

    def __init__(self) -> None:
        self.received, self.cancelled = asyncio.Event(), asyncio.Event()
        self.app = create_app()
        self.app.middlewares.append(self.watch)

    async def wait_until_cancelled(self) -> None:
        await asyncio.wait_for(self.cancelled.wait(), TIMEOUT_SECONDS)

    @web.middleware
    async def watch(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        await request.read()
        self.received.set()
        try:
            return await handler(request)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


@pytest.fixture
async def watched() -> Watched:
    return Watched()


def play(turn: Turn) -> dict[str, Any]:
    return {"model": "m", "stream": True, "messages": [{"role": "user", "content": scripted("", turn)}]}


async def test_disconnecting_cancels_a_handler_that_hangs(watched: Watched) -> None:
    async with TestClient(TestServer(watched.app)) as client, asyncio.TaskGroup() as tasks:
        request = tasks.create_task(client.session.post(client.make_url("/v1/messages"), json=play(Turn(hang=300))))
        await watched.received.wait()
        request.cancel()
        await watched.wait_until_cancelled()


async def test_disconnecting_cancels_a_handler_that_delays_its_stream(watched: Watched) -> None:
    async with TestClient(TestServer(watched.app)) as client:
        response = await client.post("/v1/messages", json=play(Turn(delay=300)))
        response.close()
        await watched.wait_until_cancelled()


@pytest.mark.parametrize("pace", [Turn(stall=300), Turn(chunks=2, chunk_delay=150)])
async def test_disconnecting_cancels_a_handler_during_its_stream(watched: Watched, pace: Turn) -> None:
    async with TestClient(TestServer(watched.app)) as client:
        turn = Turn(text="abcd", **pace.model_dump(exclude_unset=True))
        response = await client.post("/v1/messages", json=play(turn))
        await response.content.readuntil(b'"ab"')
        response.close()
        await watched.wait_until_cancelled()
