"""A real bus, fakes of the services, and the gateway under test."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
from contracts.session.session import FindSessions
from contracts.task_scheduler.task import FindTasks
from gateway import waiting
from gateway.settings import Settings
from gateway.streams import fan_out
from runtime.bus import connected
from runtime.http.health import serving
from runtime.testing import eventually

from services.gateway.tests.fake_services import FakeServices
from services.gateway.tests.harness import Harness, document, running_gateway


@pytest.fixture(scope="session", name="document")
def shared_document() -> dict[str, Any]:
    """The OpenAPI document. Tests must not change it."""
    return document()


@pytest.fixture
async def services(nats_url: str) -> AsyncGenerator[FakeServices]:
    async with connected(nats_url, "services") as client:
        services = FakeServices(client)
        await asyncio.gather(
            services.publish_keys(),
            services.publish_revocations(),
            services.answer_with(FindSessions, lambda query: query.session_ids),
            services.answer_with(FindTasks, lambda query: query.task_ids),
        )
        yield services


@pytest.fixture
def settings(nats_url: str) -> Settings:
    return Settings(nats_url=nats_url, rate_limits="none", ask_timeout_seconds=60, metrics_public=True)


@pytest.fixture
def frequent_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the gateway look often whether clients that wait are still there, and may still do so."""
    monkeypatch.setattr(waiting, "CHECK_SECONDS", 0.05)
    monkeypatch.setattr(fan_out, "TOKEN_CHECK_SECONDS", 0.05)


@pytest.fixture
async def harness(settings: Settings, services: FakeServices, frequent_checks: None) -> AsyncGenerator[Harness]:
    async with running_gateway(settings) as gateway:
        await eventually(lambda: gateway.revocations.known and gateway.keys.published is not None)
        yield Harness(gateway, services)


@pytest.fixture
def impatient(harness: Harness) -> None:
    """Let the gateway wait a second for answers: the others wait a minute, as a machine may be busy."""
    harness.gateway.bus.timeout = 1


@pytest.fixture
async def client(harness: Harness) -> AsyncGenerator[httpx.AsyncClient]:
    async with harness.client() as client:
        yield client


@pytest.fixture
async def anonymous(harness: Harness) -> AsyncGenerator[httpx.AsyncClient]:
    async with harness.client(None) as client:
        yield client


@pytest.fixture
async def base_url(harness: Harness) -> AsyncGenerator[str]:
    """The address of the gateway, served on a free port."""
    async with serving(harness.app, "127.0.0.1", 0) as server:
        host, port = server.address
        yield f"http://{host}:{port}"
