from collections.abc import AsyncGenerator

import pytest
from onebox.nats import EmbeddedNats
from runtime.http.health import serving
from starlette.applications import Starlette
from starlette.routing import Route

from libs.runtime.tests.programs import Desk, opened_desk
from libs.runtime.tests.raw_connections import HOST, Target, echo


@pytest.fixture
async def target() -> AsyncGenerator[Target]:
    asgi = Starlette(routes=[Route("/", echo, methods=["GET", "POST"])])
    async with serving(asgi, HOST, 0) as server:
        yield Target(server.address[1])


@pytest.fixture
async def desk(installed_nats: EmbeddedNats) -> AsyncGenerator[Desk]:
    async with opened_desk(installed_nats) as desk:
        yield desk
