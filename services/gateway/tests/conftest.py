"""A real bus, stand-ins for the services behind it, and the gateway in front."""

from collections.abc import AsyncGenerator

import httpx
import pytest
from contracts.session.session import FindSessions
from gateway.settings import Settings
from runtime.bus import connected
from runtime.health import serving
from runtime.testing import eventually

from services.gateway.tests.door import Door, working
from services.gateway.tests.stand_ins import Services


@pytest.fixture
async def services(nats_url: str) -> AsyncGenerator[Services]:
    async with connected(nats_url, "services") as client:
        services = Services(client)
        await services.publish_keys()
        await services.publish_revocations()
        await services.answer_with(FindSessions, lambda query: query.session_ids)
        yield services


@pytest.fixture
def settings(nats_url: str) -> Settings:
    return Settings(nats_url=nats_url, ask_timeout_seconds=0.5)


@pytest.fixture
async def door(settings: Settings, services: Services) -> AsyncGenerator[Door]:
    async with working(settings) as gateway:
        await eventually(lambda: gateway.revocations.known and gateway.keys.published is not None)
        yield Door(gateway, services)


@pytest.fixture
async def client(door: Door) -> AsyncGenerator[httpx.AsyncClient]:
    async with door.client() as client:
        yield client


@pytest.fixture
async def stranger(door: Door) -> AsyncGenerator[httpx.AsyncClient]:
    async with door.client(None) as client:
        yield client


@pytest.fixture
async def base_url(door: Door) -> AsyncGenerator[str]:
    """Serve the gateway on a port of its own."""
    async with serving(door.app, "127.0.0.1", 0) as server:
        host, port = server.address
        yield f"http://{host}:{port}"
