"""The gateway under test."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any, cast

import httpx
from gateway.app import create_app
from gateway.clients.proxies import Proxies
from gateway.entry.hosts import Hosts
from gateway.server_files.parser import FileParser
from gateway.settings import Settings
from gateway.state import Gateway
from runtime.bus import connected
from runtime.forever import forever

from services.gateway.tests.fake_services import FakeServices
from services.gateway.tests.secret_responses import SEARCHED


@cache
def document() -> dict[str, Any]:
    """Return the OpenAPI document, which takes half a second to generate. Tests must not change it."""
    return create_app(cast(Gateway, None)).openapi()


class Harness:
    """The gateway under test, its parts, and clients of it."""

    def __init__(self, gateway: Gateway, services: FakeServices) -> None:
        self.gateway, self.services = gateway, services
        settings = gateway.settings
        hosts, proxies = Hosts(settings.host, settings.hosts), Proxies(settings.proxies)
        self.app = create_app(gateway, settings.origins, hosts, proxies)
        self.app.openapi = document  # which a 405 needs, too

    def client(self, role: str | None = "user", **headers: str) -> httpx.AsyncClient:
        """Return a client with a token of this role, or without a token if it is None."""
        if role:
            headers = {"authorization": f"Bearer {self.services.token(role=role)}"} | headers
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        hooks = {"response": [SEARCHED.check_async]}
        return httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers, event_hooks=hooks)


@asynccontextmanager
async def running_gateway(settings: Settings) -> AsyncGenerator[Gateway]:
    """Run a gateway with its background tasks, but without an HTTP server."""
    async with (
        connected(settings.nats_url, "gateway") as client,
        FileParser.open() as files,
        asyncio.TaskGroup() as tasks,
    ):
        gateway = Gateway.on(client, settings, files)
        works = (
            *(gateway.keys.stay_fresh, gateway.revocations.watch, gateway.streams.run, gateway.api_keys.report_uses),
            gateway.streams.counted.keep,
            *(gateway.runs.waiting.listen, gateway.reports.waiting.listen, gateway.checks.waiting.listen),
            gateway.audit_reports.report,
        )
        running = [tasks.create_task(forever(work.__name__, work)) for work in works]
        yield gateway
        for task in running:
            task.cancel()
