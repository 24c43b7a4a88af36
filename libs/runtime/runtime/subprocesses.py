"""Programs that run while a context is open."""

import asyncio
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from runtime.logging import get_logger

log = get_logger()

END_SECONDS = 10.0
"""How long a program that is killed may take to end. One that takes longer is left to the kernel."""


@asynccontextmanager
async def running(*command: str | Path, **options: Any) -> AsyncGenerator[Process]:
    """Start a program with the options of `asyncio.create_subprocess_exec`, and kill it on exit.

    Then it has ended, and its pipes are closed, however often the task is cancelled meanwhile.

    Raises:
        OSError: it could not be started.
    """
    starting = asyncio.get_running_loop().create_task(asyncio.create_subprocess_exec(*command, **options))
    try:
        await outlast(starting)
        yield starting.result()
    finally:
        if not starting.cancelled() and not starting.exception():
            await _end(starting.result())


async def outlast(task: asyncio.Task[Any]) -> None:
    """Wait until a task is done, even if the caller is cancelled meanwhile; only then is the cancellation raised."""
    cancellation: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancellation = error
    if cancellation:
        raise cancellation


async def _end(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    cancellation: asyncio.CancelledError | None = None
    ending: asyncio.Task[None] | None = None
    while ending is None or ending.cancelled():  # with all other tasks, before the event loop is closed
        ending = asyncio.get_running_loop().create_task(_wait_ended(process))
        try:
            await outlast(ending)
        except asyncio.CancelledError as error:
            cancellation = error
    if cancellation:
        raise cancellation


async def _wait_ended(process: Process) -> None:
    try:
        async with asyncio.timeout(END_SECONDS):
            with suppress(OSError):
                await process.communicate()  # also closes the pipes
            await process.wait()
    except TimeoutError:
        log.warning("program does not end", pid=process.pid)
