import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.typedefs import Handler
from simulator.app import create_app
from simulator.prompt import scripted
from simulator.script import Turn

PATIENCE = 20


@pytest.mark.parametrize("turn", [Turn(hang=300), Turn(delay=300), Turn(stall=300), Turn(chunks=9, chunk_delay=30)])
async def test_a_client_that_hangs_up_ends_its_handler(turn: Turn) -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    @web.middleware
    async def watch(request: web.Request, handler: Handler) -> web.StreamResponse:
        started.set()
        try:
            return await handler(request)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    app = create_app()
    app.middlewares.append(watch)
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": scripted("", turn)}]}
    async with asyncio.timeout(PATIENCE), TestClient(TestServer(app)) as client, asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(client.session.post(client.make_url("/v1/messages"), json=body))
        await started.wait()
        asked.cancel()
        await client.session.close()
        await cancelled.wait()
