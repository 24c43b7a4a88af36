"""HTTP servers of tests, on the loopback interface and in the event loop of the test."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import uvicorn
from runtime.testing import eventually
from starlette.types import ASGIApp


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def served(app: ASGIApp, port: int) -> AsyncGenerator[None]:
    """Serve an application during the block."""
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", port, log_config=None, timeout_graceful_shutdown=1))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server._serve())
        try:
            await eventually(lambda: server.started)
            yield
        finally:
            server.should_exit = True
