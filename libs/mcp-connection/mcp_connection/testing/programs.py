"""Starts servers as processes."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from runtime.subprocesses import running

START_SECONDS = 60


@dataclass(frozen=True)
class Started:
    """A server that accepts connections."""

    url: str
    process: Process


def stdio_command() -> list[str]:
    """Return the command of the example server over STDIO."""
    return [sys.executable, "-m", "mcp_connection.testing.server"]


@asynccontextmanager
async def started(*arguments: str, module: str = "mcp_connection.testing.server") -> AsyncGenerator[Started]:
    """Run a server, by default the example over Streamable HTTP, for the duration of the context."""
    options = arguments or ("--transport", "http")
    async with running(sys.executable, "-m", module, *options, stdout=PIPE) as process:
        if process.stdout is None:
            raise RuntimeError("a process was started without its output")
        line = await asyncio.wait_for(process.stdout.readline(), START_SECONDS)
        yield Started(line.decode().strip(), process)
