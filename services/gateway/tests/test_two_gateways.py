"""Two processes of the gateway on one bus: limits that they enforce together, and what a killed one leaves behind."""

import asyncio
import time
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack

import httpx
import pytest
from contracts.identity.user import GetUser
from contracts.session.session import GetSession
from onebox.ports import ReservedPort
from runtime.testing import background, eventually

from services.gateway.tests import samples
from services.gateway.tests.fake_services import FakeServices
from services.gateway.tests.sse_client import open_stream
from services.gateway.tests.test_process import running

pytestmark = [pytest.mark.usefixtures("servers"), pytest.mark.long]

ME = "/api/v1/auth/me"
STREAMS, REQUESTS = 4, 100
PATIENT = (
    "-c",
    "from runpy import run_module; from runtime.bus import counters, holdings;"
    "counters.TIMEOUT_SECONDS = holdings.TIMEOUT_SECONDS = 30.0; run_module('gateway', run_name='__main__')",
)
"""A gateway that waits for its counters: after half a second it would serve requests and streams uncounted."""


class Client:
    """Clients of one user at one gateway."""

    def __init__(self, url: str, token: str, process: Process) -> None:
        self.url, self.token, self.process = url, token, process
        self.streams = AsyncExitStack()
        self.http = httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {token}"}, timeout=60)

    async def knows_revocations(self) -> bool:
        """Return whether the gateway accepts tokens; it is ready for other requests before."""
        return (await self.http.get("/health/ready")).json()["checks"]["revocations"] == "ok"

    async def statuses(self, number: int) -> list[int]:
        return [(await self.http.get(ME)).status_code for _ in range(number)]

    async def open(self) -> bool:
        """Open a stream, and return whether it was allowed."""
        try:
            await self.streams.enter_async_context(open_stream(self.url, self.token))
        except httpx.HTTPStatusError as error:
            if error.response.status_code != 429:
                raise
            return False
        return True

    async def opened(self, number: int) -> int:
        return sum(await asyncio.gather(*(self.open() for _ in range(number))))


@pytest.fixture
async def clients(nats_url: str, services: FakeServices) -> AsyncGenerator[list[Client]]:
    await services.create_streams()
    await services.answer(GetUser, samples.user())
    await services.answer(GetSession, samples.session())
    limits = {"RATE_LIMITS": f"read={REQUESTS}/hour, default=none", "STREAMS_PER_USER": str(STREAMS)}
    async with AsyncExitStack() as stack:
        clients = list[Client]()
        for _ in range(2):
            port = stack.enter_context(ReservedPort()).number
            process = await stack.enter_async_context(running(nats_url, port, *PATIENT, **limits))
            assert process.stdout
            await stack.enter_async_context(background(process.stdout.read()))  # a full pipe would block it
            client = Client(f"http://127.0.0.1:{port}", services.token(), process)
            await stack.enter_async_context(client.http)
            await eventually(client.knows_revocations)
            clients.append(client)
        async with AsyncExitStack() as streams:
            for client in clients:
                await streams.enter_async_context(client.streams)
            yield clients


async def test_two_gateways_and_eight_clients_let_exactly_the_limit_through(clients: list[Client]):
    await clients[0].http.get("/api/v1/made-up", headers={"authorization": ""})  # creates the counters
    await eventually(lambda: time.time() % 3600 < 3540, within=90)  # a new hour would allow one more request
    served = await asyncio.gather(*(client.statuses(REQUESTS // 4) for client in clients for _ in range(4)))
    assert [sum(each.count(status) for each in served) for status in (200, 429)] == [REQUESTS, REQUESTS]


async def test_two_gateways_open_exactly_the_limit_of_streams(clients: list[Client]):
    assert sum(await asyncio.gather(*(client.opened(4 * STREAMS) for client in clients))) == STREAMS


async def test_the_streams_of_a_killed_gateway_do_not_count_for_long(clients: list[Client]):
    killed, other = clients
    assert await killed.opened(STREAMS) == STREAMS
    killed.process.kill()
    await killed.process.wait()
    assert not await other.open()
    await eventually(other.open)
